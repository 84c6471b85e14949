"""Cubes of several passbands: made of Maps, sliced, plotted, and taken apart."""

import copy
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest

import astropy.units as u
import sunpy.map
from astropy.nddata import StdDevUncertainty

from sunpy_mag2euv.aia import View, make_map
from sunpy_mag2euv.cubes import PassbandCube, PassbandMeta, cube_to_maps, make_cube
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.validity import FieldValidity
from sunpy_mag2euv.visualization import normalization

GOOD = FieldValidity(
    strong=0.0001,
    strongest_field=1500.0,
    off_limb=0.36,
    on_hmi_scale=True,
    coarseness=0.8,
    training_images=100,
    caveat=None,
)


@pytest.fixture(scope="module")
def grid():
    return Grid((64, 80), 25.0, center=(41.5, 30.0))


@pytest.fixture(scope="module")
def make(grid, make_magnetogram, tiny_model):
    """A function that makes the Map of a passband, brighter with every pixel and unknown in the last row."""
    view = View.of([make_magnetogram()])

    def make(angstrom=193, certain=False):
        image = np.arange(grid.shape[0] * grid.shape[1], dtype=np.float32).reshape(grid.shape) + angstrom
        image[-1] = np.nan
        image *= u.DN / u.s
        return make_map(image, None if certain else image / 10, grid, PASSBANDS[angstrom], view, tiny_model, GOOD)

    return make


@pytest.fixture(scope="module")
def cube(make):
    return make_cube([make(angstrom) for angstrom in PASSBANDS])


def test_cube(cube, make, grid):
    assert cube.data.shape == (9, *grid.shape)
    assert cube.unit == u.DN / u.s
    for plane, angstrom in zip(cube.data, PASSBANDS, strict=True):
        np.testing.assert_array_equal(plane, make(angstrom).data)


def test_cube_uncertainty(cube):
    assert isinstance(cube.uncertainty, StdDevUncertainty)
    assert cube.uncertainty.unit == u.DN / u.s
    np.testing.assert_allclose(cube.uncertainty.array, cube.data / 10)


def test_cube_without_uncertainty(make):
    # As soon as one passband lacks it, since a cube has it for all or for none.
    assert make_cube([make(171), make(193, certain=True)]).uncertainty is None


def test_cube_mask(cube):
    assert cube.mask[:, -1].all()
    assert not cube.mask[:, :-1].any()


def test_cube_passbands_are_a_coordinate(cube):
    assert cube.array_axis_physical_types[0] == ("em.wl",)
    (wavelengths,) = cube.axis_world_coords(0)
    assert u.allclose(wavelengths, list(PASSBANDS) * u.AA)
    (wavelengths,) = cube.axis_world_coords("em.wl")
    assert len(wavelengths) == 9


def test_cube_meta(cube, make):
    assert isinstance(cube.meta, PassbandMeta)
    assert list(cube.meta["wavelnth"]) == list(PASSBANDS)
    assert cube.meta["history"][5] == make(304).meta["history"]


def test_cube_meta_is_sliced_with_the_cube(cube, make):
    """One image has its own header and no other, from which sunpy makes its Map."""
    for number, angstrom in enumerate(PASSBANDS):
        header = cube[number].meta
        assert header == dict(make(angstrom).meta)
        assert sunpy.map.Map(cube[number].data, header).wavelength == angstrom * u.AA
    assert list(cube[1:3].meta["wavelnth"]) == [131, 171]
    assert list(cube[1:3][1:].meta["wavelnth"]) == [171]
    assert cube[1:3][1].meta == dict(make(171).meta)
    assert cube[5, 10:20, 30:].meta["wavelnth"] == 304
    assert list(cube[..., 3].meta["wavelnth"]) == list(PASSBANDS)
    assert list(cube.crop((None, 171 * u.AA), (None, 304 * u.AA)).meta["wavelnth"]) == [171, 193, 211, 304]
    assert list(cube.rebin((1, 2, 2)).meta["wavelnth"]) == list(PASSBANDS)


def test_cube_counts_from_the_end(cube):
    assert cube[-1].meta["wavelnth"] == 1700
    assert list(cube[-2:].meta["wavelnth"]) == [1600, 1700]
    np.testing.assert_array_equal(cube[:-7, -5:, :-70].data, cube.data[:-7, -5:, :-70])


@pytest.mark.parametrize("item", [9, -10, None, slice(None, None, 2), "304"])
def test_what_is_no_part_of_a_cube_leaves_it_as_it_was(cube, item):
    with pytest.raises((IndexError, ValueError)):
        cube[item]
    assert list(cube.meta["wavelnth"]) == list(PASSBANDS)


def test_keywords_that_some_passbands_lack(make):
    first, second = make(171), make(193)
    second.meta["degepoch"] = "launch"
    first.meta.pop("degepoch", None)
    cube = make_cube([first, second])
    assert list(cube.meta["degepoch"]) == [None, "launch"]
    assert ["degepoch" in image.meta for image in cube_to_maps(cube)] == [False, True]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda cube: pickle.loads(pickle.dumps(cube))])
def test_cubes_can_be_copied_and_sent(cube, again):
    other = again(cube)
    assert isinstance(other, PassbandCube)
    np.testing.assert_array_equal(other.data, cube.data)
    assert other[2].meta == cube[2].meta


def test_cube_has_the_maps_world_coordinates(cube, make):
    pixel = (10.5, 20.25)
    expected = make().pixel_to_world(*pixel * u.pix)
    for index, angstrom in enumerate(PASSBANDS):
        position, wavelength = cube.wcs.pixel_to_world(*pixel, index)
        assert position.separation(expected) < 1e-6 * u.arcsec
        assert position.frame.is_equivalent_frame(expected.frame)
        assert u.isclose(wavelength, angstrom * u.AA)


def test_cube_slice(cube, make):
    image = cube[3]
    np.testing.assert_array_equal(image.data, make(193).data)
    assert image.wcs.pixel_to_world(7, 9).separation(make(193).pixel_to_world(7 * u.pix, 9 * u.pix)) < 1e-6 * u.arcsec
    part = cube[2:5, 10:20, 30:60]
    assert part.data.shape == (3, 10, 30)
    assert u.allclose(part.axis_world_coords(0)[0], [171, 193, 211] * u.AA)


def test_cube_crop_by_wavelength(cube):
    part = cube.crop((None, 171 * u.AA), (None, 304 * u.AA))
    assert u.allclose(part.axis_world_coords(0)[0], [171, 193, 211, 304] * u.AA)
    np.testing.assert_array_equal(part.data, cube.data[2:6])


def test_cube_crop_by_position(cube, make):
    corners = [make().pixel_to_world(x * u.pix, y * u.pix) for x, y in ((20, 10), (30, 15))]
    part = cube.crop((corners[0], None), (corners[1], None))
    np.testing.assert_array_equal(part.data, cube.data[:, 10:16, 20:31])


@pytest.mark.parametrize("angstroms", [[193], [304, 171, 193]])
def test_cube_of_any_passbands(make, angstroms):
    cube = make_cube([make(angstrom) for angstrom in angstroms])
    assert cube.data.shape[0] == len(angstroms)
    assert list(cube.meta["wavelnth"]) == angstroms
    assert u.allclose(cube.axis_world_coords(0)[0], angstroms * u.AA)
    np.testing.assert_array_equal(cube[len(angstroms) - 1].data, make(angstroms[-1]).data)


@pytest.mark.parametrize("part", [slice(None), slice(2, 4), slice(3, 4)])
def test_maps_of_a_cube(cube, make, part):
    maps = cube_to_maps(cube[part])
    assert len(maps) == len(list(PASSBANDS)[part])
    for image, angstrom in zip(maps, list(PASSBANDS)[part], strict=True):
        original = make(angstrom)
        np.testing.assert_array_equal(image.data, original.data)
        np.testing.assert_array_equal(image.uncertainty.array, original.uncertainty.array)
        assert image.meta == original.meta
        assert image.latex_name == original.latex_name
        assert tuple(image.cmap.get_bad()) == (0, 0, 0, 1)
        assert image.plot_settings["norm"].vmax == original.plot_settings["norm"].vmax
    assert cube_to_maps(make_cube([make(193, certain=True)]))[0].uncertainty is None


def test_map_of_one_passband(cube, make):
    (image,) = cube_to_maps(cube[3])
    assert image.meta == make(193).meta
    np.testing.assert_array_equal(image.uncertainty.array, make(193).uncertainty.array)


@pytest.mark.parametrize(
    ("part", "left", "bottom"),
    [((slice(2, 4), slice(20, 30), slice(3, 60)), 3, 20), ((2, slice(5, None)), 0, 5), ((..., slice(70, 80)), 70, 0)],
)
def test_maps_of_a_part_of_the_field_of_view(cube, make, part, left, bottom):
    """As sunpy cuts them, but with the deviation."""
    cut = cube[part]
    rows, columns = cut.shape[-2:]
    for image in cube_to_maps(cut):
        whole = make(round(image.wavelength.value))
        cut_out = whole.submap([left, bottom] * u.pix, top_right=[left + columns - 1, bottom + rows - 1] * u.pix)
        np.testing.assert_array_equal(image.data, cut_out.data)
        np.testing.assert_array_equal(image.uncertainty.array, image.data / np.float32(10))
        assert image.uncertainty.unit == u.DN / u.s
        assert image.reference_pixel == cut_out.reference_pixel
        assert (image.meta["naxis1"], image.meta["naxis2"]) == (columns, rows)


@pytest.mark.parametrize(
    ("change", "unit"),
    [
        (lambda cube: cube.to("DN / ks"), "DN / ks"),
        (lambda cube: cube * (2 * u.s), "DN"),
        (lambda cube: cube / (2 * u.s), "DN / s2"),
        (lambda cube: cube * 2, "DN / s"),
        (lambda cube: cube - 5 * u.DN / u.s, "DN / s"),
    ],
)
def test_maps_of_a_cube_in_another_unit(cube, change, unit):
    """What a Map says its numbers are, they are."""
    changed = change(cube)
    for image, plane, deviation in zip(cube_to_maps(changed), changed.data, changed.uncertainty.array, strict=True):
        assert image.unit == image.uncertainty.unit == u.Unit(unit)
        np.testing.assert_array_equal(image.data, plane)
        np.testing.assert_array_equal(image.uncertainty.array, deviation)


def test_parts_of_a_cube_that_no_header_is_of(cube):
    with pytest.raises(ValueError, match="no header of this one is of what image 1 shows, 40 × 32 pixels"):
        cube_to_maps(cube.rebin((1, 2, 2)))
    with pytest.raises(ValueError, match="no header of this one is of what image 1 shows, 80 × 64 pixels"):
        cube_to_maps(cube.rebin((3, 1, 1)))
    with pytest.raises(ValueError, match=r"dimensions \(passband, y, x\), or \(y, x\) of one passband; it has 9×80"):
        cube_to_maps(cube[:, 20])
    with pytest.raises(ValueError, match="it has 80"):
        cube_to_maps(cube[3, 20])
    bare = copy.deepcopy(cube)
    bare.meta = {}
    with pytest.raises(ValueError, match="the cube must be one of generate_cube"):
        cube_to_maps(bare)


def test_plot_of_a_cube(cube):
    """Every passband in its colours and on its own scale; the slider names it."""
    animator = cube.plot()
    try:
        labels = [coordinate.get_axislabel() for coordinate in list(animator.axes.coords)[:2]]
        assert labels == ["helioprojective longitude", "helioprojective latitude"]
        (first,) = (text for text in animator.sliders[0].texts if text.get_text().startswith("$94"))
        assert animator.im.get_cmap().name == "sdoaia94"
        slider = animator.sliders[0]._slider
        slider.set_val(4)
        assert animator.im.get_cmap().name == "sdoaia211"
        norm = normalization(cube_to_maps(cube)[4])
        assert (animator.im.norm.vmin, animator.im.norm.vmax) == (norm.vmin, norm.vmax)
        assert first.get_text().startswith("$211")
    finally:
        plt.close(animator.fig)


@pytest.mark.parametrize("part", [3, (3, slice(10, 40), slice(20, 70)), slice(3, 4), (slice(3, 5), slice(10, 40))])
def test_plots_of_parts_of_a_cube(cube, part):
    """One image, some of them, and part of the field of view: in the colours of the first."""
    drawn = cube[part].plot()
    try:
        artist = drawn.im if hasattr(drawn, "im") else drawn.images[-1]
        assert artist.get_cmap().name == "sdoaia193"
        norm = normalization(cube_to_maps(cube[part])[0])
        assert (artist.norm.vmin, artist.norm.vmax) == (norm.vmin, norm.vmax)
        artist.figure.canvas.draw()
    finally:
        plt.close("all")


def test_plots_of_a_cube_that_are_ndcubes_own(cube):
    """Where colours are chosen, along other axes, and where pixels are others."""
    try:
        assert cube.plot(cmap="gray").im.get_cmap().name == "gray"
        assert cube[3].plot(cmap="gray").images[-1].get_cmap().name == "gray"
        assert cube[:, 20].plot() is not None
        assert cube[3, 20].plot() is not None
        assert cube.rebin((1, 2, 2)).plot().im.get_cmap().name == plt.rcParams["image.cmap"]
    finally:
        plt.close("all")
