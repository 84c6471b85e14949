import numpy as np
import pytest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import Climatology, LeastSquares, PowerLaw, correlation, pixel_error_share, relative_error

GRID = Grid((64, 64), 24.0)


def test_hand_computed_scores():
    # After adding 1: synthetic 11, 20, 33 and observed 10, 20, 30.
    synthetic, observed = [10.0, 19.0, 32.0], [9.0, 19.0, 29.0]
    assert relative_error(synthetic, observed) == pytest.approx(4 / 60)
    assert pixel_error_share(synthetic, observed) == 1
    assert pixel_error_share(synthetic, observed, tolerance=0.05) == pytest.approx(1 / 3)
    assert correlation(synthetic, observed) == pytest.approx(np.corrcoef(synthetic, observed)[0, 1], abs=1e-12)


def test_an_image_beside_itself():
    image = np.random.default_rng(0).gamma(2, 100, (50, 50))
    assert correlation(image, image) == pytest.approx(1, abs=1e-12)
    assert relative_error(image, image) == 0
    assert pixel_error_share(image, image) == 1


def test_values_are_clipped_as_in_the_paper():
    assert relative_error([1e9, -50.0], [2**14 - 1.0, 0.0]) == 0


def test_missing_pixels_do_not_count():
    image = np.arange(1.0, 9.0)
    other = image * 1.2
    expected = [score(other, image) for score in (correlation, relative_error, pixel_error_share)]
    image, other = np.append(image, [np.nan, 5]), np.append(other, [5, np.inf])
    assert [score(other, image) for score in (correlation, relative_error, pixel_error_share)] == expected


def test_a_constant_image_has_no_correlation():
    assert np.isnan(correlation([3.0, 3.0], [1.0, 2.0]))


@pytest.mark.parametrize("score", [correlation, relative_error, pixel_error_share])
def test_bad_pairs(score):
    with pytest.raises(ValueError, match="must have one shape"):
        score(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="have none"):
        score([np.nan, 1.0], [1.0, np.nan])


@pytest.fixture(scope="module")
def fields():
    rng = np.random.default_rng(1)
    return [np.where(GRID.radius < 1, rng.normal(0, 50, GRID.shape), 0).astype(np.float32) for _ in range(4)]


def test_climatology_is_the_mean_of_each_ring(fields):
    images = [GRID.radius + shift for shift in (-0.1, 0.1, -0.3, 0.3)]
    image = Climatology(GRID).fit(fields, images).predict(fields[0])
    disk = GRID.radius < 1
    assert np.isnan(image[~disk]).all()
    np.testing.assert_allclose(image[disk], GRID.radius[disk], atol=1 / Climatology.rings)


def test_power_law_finds_the_exponent(fields):
    images = [0.4 * np.log1p(np.abs(field)) + 0.2 * GRID.mu for field in fields]
    images[0][10:40, 10:40] = np.nan
    law = PowerLaw(GRID).fit(fields, images)
    np.testing.assert_allclose(law.coefficients, [0, 0.2, 0, 0.4], atol=1e-6)


def test_least_squares_sees_the_surroundings(fields):
    """It predicts from the neighbourhood what no function of the pixel's own field can."""
    from scipy.ndimage import gaussian_filter

    images = [np.log1p(gaussian_filter(np.abs(field), 4)) for field in fields]
    disk = GRID.radius < 1

    def residual(baseline):
        predicted = baseline(GRID).fit(fields[:3], images[:3]).predict(fields[3])
        return np.std((predicted - images[3])[disk])

    assert residual(LeastSquares) < 1e-3 < residual(PowerLaw)


def test_weights_choose_what_is_fitted(fields):
    west = np.indices(GRID.shape)[1] > 32
    images = [np.where(west, 1.0, 5.0)] * 4
    image = PowerLaw(GRID).fit(fields, images, weight=west.astype(float)).predict(fields[0])
    np.testing.assert_allclose(image[GRID.radius < 1], 1)


def test_a_baseline_must_be_fitted(fields):
    with pytest.raises(ValueError, match="PowerLaw must be fitted"):
        PowerLaw(GRID).predict(fields[0])
