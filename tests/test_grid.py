import numpy as np
import pytest

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import Helioprojective

from sunpy_mag2euv.grid import Grid, apparent_radius


def frame_at(distance, rsun=696 * u.Mm):
    """What an observer sees from 20° west and 5° north of the Earth."""
    observer = SkyCoord(
        20 * u.deg, 5 * u.deg, distance, frame="heliographic_stonyhurst", obstime="2014-01-15T00:00:00", rsun=rsun
    )
    return Helioprojective(observer=observer, obstime=observer.obstime, rsun=rsun)


def world(grid, frame):
    """Helioprojective coordinates of every pixel, by the grid's header."""
    return sunpy.map.Map(np.zeros(grid.shape), grid.header(frame)).wcs.pixel_to_world(*np.indices(grid.shape)[::-1])


def test_apparent_radius():
    assert u.isclose(apparent_radius(frame_at(1 * u.au)), 959.65 * u.arcsec, atol=0.05 * u.arcsec)
    # The line of sight touches the sphere: the sine, not the tangent, is R/D.
    assert u.isclose(apparent_radius(frame_at(2 * 696 * u.Mm)), 30 * u.deg)
    assert apparent_radius(frame_at(1 * u.au, rsun=695.7 * u.Mm)) < apparent_radius(frame_at(1 * u.au))


@pytest.mark.parametrize("distance", [0.3, 0.983, 1.017])
@pytest.mark.parametrize("grid", [Grid((256, 256), 98.0), Grid((200, 300), 70.0, center=(140.25, 110.75))], ids=str)
def test_header_agrees_with_radius(grid, distance):
    frame = frame_at(distance * u.au)
    coordinates = world(grid, frame)
    off_center = np.hypot(coordinates.Tx, coordinates.Ty) / apparent_radius(frame)
    # The sky is curved; at 0.3 au that is a hundredth of a pixel at the limb.
    difference = np.abs(off_center - grid.radius)[grid.radius < 1.2] * grid.solar_radius
    assert difference.max() < 0.02
    assert coordinates.Tx[0, 0] < 0 < coordinates.Tx[0, -1]
    assert coordinates.Ty[0, 0] < 0 < coordinates.Ty[-1, 0]


@pytest.mark.parametrize("distance", [0.01, 0.0466, 0.3, 1.0])
def test_limb_pixel_is_at_the_apparent_radius(distance):
    frame = frame_at(distance * u.au)
    grid = Grid((257, 257), 100.0)
    header = sunpy.map.Map(np.zeros(grid.shape), grid.header(frame))
    west = header.pixel_to_world(228 * u.pix, 128 * u.pix)
    assert grid.radius[128, 228] == 1
    assert u.isclose(west.Tx, apparent_radius(frame), rtol=1e-6)
    assert u.isclose(west.Ty, 0 * u.arcsec, atol=1e-6 * u.arcsec)


def test_header_keeps_observer_time_and_radius():
    frame = frame_at(0.3 * u.au)
    image = sunpy.map.Map(np.zeros((256, 256)), Grid((256, 256), 98.0).header(frame, unit=u.G))
    assert u.isclose(image.observer_coordinate.radius, 0.3 * u.au)
    assert u.isclose(image.observer_coordinate.lon, 20 * u.deg)
    assert u.isclose(image.observer_coordinate.lat, 5 * u.deg)
    assert image.date.isot == "2014-01-15T00:00:00.000"
    assert u.isclose(image.rsun_meters, 696 * u.Mm)
    assert image.unit == u.G
    # The Sun is 98 px in every frame, so the scale is what follows the distance.
    assert u.isclose(image.scale[0], apparent_radius(frame) / (98 * u.pix), rtol=1e-4)
    assert image.scale[0] == image.scale[1]


def test_geometry_planes():
    grid = Grid((256, 256), 98.0)
    assert grid.center == (127.5, 127.5)
    assert grid.radius.shape == grid.mu.shape == (256, 256)
    # The nearest pixels are half a pixel off the centre both ways.
    assert grid.radius.min() == pytest.approx(np.sqrt(0.5) / 98)
    np.testing.assert_allclose((grid.mu**2 + grid.radius**2)[grid.radius <= 1], 1)
    assert np.all(grid.mu[grid.radius >= 1] == 0)
    assert np.sum(grid.radius < 1) == pytest.approx(np.pi * 98**2, rel=1e-3)
    np.testing.assert_array_equal(grid.radius, grid.radius[::-1, ::-1])


def test_rows_come_first():
    grid = Grid((10, 30), 5.0)
    assert grid.center == (14.5, 4.5)
    assert grid.radius.shape == (10, 30)
    assert grid.radius[4, 20] == pytest.approx(np.hypot(5.5, 0.5) / 5)


def test_crop_keeps_world_coordinates():
    frame = frame_at(1 * u.au)
    grid = Grid((256, 256), 98.0)
    rows, columns = slice(30, 90), slice(100, 220)
    part = grid.crop(rows, columns)
    assert part.shape == (60, 120)
    np.testing.assert_allclose(part.radius, grid.radius[rows, columns], atol=1e-12)
    np.testing.assert_allclose(part.mu, grid.mu[rows, columns], atol=1e-6)
    whole, cropped = world(grid, frame), world(part, frame)
    for axis in ("Tx", "Ty"):
        expected = getattr(whole, axis)[rows, columns]
        assert u.allclose(getattr(cropped, axis), expected, rtol=0, atol=1e-6 * u.arcsec)
    assert part.crop(slice(10, 20), slice(5, 15)) == grid.crop(slice(40, 50), slice(105, 115))
    assert grid.crop(slice(0, 256), slice(0, 256)) == grid


@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize(
    "grid",
    [Grid((64, 64), 26.0), Grid((48, 32), 20.0, center=(3.25, 40.5)), Grid((8, 8), 30.0, center=(-20.0, 11.0))],
    ids=str,
)
def test_pixels_of_a_binned_grid_are_where_blocks_are(grid, block):
    """Their coordinates, in solar radii from the disk's centre, are means over the blocks."""
    binned = grid.binned(block)
    assert binned.shape == tuple(size // block for size in grid.shape)

    def coordinates(grid):
        rows, columns = np.indices(grid.shape)
        x, y = grid.center
        return np.stack([columns - x, rows - y]) / grid.solar_radius

    (rows, columns), offsets = binned.shape, coordinates(grid)
    means = offsets.reshape(2, rows, block, columns, block).mean(axis=(2, 4))
    np.testing.assert_allclose(coordinates(binned), means, atol=1e-12)
    np.testing.assert_allclose(binned.radius, np.hypot(*means), atol=1e-12)
    np.testing.assert_allclose(binned.mu, np.sqrt(np.clip(1 - np.hypot(*means) ** 2, 0, None)), atol=1e-7)
    # In two steps it is the same, and in none nothing.
    assert binned.binned(2) == grid.binned(2 * block)
    assert grid.binned(1) == grid


def test_the_middle_of_a_frame_stays_in_the_middle():
    assert Grid((1024, 1024), 392.0).binned(4) == Grid((256, 256), 98.0)


@pytest.mark.parametrize(("shape", "block"), [((64, 66), 4), ((66, 64), 4), ((64, 64), 3), ((2, 2), 4)])
def test_grids_are_binned_to_whole_blocks_only(shape, block):
    message = f"{shape[0]} × {shape[1]} pixels are no whole number of {block} × {block} blocks"
    with pytest.raises(ValueError, match=message):
        Grid(shape, 20.0).binned(block)


def test_grid_is_a_value():
    assert Grid((256, 256), 98.0) == Grid((256, 256), 98.0, center=(127.5, 127.5))
    assert len({Grid((8, 8), 3.0), Grid((8, 8), 3.0), Grid((8, 8), 2.0)}) == 2
    with pytest.raises(AttributeError):
        Grid((8, 8), 3.0).solar_radius = 4.0
