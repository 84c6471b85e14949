"""Intervals of means."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sunpy_mag2euv.metrics import mean_interval


def _archive(rng, rotations=20, images=30, between=1.0, within=0.3):
    """Scores whose mean is 0 and that are alike within a rotation; the time of each image."""
    rotation = 2100 + np.repeat(np.arange(rotations), images) + rng.uniform(0, 1, rotations * images)
    common = np.repeat(rng.normal(0, between, rotations), images)
    return common + rng.normal(0, within, rotation.size), rotation


def test_coverage():
    rng = np.random.default_rng(0)
    covered = {"blocks": 0, "naive": 0}
    runs = 200
    for _ in range(runs):
        scores, rotation = _archive(rng)
        interval = mean_interval(scores, rotation)
        covered["blocks"] += interval.low < 0 < interval.high
        covered["naive"] += abs(scores.mean()) < 1.96 * scores.std() / np.sqrt(scores.size)
    assert 0.87 < covered["blocks"] / runs < 0.99
    assert covered["naive"] / runs < 0.5


def test_longer_blocks_for_longer_memory():
    rng = np.random.default_rng(1)
    scores, rotation = _archive(rng)
    scores = np.repeat(scores[:300], 2)
    short, long = (mean_interval(scores, rotation, block=block) for block in (1 / 30, 2))
    assert long.blocks == 10
    assert long.high - long.low > 2 * (short.high - short.low)


def test_columns_are_those_of_single_calls():
    rng = np.random.default_rng(2)
    scores, rotation = _archive(rng, rotations=5)
    table = np.stack([scores, 2 * scores + 1], axis=1)
    both, single = mean_interval(table, rotation, seed=4), mean_interval(scores, rotation, seed=4)
    for name in ("mean", "low", "high"):
        value = getattr(single, name)
        np.testing.assert_allclose(getattr(both, name), [value, 2 * value + 1])


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 0.99))
def test_the_interval_holds_the_mean(seed, level):
    scores, rotation = _archive(np.random.default_rng(seed), rotations=4, images=3)
    interval = mean_interval(scores, rotation, level=level, seed=seed)
    assert interval.low <= interval.mean <= interval.high
    assert interval.mean == pytest.approx(scores.mean())
    # In any order
    order = np.random.default_rng(seed).permutation(rotation.size)
    again = mean_interval(scores[order], rotation[order], level=level, seed=seed)
    assert again.low == pytest.approx(interval.low)


def test_missing_scores_do_not_count():
    rng = np.random.default_rng(3)
    scores, rotation = _archive(rng, rotations=6)
    missing = scores.copy()
    missing[::7] = np.nan
    keep = np.isfinite(missing)
    holed, short = mean_interval(missing, rotation), mean_interval(scores[keep], rotation[keep])
    for name in ("mean", "low", "high"):
        assert getattr(holed, name) == pytest.approx(getattr(short, name))


def test_one_block_has_no_interval():
    interval = mean_interval([[0.5, 0.1], [0.7, np.nan], [0.9, np.nan]], [2100.1, 2100.2, 2101.0])
    np.testing.assert_allclose(interval.mean, [0.7, 0.1])
    assert np.isfinite(interval.low[0])
    assert np.isfinite(interval.high[0])
    assert np.isnan([interval.low[1], interval.high[1]]).all()
    single = mean_interval([0.5, 0.7], [2100.1, 2100.2])
    assert single.mean == pytest.approx(0.6)
    assert np.isnan([single.low, single.high]).all()
    assert single.blocks == 1


@pytest.mark.parametrize(
    ("scores", "rotation", "keywords", "message"),
    [
        ([1.0, 2.0], [2100.0], {}, "a value for each image"),
        ([], [], {}, "a value for each image"),
        ([1.0], [np.nan], {}, "finite number"),
        ([1.0], [2100.0], {"block": 0}, "block must be"),
        ([1.0], [2100.0], {"level": 95}, "level must be"),
    ],
)
def test_bad_arguments(scores, rotation, keywords, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(scores, rotation, **keywords)
