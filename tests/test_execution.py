"""In which numbers networks are run, and how many images at a time."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from sunpy_mag2euv import execution
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.network import AnyToAny, Generator, SharedUNet, TwoScaleUNet, quickened
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.sample import sample_magnetogram

CPU = torch.device("cpu")
LARGE = Grid((512, 512), 196.0)

NETWORKS = {
    "generator": lambda: Generator(width=4, levels=5),
    "stochastic": lambda: Generator(width=4, levels=5, normalization="batch", dropout=0.0),
    "shared": lambda: SharedUNet(1, 2, widths=(4, 8), deviations=True),
    "two scales": lambda: TwoScaleUNet(
        2, 2, coarse={"in_channels": 1, "widths": (4, 8), "deviations": True}, block=2, odd=[0], widths=(4, 8)
    ),
    "any": lambda: AnyToAny(2, 2, images=1, widths=(4, 8), deviations=True),
}


@pytest.fixture
def number_format():
    """The function as on a machine that nobody has asked yet."""
    execution._has_instructions.cache_clear()
    yield execution.number_format
    execution._has_instructions.cache_clear()


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_number_format_of_processors(monkeypatch, number_format, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert number_format(LARGE, CPU) == expected


def test_number_format_where_torch_does_not_tell(monkeypatch, number_format):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert number_format(LARGE, CPU) == torch.float32


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_number_format_of_gpus(monkeypatch, number_format, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert number_format(LARGE, torch.device("cuda:0")) == expected


def test_number_format_of_small_images(monkeypatch, number_format):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert number_format(Grid((256, 256), 98.0), CPU) == torch.float32


def test_number_format_elsewhere(number_format):
    assert number_format(LARGE, torch.device("mps")) == torch.float32


def test_at_once():
    assert execution.at_once(Grid((256, 256), 98.0), CPU) == 1
    gpu = torch.device("cuda")
    assert execution.at_once(Grid((256, 256), 98.0), gpu) == 64
    assert execution.at_once(Grid((1024, 1024), 392.0), gpu) == 4
    assert execution.at_once(Grid((4096, 4096), 1568.0), gpu) == 1


def trained(network):
    """As if it had been: normalisations have statistics, and nothing is nought."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point():
            tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_quick_networks_answer_alike(name, dtype, tolerance):
    plain = trained(NETWORKS[name]())
    quick = quickened(copy.deepcopy(plain), dtype)
    x = torch.rand(2, plain.in_channels, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected, answer = plain(x), quick(x)
    assert answer.dtype == torch.float32
    difference = (answer - expected).square().mean().sqrt() / expected.std()
    assert difference < tolerance
    assert (difference > 0) or dtype == torch.float32


def test_quick_generators_have_no_normalisations_left():
    quick = quickened(trained(NETWORKS["generator"]()), torch.float32)
    assert not [module for module in quick.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    # Those of the batch depend on what they are shown.
    stochastic = quickened(trained(NETWORKS["stochastic"]()), torch.float32)
    assert [module for module in stochastic.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_the_network_as_it_was_trained_stays_as_it_is(tiny_model):
    model = dataclasses.replace(tiny_model)
    quick = model.quick_network(CPU)
    assert model.quick_network(CPU) is quick
    for name, tensor in model.network(CPU).state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, tiny_model.state[name].float())


@pytest.mark.parametrize("name", ["shared-browse", "detail-browse"])
def test_bfloat16_does_not_show(name, monkeypatch):
    """Images of packaged models, in DN/s: off by a few thousandths, and their deviations as well."""
    model, magnetogram = load_model(name), sample_magnetogram(size=1024)
    field = prepare(magnetogram, model.grid).values
    answers = []
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr("sunpy_mag2euv.models.model.number_format", lambda grid, device, dtype=dtype: dtype)
        answers.append([planes.value for planes in model.outputs(model.run(field, CPU))])
    disk = model.grid.radius < 1
    for exact, quick in zip(*answers, strict=True):
        ratio = quick[:, disk] / exact[:, disk]
        assert np.sqrt(np.square(ratio - 1).mean(axis=1)).max() < 0.004
        error = np.sqrt(np.square(quick - exact)[:, disk].mean(axis=1) / np.square(exact)[:, disk].mean(axis=1))
        assert 0 < error.max() < 0.008
        assert abs(quick[:, disk].sum(axis=1) / exact[:, disk].sum(axis=1) - 1).max() < 0.004
