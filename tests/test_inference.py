"""What is set around a call, in the process or in its threads, does not change the answer."""

import contextlib
import dataclasses
import threading

import numpy as np
import pytest
import torch
from aia_images import make_aia, sun

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.inference import resolve_device
from sunpy_mag2euv.isolation import isolated
from sunpy_mag2euv.models import load_model

CPU = torch.device("cpu")


@contextlib.contextmanager
def setting(getter, setter, value):
    """A setting of the whole process, for a while."""
    before = getter()
    setter(value)
    try:
        yield
    finally:
        setter(before)


def default_dtype(dtype):
    return setting(torch.get_default_dtype, torch.set_default_dtype, dtype)


@contextlib.contextmanager
def flushed_denormals():
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


STATES = {
    "double": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "default device": lambda: setting(lambda: None, torch.set_default_device, "meta"),
    "device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "gradients": torch.enable_grad,
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "floating-point errors": lambda: np.errstate(all="raise"),
    "deterministic": lambda: setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "denormals": flushed_denormals,
    "medium": lambda: setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
}


def faint(x, y):
    """A Sun that is nowhere brighter than in training."""
    return 0.2 * sun(x, y)


@pytest.fixture(scope="module")
def field_of(tiny_model):
    """A function that makes a model that was never asked, and a field for it."""
    field = np.where(tiny_model.grid.radius < 1, np.random.default_rng(0).normal(0, 300, tiny_model.grid.shape), 0)
    return lambda: (dataclasses.replace(tiny_model), field)


@pytest.fixture(scope="module")
def asks(tiny_model, tiny_translator, make_magnetogram):
    """Functions that ask models, each made anew, with all that the verbs do; they return arrays."""
    magnetogram, aia_maps = make_magnetogram(rotation=30.0), [make_aia(faint, wavelength=band) for band in (171, 211)]

    def generate():
        image = mag2euv.generate(magnetogram, 193, model=dataclasses.replace(tiny_model), device="cpu")
        return image.data, image.uncertainty.array

    def generate_cube():
        cube = mag2euv.generate_cube(magnetogram, [171, 304], model=dataclasses.replace(tiny_model), device="cpu")
        return cube.data, cube.uncertainty.array

    def translate():
        image = mag2euv.translate(aia_maps, 193, model=dataclasses.replace(tiny_translator), device="cpu")
        return image.data, image.uncertainty.array

    return [generate, generate_cube, translate]


@pytest.fixture(scope="module")
def answers(asks):
    return [ask() for ask in asks]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for array, right in zip(one, other, strict=True):
            assert array.dtype == right.dtype
            assert np.isfinite(right).any()
            np.testing.assert_array_equal(array, right)


@pytest.mark.parametrize("state", STATES)
def test_answers_do_not_depend_on_what_is_set_around_the_call(asks, answers, state):
    with STATES[state]():
        found = [ask() for ask in asks]
    # Lower precision in the products of matrices is not what convolutions are made of, but may be on some machines.
    if state == "medium":
        for one, other in zip(found, answers, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
    else:
        assert_same(found, answers)


@pytest.mark.parametrize("state", STATES)
def test_a_first_call_does_not_spoil_the_next_ones(field_of, state):
    """Networks are kept, with what they were made in."""
    model, field = field_of()
    expected = model.run(field, CPU)
    model, field = field_of()
    with STATES[state]():
        model.run(field, CPU)
    assert torch.equal(model.run(field, CPU), expected)
    network = model.network(CPU)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not any(parameter.is_inference() or parameter.is_meta for parameter in network.parameters())


def test_weights_that_are_read_first_in_inference_mode_can_be_learnt_with(tiny_weights, tmp_path):
    path = tmp_path / "copy.safetensors"
    path.write_bytes(tiny_weights.read_bytes())
    with torch.inference_mode(), torch.device("meta"), default_dtype(torch.float64):
        model = load_model(path)
    assert {(tensor.dtype, tensor.device, tensor.is_inference()) for tensor in model.state.values()} == {
        (torch.float16, CPU, False)
    }


def test_threads_do_not_disturb_each_other(field_of):
    """Each with settings of its own, while one changes what belongs to the process."""
    model, field = field_of()
    expected = model.run(field, CPU)
    stop, wrong = threading.Event(), []

    def toggle():
        while not stop.is_set():
            with default_dtype(torch.float64):
                stop.wait(0.001)
            stop.wait(0.001)

    def ask(state):
        for _ in range(4):
            model, field = field_of()
            with STATES[state]():
                answer = model.run(field, CPU)
            if not torch.equal(answer, expected):
                wrong.append(state)

    toggling = threading.Thread(target=toggle)
    asking = [threading.Thread(target=ask, args=[state]) for state in ("autocast", "device", "inference", "gradients")]
    toggling.start()
    try:
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        stop.set()
        toggling.join()
    assert wrong == []
    assert torch.get_default_dtype() == torch.float32


def test_answers_are_as_good_as_equal_for_any_number_of_threads(field_of):
    """Sums are taken in another order."""
    model, field = field_of()
    expected = model.outputs(model.run(field, CPU))
    for number in (1, 2, 3):
        with setting(torch.get_num_threads, torch.set_num_threads, number):
            found = model.outputs(model.run(field, CPU))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.value, other.value, rtol=1e-5)


def test_nothing_is_changed_for_the_caller(asks):
    """Neither random numbers nor settings."""
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002  (that of others)
    with torch.autocast("cpu", dtype=torch.bfloat16), np.errstate(all="raise"), torch.device("meta"):
        for ask in asks:
            ask()
        assert torch.is_autocast_enabled("cpu")
        assert set(np.geterr().values()) == {"raise"}
        assert torch.empty(1).is_meta
        assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002


def test_isolated():
    with torch.autocast("cpu", dtype=torch.bfloat16), np.errstate(all="raise"), torch.device("meta"), isolated():
        assert np.geterr() == {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
        assert torch.empty(1).device == CPU
        assert not torch.is_autocast_enabled("cpu")
        assert not torch.is_grad_enabled()
    with torch.inference_mode(), isolated():
        assert not torch.empty(1).is_inference()

    @isolated()
    def fails():
        raise KeyError

    with np.errstate(all="raise"):
        for _ in range(2):
            with pytest.raises(KeyError):
                fails()
        assert set(np.geterr().values()) == {"raise"}


def test_devices_are_found_whatever_the_default_is():
    with torch.device("meta"), default_dtype(torch.float64):
        assert resolve_device("cpu") == CPU


def test_answers_do_not_change_with_the_tensors_that_the_network_was_made_of(field_of):
    for dtype in (torch.float16, torch.float32):
        model, field = field_of()
        state = {name: tensor.to(dtype, copy=True) for name, tensor in model.state.items()}
        model = dataclasses.replace(model, state=state)
        expected = model.run(field, CPU)
        for tensor in state.values():
            tensor.zero_()
        assert torch.equal(model.run(field, CPU), expected)


def test_translators_without_deviations_do_not_depend_on_the_default_dtype(tiny_translator):
    """A mean of several answers has a quotient in it."""
    answers = torch.linspace(-1, 1, 3 * 9 * 4).reshape(3, 9, 2, 2)
    expected, _ = tiny_translator.estimate(answers)
    with default_dtype(torch.float64):
        found, _ = tiny_translator.estimate(answers)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
