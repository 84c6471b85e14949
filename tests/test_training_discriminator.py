import re
from itertools import pairwise

import pytest
import torch
from torch import nn

from sunpy_mag2euv.training.learning.discriminator import Discriminator

#: Pixels that an output sees, by the number of stride-2 layers; Isola et al. 2017 and Park et al. 2019.
SEEN = {0: 1, 1: 16, 2: 34, 3: 70, 4: 142, 5: 286}


@pytest.fixture(scope="module")
def discriminator():
    torch.manual_seed(0)
    return Discriminator()


@pytest.mark.parametrize(("size", "outputs"), [(1024, 126), (512, 62), (256, 30)])
def test_number_of_patches(size, outputs):
    with torch.device("meta"):
        judged = Discriminator()(torch.empty(1, 1, size, size), torch.empty(1, 1, size, size))
    assert judged.shape == (1, 1, outputs, outputs)


@pytest.mark.parametrize(("stride2_layers", "seen"), SEEN.items())
def test_size_of_patches(stride2_layers, seen):
    torch.manual_seed(0)
    discriminator = Discriminator(2, stride2_layers=stride2_layers, width=1).double().eval()
    for weight in discriminator.parameters():
        # Nothing cancels, and nothing fades away.
        weight.data.abs_().div_(weight.abs().max().clamp(min=1e-9))
    size = 32 if stride2_layers < 2 else 192 if stride2_layers < 4 else 512
    inputs, images = (torch.rand(1, 1, size, size, dtype=torch.double, requires_grad=True) for _ in range(2))
    judged = discriminator(inputs, images)
    judged[0, 0, judged.shape[-2] // 2, judged.shape[-1] // 2].backward()
    for plane in (inputs, images):
        rows, columns = torch.nonzero(plane.grad[0, 0], as_tuple=True)
        # None of it is cut off by the image's edge.
        assert min(rows.min(), columns.min()) > 0
        assert max(rows.max(), columns.max()) < size - 1
        assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (seen, seen)


def test_layers_are_those_of_the_paper(discriminator):
    convolutions = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels, layer.stride[0]) for layer in convolutions] == [
        (2, 64, 2),
        (64, 128, 2),
        (128, 256, 2),
        (256, 512, 1),
        (512, 1, 1),
    ]
    assert {layer.kernel_size for layer in convolutions} == {(4, 4)}
    kinds = [type(layer) for layer in discriminator.layers]
    inner = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    # The paper's sigmoid is in the loss.
    assert kinds == [nn.Conv2d, nn.LeakyReLU, *inner, *inner, *inner, nn.Conv2d]
    assert {layer.negative_slope for layer in discriminator.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_number_of_parameters(discriminator):
    channels = [2, 64, 128, 256, 512, 1]
    weights = sum(entering * leaving * 4 * 4 for entering, leaving in pairwise(channels))
    biases, normalization = sum(channels[1:]), 2 * sum(channels[2:5])
    assert sum(weight.numel() for weight in discriminator.parameters()) == weights + biases + normalization


def test_number_of_parameters_of_single_pixels():
    # 2 → 64 → 128 → 1 with kernels of one pixel, and one normalisation.
    count = sum(weight.numel() for weight in Discriminator(stride2_layers=0).parameters())
    assert count == (2 * 64 + 64 * 128 + 128) + (64 + 128 + 1) + 2 * 128


def test_initial_weights(discriminator):
    for layer in discriminator.modules():
        if isinstance(layer, nn.Conv2d):
            assert not layer.bias.any()
            if layer.weight.numel() > 10_000:
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert abs(layer.weight.mean().item()) < 5 * 0.02 / layer.weight.numel() ** 0.5
    norms = [layer for layer in discriminator.modules() if isinstance(layer, nn.BatchNorm2d)]
    weights = torch.cat([layer.weight for layer in norms])
    assert weights.mean().item() == pytest.approx(1, abs=0.003)
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)
    assert not any(layer.bias.any() for layer in norms)


def test_both_magnetogram_and_image_are_judged(discriminator):
    torch.manual_seed(0)
    inputs, images, other = torch.rand(3, 1, 1, 64, 64)
    judged = discriminator(inputs, images)
    assert not torch.equal(judged, discriminator(inputs, other))
    assert not torch.equal(judged, discriminator(other, images))


@pytest.mark.parametrize("stride2_layers", [-1, 6, 2.5, "three"])
def test_numbers_of_layers_that_there_are_not(stride2_layers):
    with pytest.raises(ValueError, match=re.escape(f"stride2_layers must be 0 to 5; got {stride2_layers!r}")):
        Discriminator(stride2_layers=stride2_layers)
