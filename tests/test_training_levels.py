"""Browse images of many years at one epoch of AIA's sensitivity, by a Sun that is known."""

import numpy as np
import pytest
from browse_archives import BRIGHTENING, LEVELS, field_of, sun

from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.recipe.archives import GRID, STRETCHES
from sunpy_mag2euv.training.recipe.levels import is_as_measured, match_levels, put_right

DISK = GRID.radius < 0.9


@pytest.fixture(scope="module")
def sensitivity():
    return Sensitivity.read()


def observed(sensitivity, band, times, factor=1.0):
    """Images of the Sun of some times, as AIA had them."""
    images = [sun(field_of(number), band) for number, _ in enumerate(times)]
    left = [sensitivity.since_launch(band, time) for time in times]
    return np.array(images) * np.array(left)[:, None, None] * factor, np.array(images)


def level(image):
    return np.nanmedian(image[DISK])


def right(sensitivity, band, images, times, archive="hourly_2012", **keywords):
    times = np.array(times, dtype="datetime64[s]")
    return put_right(band, images, times, np.full(len(times), archive), sensitivity, **keywords)


def test_sensitivity_is_divided_out(sensitivity):
    times = ("2010-09-30", "2011-12-15", "2012-11-30")
    images, launch = observed(sensitivity, 335, times)
    found = right(sensitivity, 335, images, times)
    np.testing.assert_allclose(found.images, launch, rtol=1e-5)
    np.testing.assert_allclose(found.factors, [1 / sensitivity.since_launch(335, time) for time in times])
    assert not found.veiled.any()
    assert not found.faint.any()
    assert found.level == pytest.approx(np.median([level(image) for image in launch]))


def test_what_was_brightened_is_scaled_to_the_rest(sensitivity):
    times = ("2012-03-01", "2014-03-01", "2012-04-01", "2015-03-02")
    images, launch = observed(sensitivity, 94, times)
    images[1] *= BRIGHTENING
    found = right(sensitivity, 94, images, times)
    standard = np.median([level(launch[0]), level(launch[2])])
    for number in (0, 2):
        np.testing.assert_allclose(found.images[number], launch[number], rtol=1e-5)
    for number in (1, 3):
        assert level(found.images[number]) == pytest.approx(standard, rel=1e-5)
    np.testing.assert_allclose(found.images[1] / found.images[1][128, 128], launch[1] / launch[1][128, 128], rtol=1e-5)


@pytest.mark.parametrize(
    ("archive", "time", "known"),
    [
        ("flares_2010_2015", "2015-08-01", True),
        ("loops_2017", "2017-08-08", True),
        ("full_sets_2015", "2015-03-02", True),
        ("full_sets_2015", "2015-01-11", False),
        ("aia_sets_512", "2015-03-04", True),
        ("aia_sets_512", "2025-02-04", False),
        ("same_time_2023", "2023-10-21", False),
        ("scattered_2010_2023", "2012-10-20", True),
    ],
)
def test_which_levels_are_known(sensitivity, archive, time, known):
    images, launch = observed(sensitivity, 171, [time])
    found = right(sensitivity, 171, images, [time], archive, level=500.0)
    assert level(found.images[0]) == pytest.approx(level(launch[0]) if known else 500.0, rel=1e-5)
    assert found.level == 500.0
    moment = np.array([time], dtype="datetime64[s]")
    assert list(is_as_measured(171, moment, np.array([archive]))) == [known]


def test_early_images_of_some_passbands_were_given_a_level():
    times = np.array(["2011-01-31T23:59", "2011-02-01"], dtype="datetime64[s]")
    for band, measured in ((193, [False, True]), (304, [False, True]), (211, [True, True])):
        assert list(is_as_measured(band, times, np.full(2, "daily_2010_2011"))) == measured


def test_without_a_known_level_the_sensitivity_has_to_do(sensitivity):
    times = ("2015-01-11", "2014-01-11", "2022-10-01")
    images, launch = observed(sensitivity, 1600, times)
    found = right(sensitivity, 1600, images, times, "full_sets_2015")
    assert found.level == pytest.approx(np.median([level(launch[0]), level(launch[1])]))
    assert [level(image) for image in found.images] == pytest.approx([found.level] * 3)


def test_a_sensitivity_that_nobody_knows(sensitivity):
    images = sun(field_of(0), 304)[None] * 0.01
    found = right(sensitivity, 304, images, ["2023-10-21"], "same_time_2023", level=200.0)
    assert level(found.images[0]) == pytest.approx(200)
    assert found.factors[0] == pytest.approx(200 / level(images[0]))


def test_images_under_a_veil_are_told_apart(sensitivity):
    times = ("2015-01-11", "2015-03-04", "2015-04-01")
    images, launch = observed(sensitivity, 1700, times)
    images[1] += 3 * LEVELS[1700]
    found = right(sensitivity, 1700, images, times, "scattered_2010_2023")
    np.testing.assert_array_equal(found.veiled, [False, True, False])
    assert found.level == pytest.approx(np.median([level(launch[0]), level(launch[2])]), rel=1e-5)
    # In the corona the disk's centre may be as dark as the limb.
    assert not right(sensitivity, 193, images, times, "scattered_2010_2023", level=200.0).veiled.any()


def test_images_of_another_exposure_are_told_apart(sensitivity):
    times = ("2012-09-20", "2012-09-25", "2012-10-01", "2012-11-20")
    images, _ = observed(sensitivity, 131, times)
    images[1] *= 0.4
    # The Sun may change as much in two months.
    images[3] *= 0.4
    np.testing.assert_array_equal(right(sensitivity, 131, images, times).faint, [False, True, False, False])


def finer(images):
    """The same images in a quarter of the pixels' size, with structure that averages out."""
    pattern = np.kron(np.ones((256, 256)), [[0.9, 1.1], [1.1, 0.9]])
    return np.kron(images, np.ones((2, 2))) * pattern


def test_finer_images_have_the_levels_of_averaged_ones(sensitivity):
    times = ("2012-03-01", "2014-03-01", "2014-04-01")
    images, _ = observed(sensitivity, 1700, times)
    images[2] += 3 * LEVELS[1700]
    found = right(sensitivity, 1700, images, times)
    fine = right(sensitivity, 1700, finer(images), times)
    assert fine.images.shape == (3, 512, 512)
    np.testing.assert_allclose(fine.factors, found.factors, rtol=1e-9)
    np.testing.assert_allclose(fine.images, finer(found.images), rtol=1e-6)
    np.testing.assert_array_equal(fine.veiled, [False, False, True])


def test_what_the_highest_code_stands_for(sensitivity):
    times = ("2012-03-01", "2014-03-01")
    images, _ = observed(sensitivity, 94, times)
    images[:, 100, 100] = STRETCHES[94].inverse(254 / 127.5 - 1)
    images[:, 100, 101] = STRETCHES[94].inverse(253 / 127.5 - 1)
    found = right(sensitivity, 94, images, times)
    assert (found.images[:, 100, 100] >= found.tops).all()
    assert (found.images[:, 100, 101] < found.tops).all()
    np.testing.assert_allclose(found.images[:, 100, 100], found.tops, rtol=0.01)


# -- The early stretch -------------------------------------------------------------------------------------------------


def test_codes_are_matched_at_equal_activity():
    rng = np.random.default_rng(0)
    activity = rng.gamma(2, 1, 40000)
    other = rng.gamma(4, 1, 40000)  # a more active Sun
    codes = np.rint(40 + 10 * activity).astype(int)
    table = match_levels(codes, 20 + 18 * other, activity, other)
    for value in (1, 2, 4):
        assert table[40 + 10 * value] == pytest.approx(20 + 18 * value, abs=4)
    assert (np.diff(table) >= 0).all()


@pytest.mark.parametrize("band", [193, 304])
def test_the_early_stretch_is_mapped_onto_the_later_one(sensitivity, band):
    times = ("2010-10-01", "2010-11-01", "2010-12-01", "2011-02-10", "2011-03-10", "2011-04-10")
    images, launch = observed(sensitivity, band, times)
    scaling = STRETCHES[band]
    flatter = 0.6 * scaling.forward(images[:3]) + 0.1
    images[:3] = scaling.inverse(flatter)
    fields = np.array([field_of(number) for number, _ in enumerate(times)], dtype=np.float32)
    found = right(sensitivity, band, images, times, "daily_2010_2011", fields=fields)
    np.testing.assert_allclose(found.images[3:], launch[3:], rtol=1e-5)
    np.testing.assert_array_equal(np.isnan(found.factors), np.arange(6) < 3)
    for number in range(3):
        ratio = (found.images[number] / launch[number])[DISK]
        assert np.median(ratio) == pytest.approx(1, abs=0.03)
        assert np.std(np.log(ratio)) < 0.1
        assert np.corrcoef(np.log(found.images[number][DISK]), np.log(launch[number][DISK]))[0, 1] > 0.97


def test_a_stretch_that_was_found_serves_other_images(sensitivity):
    """Even one alone, of which nothing could be told, and finer ones, without a field."""
    times = ("2010-10-01", "2010-11-01", "2010-12-01", "2011-02-10", "2011-03-10")
    images, _ = observed(sensitivity, 193, times)
    scaling = STRETCHES[193]
    images[:3] = scaling.inverse(0.6 * scaling.forward(images[:3]) + 0.1 * np.arange(3)[:, None, None])
    fields = np.array([field_of(number) for number, _ in enumerate(times)], dtype=np.float32)
    found = right(sensitivity, 193, images, times, fields=fields)
    assert found.stretch.table.shape == (256,)
    other = right(sensitivity, 193, images[1:2], times[1:2], level=found.level, stretch=found.stretch)
    np.testing.assert_array_equal(other.images[0], found.images[1])
    assert other.stretch is found.stretch
    np.testing.assert_array_equal(np.isnan(other.factors), [True])
    fine = right(sensitivity, 193, np.kron(images[1:2], np.ones((2, 2))), times[1:2], level=1, stretch=found.stretch)
    np.testing.assert_allclose(fine.images[0, ::2, ::2], found.images[1], rtol=1e-6)
    # What has no code above it is a lower limit.
    assert other.tops[0] == pytest.approx(found.tops[1])
    assert other.tops[0] > other.images[0].max()
    assert right(sensitivity, 193, images[3:], times[3:]).stretch is None


def test_stretches_are_matched_by_what_is_trained_on_alone(sensitivity):
    times = ("2010-10-01", "2010-12-01", "2011-02-10", "2011-03-10")
    images, _ = observed(sensitivity, 193, times)
    fields = np.array([field_of(number) for number, _ in enumerate(times)], dtype=np.float32)
    trained = np.array([False, True, True, False])
    found = right(sensitivity, 193, images, times, fields=fields, trained=trained)
    changed = images.copy()
    changed[3] *= 3
    again = right(sensitivity, 193, changed, times, fields=fields, trained=trained)
    np.testing.assert_array_equal(found.images[:3], again.images[:3])
