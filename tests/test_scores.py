"""The scores of one image."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from skimage import metrics

from sunpy_mag2euv.metrics import (
    bin_image,
    correlation,
    pixel_error_share,
    relative_error,
    root_mean_square_error,
    structural_similarity,
    structural_similarity_map,
)

SCORES = [
    correlation,
    lambda *pair: correlation(*pair, log=True),
    relative_error,
    pixel_error_share,
    lambda *pair: pixel_error_share(*pair, 0.5),
    root_mean_square_error,
]
RNG = np.random.default_rng(0)
IMAGES = arrays(float, 12, elements=st.floats(0, 2**14 - 1))


@pytest.fixture
def pair():
    """Two images that are alike, with some structure."""
    y, x = np.mgrid[:40, :50] / 5
    observed = 300 * (1 + np.sin(x) * np.cos(y)) + RNG.gamma(2, 20, x.shape)
    return observed * RNG.lognormal(0, 0.3, x.shape), observed


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


@given(IMAGES, IMAGES)
def test_correlation_is_that_of_numpy(synthetic, observed):
    # numpy leaves rounding of nearly constant images to the reader.
    if np.ptp(synthetic) < 1e-3 or np.ptp(observed) < 1e-3:
        return
    assert correlation(synthetic, observed) == pytest.approx(np.corrcoef(synthetic, observed)[0, 1], abs=1e-9)


def test_correlation_of_logarithms(pair):
    linear, log = (np.corrcoef(*(scale(image).ravel() for image in pair))[0, 1] for scale in (np.positive, np.log1p))
    assert correlation(*pair) == pytest.approx(linear, abs=1e-12)
    assert correlation(*pair, log=True) == pytest.approx(log, abs=1e-12)


@pytest.mark.parametrize("score", SCORES)
@given(image=IMAGES, other=IMAGES, place=st.integers(0, 11), in_first=st.booleans())
def test_a_missing_pixel_is_as_if_it_were_not_there(score, image, other, place, in_first):
    without = score(np.delete(image, place), np.delete(other, place))
    (image if in_first else other)[place] = np.nan
    np.testing.assert_equal(score(image, other), without)


def test_root_mean_square_error():
    assert root_mean_square_error([0.0, 0.0, 6.0], [1.0, 2.0, 4.0]) == pytest.approx(np.sqrt(3))


def test_bins_are_means():
    image = RNG.normal(size=(64, 32))
    binned = bin_image(image, 8)
    assert binned.shape == (8, 4)
    assert binned[2, 1] == pytest.approx(image[16:24, 8:16].mean())
    np.testing.assert_array_equal(bin_image(image, 1), image)


def test_a_missing_pixel_takes_its_bin_out_and_nothing_else():
    image = RNG.normal(size=(16, 16))
    expected = bin_image(image, 4)
    expected[1, 2] = np.nan
    image[5, 11] = np.nan
    np.testing.assert_array_equal(bin_image(image, 4), expected)


def test_incomplete_bins_are_unknown():
    binned = bin_image(np.ones((10, 8)), 4)
    assert binned.shape == (3, 2)
    assert np.isnan(binned[2]).all()
    assert (binned[:2] == 1).all()


@pytest.mark.parametrize("factor", [0, -1, 1.5, "4", None])
def test_bad_binning(factor):
    with pytest.raises(ValueError, match="binning must be an integer"):
        bin_image(np.ones((4, 4)), factor)


def test_binning_needs_an_image():
    with pytest.raises(ValueError, match="two dimensions"):
        bin_image(np.ones(4), 2)


def _skimage(synthetic, observed):
    pair = (np.log2(np.clip(image + 1, 1, 2**14)) for image in (synthetic, observed))
    return metrics.structural_similarity(*pair, data_range=14.0, full=True)


@pytest.mark.parametrize("factor", [np.int64(3), np.uint8(3), np.array(3)], ids=repr)
def test_factors_of_any_integer(factor):
    image = np.arange(1000.0 * 7).reshape(1000, 7)
    np.testing.assert_array_equal(bin_image(image, factor), bin_image(image, 3))


@pytest.mark.parametrize("factor", [5, 40000, 10**30])
def test_blocks_larger_than_the_image_take_no_memory(factor):
    np.testing.assert_array_equal(bin_image(np.ones((4, 4)), factor), [[np.nan]])
    assert bin_image(np.ones((0, 4)), factor).shape == (0, 1)


def test_structural_similarity_is_that_of_skimage(pair):
    mean, similarity = _skimage(*pair)
    assert structural_similarity(*pair) == pytest.approx(mean, abs=1e-12)
    inside = structural_similarity_map(*pair)[3:-3, 3:-3]
    np.testing.assert_allclose(inside, similarity[3:-3, 3:-3], rtol=0, atol=1e-12)
    assert structural_similarity(pair[0], pair[0]) == pytest.approx(1, abs=1e-12)


def test_structural_similarity_next_to_missing_pixels(pair):
    whole = structural_similarity_map(*pair)
    pair[1][20, 10] = np.nan
    holed = structural_similarity_map(*pair)
    assert np.isnan(holed[17:24, 7:14]).all()
    holed[17:24, 7:14] = whole[17:24, 7:14]
    np.testing.assert_allclose(holed, whole, rtol=0, atol=1e-12)


def test_structural_similarity_of_what_has_no_window():
    assert np.isnan(structural_similarity(np.ones((5, 50)), np.ones((5, 50))))
    assert np.isnan(structural_similarity(np.full((9, 9), np.nan), np.ones((9, 9))))
    with pytest.raises(ValueError, match="two dimensions"):
        structural_similarity(np.ones(9), np.ones(9))
