"""Errors in units of the standard deviation, and how many of them are as small as they should be."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import norm

from sunpy_mag2euv.metrics import coverage, standard_errors
from sunpy_mag2euv.training.learning.reliability import Reliability

SHARES = np.array([0.1, 0.5, 0.6827, 0.95, 0.99])


def test_errors_are_in_units_of_the_deviation():
    observed, deviation = np.array([[1.0, 5.0], [9.0, 0.0]]), np.array([[1.0, 2.0], [4.0, 0.5]])
    np.testing.assert_array_equal(standard_errors(np.ones((2, 2)), deviation, observed), [[0, 2], [2, -2]])
    np.testing.assert_array_equal(standard_errors(np.ones((2, 2)), 2, observed), [[0, 2], [4, -0.5]])


def test_errors_are_unknown_where_anything_is():
    unknown = np.nan
    errors = standard_errors([unknown, 1.0, 1.0, 1.0], [1.0, unknown, 1.0, 1.0], [2.0, 2.0, unknown, 2.0])
    np.testing.assert_array_equal(errors, [unknown, unknown, unknown, 1])
    # Above a ceiling as well.
    errors = standard_errors([unknown, 9.0, 9.0], [1.0, unknown, 1.0], [8.0, 8.0, unknown], ceiling=8.0)
    assert np.isnan(errors).all()


def test_nothing_speaks_against_what_is_above_a_lower_limit():
    synthetic = [300.0, 255.0, 205.0, 300.0]
    observed = [255.0, 280.0, 280.0, 200.0]
    errors = standard_errors(synthetic, 50.0, observed, ceiling=255.0)
    # The last observation is no lower limit, so that the whole error counts.
    np.testing.assert_array_equal(errors, [0, 0, 1, -2])


def test_shapes_must_be_the_same():
    with pytest.raises(ValueError, match=r"the images must have one shape; got \(2,\) and \(3,\)"):
        standard_errors(np.ones(2), 1, np.ones(3))
    with pytest.raises(ValueError, match=r"the deviation must be one number or .*; got \(3,\) and \(2,\)"):
        standard_errors(np.ones(2), np.ones(3), np.ones(2))


def test_certainty_is_wrong_unless_it_is_right():
    errors = standard_errors([1.0, 1.0], [0.0, 0.0], [1.5, 1.0])
    assert coverage(errors, 0.999) == 0


def test_honest_deviations_hold_what_they_say():
    errors = np.random.default_rng(0).normal(size=(400, 500))
    found = coverage(errors, SHARES)
    # Four standard errors of the share itself.
    assert (np.abs(found - SHARES) < 4 * np.sqrt(SHARES * (1 - SHARES) / errors.size)).all()
    # Half the deviation that it should be: what was one standard deviation is two.
    np.testing.assert_allclose(coverage(2 * errors, norm.cdf(2) - norm.cdf(-2)), coverage(errors, 0.6827), atol=1e-3)
    assert (coverage(2 * errors, SHARES) < found).all()


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_coverage_counts(errors, share):
    low, high = norm.interval(share)
    expected = np.mean([low * (1 + 1e-12) <= error <= high * (1 + 1e-12) for error in errors])
    assert coverage(errors, share) == pytest.approx(expected)


def test_one_share_gives_a_number_and_several_an_array():
    errors = [-0.5, 0.2, np.nan, 1.5, 3.0]
    assert type(coverage(errors, 0.6827)) is float
    assert coverage(errors, 0.6827) == 0.5
    np.testing.assert_array_equal(coverage(errors, [[0.68, 0.95], [0.999, 0.1]]), [[0.5, 0.75], [1, 0]])


def test_coverage_is_unknown_if_no_error_is_known():
    assert np.isnan(coverage([], 0.5))
    assert np.isnan(coverage(np.full((2, 2), np.nan), [0.5, 0.9])).all()


@pytest.mark.parametrize("share", [0, 1, 95, -0.5, np.nan, [0.5, 1.0]])
def test_shares_are_between_0_and_1(share):
    with pytest.raises(ValueError, match=r"a share must be between 0 and 1, such as 0\.95; got"):
        coverage([1.0], share)


# -- Over many images --------------------------------------------------------------------------------------------------


def test_reliability_is_the_coverage_of_all_pixels():
    rng = np.random.default_rng(1)
    images = [
        {region: rng.normal(0, 1.3, size) for region, size in (("disk", 50), ("limb", 20), ("central", 7))}
        for _ in range(3)
    ]
    images[0]["disk"][:9] = np.nan
    images[1]["limb"][:] = np.nan
    reliability = Reliability()
    for errors in images:
        reliability.add("net", 193, errors)
    reliability.add("net", 171, {"disk": np.zeros(3), "limb": np.full(3, np.nan)})
    table = reliability.table()
    assert table.colnames == ["model", "passband", "binning", "region", "share", "coverage", "pixels"]
    assert {tuple(key) for key in table["passband", "region"]} == {(193, "disk"), (193, "limb"), (171, "disk")}
    for region, pixels in (("disk", 141), ("limb", 40)):
        chosen = table[(table["passband"] == 193) & (table["region"] == region)]
        np.testing.assert_allclose(chosen["share"], np.linspace(0.05, 0.95, 19))
        together = np.concatenate([errors[region] for errors in images])
        np.testing.assert_allclose(chosen["coverage"], coverage(together, chosen["share"]))
        assert set(chosen["pixels"]) == {pixels}
    assert set(table["coverage"][table["passband"] == 171]) == {1}
    assert set(table["binning"]) == {1}


def test_blocks_are_counted_by_themselves():
    reliability = Reliability()
    for binning, error in ((1, 0.0), (4, 9.0), (1, 9.0)):
        reliability.add("net", 193, dict.fromkeys(("disk", "limb"), np.full(10, error)), binning)
    table = reliability.table()
    assert len(table) == 2 * 2 * 19
    for binning, share, pixels in ((1, 0.5, 20), (4, 0, 10)):
        chosen = table[table["binning"] == binning]
        assert set(chosen["coverage"]) == {share}
        assert set(chosen["pixels"]) == {pixels}


def test_there_may_be_nothing_to_count():
    assert len(Reliability().table()) == 0
