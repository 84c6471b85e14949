"""Structure by scale."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import astropy.units as u

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import FINE_SCALES, FINEST_SCALES, spectrum_ratio, structure_ratio
from sunpy_mag2euv.metrics.spectrum import fine_scales, spectrum_window, wave_numbers

GRID = Grid((256, 256), 98.0)
PIXEL = 696 / 98  # Mm


def _wave(scale, amplitude, mean=8):
    """A wave of that length in Mm, of so many powers of two up and down."""
    return 2 ** (mean + amplitude * np.sin(2 * np.pi * np.indices(GRID.shape)[1] * PIXEL / scale))


@pytest.fixture
def noise():
    return 2 ** np.random.default_rng(0).normal(8, 0.5, GRID.shape)


def test_an_image_beside_itself(noise):
    scale, ratio = spectrum_ratio(noise, noise, GRID.radius, GRID.solar_radius)
    np.testing.assert_array_equal(ratio, 1)
    assert structure_ratio(noise, noise, GRID.radius, GRID.solar_radius) == 1
    assert scale[0].to_value(u.Mm) == pytest.approx(256 * PIXEL)
    assert scale[-1].to_value(u.Mm) == pytest.approx(2 * PIXEL)


def test_power_goes_as_amplitude_squared(noise):
    scale, ratio = spectrum_ratio(_wave(40, 1.5) - 1, _wave(40, 0.5) - 1, GRID.radius, GRID.solar_radius)
    nearest = np.argmin(np.abs(scale - 40 * u.Mm))
    assert ratio[nearest] == pytest.approx(9, rel=1e-3)
    assert structure_ratio(_wave(40, 1.5) - 1, _wave(40, 0.5) - 1, GRID.radius, GRID.solar_radius) == pytest.approx(
        9, rel=1e-3
    )


def test_power_is_at_its_scale(noise):
    scale, ratio = spectrum_ratio(noise * _wave(40, 1, mean=0), noise, GRID.radius, GRID.solar_radius)
    assert scale[np.argmax(ratio)].to_value(u.Mm) == pytest.approx(40, rel=0.05)
    assert structure_ratio(noise * _wave(150, 1, mean=0), noise, GRID.radius, GRID.solar_radius) == pytest.approx(
        1, abs=0.1
    )


def test_smoothing_takes_small_scales(noise):
    logarithm = np.log2(noise)
    scale, ratio = spectrum_ratio(2 ** gaussian_filter(logarithm, 2), noise, GRID.radius, GRID.solar_radius)
    expected = np.exp(-((2 * np.pi * 2 * PIXEL / scale.to_value(u.Mm)) ** 2))
    middle = (scale > 50 * u.Mm) & (scale < 300 * u.Mm)
    np.testing.assert_allclose(ratio[middle], expected[middle], rtol=0.3)
    assert structure_ratio(2 ** gaussian_filter(logarithm, 2), noise, GRID.radius, GRID.solar_radius) < 0.1


def test_nothing_beyond_the_disk_counts(noise):
    other = np.where(GRID.radius < 0.9, noise, 1e4)
    assert structure_ratio(other, noise, GRID.radius, GRID.solar_radius) == pytest.approx(1)
    other[GRID.radius > 0.9] = np.nan
    assert structure_ratio(other, noise, GRID.radius, GRID.solar_radius) == pytest.approx(1)


def test_missing_pixels_are_missing_in_both(noise):
    holed = noise.copy()
    holed[100:105, 120:125] = np.nan
    assert structure_ratio(holed, noise, GRID.radius, GRID.solar_radius) == pytest.approx(1)


def test_without_structure():
    flat, coarse = np.full(GRID.shape, 5.0), Grid((40, 40), 15.0)
    assert np.isnan(structure_ratio(flat, np.full(GRID.shape, np.nan), GRID.radius, GRID.solar_radius))
    image = np.random.default_rng(0).gamma(2, 10, coarse.shape)
    assert np.isnan(structure_ratio(image, image, coarse.radius, coarse.solar_radius))
    with pytest.raises(ValueError, match="one shape"):
        structure_ratio(flat, flat[1:], GRID.radius, GRID.solar_radius)


def test_window():
    assert spectrum_window(0) == 1
    assert spectrum_window(0.45) == pytest.approx(0.5)
    radius = np.linspace(0, 0.9, 50)
    assert np.all(np.diff(spectrum_window(radius)) < 0)
    np.testing.assert_allclose(spectrum_window(np.array([0.9, 1, 1.8, 5])), 0, atol=1e-30)
    assert spectrum_window(GRID.radius).shape == GRID.shape


def test_wave_numbers():
    # Pixels of 6.96 Mm.
    waves = wave_numbers((8, 5), 100.0) * 6.96
    assert waves.shape == (8, 5)
    np.testing.assert_allclose(waves[:, 0], np.array([0, 1, 2, 3, 4, 3, 2, 1]) / 8)
    np.testing.assert_allclose(waves[0], np.array([0, 1, 2, 2, 1]) / 5)
    np.testing.assert_allclose(waves[2, 3], np.hypot(2 / 8, 2 / 5))
    # Where a wave of 40 Mm is, its wave number says so.
    power = np.abs(np.fft.fft2(np.log2(_wave(40, 1)) - 8)) ** 2
    assert wave_numbers(GRID.shape, GRID.solar_radius).ravel()[power.argmax()] == pytest.approx(1 / 40, rel=0.05)


@pytest.mark.parametrize(("shape", "solar_radius"), [((256, 256), 98.0), ((200, 301), 75.0), ((64, 64), 400.0)])
def test_fine_scales(shape, solar_radius):
    chosen = fine_scales(shape, solar_radius)
    assert (chosen.shape, chosen.dtype) == (shape, bool)
    # Cycles along either axis, of which half the sizes and more are negative, and their lengths.
    rows, columns = (np.minimum(np.arange(size), size - np.arange(size)) / size for size in shape)
    cycles = np.hypot(rows[:, None], columns) * solar_radius / 696
    low, high = 1 / 60, 1 / 20
    assert chosen[(cycles > low + 1e-9) & (cycles < high - 1e-9)].all()
    assert not chosen[(cycles < low - 1e-9) | (cycles > high + 1e-9)].any()
    assert chosen.any()
    assert not chosen.all()


def test_fine_scales_have_to_be_resolved():
    # Two pixels are 20 Mm when the Sun's radius is 69.6 pixels.
    assert fine_scales((64, 64), 69.7).any()
    assert not fine_scales((64, 64), 69.5).any()
    # And 10 Mm when it is twice that.
    assert fine_scales((64, 64), 139.3, FINEST_SCALES).any()
    assert not fine_scales((64, 64), 139.1, FINEST_SCALES).any()


def test_the_finest_scales_are_next_to_the_fine_ones():
    fine, finest = (fine_scales((512, 512), 392.0, scales) for scales in (FINE_SCALES, FINEST_SCALES))
    waves = wave_numbers((512, 512), 392.0)
    np.testing.assert_array_equal(fine, fine_scales((512, 512), 392.0))
    np.testing.assert_array_equal(fine | finest, (waves >= 1 / 60) & (waves <= 1 / 10))
    assert waves[finest].min() >= waves[fine].max()


def test_structure_ratio_of_other_scales():
    """A wave of 14 Mm is in its scales only, and nowhere where pixels are too large for it."""
    grid = Grid((300, 300), 392.0)
    length = 14 * 392 / 696
    flat = 2 ** np.random.default_rng(0).normal(8, 0.1, grid.shape)
    waved = flat * 2 ** (0.5 * np.sin(2 * np.pi * np.indices(grid.shape)[1] / length))
    assert structure_ratio(waved, flat, grid.radius, grid.solar_radius, FINEST_SCALES) > 10
    assert structure_ratio(waved, flat, grid.radius, grid.solar_radius) == pytest.approx(1, abs=0.1)
    assert np.isnan(structure_ratio(waved, flat, grid.radius, 98.0, FINEST_SCALES))


def test_structure_ratio_is_that_of_the_power_at_fine_scales(noise):
    images = noise, 2 ** gaussian_filter(np.log2(noise), 0.7)
    window = spectrum_window(GRID.radius)
    chosen = fine_scales(GRID.shape, GRID.solar_radius)
    powers = []
    for image in images:
        logarithm = np.log2(image + 1)
        transform = np.fft.fft2((logarithm - np.average(logarithm, weights=window)) * window)
        powers.append((np.abs(transform[chosen]) ** 2).sum())
    assert powers[0] > 1.2 * powers[1]
    ratio = structure_ratio(*images, GRID.radius, GRID.solar_radius)
    assert ratio == pytest.approx(powers[0] / powers[1], rel=1e-9)
