import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import structure_ratio
from sunpy_mag2euv.metrics.spectrum import spectrum_window, wave_numbers
from sunpy_mag2euv.training.learning.losses import (
    absolute_error,
    as_seen,
    detail_error,
    discordance,
    structure_error,
    surprise,
)

NAN, INF = math.nan, math.inf

#: Of the normal distribution, which losses leave out.
CONSTANT = math.log(2 * math.pi) / 2

#: Hardly larger than needed for pixels that resolve fine scales.
GRID = Grid((144, 144), 72.0)


def tensors(*values):
    return [torch.from_numpy(np.array(value, dtype=float)) for value in values]


def unlimited(targets):
    """Weights and ceilings that change nothing."""
    frames, bands, *shape = targets.shape
    return torch.ones(frames, *shape, dtype=targets.dtype), torch.full((frames, bands), INF, dtype=targets.dtype)


# -- Absolute error ----------------------------------------------------------------------------------------------------


def error(predicted, targets, *, weight=None, ceiling=None, spread=None):
    """Of frames given as nested lists (frame, passband, pixel)."""
    predicted, targets = (torch.tensor(values)[:, :, None] for values in (predicted, targets))
    frames, bands, _, pixels = targets.shape
    weight = torch.ones(frames, 1, pixels) if weight is None else torch.tensor(weight)[:, None]
    ceiling = torch.full((frames, bands), INF) if ceiling is None else torch.tensor(ceiling)
    spread = torch.ones(bands) if spread is None else torch.tensor(spread)
    return absolute_error(predicted, targets, weight, ceiling, spread).item()


def test_error_is_the_mean_over_pixels():
    assert error([[[1.0, 2.0, 3.0]]], [[[0.5, 4.0, 3.0]]]) == pytest.approx(2.5 / 3)


def test_pixels_without_data_do_not_count():
    assert error([[[1.0, 9.0, 3.0]]], [[[0.5, NAN, 4.0]]]) == pytest.approx(1.5 / 2)


def test_pixels_count_by_their_weight():
    assert error([[[1.0, 2.0]]], [[[0.0, 0.0]]], weight=[[3.0, 1.0]]) == pytest.approx(5 / 4)
    # That of pixels without data is not lost to the others.
    assert error([[[1.0, 2.0]]], [[[NAN, 0.0]]], weight=[[3.0, 1.0]]) == pytest.approx(2)


def test_from_the_ceiling_on_targets_are_lower_limits():
    def at(predicted, target):
        return error([[[predicted]]], [[[target]]], ceiling=[[0.4]])

    assert at(0.1, 0.8) == pytest.approx(0.3)
    assert at(0.4, 0.8) == at(0.9, 0.8) == at(5.0, 0.4) == 0
    # Below it they are what was observed.
    assert at(0.9, 0.2) == pytest.approx(0.7)
    assert at(0.1, 0.2) == pytest.approx(0.1)


def test_passbands_count_alike_in_units_of_their_spread():
    predicted, targets = [[[1.0, 1.0], [3.0, 3.0]]], [[[0.0, NAN], [0.0, 0.0]]]
    assert error(predicted, targets) == pytest.approx((1 + 3) / 2)
    assert error(predicted, targets, spread=[0.5, 2.0]) == pytest.approx((1 / 0.5 + 3 / 2) / 2)


def test_passbands_that_a_frame_lacks_do_not_count():
    assert error([[[1.0], [3.0]]], [[[NAN], [0.0]]]) == pytest.approx(3)
    assert error([[[1.0], [3.0]]], [[[NAN], [NAN]]]) == 0


def test_frames_count_alike_whatever_they_lack():
    predicted = [[[1.0], [3.0]], [[5.0], [7.0]]]
    assert error(predicted, [[[0.0], [0.0]], [[NAN], [0.0]]]) == pytest.approx(((1 + 3) / 2 + 7) / 2)


def test_what_is_unknown_has_no_gradient():
    predicted = torch.zeros(1, 2, 1, 3, requires_grad=True)
    targets = torch.tensor([[[[1.0, NAN, 1.0]], [[NAN, NAN, NAN]]]])
    absolute_error(predicted, targets, torch.ones(1, 1, 3), torch.full((1, 2), INF), torch.ones(2)).backward()
    np.testing.assert_allclose(predicted.grad[0, :, 0], [[-0.5, 0, -0.5], [0, 0, 0]])


# -- Surprise ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def guesses():
    """Means, logarithms of standard deviations, and targets."""
    rng = np.random.default_rng(0)
    shape = (2, 3, 5, 7)
    return tensors(rng.normal(0, 0.5, shape), rng.uniform(-3, 0, shape), rng.normal(0, 0.5, shape))


def test_surprise_is_the_likelihood_of_a_normal_distribution(guesses):
    predicted, logarithms, targets = guesses
    likelihood = torch.distributions.Normal(predicted, logarithms.exp()).log_prob(targets)
    expected = -likelihood.mean().item() - CONSTANT
    assert surprise(*guesses, *unlimited(targets)).item() == pytest.approx(expected, rel=1e-12)


def test_from_the_ceiling_on_anything_above_it_is_as_good(guesses):
    predicted, logarithms, targets = guesses
    weight, _ = unlimited(targets)
    ceiling = torch.tensor([[-2.0, 0.2, INF], [0.0, 0.4, 2.0]], dtype=torch.float64)
    at = ceiling[..., None, None].expand_as(targets)
    limits = targets >= at
    assert limits.any(dim=(2, 3)).tolist() == [[True, True, False], [True, True, False]]
    off = (torch.minimum(targets, at) - predicted) / logarithms.exp()
    expected = np.where(limits, -norm.logsf(off), -norm.logpdf(off) - CONSTANT + logarithms.numpy())
    assert surprise(*guesses, weight, ceiling).item() == pytest.approx(expected.mean(), rel=1e-10)
    # How far above does not matter.
    higher = torch.where(limits, targets + 3, targets)
    assert surprise(predicted, logarithms, higher, weight, ceiling) == surprise(*guesses, weight, ceiling)


@pytest.mark.parametrize("predicted", [-1e3, -3.0, -0.1, 0.1, 3.0, 1e3])
@pytest.mark.parametrize("logarithm", [-5.5, -0.5])
@pytest.mark.parametrize("ceiling", [0.0, INF])
def test_surprise_is_finite_however_far_off(predicted, logarithm, ceiling):
    guess = [torch.full((1, 1, 1, 1), value, requires_grad=True) for value in (predicted, logarithm)]
    loss = surprise(*guess, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1), torch.full((1, 1), ceiling))
    gradients = [gradient.item() for gradient in torch.autograd.grad(loss, guess)]
    assert loss.isfinite()
    assert np.isfinite(gradients).all()
    if abs(predicted) < 10:
        off = predicted / np.exp(logarithm)
        slope = off if ceiling else -np.exp(norm.logpdf(off) - norm.logcdf(off))
        # From some hundred standard deviations on, torch's own derivative of log_ndtr is no better in float32.
        assert gradients[0] * np.exp(logarithm) == pytest.approx(slope, rel=0.1, abs=1e-6)


def test_holes_are_no_surprise(guesses):
    predicted, logarithms, targets = (tensor.clone() for tensor in guesses)
    targets[0, 0, :, 3:] = NAN
    targets[1, 2] = NAN
    weight, ceiling = unlimited(targets)
    expected = [
        -norm.logpdf(t, p, np.exp(s)) - CONSTANT
        for p, s, t in zip(*map(torch.Tensor.numpy, (predicted, logarithms, targets)), strict=True)
    ]
    expected = np.mean([np.mean([np.nanmean(band) for band in bands]) for bands in (expected[0], expected[1][:2])])
    loss = surprise(predicted.requires_grad_(), logarithms.requires_grad_(), targets, weight, ceiling)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    for tensor in (predicted, logarithms):
        assert tensor.grad.isfinite().all()
        assert torch.equal(tensor.grad == 0, targets.isnan())


@given(st.floats(-1, 1), st.floats(-3, 0), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.integers(0, 2**32 - 1))
def test_surprise_is_least_at_mean_and_deviation_of_the_targets(mean, logarithm, shift, stretch, seed):
    values = np.random.default_rng(seed).normal(mean, np.exp(logarithm), (1, 1, 20, 20))
    targets = torch.from_numpy(values)

    def at(mean, deviation):
        full = [torch.full_like(targets, value) for value in (mean, np.log(deviation))]
        return surprise(*full, targets, *unlimited(targets)).item()

    least = at(values.mean(), values.std())
    assert least == pytest.approx(np.log(values.std()) + 0.5)
    assert at(values.mean() + shift * values.std(), values.std() * np.exp(stretch)) >= least - 1e-12
    assert at(values.mean() + 0.05 * values.std(), values.std()) > least
    assert at(values.mean(), 1.05 * values.std()) > least


def test_ceilings_do_not_bias_what_is_learnt():
    """At the true mean and deviation nothing is to be gained, though a third of the targets is cut off."""
    mean, deviation = 0.3, 0.2
    targets = torch.from_numpy(np.random.default_rng(0).normal(mean, deviation, (1, 1, 400, 500)))
    ceiling = mean + 0.4 * deviation

    def slope(targets, ceiling):
        weight, _ = unlimited(targets)
        guess = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (mean, math.log(deviation))]
        full = [value.expand_as(targets) for value in guess]
        loss = surprise(*full, targets, weight, torch.full((1, 1), ceiling, dtype=torch.float64))
        gradients = torch.autograd.grad(loss, guess)
        # In units of the deviation.
        return gradients[0].item() * deviation, gradients[1].item()

    assert slope(targets, ceiling) == pytest.approx((0, 0), abs=0.01)
    # Taken for what was observed, they would make everything fainter, and more certain.
    fainter, narrower = slope(targets.clamp(max=ceiling), INF)
    assert fainter > 0.1
    assert narrower > 0.1


# -- Discordance -------------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs():
    """Images that resemble observed ones, and the weights of pixels."""
    rng = np.random.default_rng(1)
    observed = rng.gamma(2, 50, (2, 3, 8, 9))
    return tensors(0.6 * observed + rng.gamma(2, 40, observed.shape), observed, rng.uniform(0, 3, (2, 8, 9)))


def concordance(image, observed, weight):
    """Lin's coefficient of two arrays, from weighted moments of the pixels with data."""
    known = np.isfinite(observed)
    image, observed, weight = image[known], observed[known], weight[known]
    (v1, both), (_, v2) = np.cov(image, observed, aweights=weight, ddof=0)
    distance = np.average(image, weights=weight) - np.average(observed, weights=weight)
    return 2 * both / (v1 + v2 + distance**2)


def test_discordance_of_the_plainest_images(pairs):
    _, observed, weight = pairs
    _, ceiling = unlimited(observed)
    mean = ((observed * weight[:, None]).sum((2, 3)) / weight.sum((1, 2))[:, None])[..., None, None]
    assert discordance(observed, observed, weight, ceiling).item() == pytest.approx(0, abs=1e-12)
    for constant in (0 * observed, 0 * observed + mean, torch.full_like(observed, 1e4)):
        assert discordance(constant, observed, weight, ceiling).item() == pytest.approx(1, abs=1e-9)
    assert discordance(2 * mean - observed, observed, weight, ceiling).item() == pytest.approx(2)


@given(st.floats(0.2, 5), st.floats(-2, 2))
def test_level_and_contrast_count(stretch, shift):
    """Though the correlation is one."""
    observed = torch.from_numpy(np.random.default_rng(2).normal(size=(1, 1, 10, 10)))
    observed = (observed - observed.mean()) / observed.std(correction=0)
    loss = discordance(stretch * observed + shift, observed, *unlimited(observed)).item()
    assert loss == pytest.approx(1 - 2 * stretch / (1 + stretch**2 + shift**2))


def test_discordance_is_of_what_is_known_by_its_weight(pairs):
    images, observed, weight = (tensor.clone() for tensor in pairs)
    observed[0, 1, 2:5, 2:] = NAN
    observed[1, 0] = NAN
    weight[1, :, :2] = 0
    _, ceiling = unlimited(observed)
    frames = zip(*map(torch.Tensor.numpy, (images, observed, weight)), strict=True)
    expected = [
        np.mean(
            [1 - concordance(image, real, share) for image, real in zip(*two, strict=True) if np.isfinite(real).any()]
        )
        for *two, share in frames
    ]
    assert 0.1 < expected[0] < 1
    assert discordance(images, observed, weight, ceiling).item() == pytest.approx(np.mean(expected), rel=1e-12)


def test_both_images_are_cut_at_the_ceiling(pairs):
    images, observed, weight = pairs
    ceiling = torch.tensor([[100.0, 150.0, INF], [80.0, INF, 120.0]], dtype=torch.float64)
    at = ceiling[..., None, None]
    cut = discordance(torch.minimum(images, at), torch.minimum(observed, at), weight, unlimited(observed)[1])
    images = images.clone().requires_grad_()
    loss = discordance(images, observed, weight, ceiling)
    assert loss.item() == pytest.approx(cut.item(), rel=1e-12)
    loss.backward()
    above = images > at
    assert above.any()
    assert not images.grad[above].any()
    assert images.grad[~above].all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("flat", [0.0, 100.0])
@pytest.mark.parametrize("kind", ["image", "both", "no data", "no passband", "no weight"])
def test_gradients_of_discordance_are_finite(pairs, dtype, flat, kind):
    images, observed, weight = (tensor.to(dtype).clone() for tensor in pairs)
    if kind in ("image", "both"):
        images[:] = flat
    if kind == "both":
        observed[:] = flat
    if kind == "no data":
        observed[:] = NAN
    if kind == "no passband":
        observed[0, 1] = NAN
    if kind == "no weight":
        weight[:] = 0
    _, ceiling = unlimited(observed)
    loss = discordance(images.requires_grad_(), observed, weight, ceiling)
    loss.backward()
    assert loss.isfinite()
    assert images.grad.isfinite().all()
    assert images.grad.abs().max() < 1


# -- Structure ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sharp():
    """Two frames of three passbands with structure at all scales."""
    return 2 ** np.random.default_rng(3).normal(7, 0.8, (2, 3, *GRID.shape))


def blurred(images, pixels):
    return 2 ** gaussian_filter(np.log2(images), (0, 0, pixels, pixels))


def exaggerated(images, factor):
    """With fine structure of that many times the amplitude."""
    return images * (images / blurred(images, 3)) ** (factor - 1)


def off(images, observed, *, ceiling=None, wanted=1.0):
    images, observed = tensors(images, observed)
    ceiling = unlimited(observed)[1] if ceiling is None else torch.as_tensor(ceiling, dtype=torch.float64)
    return structure_error(images, observed, ceiling, GRID, wanted).item()


def expected_off(images, observed, wanted=1.0):
    """The same for images whose passbands all have data, with the surroundings by way of a filter."""
    waves = wave_numbers(GRID.shape, GRID.solar_radius)
    middle = 1 / np.sqrt(20 * 60)
    bands = (waves >= 1 / 60) & (waves < middle), (waves >= middle) & (waves <= 1 / 20)
    rows, columns = (np.fft.fftfreq(number) for number in GRID.shape)
    # Twice the angle, since opposite waves are one; along rows, along columns, and both diagonals.
    double = np.exp(2j * np.arctan2(rows[:, None], columns))
    along = np.argmax([(double * np.conj(1j**number)).real for number in range(4)], axis=0)
    bands = [band & (along == number) for band in bands for number in range(4)]
    errors = []
    for pair in zip(images.reshape(-1, *GRID.shape), observed.reshape(-1, *GRID.shape), strict=True):
        window = np.where(np.isfinite(pair[1]), spectrum_window(GRID.radius), 0)
        values = [np.log2(np.nan_to_num(image) + 1) for image in pair]
        values = [(value - np.average(value, weights=window)) * window for value in values]
        for band in bands:
            passed = [np.fft.ifft2(np.fft.fft2(value) * band).real for value in values]
            powers = [
                gaussian_filter(part**2, 80 * GRID.solar_radius / 696, mode="wrap", truncate=7) for part in passed
            ]
            inside = window * (spectrum_window(GRID.radius) > 0.1)
            errors.append(np.average(np.log(powers[0] / powers[1] / wanted) ** 2, weights=inside))
    return np.mean(errors)


@pytest.mark.parametrize("wanted", [0.75, 1.0, 1.2])
def test_structure_is_compared_in_the_surroundings_of_every_pixel(sharp, wanted):
    for images in (blurred(sharp, 0.6), exaggerated(sharp, 1.2), sharp[::-1]):
        expected = expected_off(images, sharp, wanted)
        assert expected > 0.01
        assert off(images, sharp, wanted=wanted) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("wanted", [0.5, 0.75, 1.0, 1.5])
def test_images_like_the_observed_are_off_by_what_is_wanted(sharp, wanted):
    assert off(sharp, sharp, wanted=wanted) == pytest.approx(math.log(wanted) ** 2, rel=1e-9, abs=1e-20)


@pytest.mark.parametrize("ratio", [0.3, 0.75, 2.0])
def test_the_ratio_of_powers_is_that_of_the_score(sharp, ratio):
    """If it is the same everywhere."""
    observed = 2 ** sharp_values(sharp, 0.2) - 1
    images = 2 ** sharp_values(sharp, 0.2 * math.sqrt(ratio)) - 1
    score = structure_ratio(images[0, 0], observed[0, 0], GRID.radius, GRID.solar_radius)
    assert score == pytest.approx(ratio)
    assert off(images, observed) == pytest.approx(math.log(ratio) ** 2)
    assert off(images, observed, wanted=ratio) == pytest.approx(0, abs=1e-12)


def sharp_values(sharp, amplitude):
    """Values of which the power is taken, with structure of that amplitude, which may depend on the place."""
    return 9 + amplitude * (np.log2(sharp) - 7)


@pytest.mark.parametrize(
    "others",
    [
        lambda sharp: [blurred(sharp, n) for n in (0.4, 0.6, 1, 2)],
        lambda sharp: [exaggerated(sharp, n) for n in (1.2, 1.5, 2, 3)],
    ],
    ids=["blurred", "exaggerated"],
)
def test_too_little_and_too_much_structure_are_worse_the_more(sharp, others):
    errors = [off(images, sharp) for images in (sharp, *others(sharp))]
    assert np.all(np.diff(errors) > 0.05)


def test_structure_in_the_wrong_place_is_no_structure(sharp):
    """Though its power in the whole image is that of the observed."""
    rows, columns = np.indices(GRID.shape)
    place = np.exp(-((rows - 60) ** 2 + (columns - 85) ** 2) / (2 * 15**2))
    values, observed = sharp_values(sharp, 0.2), 2 ** sharp_values(sharp, 0.2) - 1

    def ratios(images):
        pairs = zip(images.reshape(-1, *GRID.shape), observed.reshape(-1, *GRID.shape), strict=True)
        return np.reshape([structure_ratio(*pair, GRID.radius, GRID.solar_radius) for pair in pairs], (2, 3, 1, 1))

    there = sharp_values(sharp, 0.2 * place)
    moved = 2 ** (9 + (there - 9) / np.sqrt(ratios(2**there - 1))) - 1
    np.testing.assert_allclose(ratios(moved), 1)
    # Other structure of as much power, where it is observed.
    other = values[::-1]
    other = 2 ** (9 + (other - 9) / np.sqrt(ratios(2**other - 1))) - 1
    np.testing.assert_allclose(ratios(other), 1)
    assert off(observed, observed) < off(other, observed) < 0.2
    assert off(moved, observed) > 10 * off(other, observed)


def test_waves_of_one_length_do_not_stand_for_all(sharp):
    """Though they have the power of the observed image, and are everywhere."""
    observed = 2 ** sharp_values(sharp, 0.2) - 1
    wave = np.broadcast_to(np.sin(2 * np.pi * np.arange(GRID.shape[1]) / 5), sharp.shape)

    def ratio(images):
        return structure_ratio(images[0, 0], observed[0, 0], GRID.radius, GRID.solar_radius)

    images = 2 ** (9 + wave / math.sqrt(ratio(2 ** (9 + wave) - 1))) - 1
    assert ratio(images) == pytest.approx(1)
    assert off(images, observed) > 1


def test_stripes_are_no_structure_of_all_directions():
    """With the same power at every scale, but all of it in waves of one direction."""
    noise = np.random.default_rng(5).normal(size=GRID.shape)
    rows, columns = (np.fft.fftfreq(number) for number in GRID.shape)
    transform = np.fft.fft2(gaussian_filter(noise, 0.8))
    diagonal = np.abs(np.abs(np.arctan2(rows[:, None], columns)) / np.pi * 4 - 2) <= 1
    striped = np.fft.ifft2(transform * np.where(diagonal, np.sqrt(2), 0)).real
    for turned in (striped, striped.T):
        observed, images = (2.0 ** (7 + 3 * plane)[None, None] for plane in (np.fft.ifft2(transform).real, turned))
        score = structure_ratio(images[0, 0], observed[0, 0], GRID.radius, GRID.solar_radius)
        assert score == pytest.approx(1, abs=0.2)
        assert off(images, observed) > 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hole", ["pixels", "passband", "frame", "everything"])
def test_holes_are_not_compared(sharp, hole, dtype):
    observed, images = sharp.copy(), blurred(sharp, 1)
    where = {"pixels": np.s_[:, :, 60:75, 50:90], "passband": np.s_[:, 1], "frame": np.s_[0], "everything": np.s_[:]}
    observed[where[hole]] = NAN
    if hole == "frame":
        expected = expected_off(images[1], observed[1]) / 2
    elif hole == "everything":
        expected = 0
    else:
        chosen = np.s_[:, [0, 2]] if hole == "passband" else np.s_[:]
        expected = expected_off(images[chosen], observed[chosen])
    images, observed = (tensor.to(dtype) for tensor in tensors(images, observed))
    loss = structure_error(images.requires_grad_(), observed, unlimited(observed)[1], GRID, 1.0)
    assert loss.item() == pytest.approx(expected, rel=1e-6 if dtype == torch.float64 else 1e-3)
    loss.backward()
    assert images.grad.isfinite().all()
    assert not images.grad[observed.isnan()].any()
    assert images.grad.any() == (hole != "everything")


def test_no_structure_is_compared_beyond_the_disk_and_above_the_ceiling(sharp):
    images = blurred(sharp, 1)
    expected = off(images, sharp)
    beyond = np.where(GRID.radius < 0.9, images, 1e4 * np.random.default_rng(0).random(images.shape))
    assert off(beyond, sharp) == pytest.approx(expected)
    ceiling = np.full((2, 3), 150.0)
    cut = off(np.minimum(images, 150), np.minimum(sharp, 150))
    assert off(images, sharp, ceiling=ceiling) == pytest.approx(cut)
    assert cut != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("flat", [0.0, 100.0])
@pytest.mark.parametrize("ripples", [0.0, 1e-4])
@pytest.mark.parametrize("kind", ["image", "observed", "both"])
def test_constant_images_are_far_off_but_not_infinitely(sharp, dtype, flat, ripples, kind):
    images, observed = (tensor.to(dtype) for tensor in tensors(sharp, sharp))
    constant = flat + ripples * images
    images, observed = constant if kind != "observed" else images, constant if kind != "image" else observed
    images = images.clone().requires_grad_()
    loss = structure_error(images, observed, unlimited(observed)[1], GRID, 0.75)
    loss.backward()
    assert loss.isfinite()
    assert images.grad.isfinite().all()
    if kind == "both":
        # Where nothing is to be seen in either, nothing is to be gained.
        assert loss.item() == pytest.approx(math.log(0.75) ** 2, rel=1e-3)
    else:
        assert loss > 10


@pytest.mark.parametrize("change", [lambda sharp: blurred(sharp, 1), lambda sharp: exaggerated(sharp, 2)])
@pytest.mark.parametrize("wanted", [0.75, 1.0])
def test_steps_against_the_gradient_lessen_the_error(sharp, change, wanted):
    observed = torch.from_numpy(sharp)
    images = torch.from_numpy(change(sharp)).requires_grad_()
    ceiling = unlimited(observed)[1]
    before = structure_error(images, observed, ceiling, GRID, wanted)
    (gradient,) = torch.autograd.grad(before, images)
    # In proportion to the images, so that none becomes negative.
    step = images * gradient
    after = structure_error(images * (-0.1 * step / step.abs().max()).exp(), observed, ceiling, GRID, wanted)
    assert 0 < after < before


# -- All of them -------------------------------------------------------------------------------------------------------


def _error(images, observed, weight, ceiling):
    return absolute_error(images, observed, weight, ceiling, torch.tensor([1.0, 2.0, 3.0], dtype=images.dtype))


def _surprise(images, observed, weight, ceiling):
    return surprise(images, torch.full_like(images, 3.0), observed, weight, ceiling)


def _structure(images, observed, weight, ceiling):
    return structure_error(images, observed, ceiling, GRID, 1.0)


@pytest.mark.parametrize("loss", [_error, _surprise, discordance, _structure])
def test_two_processes_have_on_average_the_loss_of_one(loss, sharp):
    images, observed, weight = tensors(blurred(sharp, 1), sharp, np.stack([GRID.mu, 0.2 + GRID.mu]))
    # One of the frames lacks a passband, and parts of the others.
    observed[1, 0] = NAN
    observed[1, 1, :70] = NAN
    ceiling = torch.tensor([[200.0, INF, INF], [INF, 300.0, INF]], dtype=torch.float64)
    frames = list(zip(*(tensor.split(1) for tensor in (images, observed, weight, ceiling)), strict=True))
    alone = [loss(*frame).item() for frame in frames]
    assert alone[0] != pytest.approx(alone[1], rel=1e-3)
    assert loss(images, observed, weight, ceiling).item() == pytest.approx(np.mean(alone), rel=1e-9)


@pytest.mark.parametrize("loss", [_error, _surprise, discordance, _structure])
def test_passbands_count_alike_whatever_others_there_are(loss, sharp):
    images, observed, weight = tensors(blurred(sharp, 1), sharp, np.stack([GRID.mu, 0.2 + GRID.mu]))
    observed[:, 2, :70] = NAN
    ceiling = unlimited(observed)[1]

    def only(band):
        others = [number for number in range(3) if number != band]
        lone = observed.clone()
        lone[:, others] = NAN
        return loss(images, lone, weight, ceiling).item()

    expected = np.mean([only(band) for band in range(3)])
    assert loss(images, observed, weight, ceiling).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("loss", [_error, _surprise, discordance])
def test_only_proportions_of_weights_count(loss, pairs):
    images, observed, weight = pairs
    ceiling = unlimited(observed)[1]
    assert loss(images, observed, 7 * weight, ceiling).item() == pytest.approx(
        loss(images, observed, weight, ceiling).item(), rel=1e-12
    )


# -- Detail ------------------------------------------------------------------------------------------------------------


def test_images_are_seen_as_means_of_blocks():
    first = np.arange(32.0).reshape(2, 4, 4)
    images = torch.from_numpy(np.stack([first, first, 10 * first]))
    seen = as_seen(images, torch.tensor([1, 2, 4]))
    assert torch.equal(seen[0], images[0])
    np.testing.assert_allclose(seen[1, 0], np.kron([[2.5, 4.5], [10.5, 12.5]], np.ones((2, 2))))
    np.testing.assert_allclose(seen[1, 1], np.kron([[18.5, 20.5], [26.5, 28.5]], np.ones((2, 2))))
    np.testing.assert_allclose(seen[2], np.broadcast_to([[[75.0]], [[235.0]]], (2, 4, 4)))
    # Whoever sees them so once sees nothing else afterwards.
    torch.testing.assert_close(as_seen(seen, torch.tensor([1, 2, 4])), seen)


def test_blocks_of_which_some_is_not_known_are_not():
    images = torch.zeros(1, 1, 4, 4)
    images[0, 0, 1, 2] = NAN
    seen = as_seen(images, torch.tensor([2]))
    np.testing.assert_array_equal(seen[0, 0].isnan(), np.kron([[0, 1], [0, 0]], np.ones((2, 2))))


def detail(added, missing, *, weight=None, binning=1, spread=None):
    """Of frames given as nested lists (frame, passband, row, column)."""
    added, missing = (torch.tensor(values, dtype=torch.float64) for values in (added, missing))
    frames, bands, *shape = missing.shape
    weight = torch.ones(frames, *shape) if weight is None else torch.tensor(weight)
    binning = torch.tensor([binning] * frames if np.isscalar(binning) else binning)
    spread = torch.ones(bands) if spread is None else torch.tensor(spread)
    return detail_error(added, missing, weight, binning, spread).item()


def test_detail_error_is_the_mean_square_of_what_is_known():
    added, missing = [[[[1.0, 2.0], [0.0, 0.0]]]], [[[[0.0, -1.0], [NAN, 2.0]]]]
    assert detail(added, missing) == pytest.approx((1 + 9 + 4) / 3)
    assert detail(missing, missing) == 0
    # Pixels count by their weight, which is not lost to the others where nothing is known.
    weight = [[[3.0, 1.0], [5.0, 0.0]]]
    assert detail(added, missing, weight=weight) == pytest.approx((3 * 1 + 9) / 4)


def test_detail_of_passbands_counts_alike_in_units_of_their_spread():
    added = [[[[1.0, 1.0]], [[3.0, 5.0]], [[7.0, 7.0]]], [[[2.0, 2.0]], [[1.0, 1.0]], [[7.0, 7.0]]]]
    missing = [[[[0.0, NAN]], [[0.0, 0.0]], [[NAN, NAN]]], [[[NAN, NAN]], [[0.0, 0.0]], [[NAN, NAN]]]]
    expected = [[1 / 0.25, (9 + 25) / 2 / 4], [1 / 4]]
    assert detail(added, missing, spread=[0.5, 2.0, 1.0]) == pytest.approx(np.mean([np.mean(of) for of in expected]))
    # A frame of which nothing is known teaches nothing, but counts.
    nothing = np.full((1, 3, 1, 2), NAN).tolist()
    assert detail(added[:1], nothing) == 0
    assert detail([*added[:1], added[0]], [*missing[:1], *nothing]) == pytest.approx((1 + 17) / 2 / 2)


def test_means_over_blocks_are_compared_where_there_is_no_more():
    """The error is then that of images whose pixels are the blocks."""
    rng = np.random.default_rng(0)
    added, blocks = rng.normal(0, 1, (2, 3, 8, 8)), rng.normal(0, 1, (2, 3, 4, 4))
    blocks[0, 1, 2, 3] = NAN
    missing = np.kron(blocks, np.ones((2, 2)))
    weight = rng.uniform(0.5, 2, (2, 4, 4))
    means = added.reshape(2, 3, 4, 2, 4, 2).mean(axis=(3, 5))
    spread = [0.5, 1.0, 2.0]
    expected = detail(means.tolist(), blocks.tolist(), weight=weight.tolist(), spread=spread)
    weight = np.kron(weight, np.ones((2, 2))).tolist()
    error = detail(added.tolist(), missing.tolist(), weight=weight, binning=2, spread=spread)
    assert error == pytest.approx(expected)
    # Pixel by pixel, detail that nobody has observed would be an error.
    assert detail(added.tolist(), missing.tolist(), weight=weight, spread=spread) > 1.2 * expected
    # Each frame is seen in its own way.
    both = [detail(added[[number]].tolist(), missing[[number]].tolist(), binning=1 + number) for number in range(2)]
    assert detail(added.tolist(), missing.tolist(), binning=[1, 2]) == pytest.approx(np.mean(both))


@pytest.mark.parametrize("binning", [1, 2])
def test_unknown_detail_has_no_gradient(binning):
    added = torch.randn(1, 2, 4, 4, requires_grad=True)
    missing = torch.randn(1, 2, 4, 4)
    missing[0, 0, :2, :2] = NAN
    missing[0, 1] = NAN
    detail_error(added, missing, torch.ones(1, 4, 4), torch.tensor([binning]), torch.ones(2)).backward()
    assert added.grad.isfinite().all()
    assert torch.equal(added.grad != 0, missing.isfinite())
    if binning == 2:
        # What is to be learnt is the same for all pixels of a block.
        blocks = added.grad.reshape(1, 2, 2, 2, 2, 2)
        torch.testing.assert_close(blocks, blocks.mean(dim=(3, 5), keepdim=True).expand_as(blocks))
