"""What has to be true of any Map before it is asked what it shows."""

import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import given
from hypothesis import strategies as st

import sunpy.map

from sunpy_mag2euv.maps import brief, check_map, check_pixels, in_known_time, known_pixels, shown


def with_mask(mask, data=None):
    image = make_aia(size=4)
    return sunpy.map.Map(image.data if data is None else data, image.meta, mask=mask)


def with_keyword(keyword, value):
    """A Map whose header was changed after it was made, as not all of these could be made."""
    image = make_aia(size=4)
    image = sunpy.map.Map(image.data, image.meta.copy())
    image.meta[keyword] = value
    return image


@pytest.mark.parametrize("given", ["aia.fits", None, np.zeros((3, 3)), [make_aia()]], ids=type)
def test_maps_are_needed(given):
    with pytest.raises(
        TypeError, match=rf"the third one must be a sunpy.map.Map; got {type(given).__name__}. Read files with"
    ):
        check_map(given, "the third one")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("INSTRUME", 5),
        ("INSTRUME", None),
        ("TELESCOP", 5),
        ("OBSRVTRY", None),
        ("DETECTOR", 3),
        ("WAVEUNIT", 3),
        ("BUNIT", 7),
        ("PIXLUNIT", True),
    ],
)
def test_words(keyword, value):
    with pytest.raises(ValueError, match=f"^the image must have words in {keyword}; its header says {value!r}. Corr"):
        check_map(with_keyword(keyword, value), "the image")


class Nameless:
    """Something that cannot be written."""

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        (None, "None"),
        (0.5, "0.5"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
        (Nameless(), "something (Nameless)"),
        (10**5000, "something (int)"),
        ("x" * 5000, "'" + 58 * "x" + "…"),
    ],
    ids=type,
)
def test_what_headers_say_is_shown_in_a_line(value, text):
    assert shown(value) == text


@given(st.text())
def test_words_of_others_are_brief(text):
    line = brief(text)
    assert line.isprintable()
    assert len(line) <= 60
    assert brief(line) == line


@pytest.mark.parametrize(("keyword", "value"), [("BUNIT", None), ("HISTORY", 5), ("DETECTOR", "AIA"), ("QUALITY", 0)])
def test_words_that_may_be_missing(keyword, value):
    check_map(with_keyword(keyword, value), "the image")


@pytest.mark.parametrize("said", ["", " ", "UT", "ut", "GMT", "Z", None])
def test_other_words_for_utc(said):
    image = with_keyword("timesys", said)
    known = in_known_time(image)
    assert known.date.isot == known.reference_date.isot == "2014-01-15T00:00:00.000"
    assert known.date.scale == "utc"
    assert known.data is image.data
    assert image.meta["timesys"] == said


@pytest.mark.parametrize("said", ["UTC", "utc", "TAI", "TT", "GPS", 5])
def test_other_scales_are_left_alone(said):
    image = with_keyword("timesys", said)
    assert in_known_time(image) is image


def test_masks_outlive_another_time_scale():
    image = with_mask(np.eye(4, dtype=bool))
    image.meta["timesys"] = "UT"
    np.testing.assert_array_equal(in_known_time(image).mask, np.eye(4, dtype=bool))


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", ">i4", "u2", "f2", "g"])
def test_real_numbers(dtype):
    image = with_mask(None, np.arange(16).reshape(4, 4).astype(dtype))
    check_pixels(image, "the image")
    assert known_pixels(image).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((4, 4), complex), "must hold real numbers; this one holds complex128 numbers. Convert them first"),
        (np.ones((4, 4), bool), "this one holds bool numbers"),
        (np.full((4, 4), b"1"), "this one holds bytes"),
        (np.full((4, 4), "1"), "this one holds text"),
        (np.zeros((4, 4), [("a", float)]), "this one holds records"),
        (np.zeros((4, 4), "M8[s]"), r"this one holds datetime64\[s\] numbers"),
        (np.ones(4), r"must have two dimensions of at least 2 pixels; its shape is \(4,\)"),
        (np.ones((1, 4)), r"at least 2 pixels; its shape is \(1, 4\)"),
        (np.ones((0, 0)), r"at least 2 pixels; its shape is \(0, 0\)"),
    ],
    ids=lambda value: getattr(value, "dtype", ""),
)
def test_what_is_no_image(data, message):
    with pytest.raises(ValueError, match=f"^the image .*{message}"):
        check_pixels(with_mask(None, data), "the image")


def test_an_image_out_of_a_cube():
    with pytest.raises(ValueError, match="must be one image with two dimensions; this Map was made from 3"):
        check_pixels(with_keyword("naxis", 3), "the image")
    check_pixels(with_keyword("naxis", "three"), "the image")


@pytest.mark.parametrize(
    ("mask", "known"),
    [
        (None, 16),
        (False, 16),
        (True, 0),
        (np.bool_(False), 16),
        (np.eye(4, dtype=bool), 12),
        (np.eye(4, dtype=np.uint8), 12),
        (np.eye(4), 12),
        (np.eye(4, dtype=int).tolist(), 12),
    ],
    ids=repr,
)
def test_masks(mask, known):
    image = with_mask(mask)
    check_pixels(image, "the image")
    assert known_pixels(image).shape == (4, 4)
    assert np.count_nonzero(known_pixels(image)) == known


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (np.zeros((3, 3), bool), r"bool numbers in the shape \(3, 3\)"),
        (np.zeros(4, bool), r"bool numbers in the shape \(4,\)"),
        (np.zeros((1, 4, 4), bool), r"bool numbers in the shape \(1, 4, 4\)"),
        (np.full((4, 4), None), r"objects in the shape \(4, 4\)"),
        (np.full((4, 4), "a"), r"text in the shape \(4, 4\)"),
        ("mask", r"text in the shape \(\)"),
        ([[True], [True, False]], r"objects in the shape \(\)"),
    ],
    ids=["smaller", "row", "cube", "objects", "text", "word", "ragged"],
)
def test_masks_of_another_kind(mask, found):
    with pytest.raises(ValueError, match=rf"mask of truth values, .* the shape \(4, 4\) of its data; .* has {found}$"):
        check_pixels(with_mask(mask), "the image")


def test_infinities_and_nan_are_not_known():
    data = np.ones((4, 4))
    data[0] = [np.nan, np.inf, -np.inf, 1e300]
    np.testing.assert_array_equal(known_pixels(with_mask(None, data))[0], [False, False, False, True])


def test_data_that_are_read_later():
    dask = pytest.importorskip("dask.array")
    data = np.ones((4, 4))
    data[1, 2] = np.nan
    image = with_mask(None, dask.from_array(data))
    check_pixels(image, "the image")
    np.testing.assert_array_equal(known_pixels(image), np.isfinite(data))
