"""Parts of the Sun."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import astropy.units as u
from astropy.coordinates import SkyCoord
from sunpy.coordinates import Helioprojective

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import REGIONS, find_regions, stonyhurst_longitude
from sunpy_mag2euv.passbands import PASSBANDS

GRID = Grid((256, 256), 98.0)
X, Y = ((axis - center) / 98 for axis, center in zip(np.indices(GRID.shape)[::-1], GRID.center, strict=True))
B0 = 7 * u.deg


def _sun(*patches, level=100.0):
    """A quiet Sun with disks (x, y, radius, factor) on it."""
    image = np.full(GRID.shape, level)
    for x, y, radius, factor in patches:
        image[np.hypot(X - x, Y - y) < radius] *= factor
    return image


def _find(image, passband=193):
    return find_regions(image, passband, GRID.radius, stonyhurst_longitude(X, Y, B0), GRID.solar_radius)


def test_regions_of_a_made_up_sun():
    regions = _find(_sun((0.4, 0.2, 0.1, 8.0), (-0.3, -0.3, 0.2, 0.1)))
    assert list(regions) == list(REGIONS)
    spot, hole = (np.hypot(X - x, Y - y) for x, y in ((0.4, 0.2), (-0.3, -0.3)))
    assert regions["active region"][spot < 0.1].all()
    assert not regions["active region"][spot > 0.15].any()
    assert regions["coronal hole"][hole < 0.17].all()
    assert not regions["coronal hole"][hole > 0.2].any()
    assert regions["quiet Sun"][(GRID.radius < 0.9) & (spot > 0.2) & (hole > 0.25)].all()


@pytest.mark.parametrize("passband", PASSBANDS)
def test_the_regions_share_the_sun(passband):
    rng = np.random.default_rng(0)
    image = _sun((0.4, 0.2, 0.1, 8.0), (-0.3, -0.3, 0.2, 0.1)) * rng.lognormal(0, 0.2, GRID.shape)
    regions = _find(image, passband)
    parts = sum(regions[name].astype(int) for name in ("active region", "quiet Sun", "coronal hole", "limb"))
    np.testing.assert_array_equal(parts, regions["disk"])
    assert not (regions["disk"] & regions["off-limb"]).any()
    assert regions["coronal hole"].any() == (passband in (193, 211))
    assert regions["active region"].any()
    assert not regions["central"][~regions["disk"]].any()


@pytest.mark.parametrize("passband", [1600, 1700])
def test_limb_darkening_makes_no_active_region(passband):
    regions = _find(300 * np.exp(0.8 * GRID.mu) * _sun((0.5, 0.5, 0.1, 1.6), level=1.0), passband)
    assert np.hypot(X - 0.5, Y - 0.5)[regions["active region"]].max() < 0.15
    assert regions["active region"][np.hypot(X - 0.5, Y - 0.5) < 0.05].all()


def test_network_is_quiet():
    """A bright network, of cells of a supergranule's size, is no active region."""
    cells = 1 + 4 * (np.sin(2 * np.pi * X * 696 / 20) * np.sin(2 * np.pi * Y * 696 / 20) > 0.7)
    assert not _find(100.0 * cells)["active region"].any()


def test_unknown_pixels_are_in_no_region_and_spoil_no_other():
    image = _sun((0.4, 0.2, 0.1, 8.0))
    whole = _find(image)
    hole = np.hypot(X + 0.4, Y) < 0.1
    image[hole] = np.nan
    for name, mask in _find(image).items():
        np.testing.assert_array_equal(mask, whole[name] & ~hole)
    assert not any(mask.any() for mask in _find(np.full(GRID.shape, np.nan)).values())


def test_a_black_sun_is_quiet():
    regions = _find(np.zeros(GRID.shape))
    np.testing.assert_array_equal(regions["quiet Sun"], GRID.radius < 0.9)


def test_bad_shapes():
    with pytest.raises(ValueError, match="must have one shape"):
        find_regions(np.zeros((3, 3)), 193, np.zeros((3, 3)), np.zeros(3), 10)


@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(-7.2, 7.2))
def test_longitude_is_that_of_sunpy(longitude, latitude, b0):
    observer = SkyCoord(0 * u.deg, b0 * u.deg, 1 * u.au, frame="heliographic_stonyhurst", obstime="2014-01-01")
    place = SkyCoord(longitude * u.deg, latitude * u.deg, frame="heliographic_stonyhurst", obstime="2014-01-01")
    seen = place.transform_to(Helioprojective(observer=observer, obstime="2014-01-01"))
    radius = np.arcsin(695.7 * u.Mm / (1 * u.au))
    x, y = (angle.wrap_at(180 * u.deg) / radius for angle in (seen.Tx, seen.Ty))
    found = stonyhurst_longitude(x.to_value(u.one), y.to_value(u.one), b0 * u.deg)
    assert found == pytest.approx(longitude, abs=0.6)
    assert np.isnan(stonyhurst_longitude(1.1, 0, b0 * u.deg))
