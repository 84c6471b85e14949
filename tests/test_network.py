import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sunpy_mag2euv.network import AnyToAny, Generator, SharedUNet, TwoScaleUNet, build_network, initialize


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def generator():
    """A small one, whose output fills −1…1 as a trained one's does."""
    torch.manual_seed(0)
    generator = Generator(levels=5).eval()
    nn.init.normal_(generator.decoder[-1][0].weight, 0, 1)
    return generator


@pytest.fixture(scope="module")
def shared():
    torch.manual_seed(0)
    return SharedUNet(4, 9, widths=(4, 8), head=4).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def unsure():
    """The same with deviations, its last weights so large that their bounds are met."""
    torch.manual_seed(0)
    unsure = SharedUNet(4, 9, widths=(4, 8), head=4, deviations=True).eval().requires_grad_(False)
    unsure.read.weight *= 8
    return unsure


# -- Generator ---------------------------------------------------------------------------------------------------------


def test_generator_of_the_paper():
    # On torch's meta device, shapes and operations are worked out without computing.
    with torch.device("meta"):
        generator = Generator().eval()
        with FlopCounterMode(display=False) as counter:
            assert generator(torch.empty(1, 1, 1024, 1024)).shape == (1, 1, 1024, 1024)
        assert generator(torch.empty(2, 1, 512, 256)).shape == (2, 1, 512, 256)
    assert parameters(generator) == pytest.approx(54.4e6, rel=1e-3)
    assert counter.get_total_flops() == pytest.approx(190e9, rel=0.01)
    encoder = [(stage[0].in_channels, stage[0].out_channels) for stage in generator.encoder]
    assert encoder == [(1, 64), (64, 128), (128, 256), (256, 512)] + [(512, 512)] * 4
    decoder = [(stage[0].in_channels, stage[0].out_channels) for stage in generator.decoder]
    assert decoder == [(512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64), (128, 1)]
    for convolution in (stage[0] for stage in (*generator.encoder, *generator.decoder)):
        assert (convolution.kernel_size, convolution.stride, convolution.padding) == ((4, 4), (2, 2), (1, 1))


def test_generator_layers():
    with torch.device("meta"):
        generator = Generator()
    encoder = [[type(layer) for layer in stage[1:]] for stage in generator.encoder]
    norm = type(generator.encoder[1][1])
    assert issubclass(norm, nn.BatchNorm2d)
    assert encoder == [[nn.LeakyReLU]] + [[norm, nn.LeakyReLU]] * 6 + [[norm, nn.ReLU]]
    assert {stage[-1].negative_slope for stage in generator.encoder[:-1]} == {0.2}
    assert isinstance(generator.decoder[-1][1], nn.Tanh)
    dropouts = [[layer.p for layer in stage if isinstance(layer, nn.Dropout)] for stage in generator.decoder]
    assert dropouts == [[0.5]] * 3 + [[]] * 5
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 14
    assert {(layer.eps, layer.momentum) for layer in norms} == {(1.01e-5, 0.1)}


def test_generator_of_ten_levels():
    with torch.device("meta"):
        generator = Generator(levels=10).eval()
        assert generator(torch.empty(1, 1, 1024, 1024)).shape == (1, 1, 1024, 1024)
    assert parameters(generator) == pytest.approx(79.6e6, rel=1e-3)
    assert [type(layer) for layer in generator.encoder[-1]] == [
        nn.Conv2d,
        nn.ReLU,
    ]  # one pixel: nothing to normalise by


@pytest.mark.parametrize("channels", [(1, 1), (4, 9)])
def test_generator_stays_in_range(channels):
    torch.manual_seed(0)
    generator = Generator(*channels, levels=5).eval()
    nn.init.normal_(generator.decoder[-1][0].weight, 0, 1)
    with torch.inference_mode():
        image = generator(torch.rand(2, channels[0], 64, 96) * 2 - 1)
    assert image.shape == (2, channels[1], 64, 96)
    assert image.abs().max() <= 1
    assert image.std() > 0.1


def test_generator_initial_weights():
    torch.manual_seed(0)
    generator = Generator(levels=6)
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            error = 0.02 / np.sqrt(layer.weight.numel())
            assert abs(layer.weight.mean()) < 5 * error
            assert layer.weight.std().item() == pytest.approx(0.02, abs=5 * error)
            assert torch.all(layer.bias == 0)
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    weights = torch.cat([layer.weight for layer in norms])
    assert weights.mean().item() == pytest.approx(1, abs=0.002)
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)
    assert all(torch.all(layer.bias == 0) for layer in norms)


def test_generator_width_and_dropout():
    with torch.device("meta"):
        generator = Generator(levels=6, width=4, dropout=0.25)
    widths = [stage[0].out_channels for stage in generator.encoder]
    assert widths == [4, 8, 16, 32, 32, 32]
    decoder = [(stage[0].in_channels, stage[0].out_channels) for stage in generator.decoder]
    assert decoder == [(32, 32), (64, 32), (64, 16), (32, 8), (16, 4), (8, 1)]
    dropouts = [[layer.p for layer in stage if isinstance(layer, nn.Dropout)] for stage in generator.decoder]
    assert dropouts == [[0.25]] * 3 + [[]] * 3


def test_without_dropout_training_is_deterministic():
    torch.manual_seed(0)
    generator = Generator(levels=5, width=4, dropout=0.0)
    field = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(generator(field), generator(field))


def test_initial_weights_can_have_another_spread():
    torch.manual_seed(0)
    generator = Generator(levels=5, width=16)
    initialize(generator, 0.1)
    convolutions = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    weights = torch.cat([layer.weight.ravel() for layer in convolutions])
    assert weights.std().item() == pytest.approx(0.1, rel=0.01)
    assert not any(layer.bias.any() for layer in convolutions)


def test_skips_join_each_decoder_stage_with_its_mirror(generator):
    encoded, entered, decoded = [], [], []
    hooks = [stage.register_forward_hook(lambda _, __, out: encoded.append(out)) for stage in generator.encoder]
    hooks += [stage.register_forward_pre_hook(lambda _, args: entered.append(args[0])) for stage in generator.decoder]
    hooks += [stage.register_forward_hook(lambda _, __, out: decoded.append(out)) for stage in generator.decoder]
    with torch.inference_mode():
        image = generator(torch.rand(1, 1, 64, 64))
    for hook in hooks:
        hook.remove()
    assert torch.equal(entered[0], encoded[-1])
    for stage in range(1, 5):
        assert torch.equal(entered[stage], torch.cat([decoded[stage - 1], encoded[-1 - stage]], dim=1))
    assert torch.equal(image, decoded[-1])


def test_running_statistics_are_deterministic(generator):
    field = torch.rand(2, 1, 64, 64) * 2 - 1
    with torch.inference_mode():
        together, again, alone = generator(field), generator(field), generator(field[:1])
    assert torch.equal(together, again)
    torch.testing.assert_close(alone, together[:1], rtol=0, atol=1e-5)


def test_running_statistics_drop_out_in_training():
    torch.manual_seed(0)
    generator = Generator(levels=5)
    field = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert not torch.equal(generator(field), generator(field))
    assert generator.encoder[1][1].running_mean.abs().max() > 0


def test_batch_statistics_are_stochastic():
    torch.manual_seed(0)
    generator = Generator(levels=5, normalization="batch").eval()
    nn.init.normal_(generator.decoder[-1][0].weight, 0, 1)
    field = torch.rand(1, 1, 64, 64) * 2 - 1
    with torch.inference_mode():
        first, second = generator(field), generator(field)
    assert (first - second).abs().max() > 0.01
    assert not any(layer.track_running_stats for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d))


def test_batch_statistics_depend_on_what_else_is_in_view():
    torch.manual_seed(0)
    generator = Generator(levels=5, normalization="batch").eval()
    nn.init.normal_(generator.decoder[-1][0].weight, 0, 1)
    field = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        torch.manual_seed(1)
        alone = generator(field[:1])
        torch.manual_seed(1)
        together = generator(torch.cat([field[:1], 3 * field[1:]]))
    assert (alone - together[:1]).abs().max() > 0.01


def test_generator_errors(generator):
    with pytest.raises(ValueError, match="levels must be at least 5; got 4"):
        Generator(levels=4)
    with pytest.raises(ValueError, match="normalization must be 'running' or 'batch'; got 'instance'"):
        Generator(normalization="instance")
    for size in ((64, 80), (80, 64)):
        with pytest.raises(
            ValueError, match=rf"5 levels needs sides that are multiples of 32; got \({size[0]}, {size[1]}\)"
        ):
            generator(torch.zeros(1, 1, *size))


# -- SharedUNet --------------------------------------------------------------------------------------------------------


def test_shared_unet_shapes(shared):
    assert shared(torch.zeros(2, 4, 32, 48)).shape == (2, 9, 32, 48)
    with torch.device("meta"):
        default = SharedUNet()
        assert default(torch.empty(1, 4, 256, 256)).shape == (1, 9, 256, 256)
        assert default(torch.empty(1, 4, 1024, 512)).shape == (1, 9, 1024, 512)
        assert SharedUNet(14, deviations=True)(torch.empty(1, 14, 64, 64)).shape == (1, 18, 64, 64)


def test_shared_unet_is_smaller_than_one_generator():
    with torch.device("meta"):
        assert parameters(SharedUNet()) < parameters(Generator()) / 10


@pytest.mark.parametrize("network", ["shared", "unsure"])
def test_shared_unet_does_not_mix_the_batch(request, network):
    shared = request.getfixturevalue(network)
    torch.manual_seed(1)
    field = torch.randn(3, 4, 64, 64)
    field[1] *= 100
    together = shared(field)
    for index in range(3):
        torch.testing.assert_close(shared(field[index : index + 1])[0], together[index], rtol=1e-4, atol=1e-4)


def test_shared_unet_is_the_same_in_training(shared):
    # Nothing is dropped and no statistics are gathered.
    torch.manual_seed(1)
    field = torch.randn(1, 4, 64, 64)
    expected = shared(field)
    shared.train()
    try:
        assert torch.equal(shared(field), expected)
    finally:
        shared.eval()
    assert not list(shared.buffers())


def test_shared_unet_is_local(shared):
    # Two levels see no farther than 30 pixels; anything gathered over the whole image would.
    torch.manual_seed(1)
    field = torch.randn(1, 4, 128, 128)
    other = field.clone()
    other[..., :8, :8] += 10
    change = (shared(other) - shared(field)).abs().amax(dim=(0, 1))
    assert change[:8, :8].min() > 0
    assert change[40:, :].max() == 0
    assert change[:, 40:].max() == 0


def test_shared_unet_has_no_checkerboard(shared):
    # A flat field has a flat answer, away from the frame's edge.
    torch.manual_seed(1)
    image = shared(torch.randn(1, 4, 1, 1).expand(1, 4, 128, 128))[0, :, 40:-40, 40:-40]
    assert (image.amax((1, 2)) - image.amin((1, 2))).max() < 1e-5
    assert image.std() > 0.01  # the nine answers differ

    # The same test finds the pattern of transposed convolutions whose kernels do not overlap evenly.
    uneven = nn.ConvTranspose2d(4, 1, 3, stride=2).requires_grad_(False)(torch.ones(1, 4, 64, 64))[0, :, 40:-40, 40:-40]
    assert uneven.max() - uneven.min() > 0.01


def test_shared_unet_moves_with_the_image(shared):
    torch.manual_seed(1)
    field = torch.randn(1, 4, 128, 128)
    moved = shared(field.roll((4, -8), dims=(2, 3)))[..., 40:-40, 40:-40]
    torch.testing.assert_close(
        moved, shared(field).roll((4, -8), dims=(2, 3))[..., 40:-40, 40:-40], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("deviations", [False, True])
def test_every_weight_of_shared_unet_is_used(deviations):
    torch.manual_seed(0)
    shared = SharedUNet(4, 9, widths=(4, 8), head=4, deviations=deviations)
    shared(torch.randn(1, 4, 32, 32)).square().sum().backward()
    assert [name for name, weight in shared.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_shared_unet_errors(shared):
    for size in ((30, 32), (32, 30)):
        for call in (shared, shared.features):
            with pytest.raises(ValueError, match=rf"multiples of 4; got \({size[0]}, {size[1]}\)"):
                call(torch.zeros(1, 4, *size))


def test_images_are_read_from_features_by_one_convolution(shared):
    torch.manual_seed(1)
    field = torch.randn(2, 4, 32, 48)
    features = shared.features(field)
    assert features.shape == (2, 4 + 4, 32, 48)
    assert torch.equal(shared(field), shared.read(features))
    # Which is linear, but for a constant, and sees the input as it is.
    constant = shared.read(torch.zeros_like(features))
    other = torch.randn_like(features)
    torch.testing.assert_close(
        shared.read(2 * features - 3 * other) - constant,
        2 * (shared.read(features) - constant) - 3 * (shared.read(other) - constant),
        rtol=1e-4,
        atol=1e-4,
    )
    assert torch.equal(features[:, -4:], field)


def test_deviations_come_after_the_images(unsure):
    torch.manual_seed(1)
    field = 3 * torch.randn(2, 4, 32, 48)
    output, read = unsure(field), unsure.read(unsure.features(field))
    assert output.shape == read.shape == (2, 18, 32, 48)
    assert torch.equal(output[:, :9], read[:, :9])
    assert output[:, :9].max() > 0 > -5.5 > output[:, :9].min()
    logarithms = output[:, 9:]
    assert (logarithms.min(), logarithms.max()) == (-5.5, -0.5)
    within = (logarithms > -5.5) & (logarithms < -0.5)
    assert 0.1 < within.float().mean() < 0.9
    # Within the bounds, they are linear in the features as well.
    torch.testing.assert_close(logarithms[within], read[:, 9:][within] - 1.5)


def test_deviations_begin_in_the_middle():
    torch.manual_seed(0)
    with torch.no_grad():
        logarithms = SharedUNet(4, 9, deviations=True, widths=(4, 8), head=4)(torch.randn(1, 4, 32, 32))[:, 9:]
    assert logarithms.mean().item() == pytest.approx(-1.5, abs=0.3)
    assert ((logarithms > -5.5) & (logarithms < -0.5)).float().mean() > 0.95


def dropping(probability):
    torch.manual_seed(0)
    return SharedUNet(4, 9, widths=(4, 8), head=4, dropout=probability).requires_grad_(False)


def test_dropout_draws_in_training_only():
    with_it, without_it = dropping(0.5), dropping(0.0)
    torch.manual_seed(1)
    field = torch.randn(1, 4, 32, 32)
    assert torch.equal(with_it.eval()(field), without_it(field))
    with_it.train()
    assert not torch.equal(with_it(field), with_it(field))
    # Every draw is made by the generator that runs are seeded with.
    drawn = []
    for _ in range(2):
        torch.manual_seed(2)
        drawn.append(with_it(field))
    assert torch.equal(*drawn)


def test_dropout_takes_whole_channels_of_what_a_block_adds():
    network = dropping(0.5).eval()
    block = network.encoder[0]
    torch.manual_seed(1)
    seen = torch.randn(50, 4, 8, 8)
    whole = block(seen) - seen
    block.train()
    added = block(seen) - seen
    left = added.abs().amax(dim=(2, 3)) > 1e-6
    assert 0.35 < left.float().mean() < 0.65
    # What is left makes up for what is not.
    torch.testing.assert_close(added, 2 * whole * left[..., None, None], rtol=1e-4, atol=1e-5)


# -- TwoScaleUNet ------------------------------------------------------------------------------------------------------

#: Parameters of a small coarse network.
COARSE = {"in_channels": 3, "widths": (4,), "head": 4, "deviations": True}

#: Of its input planes, those that change their sign with the field.
ODD = [0, 2]

#: No pixel farther away than this matters to the small network: some twelve in blocks of four, and twelve of detail.
REACH = 60


def two_scale_unet(**parameters):
    torch.manual_seed(0)
    return TwoScaleUNet(5, 2, **{"coarse": COARSE, "odd": ODD, "widths": (4,), "head": 4} | parameters)


@pytest.fixture(scope="module")
def two_scale():
    """A small one that adds something."""
    network = two_scale_unet()
    nn.init.normal_(network.detail.read.weight, 0, 0.2)
    return network.eval().requires_grad_(False)


def seen_at_two_scales(*shape, seed=1):
    """Three planes of blocks and two of pixels, as models make them."""
    torch.manual_seed(seed)
    frames, rows, columns = shape
    blocks = torch.randn(frames, 3, rows // 4, columns // 4)
    return torch.cat([enlarged(blocks, "nearest"), torch.randn(frames, 2, rows, columns)], dim=1)


def enlarged(blocks, mode="bilinear"):
    """By way of NumPy: every pixel of a block has its value, or what it has at the pixel's centre between blocks."""
    rows, columns = (4 * size for size in blocks.shape[-2:])
    if mode == "nearest":
        return torch.from_numpy(np.kron(blocks.numpy(), np.ones((4, 4), dtype=np.float32)))
    image = blocks.numpy()
    for axis, size in ((-2, rows), (-1, columns)):
        centers = (np.arange(size) + 0.5) / 4 - 0.5
        image = np.apply_along_axis(lambda line, at=centers: np.interp(at, np.arange(len(line)), line), axis, image)
    return torch.from_numpy(image.astype(np.float32))


def turned_around(planes):
    """What is seen of the field with all signs reversed."""
    signs = torch.ones(5, 1, 1)
    signs[ODD] = -1
    return planes * signs


def test_two_scales_shapes(two_scale):
    assert two_scale(torch.zeros(2, 5, 32, 48)).shape == (2, 6, 32, 48)
    assert all(part.shape == (2, 4, 32, 48) for part in two_scale.scales(torch.zeros(2, 5, 32, 48)))
    assert two_scale.in_the_large(torch.zeros(2, 5, 32, 48)).shape == (2, 4, 8, 12)
    with torch.device("meta"):
        default = TwoScaleUNet(23, coarse={"in_channels": 14, "deviations": True})
        assert default(torch.empty(1, 23, 1024, 1024)).shape == (1, 27, 1024, 1024)
        assert parameters(default.coarse) == parameters(SharedUNet(14, deviations=True))


def test_to_begin_with_it_is_the_enlarged_coarse_answer():
    """That to the field and that to the field with all signs reversed, averaged, of the network that it is made of."""
    torch.manual_seed(2)
    coarse = SharedUNet(out_channels=2, **COARSE).eval().requires_grad_(False)
    network = two_scale_unet().eval().requires_grad_(False)
    network.coarse.load_state_dict(coarse.state_dict())
    planes = seen_at_two_scales(2, 32, 48)
    answers = [coarse(seen[:, :3, ::4, ::4]) for seen in (planes, turned_around(planes))]
    assert (answers[0] - answers[1]).abs().max() > 0.01
    expected = enlarged((answers[0] + answers[1]) / 2)
    answer = network(planes)
    torch.testing.assert_close(answer[:, :4], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(answer[:, 4:], expected[:, 2:], rtol=1e-4, atol=1e-5)
    of_coarse, added = network.scales(planes)
    torch.testing.assert_close(of_coarse, expected, rtol=1e-4, atol=1e-5)
    assert not added.any()


def test_the_coarse_part_sees_means_of_blocks(two_scale):
    torch.manual_seed(1)
    planes = torch.randn(1, 5, 32, 32)
    means = planes.reshape(1, 5, 8, 4, 8, 4).mean(dim=(3, 5))[:, :3]
    of_blocks = torch.cat([enlarged(means, "nearest"), planes[:, 3:]], dim=1)
    torch.testing.assert_close(two_scale(of_blocks), two_scale(planes), rtol=1e-4, atol=1e-5)


def test_the_state_of_the_coarse_part_is_that_of_the_network_it_comes_from(two_scale):
    coarse = SharedUNet(out_channels=2, **COARSE)
    state = {name: tensor.shape for name, tensor in two_scale.state_dict().items()}
    of_coarse = {name: shape for name, shape in state.items() if name.startswith("coarse.")}
    assert of_coarse == {f"coarse.{name}": tensor.shape for name, tensor in coarse.state_dict().items()}
    assert {name.split(".")[0] for name in state} == {"coarse", "detail"}


def test_two_scales_do_not_know_polarity(two_scale):
    planes = seen_at_two_scales(1, 32, 32)
    torch.testing.assert_close(two_scale(turned_around(planes)), two_scale(planes), rtol=0, atol=1e-6)
    # It matters which of the planes change their sign.
    unaware = two_scale_unet(odd=[]).requires_grad_(False)
    assert (unaware(turned_around(planes)) - unaware(planes)).abs().max() > 0.01


def test_detail_is_added_before_deviations_are_bounded(two_scale):
    planes = 8 * seen_at_two_scales(2, 32, 32)
    coarse, added = two_scale.scales(planes)
    answer, total = two_scale(planes), coarse + added
    assert torch.equal(answer[:, :2], total[:, :2])
    # Means are taken over what the coarse part says of its own images.
    assert torch.equal(answer[:, 4:], coarse[:, 2:])
    logarithms = answer[:, 2:4]
    assert (logarithms.min(), logarithms.max()) == (-5.5, -0.5)
    within = (total[:, 2:] > -5.5) & (total[:, 2:] < -0.5)
    assert 0.1 < within.float().mean() < 0.9
    assert torch.equal(logarithms[within], total[:, 2:][within])
    assert torch.equal(two_scale.together(coarse, added), answer)


def test_detail_is_found_from_planes_of_pixels_and_the_coarse_images(two_scale):
    """Which is how it is learnt; how uncertain the coarse images are does not matter to it."""
    planes = seen_at_two_scales(1, 32, 32)
    coarse, added = two_scale.scales(planes)
    assert torch.equal(two_scale.refine(planes[:, 3:], coarse), added)
    other = torch.cat([coarse[:, :2], torch.randn_like(coarse[:, 2:])], dim=1)
    assert torch.equal(two_scale.refine(planes[:, 3:], other), added)
    for plane in range(2):
        other = coarse.clone()
        other[:, plane, 16, 16] += 1
        assert not torch.equal(two_scale.refine(planes[:, 3:], other), added)


def test_dropout_of_detail_leaves_the_coarse_part_alone():
    network = two_scale_unet(dropout=0.5).requires_grad_(False)
    nn.init.normal_(network.detail.read.weight)
    planes = seen_at_two_scales(1, 32, 32)
    (coarse, added), (coarse_again, added_again) = network.train().scales(planes), network.scales(planes)
    assert torch.equal(coarse, coarse_again)
    assert not torch.equal(added, added_again)
    network.eval()
    assert torch.equal(network(planes), network(planes))


def test_two_scales_move_with_the_image(two_scale):
    """By whole pixels of the coarse network's lowest level, away from the edges."""
    planes = seen_at_two_scales(1, 128, 128)
    steps = (8, -16)
    moved = two_scale(planes.roll(steps, dims=(2, 3)))
    expected = two_scale(planes).roll(steps, dims=(2, 3))
    # What comes in on the other side has to stay out of reach, too.
    inside = np.s_[..., REACH:-REACH, REACH:-REACH]
    assert expected[inside].std() > 0.1
    torch.testing.assert_close(moved[inside], expected[inside], rtol=1e-4, atol=1e-5)


def test_two_scales_see_no_farther_than_they_reach(two_scale):
    planes = seen_at_two_scales(1, 128, 128)
    cut = planes.clone()
    cut[..., 96:, :] = 0
    change = (two_scale(cut) - two_scale(planes)).abs().amax(dim=(0, 1, 3))
    assert change[96:].min() > 0
    assert change[: 96 - REACH].max() == 0
    # The coarse part sees farther than the other.
    fine = planes.clone()
    fine[:, 3:, 96:] = 0
    change = (two_scale(fine) - two_scale(planes)).abs().amax(dim=(0, 1, 3))
    assert change[96:].min() > 0
    assert change[: 96 - 16].max() == 0


def test_detail_sees_some_sixty_pixels_around():
    torch.manual_seed(0)
    detail = TwoScaleUNet(5, 2, coarse=COARSE).detail.requires_grad_(False)
    nn.init.normal_(detail.read.weight)
    seen = torch.randn(1, 4, 16, 256)
    other = seen.clone()
    other[..., 128:] += 1
    change = (detail(other) - detail(seen)).abs().amax(dim=(0, 1, 2))
    (first, *_) = np.flatnonzero(change)
    assert 48 <= 128 - first <= 64


def test_two_scales_do_not_mix_the_batch(two_scale):
    planes = seen_at_two_scales(3, 32, 32)
    planes[1] *= 100
    together = two_scale(planes)
    for index in range(3):
        torch.testing.assert_close(two_scale(planes[index : index + 1])[0], together[index], rtol=1e-4, atol=1e-4)


def test_every_weight_of_two_scales_is_used():
    network = two_scale_unet()
    planes = seen_at_two_scales(1, 32, 32)

    def unused():
        network.zero_grad()
        network(planes).square().sum().backward()
        return {name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()}

    # What leads to detail has no say until some is read from it.
    idle = unused()
    assert idle
    assert all(name.startswith("detail.") and not name.startswith("detail.read") for name in idle)
    nn.init.normal_(network.detail.read.weight)
    assert unused() == set()


@pytest.mark.parametrize(
    ("size", "widths", "message"),
    [
        # Nine blocks cannot be halved.
        ((36, 32), (4,), r"multiples of 2; got \(9, 8\)"),
        ((32, 36), (4,), r"multiples of 2; got \(8, 9\)"),
        ((40, 32), (4, 4, 4, 4), r"multiples of 16; got \(40, 32\)"),
        ((32, 40), (4, 4, 4, 4), r"multiples of 16; got \(32, 40\)"),
    ],
)
def test_two_scales_refuse_sizes_that_do_not_fit(size, widths, message):
    with pytest.raises(ValueError, match=message):
        two_scale_unet(widths=widths)(torch.zeros(1, 5, *size))


def test_pixels_beyond_the_last_block_are_not_left_out_in_silence(two_scale):
    with pytest.raises(RuntimeError, match="32"):
        two_scale(torch.zeros(1, 5, 34, 32))


# -- AnyToAny ----------------------------------------------------------------------------------------------------------

#: How many images the small network can be given, and how many it makes.
IMAGES, MADE = 3, 2


@pytest.fixture(scope="module")
def any_to_any():
    """A small one with deviations and one more plane, whose means are not as they are to begin with."""
    torch.manual_seed(0)
    network = AnyToAny(2 * IMAGES + 1, MADE, images=IMAGES, widths=(4, 8), head=4, deviations=True)
    for parameter in (network.slope, network.offset, network.logit):
        nn.init.normal_(parameter)
    return network.eval().requires_grad_(False)


def seen(known):
    """Input planes of made-up images, where ``known`` says so: shape (batch, images, H, W), true or false."""
    torch.manual_seed(1)
    known = known.float()
    images = 2 * torch.rand(known.shape) - 1
    return torch.cat([images * known, known, torch.rand(len(known), 1, *known.shape[2:])], dim=1)


def everywhere(*images):
    """All pixels of some images, and none of the others."""
    known = torch.zeros(1, IMAGES, 16, 16, dtype=torch.bool)
    known[:, list(images)] = True
    return known


def test_any_to_any_shapes(any_to_any):
    assert any_to_any(seen(torch.ones(2, IMAGES, 32, 48))).shape == (2, 2 * MADE, 32, 48)
    certain = AnyToAny(2 * IMAGES, MADE, images=IMAGES, widths=(4, 8), head=4)
    assert certain(torch.zeros(1, 2 * IMAGES, 8, 8)).shape == (1, MADE, 8, 8)
    with torch.device("meta"):
        assert AnyToAny()(torch.empty(1, 21, 256, 256)).shape == (1, 9, 256, 256)
        assert parameters(AnyToAny()) == parameters(SharedUNet(21, 9)) + 3 * 9 * 9


def test_any_to_any_adds_the_weighted_mean_of_what_is_known(any_to_any):
    """Pixel by pixel, and to the images alone, not to their deviations."""
    torch.manual_seed(2)
    planes = seen(torch.rand(2, IMAGES, 16, 16) < 0.6)
    answer, plain = any_to_any(planes), SharedUNet.forward(any_to_any, planes)
    added = (answer - plain)[:, :MADE].numpy()
    images, known = planes[:, :IMAGES].numpy(), planes[:, IMAGES : 2 * IMAGES].numpy()
    slope, offset, logit = (getattr(any_to_any, name).numpy() for name in ("slope", "offset", "logit"))
    for made in range(MADE):
        said = slope[made, :, None, None] * images + offset[made, :, None, None]
        weight = np.exp(logit[made, :, None, None]) * known
        total = weight.sum(axis=1)
        expected = np.divide((said * weight).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
        np.testing.assert_allclose(added[:, made], expected, atol=1e-5)
    assert torch.equal(answer[:, MADE:], plain[:, MADE:])


def test_any_to_any_without_anything_known_is_the_unet(any_to_any):
    planes = seen(everywhere())
    answer = any_to_any(planes)
    assert torch.isfinite(answer).all()
    torch.testing.assert_close(answer, SharedUNet.forward(any_to_any, planes))


@pytest.mark.parametrize("alone", range(IMAGES))
def test_a_single_image_says_the_same_with_any_weight(any_to_any, alone):
    planes = seen(everywhere(alone))
    added = (any_to_any(planes) - SharedUNet.forward(any_to_any, planes))[0, :MADE]
    slope, offset = (parameter[:, alone, None, None] for parameter in (any_to_any.slope, any_to_any.offset))
    torch.testing.assert_close(added, slope * planes[0, alone] + offset, rtol=1e-4, atol=1e-5)


def test_an_image_that_says_little_does_not_matter(any_to_any):
    """What is added with it is what is added without it, unless there is no other."""
    with_it, without_it = seen(everywhere(0, 1, 2)), seen(everywhere(0, 2))
    before = any_to_any.logit.clone()
    try:
        any_to_any.logit[:, 1] = -12
        added = [any_to_any(planes) - SharedUNet.forward(any_to_any, planes) for planes in (with_it, without_it)]
        torch.testing.assert_close(added[0][:, :MADE], added[1][:, :MADE], rtol=1e-3, atol=1e-3)
        alone = seen(everywhere(1))
        expected = any_to_any.slope[:, 1, None, None] * alone[0, 1] + any_to_any.offset[:, 1, None, None]
        added = any_to_any(alone) - SharedUNet.forward(any_to_any, alone)
        torch.testing.assert_close(added[0, :MADE], expected, rtol=1e-4, atol=1e-5)
    finally:
        any_to_any.logit.copy_(before)
    # With a weight like the others' it does.
    added = [any_to_any(planes) - SharedUNet.forward(any_to_any, planes) for planes in (with_it, without_it)]
    assert (added[0] - added[1])[:, :MADE].abs().max() > 0.1


def test_the_mean_is_of_the_pixel_alone(any_to_any):
    planes = seen(everywhere(0, 1, 2))
    other = planes.clone()
    other[:, :IMAGES, 3, 5] = 0
    other[:, IMAGES : 2 * IMAGES, 3, 5] = 0
    added = [any_to_any(given) - SharedUNet.forward(any_to_any, given) for given in (planes, other)]
    changed = (added[0] - added[1]).abs().amax(dim=(0, 1)) > 1e-5
    assert changed.sum() == 1
    assert changed[3, 5]


def test_any_to_any_begins_with_half_of_the_images_contrast():
    torch.manual_seed(0)
    network = AnyToAny(2 * IMAGES + 1, MADE, images=IMAGES, widths=(4, 8), head=4)
    planes = seen(everywhere(0, 2))
    with torch.no_grad():
        added = network(planes) - SharedUNet.forward(network, planes)
    expected = planes[0, [0, 2]].mean(dim=0) / 2
    torch.testing.assert_close(added[0], expected.expand(MADE, 16, 16), rtol=1e-4, atol=1e-5)


def test_every_weight_of_any_to_any_is_used():
    torch.manual_seed(0)
    network = AnyToAny(2 * IMAGES + 1, MADE, images=IMAGES, widths=(4, 8), head=4, deviations=True)
    network(seen(everywhere(0, 1, 2))).square().sum().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []


# -- build_network -----------------------------------------------------------------------------------------------------


def test_build_network():
    shared = build_network("shared-unet", in_channels=2, out_channels=3, widths=[4, 8], head=4)
    assert isinstance(shared, SharedUNet)
    assert shared(torch.zeros(1, 2, 8, 8)).shape == (1, 3, 8, 8)
    unsure = build_network("shared-unet", in_channels=2, out_channels=3, widths=[4, 8], head=4, deviations=True)
    assert unsure(torch.zeros(1, 2, 8, 8)).shape == (1, 6, 8, 8)
    with torch.device("meta"):
        generator = build_network("generator", levels=6, normalization="batch")
    assert isinstance(generator, Generator)
    assert generator.levels == 6
    several = build_network("any-to-any", in_channels=4, out_channels=3, images=2, widths=[4, 8], head=4)
    assert isinstance(several, AnyToAny)
    assert several(torch.zeros(1, 4, 8, 8)).shape == (1, 3, 8, 8)
    parameters = {"coarse": {**COARSE, "widths": [4]}, "block": 2, "odd": [1], "widths": [4], "head": 4}
    two_scale = build_network("two-scale", in_channels=5, out_channels=2, **parameters)
    assert isinstance(two_scale, TwoScaleUNet)
    assert two_scale(torch.zeros(1, 5, 8, 8)).shape == (1, 6, 8, 8)
    with pytest.raises(ValueError, match="unknown network 'resnet'; expected one of generator, shared-unet, two-scale"):
        build_network("resnet")


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_signs_are_of_the_planes_type_and_place(two_scale, default):
    """They are no part of the weights, and are there for a network that was made without any."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        with torch.device("meta"):
            network = TwoScaleUNet(5, 2, coarse=COARSE, odd=ODD, widths=(4,), head=4).eval()
        network.load_state_dict(two_scale.state_dict(), assign=True)
        planes = torch.linspace(-1, 1, 5 * 32 * 32, dtype=torch.float32).reshape(1, 5, 32, 32)
        answer = network(planes)
    finally:
        torch.set_default_dtype(before)
    assert answer.dtype == torch.float32
    assert torch.equal(answer, two_scale(planes))


def test_networks_say_what_they_take_and_give():
    with torch.device("meta"):
        networks = [
            Generator(2, 3, levels=6),
            SharedUNet(2, 3, widths=(4, 8)),
            SharedUNet(2, 3, widths=(4, 8), deviations=True),
            AnyToAny(5, 3, images=2, widths=(4, 8), deviations=True),
            TwoScaleUNet(5, 3, coarse=COARSE, block=3, widths=(4, 8, 8)),
        ]
    for network, step in zip(networks, (64, 4, 4, 4, 24), strict=True):
        assert network.step == step
        planes = torch.empty(1, network.in_channels, 2 * step, step, device="meta")
        assert network(planes).shape == (1, network.out_channels, 2 * step, step)
        with pytest.raises(ValueError, match="multiples of"):
            network(torch.empty(1, network.in_channels, step, step // 2, device="meta"))


def test_two_planes_for_every_image():
    with pytest.raises(ValueError, match="3 images need two planes each; there are 5"):
        AnyToAny(5, 3, images=3)
