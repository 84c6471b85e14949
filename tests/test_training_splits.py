import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astropy.time import Time

from sunpy_mag2euv.training.data.splits import park2019, rotations

numbers = st.integers(2090, 2110)


@given(
    rotation=st.lists(st.floats(2085, 2115), min_size=1, max_size=50),
    test=st.lists(numbers, max_size=3, unique=True),
    validation=st.lists(numbers, max_size=3, unique=True),
    gap=st.integers(0, 3),
)
def test_parts_are_disjoint_complete_and_apart(rotation, test, validation, gap):
    rotation = np.array(rotation)
    if any(abs(one - other) <= gap for one in test for other in validation):
        with pytest.raises(ValueError, match=f"must be more than {gap} from test rotation"):
            rotations(rotation, test, validation, gap)
        return
    split = rotations(rotation, test, validation, gap)
    assert list(split) == ["train", "validation", "gap", "test"]
    assert sorted(np.concatenate(list(split.values()))) == list(range(len(rotation)))
    number = {part: np.floor(rotation[frames]) for part, frames in split.items()}
    assert set(number["test"]) <= set(test)
    assert set(number["validation"]) <= set(validation)
    # Nothing that could be trained on is left out, and nothing else is trained on.
    for part, apart in (("train", True), ("gap", False)):
        for one in number[part]:
            assert all(abs(one - other) > gap for other in (*test, *validation)) == apart
    for one in number["validation"]:
        assert all(abs(one - other) > gap for other in test)


def test_a_gap_is_left_on_either_side():
    split = rotations(np.arange(2096.5, 2106), [2101], gap=2)
    assert {part: list(np.floor(2096.5 + frames)) for part, frames in split.items()} == {
        "train": [2096, 2097, 2098, 2104, 2105],
        "validation": [],
        "gap": [2099, 2100, 2102, 2103],
        "test": [2101],
    }


def test_neighbouring_rotations_can_be_scored():
    split = rotations(np.arange(2098.5, 2105), [2100, 2101])
    assert list(split["test"]) == [2, 3]
    assert list(split["gap"]) == [1, 4]


def test_rotations_to_watch_keep_away_from_those_to_score():
    with pytest.raises(ValueError, match="validation rotation 2102 must be more than 1 from test rotation 2101"):
        rotations(np.arange(2098.5, 2105), [2101], [2104, 2102])


def test_the_paper_splits_by_date():
    parts = {
        "2010-12-31T18:00:00": "gap",
        "2010-12-31T23:59:15": "train",  # of HMI's first slot of 2011, whose middle is at 00:00 TAI
        "2011-01-01T00:00:00": "train",
        "2014-06-30T12:00:00": "train",
        "2016-12-31T18:00:00": "train",
        "2017-01-01T00:00:00": "validation",
        "2017-06-30T18:00:00": "validation",
        "2017-07-01T00:00:00": "test",
        "2017-12-31T18:00:00": "test",
        "2018-01-01T00:00:00": "gap",
    }
    split = park2019(Time(list(parts)))
    assert {date: part for part, frames in split.items() for date in np.array(list(parts))[frames]} == parts


def test_the_paper_has_as_many_slots_as_days_allow():
    # Every six hours of 2011-2016: the paper has 8544 of these slots to train on, 714 to watch and 727 to score.
    start, stop = Time(["2011-01-01", "2018-01-01"])
    time = Time(np.arange(start.mjd, stop.mjd, 1 / 4), format="mjd")
    count = {part: len(frames) for part, frames in park2019(time).items()}
    assert count == {"train": 4 * 2192, "validation": 4 * 181, "gap": 0, "test": 4 * 184}
    assert all(count[part] >= paper for part, paper in (("train", 8544), ("validation", 714), ("test", 727)))


def test_dates_are_compared_in_one_time_scale():
    # TAI was 34 s ahead of UTC; frames count from six minutes before the year.
    split = park2019(Time(["2010-12-31T23:54:30", "2010-12-31T23:54:40"], scale="tai"))
    assert list(split["gap"]) == [0]
    assert list(split["train"]) == [1]
