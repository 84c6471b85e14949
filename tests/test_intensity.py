"""What is asked of AIA Maps before they are scored or translated, and the DN/s that they hold."""

import numpy as np
import pytest
from aia_images import make_aia

import astropy.units as u
import sunpy.map
from astropy.io import fits
from sunpy.util import MetaDict

from sunpy_mag2euv.intensity import (
    SATURATION,
    check_image,
    check_map,
    check_together,
    intensity,
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


@pytest.mark.parametrize("given", ["aia.fits", None, np.zeros((3, 3)), [make_aia()]], ids=type)
def test_maps_are_needed(given):
    with pytest.raises(
        TypeError, match=rf"the third one must be a sunpy.map.Map; got {type(given).__name__}. Read files with"
    ):
        check_map(given, "the third one")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"unit": None, "exposure": None},
            r"^the third one must be an AIA image in DN or DN/s; this Map is AIA 2 without a unit. If it is one, say "
            r"so with map.meta\['bunit'\] = 'DN', or 'DN / s' if it is per second$",
        ),
        ({"unit": "photon / s"}, r"this Map is AIA 2 in ph / s. If it is one, say so .* = 'DN / s'$"),
        ({"unit": "photon"}, r"this Map is AIA 2 in ph. If it is one, say so .* = 'DN', or 'DN / s' if it is per"),
        ({"unit": "DN / s2"}, r"this Map is AIA 2 in DN / s2. "),
        ({"unit": "flux"}, r"this Map is AIA 2 in 'flux', which is no unit. If it is one, .* 'DN / s' if it is per"),
        ({"instrume": "AIA_SYNTHETIC", "bunit": "ct / s"}, r"this Map is AIA SYNTHETIC in ct / s. .* = 'DN / s'$"),
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
