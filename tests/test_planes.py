"""The planes of images; those of fields are tested by what models make of them, in `test_models`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.planes import (
    GEOMETRY,
    check_field_planes,
    check_image_planes,
    field_planes,
    image_planes,
    is_odd,
)
from sunpy_mag2euv.scaling import AsinhScaling, LinearScaling, LogScaling, SqrtScaling

GRID = Grid((6, 8), 2.5)

SCALINGS = {304: LogScaling(1, 100), 171: SqrtScaling(0, 400), 1700: LinearScaling(0, 2000)}

FIELD_SCALING = AsinhScaling(-3000, 3000, knee=10)

#: Images in DN/s with any gaps.
IMAGES = arrays(np.float32, GRID.shape, elements=st.one_of(st.just(np.nan), st.floats(0, 5000, width=32)))


@given(st.dictionaries(st.sampled_from(list(SCALINGS)), IMAGES))
def test_images_are_scaled_and_zero_where_they_are_not_known(images):
    """Whichever of them are there, each keeps its place."""
    planes = image_planes(("image", "known"), images, SCALINGS, GRID)
    assert planes.shape == (6, *GRID.shape)
    assert planes.dtype == np.float32
    assert np.abs(planes).max() <= 1
    for number, (band, scaling) in enumerate(SCALINGS.items()):
        image = images.get(band, np.full(GRID.shape, np.nan))
        there = np.isfinite(image)
        np.testing.assert_array_equal(planes[3 + number], there)
        np.testing.assert_allclose(planes[number][there], scaling.forward(image[there]), atol=1e-6)
        assert not planes[number][~there].any()


@given(st.permutations(["image", "known", *GEOMETRY]), IMAGES)
def test_planes_come_in_the_order_of_their_names(names, image):
    planes = image_planes(names, {171: image}, SCALINGS, GRID)
    counts = [1 if name in GEOMETRY else 3 for name in names]
    assert len(planes) == sum(counts)
    expected = {
        "mu": GRID.mu[None],
        "radius": GRID.radius[None] - 1,
        "disk": GRID.radius[None] < 1,
        "image": image_planes(["image"], {171: image}, SCALINGS, GRID),
        "known": image_planes(["known"], {171: image}, SCALINGS, GRID),
    }
    for name, found in zip(names, np.split(planes, np.cumsum(counts)[:-1]), strict=True):
        np.testing.assert_allclose(found, expected[name], atol=1e-6)


def test_only_the_passbands_with_planes_are_seen():
    image = np.full(GRID.shape, 50.0)
    planes = image_planes(["image", "known"], {193: image}, SCALINGS, GRID)
    assert not planes.any()


def test_images_in_any_memory_order():
    """FITS arrays are big-endian, and flipped views have negative strides."""
    image = np.linspace(1, 100, 48).reshape(GRID.shape)
    expected = image_planes(["image"], {304: image}, SCALINGS, GRID)
    for other in (image.astype(">f8"), image[::-1, ::-1].copy()[::-1, ::-1], np.asfortranarray(image)):
        planes = image_planes(["image"], {304: other}, SCALINGS, GRID)
        np.testing.assert_array_equal(planes, expected)
        assert planes.dtype.isnative
        assert planes.flags.c_contiguous


@pytest.mark.parametrize("plane", ["signed", "absolute 57 Mm", "images", "Known", ""])
def test_planes_of_images_that_there_are_not(plane):
    message = f"unknown input plane '{plane}'; expected one of image, known, mu, radius, disk"
    with pytest.raises(ValueError, match=message):
        check_image_planes(("image", plane))
    with pytest.raises(ValueError, match=message):
        image_planes(("image", plane), {}, SCALINGS, GRID)
    check_image_planes(("image", "known", *GEOMETRY))


def test_planes_of_fields_are_not_those_of_images():
    with pytest.raises(ValueError, match="unknown input plane 'image'; expected one of signed, absolute, mu, radius"):
        check_field_planes(("signed", "image"))
    names = ("signed", "absolute", "signed 57 Mm", "absolute 14.5 Mm", *GEOMETRY)
    check_field_planes(names)
    assert [is_odd(name) for name in names] == [True, False, True, False, False, False, False]


@given(arrays(np.float32, GRID.shape, elements=st.floats(-4000, 4000, width=32)))
def test_planes_of_fields_are_even_or_odd(field):
    names = ("signed", "absolute", "signed 57 Mm", "absolute 57 Mm", *GEOMETRY)
    planes, mirrored = (field_planes(names, sign * field, FIELD_SCALING, GRID) for sign in (1, -1))
    assert planes.dtype == np.float32
    for name, plane, other in zip(names, planes, mirrored, strict=True):
        np.testing.assert_allclose(other, -plane if is_odd(name) else plane, atol=1e-6)
    np.testing.assert_allclose(planes[0], FIELD_SCALING.forward(field), atol=1e-6)
    np.testing.assert_allclose(planes[1], np.abs(planes[0]), atol=1e-6)
