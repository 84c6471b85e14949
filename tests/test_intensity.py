"""What is asked of AIA Maps before they are scored or translated, and the DN/s that they hold."""

import re

import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import astropy.units as u
import sunpy.map
from astropy.io import fits
from sunpy.util import MetaDict

from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.intensity import (
    SATURATION,
    Reading,
    check_image,
    check_light,
    check_together,
    filled_share,
    intensity,
    read_intensity,
    unit_in_header,
    unit_of,
)
from sunpy_mag2euv.sensitivity import Sensitivity


def aia(data, *, exposure=2.0, unit="DN", mask=None):
    """Some pixels as AIA has them."""
    meta = make_aia(size=(2, 3), exposure=exposure, unit=unit).meta
    return sunpy.map.Map(np.resize(data, (2, 3)), meta, mask=mask)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f4", ">f4", ">f8"])
def test_dn_are_divided_by_the_exposure_time(dtype):
    data = np.array([0, -1, 10, 100, 1000, 16382], dtype=dtype)
    np.testing.assert_array_equal(intensity(aia(data, exposure=2.5)).ravel(), data.astype(float) / 2.5)


@pytest.mark.parametrize(("unit", "factor"), [("DN / s", 1), ("DN / ms", 1000), ("DN / min", 1 / 60)])
def test_rates_are_left_as_they_are_but_for_their_unit(unit, factor):
    for exposure in (None, 2.0):
        values = intensity(aia([1.5, 5.0], unit=unit, exposure=exposure))
        np.testing.assert_allclose(values, np.resize([1.5, 5.0], (2, 3)) * factor)


def test_what_is_not_known():
    mask = np.zeros((2, 3), dtype=bool)
    mask[1, 2] = True
    limit = SATURATION.value
    values = intensity(aia([limit - 1, limit, limit + 500, np.nan, np.inf, 10.0], mask=mask))
    np.testing.assert_array_equal(values.ravel(), [(limit - 1) / 2, *5 * [np.nan]])


def test_rates_tell_saturation_by_the_exposure_time():
    rates = np.array([SATURATION.value - 1, SATURATION.value], dtype="f4") / np.float32(2.901)
    np.testing.assert_array_equal(np.isnan(intensity(aia(rates, unit="DN / s", exposure=2.901))).ravel()[:2], [0, 1])
    assert np.isfinite(intensity(aia(rates, unit="DN / s", exposure=None))).all()


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ({}, u.DN),
        ({"LVL_NUM": 1}, u.DN),
        ({"INSTRUME": "AIA_SAMPLE"}, u.DN),
        ({"BUNIT": ""}, u.DN),
        ({"BUNIT": " ", "PIXLUNIT": "DN/s"}, u.DN / u.s),
        ({"BUNIT": "DN/s", "PIXLUNIT": "DN"}, u.DN / u.s),
        ({"BUNIT": "ct"}, u.DN),
        ({"PIXLUNIT": "counts"}, u.DN),
        ({"BUNIT": "ct / s"}, u.DN / u.s),
        ({"BUNIT": "ct/s"}, u.DN / u.s),
        ({"BUNIT": "Counts / ms"}, u.DN / u.ms),
        ({"BUNIT": "ct / pix"}, u.DN / u.pix),
        ({"BUNIT": "ct", "LVL_NUM": None, "EXPTIME": None}, u.DN),
        ({"LVL_NUM": None}, None),
        ({"LVL_NUM": 0.5}, None),
        ({"EXPTIME": None}, None),
        ({"EXPTIME": 0.0}, None),
        ({"EXPTIME": "long"}, None),
        ({"INSTRUME": None}, None),
        ({"INSTRUME": "EIT"}, None),
        ({"INSTRUME": "AIA_SYNTHETIC"}, None),
        ({"INSTRUME": "AIA-GAN"}, None),
        ({"INSTRUME": "EIT", "BUNIT": "ct"}, u.ct),
        ({"BUNIT": "nonsense"}, None),
    ],
    ids=repr,
)
def test_what_a_header_says_of_the_unit(header, unit):
    """The same of a file's and of a Map's."""
    header = {"INSTRUME": "AIA_3", "LVL_NUM": 1.5, "EXPTIME": 2.9} | header
    for kind in (fits.Header, MetaDict):
        assert unit_in_header(kind({key: value for key, value in header.items() if value is not None})) == unit


def test_counts_are_dn():
    image = aia([10.0, 20.0], unit="ct")
    assert image.unit == u.ct
    assert unit_of(image) == u.DN
    np.testing.assert_array_equal(intensity(image)[0, :2], [5, 10])
    np.testing.assert_array_equal(intensity(aia([10.0, 20.0], unit=None))[0, :2], [5, 10])
    np.testing.assert_array_equal(intensity(aia([10.0, 20.0], unit="ct / s"))[0, :2], [10, 20])


def test_other_maps_have_their_own_unit(make_magnetogram):
    assert unit_of(make_magnetogram()) == u.G
    assert unit_of(aia([1.0])) == u.DN


def test_files_of_the_synoptic_archive(test_data):
    """They do not say their unit, and everything else."""
    paths = sorted(test_data.glob("inputs/aia_synoptic_20250113/*.fits"))
    if not paths:
        pytest.skip("there are no files of the synoptic archive")
    for path in paths:
        image = sunpy.map.Map(path)
        assert image.unit is None
        check_image(image, path.name)
        middle = np.s_[510, 510]
        assert intensity(image)[middle] == pytest.approx(image.data[middle] / image.meta["exptime"])


def test_the_map_is_left_alone():
    image = aia(np.array([1.0, SATURATION.value]))
    before = image.data.copy()
    intensity(image)
    np.testing.assert_array_equal(image.data, before)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"unit": None, "exposure": None},
            r"^the third one must be an AIA image in DN or DN/s; this one is without a unit. Say what its numbers are "
            r"with map.meta\['bunit'\] = 'DN' if they are DN, or 'DN / s' if they are DN per second$",
        ),
        ({"unit": "photon / s"}, r"this one is in 'photon / s'. Say what .* = 'DN / s' if they are DN per second$"),
        ({"unit": "photon"}, r"this one is in 'photon'. Say what .* = 'DN' if they are DN, or 'DN / s' if they are DN"),
        ({"unit": "DN / s2"}, r"this one is in 'DN / s2'. "),
        ({"unit": "flux"}, r"this one is in 'flux', which is no unit. Say .* 'DN / s' if they are DN per second$"),
        ({"instrume": "AIA_SYNTHETIC", "bunit": "ct / s"}, r"this one is in 'ct / s'. .* = 'DN / s' if they are"),
        ({"lvl_num": 0.5}, "^the third one must be of level 1 or 1.5; this one is of level 0.5. Use the level 1 file$"),
        ({"lvl_num": "0"}, "this one is of level 0. Use the level 1 file$"),
        (
            {"instrume": "EIT", "telescop": "SOHO", "wavelength": 171, "bunit": "DN"},
            r"^the third one must be an AIA image, observed or synthetic; this one is EIT 171.0 Angstrom in DN. If a "
            r"model made it in AIA's DN/s, say so with map.meta\['instrume'\] = 'AIA_SYNTHETIC'$",
        ),
        (
            {"instrume": "SECCHI", "detector": "EUVI", "wavelength": 195, "bunit": "DN"},
            "must be an AIA image, observed",
        ),
        ({"instrume": "HMI_SIDE1", "bunit": "G"}, "this one is HMI SIDE1 .*in G. Use an AIA image$"),
        ({"instrume": ""}, "^the third one must be an AIA image, observed or synthetic; this one is 193.0 Angstrom"),
        (
            {"instrume": "AIA_SYNTHETIC", "unit": ""},
            "this one is without a unit. Say what its numbers are with map.meta",
        ),
        ({"exposure": None}, "^the third one is in DN, so it must have its exposure time"),
        ({"wavelength": 4500}, "there is no AIA passband 4500"),
        (
            {"degepoch": "later"},
            "^the third one must say with DEGEPOCH .* 'launch' or a date; it says 'later'. Correct it",
        ),
        ({"size": (20, 1)}, "^the third one must have two dimensions of at least 2 pixels"),
        (
            {"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg"},
            "^the third one must be helioprojective .*; this one is in heliographic carrington coordinates",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Missing metadata")
def test_images_that_cannot_be_used(keywords, message):
    with pytest.raises(ValueError, match=message):
        check_image(make_aia(**keywords), "the third one")


def test_images_that_can():
    good = ({}, {"unit": "DN / s", "exposure": None}, {"wavelength": 1600}, {"lvl_num": None}, {"unit": None})
    for keywords in good:
        check_image(make_aia(**keywords), "the image")


def test_all_images_have_to_go_together():
    near = [make_aia(date=f"2014-01-15T00:{minute:02}:00", wavelength=171) for minute in (0, 12, 5)]
    for images in ([], near[:1], near, near[::-1]):
        check_together(images, 12 * u.min)
    late = make_aia(date="2014-01-15T00:13:00")
    with pytest.raises(
        ValueError, match=r"at most 12 min apart; these are 13 min apart \(2014-01-15T00:00:00.000 and .*13:00.000 UTC"
    ):
        check_together([*near, late], 12 * u.min)
    check_together([*near, late], 0.25 * u.hour)
    with pytest.raises(ValueError, match=r"to within 1 deg; the observers of these are 1\.99 deg apart"):
        check_together([*near, make_aia(longitude=2.0)], 12 * u.min)
    check_together([*near, make_aia(longitude=0.9)], 12 * u.min)


@pytest.mark.parametrize("unit", ["mag(DN)", "dex(DN)", "DN,s"])
def test_what_is_no_plain_unit_is_no_unit(unit):
    image = make_aia(size=4)
    image = sunpy.map.Map(image.data, {**image.meta, "bunit": unit})
    assert unit_of(image) is None


def test_the_level_may_be_text(tmp_path):
    image = make_aia(size=4, lvl_num="1.5", unit=None)
    assert unit_of(image) == u.DN


@pytest.mark.parametrize("exposure", ["2.0", "", "abc", np.inf, -1.0])
def test_an_exposure_time_that_is_no_number_is_none(exposure):
    image = make_aia(size=4)
    image = sunpy.map.Map(image.data, {**image.meta, "exptime": exposure})
    with pytest.raises(ValueError, match="it must have its exposure time"):
        check_image(image, "the image")


def test_masks_of_numbers():
    image = make_aia(size=4)
    mask = np.zeros((4, 4), dtype=np.uint8)
    mask[1, 2] = 1
    values = intensity(sunpy.map.Map(image.data, image.meta, mask=mask))
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 2]]


@pytest.mark.parametrize("unit", ["DN", "DN / s"])
@pytest.mark.parametrize(
    ("mark", "left"),
    [
        ({"degepoch": "launch"}, Sensitivity.read().since_launch(304, "2014-01-15")),
        ({"deg_cor": 0.25}, 0.25),
        ({"deg_cor": 0.25, "degepoch": "2014-01-15T00:00:00"}, 1.0),
    ],
    ids=["epoch", "factor", "own epoch"],
)
def test_saturation_is_that_of_the_image_as_it_was_taken(unit, mark, left):
    """An image whose loss of sensitivity was divided out saturates at more."""
    limit = SATURATION.value / left / (1 if unit == "DN" else 2)
    image = make_aia(size=(2, 2), wavelength=304, exposure=2.0, unit=unit, **mark)
    data = np.array([[limit * 0.99, limit], [1.1 * limit, 0.3 * limit]])
    values = intensity(sunpy.map.Map(data, image.meta))
    np.testing.assert_array_equal(np.isnan(values), [[False, True], [True, False]])


def test_counts_of_others_are_counts():
    assert unit_in_header({"INSTRUME": "EIT", "BUNIT": "ct"}) == u.ct
    assert unit_in_header({"INSTRUME": "EIT", "BUNIT": "dex(ct)"}) is None
    assert unit_in_header({"INSTRUME": "AIA_2", "BUNIT": "ct"}) == u.DN


# -- Numbers that say something else -----------------------------------------------------------------------------------

#: What is left of an exposure in the header when EXPTIME was set to 1: 2.9 s, by the times of the shutter in ms.
SHUTTER = {f"aimsho{place}": 10.0 for place in ("bc", "be", "tc", "te")} | {
    "aimshcbc": 2909.0,
    "aimshcbe": 2909.5,
    "aimshctc": 2910.5,
    "aimshcte": 2911.0,
}


def made_of(data, **keywords):
    """A Map of some data."""
    data = np.asarray(data)
    return sunpy.map.Map(data, make_aia(size=data.shape, **keywords).meta)


def test_the_shutter_tells_what_was_set_to_1():
    """Pipelines divide by the exposure and set EXPTIME to 1, in DN/s or still in DN."""
    limit = SATURATION.value / 2.9
    data = np.array([[0.999 * limit, limit], [2 * limit, 10]])
    for unit in ("DN", "DN / s"):
        reading = read_intensity(made_of(data, exposure=1.0, unit=unit, **SHUTTER))
        np.testing.assert_array_equal(reading.saturated, [[False, True], [True, False]])
        np.testing.assert_array_equal(reading.values[~reading.saturated], data[~reading.saturated])


@settings(max_examples=30)
@given(
    recorded=arrays(float, (4, 4), elements=st.sampled_from([-(2.0**31), -5000, -3000, -8, 0, 100, 16382, 16383, 2e4])),
    exposure=st.floats(0.05, 2.9),
    left=st.floats(0.05, 1),
)
def test_the_same_pixels_whatever_was_done_to_the_image(recorded, exposure, left):
    """By exposure, by degradation, or by both."""
    shutter = {keyword: 1000 * exposure * ("c" in keyword[4:6]) for keyword in SHUTTER}
    readings = [
        read_intensity(sunpy.map.Map(data, make_aia(size=4, wavelength=193).meta | keywords))
        for data, keywords in (
            (recorded, {"exptime": exposure}),
            (recorded / exposure, {"exptime": exposure, "bunit": "DN / s"}),
            (recorded / exposure, {"exptime": 1.0, "bunit": "DN / s"} | shutter),
            (recorded / exposure, {"exptime": 1.0} | shutter),
            (recorded / exposure / left, {"exptime": 1.0, "deg_cor": left} | shutter),
            (recorded / left, {"exptime": exposure, "deg_cor": left}),
        )
    ]
    np.testing.assert_array_equal(readings[0].impossible, recorded < -4096)
    saturated = readings[0].saturated
    # A plateau is only looked for among what is bright.
    np.testing.assert_array_equal(saturated[recorded >= 16383], True)
    np.testing.assert_array_equal(saturated[recorded < 16382], False)
    for reading in readings[1:]:
        np.testing.assert_array_equal(reading.saturated, saturated)
        np.testing.assert_array_equal(reading.impossible, readings[0].impossible)
    for reading in readings[:4]:
        np.testing.assert_allclose(reading.values, readings[0].values, rtol=1e-12)


@pytest.mark.parametrize("broken", [{"aimshcbc": None}, {"aimshcbc": "late"}, {"aimshcbc": True}, {"aimshobc": 1e9}])
def test_without_the_shutter_it_is_the_exposure_time(broken):
    reading = read_intensity(made_of([[6000, 16382], [16383, 10]], exposure=1.0, **SHUTTER | broken))
    np.testing.assert_array_equal(reading.saturated, [[False, False], [True, False]])


def test_the_shutter_of_real_files(test_data):
    """Their exposure time is the mean that it is taken for."""
    paths = sorted(test_data.glob("inputs/aia_synoptic_20250113/*.fits"))
    if not paths:
        pytest.skip("there are no files of the synoptic archive")
    for path in paths:
        image = sunpy.map.Map(path)
        taken = image.meta["exptime"]
        data = np.full((4, 4), 10.0)
        data[0, :2] = SATURATION.value / taken * np.array([1 - 1e-5, 1])
        image = sunpy.map.Map(data, {**image.meta, "exptime": 1.0})
        np.testing.assert_array_equal(read_intensity(image).saturated[0], [False, True, False, False])


def flare(level, pixels=6):
    """Something bright whose top was cut off."""
    data = 100 + np.arange(100.0).reshape(10, 10)
    data[4:6, 3 : 3 + pixels // 2] = level
    data[4, 8] = 0.9 * level
    return data


@pytest.mark.parametrize("exposure", [None, 1.0, 2.0])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_a_plateau_is_saturated_whatever_the_header_says(exposure, dtype):
    data = flare(5649).astype(dtype)
    reading = read_intensity(made_of(data, exposure=exposure, unit="DN / s"))
    np.testing.assert_array_equal(reading.saturated, data == 5649)
    assert np.isnan(reading.values[reading.saturated]).all()
    assert np.isfinite(reading.values[~reading.saturated]).all()


@pytest.mark.parametrize(
    "data",
    [flare(5000), flare(5649, pixels=2), flare(5649) + 1e-2 * np.arange(100.0).reshape(10, 10)],
    ids=["not bright enough", "two pixels", "not flat"],
)
def test_what_is_no_plateau(data):
    assert not read_intensity(made_of(data, exposure=None, unit="DN / s")).saturated.any()


def test_pixels_that_are_apart_are_no_plateau():
    data = np.full((10, 10), 10.0)
    data[::3, ::3] = 6000
    assert not read_intensity(made_of(data, exposure=None, unit="DN / s")).saturated.any()


def test_synthetic_images_may_be_flat():
    """What a model puts an end to is no detector."""
    keywords = {"instrume": "AIA_SYNTHETIC", "lvl_num": None, "exposure": None, "unit": "DN / s"}
    assert not read_intensity(made_of(flare(9000), **keywords)).saturated.any()


def test_plateaus_of_images_that_were_corrected():
    """An image at a fifth of the sensitivity reaches five times as much before it saturates."""
    keywords = {"exposure": None, "unit": "DN / s", "deg_cor": 0.2}
    assert not read_intensity(made_of(flare(6000), **keywords)).saturated.any()
    assert np.count_nonzero(read_intensity(made_of(flare(5 * 5649), **keywords)).saturated) == 6


def test_numbers_that_were_not_recorded():
    """From there to nought, it may be noise, a dark level or interpolation beside a flare."""
    data = np.array([[-32768, -(2.0**31)], [-4097, -4095], [-3000, 10]])
    for exposure, unit in ((2.0, "DN"), (None, "DN / s"), (2.0, "DN / s")):
        factor = 0.5 if (exposure, unit) == (2.0, "DN / s") else 1
        reading = read_intensity(made_of(data * factor, exposure=exposure, unit=unit))
        np.testing.assert_array_equal(reading.impossible, [[True, True], [True, False], [False, False]])
        np.testing.assert_array_equal(np.isnan(reading.values), reading.impossible)
    # Divided by a third, they are three times as much.
    np.testing.assert_array_equal(read_intensity(made_of(3 * data, deg_cor=1 / 3)).impossible, reading.impossible)


@pytest.mark.parametrize(("bits", "blank"), [(16, -32768), (32, -(2**31))])
@pytest.mark.parametrize("scale", [1, 0.5])
def test_missing_pixels_of_files(tmp_path, bits, blank, scale):
    """BLANK in a file of integers, which not all readers replace; one way or the other, it is not known."""
    image = make_aia(size=(4, 4))
    stored = np.full((4, 4), 50, dtype=f"i{bits // 8}")
    stored[1, 2] = blank
    header = fits.Header({key.upper(): value for key, value in image.meta.items() if key not in ("keycomments",)})
    header["BLANK"], header["BSCALE"] = blank, scale
    hdu = fits.PrimaryHDU(stored.astype(f">i{bits // 8}"), header)
    hdu.header["BSCALE"] = scale
    hdu.writeto(tmp_path / "image.fits")
    values = intensity(sunpy.map.Map(tmp_path / "image.fits"))
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 2]]


def reading_of(values):
    """Of an image without saturated or impossible pixels."""
    nowhere = np.zeros(values.shape, dtype=bool)
    return Reading(values, saturated=nowhere, impossible=nowhere)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((5, 5), np.nan), "must have pixels that are known; in this one all are masked, not finite or below"),
        (np.zeros((5, 5)), "must show the Sun; all its numbers are 0 in DN/s. Check how it was read"),
        (-np.arange(1.0, 26), "must show the Sun; none of its numbers is positive"),
        (np.full((5, 5), 7.0), "must show the Sun; all its numbers are 7 in DN/s"),
    ],
    ids=["unknown", "zero", "negative", "constant"],
)
def test_nothing_to_see(values, message):
    with pytest.raises(ValueError, match=f"^the third one {message}"):
        check_light(reading_of(values), "the third one")


@pytest.mark.parametrize("dark", [np.nan, 0.0, -1.0])
def test_all_that_there_is_to_see_is_saturated(dark):
    reading = Reading(np.full((5, 5), dark), np.eye(5, dtype=bool), np.zeros((5, 5), dtype=bool))
    with pytest.raises(
        ValueError, match=r"one all that have light are, .* Check its unit, its exposure time and DEG_COR$"
    ):
        check_light(reading, "the image")


def test_something_to_see():
    check_light(reading_of(np.array([[np.nan, -1, 2.0]])), "the image")
    # Few counts can be the same.
    check_light(reading_of(np.full((3, 3), 2.0)), "the image")
    check_light(reading_of(np.full((5, 5), 2.0)), "the image", constant=True)


def filled(image):
    return filled_share(read_intensity(image).values, Disk.of(image))


def replaced(image, part, value):
    """The same Map with another number in part of it."""
    data = np.array(image.data)
    data[part] = value
    return sunpy.map.Map(data, image.meta)


@pytest.mark.parametrize("wavelength", [94, 131, 171, 193, 211, 304, 335, 1600, 1700])
def test_what_is_filled(test_data, wavelength):
    """In AIA's own images nothing is, not even in whole DN; parts that are, are found if they are interpolated, too."""
    image = sunpy.map.Map(test_data / f"inputs/aia_synoptic_20250113/AIAsynoptic{wavelength:04}.fits")
    for data in (image.data, np.rint(image.data)):
        whole = sunpy.map.Map(data, image.meta)
        assert filled(whole) == 0
        for value in (0.0, 50.0):
            # Of the disk, whose radius is 409 pixels
            assert filled(replaced(whole, np.s_[:340], value)) == pytest.approx(0.24, abs=0.03)
            hole = filled(replaced(whole, np.s_[480:560, 480:560], value))
            assert hole == pytest.approx(80**2 / np.pi / 409**2, abs=4e-3)
    assert filled(image.rotate(7 * u.deg)) == 0
    assert filled(replaced(image, np.s_[:340], 0.0).rotate(7 * u.deg, missing=0)) == pytest.approx(0.23, abs=0.03)
    # Beyond the limb, and where it is not known, it does not matter.
    assert filled(replaced(image, np.s_[:90], 0.0)) == 0
    assert filled(replaced(image, np.s_[:340], np.nan)) == 0


def test_lines_that_are_filled(test_data):
    image = sunpy.map.Map(test_data / "inputs/aia_synoptic_20250113/AIAsynoptic0171.fits")
    assert filled(replaced(image, np.s_[::8], 0.0)) == pytest.approx(1 / 8, abs=0.02)


def test_images_too_small_to_tell():
    assert filled(make_aia(size=16, radius=7)) == 0
    assert filled(make_aia(lambda x, y: 0 * x, size=64, radius=25)) == 0
    assert filled(make_aia(size=(9, 300), radius=98)) == 0


@pytest.mark.parametrize("difference", [-1 * u.min, np.nan * u.min, [1, 2] * u.min], ids=str)
def test_time_differences_that_are_none(difference):
    with pytest.raises(ValueError, match="max_time_difference must be one span of time, not negative, such"):
        check_together([make_aia()], difference)


def test_time_differences_that_are_some():
    for difference in (0 * u.s, np.inf * u.min, 1 * u.day):
        check_together([make_aia(), make_aia()], difference)


@pytest.mark.parametrize(
    "keywords",
    [
        {"wavelnth": None},
        {"wavelnth": "abc"},
        {"wavelnth": [171, 193]},
        {"waveunit": None},
        {"waveunit": ""},
        {"waveunit": "s"},
        {"waveunit": "nonsense"},
    ],
    ids=repr,
)
def test_passbands_that_cannot_be_read(keywords):
    image = make_aia(size=4)
    image = sunpy.map.Map(image.data, image.meta.copy())
    image.meta.update(keywords)
    with pytest.raises(ValueError, match=r"^the image must say its passband, such as WAVELNTH = 193 and WAVEU"):
        check_image(image, "the image")


@pytest.mark.parametrize("wavelength", [0, np.nan, -193, 195, True])
def test_passbands_that_there_are_none(wavelength):
    image = make_aia(size=4)
    image = sunpy.map.Map(image.data, image.meta.copy())
    image.meta["wavelnth"] = wavelength
    with pytest.raises(ValueError, match="there is no AIA passband"):
        check_image(image, "the image")


# -- Advice, which has to help ---------------------------------------------------------------------------------------

ADVICE = re.compile(r"map\.meta\['(\w+)'\] (?:= ('[^']+'|[0-9.]+)|to the number of (seconds))")


@pytest.mark.parametrize(
    ("unit", "header"),
    [
        ("DN", {"unit": None, "lvl_num": None}),
        ("DN", {"unit": "", "lvl_num": None}),
        ("DN", {"unit": "", "instrume": "AIA_SYNTHETIC"}),
        ("DN", {"unit": None, "lvl_num": None, "exptime": None}),
        ("DN", {"unit": "photon"}),
        ("DN", {"unit": "flux"}),
        ("DN", {"unit": "dex(DN)"}),
        ("DN", {"unit": "DN / pix"}),
        ("DN", {"instrume": "AIA_SYNTHETIC", "unit": "ct"}),
        ("DN / s", {"unit": "photon / s", "exptime": None}),
        ("DN / s", {"unit": "DN / s2"}),
        ("DN / s", {"unit": "ct / pix / s"}),
        ("DN / s", {"instrume": "AIA_SYNTHETIC", "unit": "ct / s"}),
        ("DN", {"exptime": None}),
        ("DN", {"exptime": "2.0"}),
        ("DN", {"exptime": "long"}),
        ("DN", {"xposure": "long"}),
        ("DN", {"timeunit": "ms", "exptime": "2000"}),
        ("DN", {"timeunit": "ages"}),
        ("DN / s", {"instrume": "MODEL", "unit": None, "bunit": "DN / s", "exptime": None}),
        ("DN", {"degepoch": "later"}),
        ("DN", {"deg_cor": "much"}),
    ],
    ids=str,
)
def test_following_the_advice_helps(unit, header):
    """The same Sun in DN/s, whatever the header lacked: what each sentence says is done, until there is none."""
    plain = make_aia(size=16, radius=6.0, exposure=2.0, unit="DN")
    expected = plain.data / 2
    keywords = {key: value for key, value in header.items() if key != "unit"}
    image = make_aia(size=16, radius=6.0, unit=header.get("unit", unit)).meta | {"exptime": 2.0} | keywords
    image = sunpy.map.Map(plain.data if unit == "DN" else expected, image)
    for _ in range(4):
        try:
            check_image(image, "the image")
            break
        except ValueError as error:
            follow(str(error), image.meta, unit)
    np.testing.assert_allclose(intensity(image), expected)


def follow(sentence, meta, unit):
    """Do what a sentence says, choosing what fits the numbers."""
    if "Correct it, or remove it from map.meta" in sentence:
        del meta["degepoch" if "DEGEPOCH" in sentence else "deg_cor"]
        return
    if f"'{unit}' if they are" in sentence:
        meta["bunit"] = unit
        return
    advice = sentence.partition(", or divide")[0]
    assert ADVICE.search(advice), sentence
    for keyword, value, seconds in ADVICE.findall(advice):
        meta[keyword] = 2.0 if seconds else value.strip("'")
