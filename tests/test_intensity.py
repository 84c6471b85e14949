"""What is asked of AIA Maps before they are scored or translated, and the DN/s that they hold."""

import numpy as np
import pytest
from aia_images import make_aia

import astropy.units as u
import sunpy.map

from sunpy_mag2euv.intensity import SATURATION, check_image, check_map, check_together, intensity


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
        ({"unit": None}, "^the third one must be an AIA image in DN or DN/s; this Map is AIA 2 without a unit"),
        ({"exposure": None}, "^the third one is in DN, so it must have its exposure time"),
        ({"wavelength": 4500}, "there is no AIA passband 4500"),
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
    for keywords in ({}, {"unit": "DN / s", "exposure": None}, {"wavelength": 1600}, {"lvl_num": None}):
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
