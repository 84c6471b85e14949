"""The planes of images and of blocks; those of fields are tested by what models make of them, in `test_models`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sunpy_mag2euv import planes as of_tensors
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.planes import (
    GEOMETRY,
    block_of,
    check_field_planes,
    check_image_planes,
    image_planes,
    is_odd,
)
from sunpy_mag2euv.scaling import AsinhScaling, LinearScaling, LogScaling, SqrtScaling

GRID = Grid((6, 8), 2.5)

SCALINGS = {304: LogScaling(1, 100), 171: SqrtScaling(0, 400), 1700: LinearScaling(0, 2000)}

FIELD_SCALING = AsinhScaling(-3000, 3000, knee=10)

#: Images in DN/s with any gaps.
IMAGES = arrays(np.float32, GRID.shape, elements=st.one_of(st.just(np.nan), st.floats(0, 5000, width=32)))


def field_planes(names, field, scaling, grid, **kwargs):
    """Of arrays."""
    field = torch.from_numpy(field.astype(np.float32))
    return of_tensors.field_planes(names, field, scaling, grid, **kwargs).numpy()


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
    names = ("signed", "absolute", "signed 57 Mm", "absolute 14.5 Mm", "net 57 Mm", *GEOMETRY)
    check_field_planes(names)
    expected = [True, False, True, False, False, False, False, False]
    assert [is_odd(name) for name in names] == expected
    # Of blocks they are what they are of pixels.
    for block in ("2x2", "4x4", "16x16"):
        check_field_planes([f"{block} {name}" for name in names])
        assert [is_odd(f"{block} {name}") for name in names] == expected


@given(arrays(np.float32, GRID.shape, elements=st.floats(-4000, 4000, width=32)))
def test_planes_of_fields_are_even_or_odd(field):
    names = ("signed", "absolute", "signed 57 Mm", "absolute 57 Mm", "net 57 Mm", *GEOMETRY)
    names += tuple(f"2x2 {name}" for name in names)
    planes, mirrored = (field_planes(names, sign * field, FIELD_SCALING, GRID) for sign in (1, -1))
    assert planes.dtype == np.float32
    for name, plane, other in zip(names, planes, mirrored, strict=True):
        np.testing.assert_allclose(other, -plane if is_odd(name) else plane, atol=1e-6)
    np.testing.assert_allclose(planes[0], FIELD_SCALING.forward(field), atol=1e-6)
    np.testing.assert_allclose(planes[1], np.abs(planes[0]), atol=1e-6)


# -- Planes of blocks --------------------------------------------------------------------------------------------------

#: Of whole blocks of four pixels, and not around its middle.
FINE = Grid((24, 32), 9.0, center=(14.25, 12.5))

NAMES = ("signed", "absolute", "signed 57 Mm", "absolute 57 Mm", "net 114 Mm", *GEOMETRY)

FIELDS = arrays(np.float32, FINE.shape, elements=st.floats(-4000, 4000, width=32))


@pytest.fixture(scope="module")
def field():
    """Of both polarities, everywhere, and stronger than any saturation."""
    return np.random.default_rng(0).normal(0, 500, FINE.shape).astype(np.float32)


@pytest.mark.parametrize("block", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, ">f8"])
def test_planes_of_blocks_are_those_of_the_mean_field(field, block, dtype):
    """On the grid of which every pixel is a block; all pixels of a block have the same."""
    rows, columns = (size // block for size in FINE.shape)
    mean = field.reshape(rows, block, columns, block).mean(axis=(1, 3))
    expected = field_planes(NAMES, mean, FIELD_SCALING, Grid((rows, columns), 9.0 / block, FINE.binned(block).center))
    # But for the limb, which goes through blocks.
    expected[NAMES.index("disk")] = (FINE.radius < 1).reshape(rows, block, columns, block).mean(axis=(1, 3))
    planes = field_planes([f"{block}x{block} {name}" for name in NAMES], field.astype(dtype), FIELD_SCALING, FINE)
    assert planes.dtype == np.float32
    assert planes.shape == (len(NAMES), *FINE.shape)
    for name, plane, coarse in zip(NAMES, planes, expected, strict=True):
        assert np.ptp(coarse) > 0.01, name
        np.testing.assert_allclose(plane, np.kron(coarse, np.ones((block, block))), atol=1e-5, err_msg=name)


def test_planes_of_all_sizes_of_blocks_come_in_the_order_of_their_names(field):
    names = ["4x4 absolute", "absolute", "2x2 signed 57 Mm", "mu", "4x4 mu", "1x1 absolute"]
    planes = field_planes(names, field, FIELD_SCALING, FINE)
    for name, plane in zip(names, planes, strict=True):
        np.testing.assert_array_equal(plane, field_planes([name], field, FIELD_SCALING, FINE)[0])
    np.testing.assert_array_equal(planes[5], planes[1])


@given(FIELDS)
def test_net_flux_is_that_of_the_average_whatever_its_polarity(field):
    net, signed, absolute = field_planes(["net 57 Mm", "signed 57 Mm", "absolute 57 Mm"], field, FIELD_SCALING, FINE)
    np.testing.assert_allclose(net, np.abs(signed), atol=1e-6)
    mirrored = field_planes(["net 57 Mm"], -field, FIELD_SCALING, FINE)[0]
    np.testing.assert_allclose(mirrored, net, atol=1e-6)
    # There is no more of it than of flux.
    assert (2 * np.sinh(3 * net) <= np.expm1(3 * absolute) * (1 + 1e-3) + 1e-2).all()


@given(FIELDS, st.floats(1, 5000))
def test_saturation_is_of_the_grid_s_own_pixels(field, saturation):
    blocks = [f"4x4 {name}" for name in NAMES]
    planes = field_planes((*NAMES, *blocks), field, FIELD_SCALING, FINE, saturation=saturation)
    own, of_blocks = np.split(planes, 2)
    clipped = np.clip(field, -saturation, saturation)
    np.testing.assert_allclose(own, field_planes(NAMES, clipped, FIELD_SCALING, FINE), atol=1e-6)
    np.testing.assert_array_equal(of_blocks, field_planes(blocks, field, FIELD_SCALING, FINE))


def test_nothing_saturates_unless_it_is_said(field):
    planes = field_planes(NAMES, field, FIELD_SCALING, FINE)
    np.testing.assert_array_equal(field_planes(NAMES, field, FIELD_SCALING, FINE, saturation=np.inf), planes)
    saturated = field_planes(NAMES, field, FIELD_SCALING, FINE, saturation=100.0)
    changed = [not np.array_equal(*pair) for pair in zip(planes, saturated, strict=True)]
    assert changed == [name not in GEOMETRY for name in NAMES]


@pytest.mark.parametrize(
    "plane",
    [
        *(
            "net",
            "4x4 net",
            "net 57",
            "net 0 Mm",
            "4x4",
            "4x4 ",
            "4x3 signed",
            "0x0 signed",
            "4 x 4 signed",
            "x4 signed",
        ),
        *("4x4 wind", "4x4 mu 57 Mm", "4x4 absolute 57 km", "4x4 2x2 signed", "-4x-4 signed", "4x4signed", "image"),
    ],
)
def test_planes_of_blocks_that_there_are_not(field, plane):
    message = f"unknown input plane '{plane}'; expected one of signed, absolute, mu, radius, disk, or such as 'absolute"
    for ask in (
        lambda: check_field_planes(("signed", plane)),
        lambda: is_odd(plane),
        lambda: field_planes((plane,), field, FIELD_SCALING, FINE),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


@pytest.mark.parametrize("block", [5, 16])
def test_grids_are_of_whole_blocks(field, block):
    with pytest.raises(ValueError, match=f"24 × 32 pixels are no whole number of {block} × {block} blocks"):
        field_planes(("signed", f"{block}x{block} signed"), field, FIELD_SCALING, FINE)


def test_blocks_of_planes():
    assert [block_of(name) for name in ("mu", "net 57 Mm", "1x1 mu", "4x4 disk", "16x16 net 57 Mm")] == [1, 1, 1, 4, 16]


@pytest.mark.parametrize("width", ["1e-300", "0.001", "20000", "1e300", "-7", "nan", "inf"])
def test_averages_that_no_image_of_the_sun_can_have(width):
    with pytest.raises(ValueError, match="unknown input plane"):
        check_field_planes([f"absolute {width} Mm"])
    # The finest and the widest give numbers.
    planes = field_planes(["absolute 0.01 Mm", "signed 10000 Mm"], np.full(GRID.shape, 100.0), FIELD_SCALING, GRID)
    assert np.isfinite(planes).all()


@pytest.mark.parametrize("name", ["0x0 mu", "12345x12345 mu", "٤x٤ mu", "4x5 mu", "-4x-4 mu", "4x4", "4x4mu"])
def test_blocks_that_cannot_be(name):
    with pytest.raises(ValueError, match="unknown input plane"):
        check_field_planes([name])
