"""What can be had without a network."""

import numpy as np
import pytest

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import Helioprojective, get_earth

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import Climatology, LastRotation, LeastSquares, PowerLaw, skill_score

GRID = Grid((64, 64), 24.0)


@pytest.fixture(scope="module")
def fields():
    rng = np.random.default_rng(1)
    return [np.where(GRID.radius < 1, rng.normal(0, 50, GRID.shape), 0).astype(np.float32) for _ in range(4)]


def test_climatology_is_the_mean_of_each_ring(fields):
    images = [GRID.radius + shift for shift in (-0.1, 0.1, -0.3, 0.3)]
    image = Climatology(GRID).fit(fields, images).predict(fields[0])
    disk = GRID.radius < 1
    assert np.isnan(image[~disk]).all()
    np.testing.assert_allclose(image[disk], GRID.radius[disk], atol=1 / Climatology.rings)


def test_power_law_finds_the_exponent(fields):
    images = [0.4 * np.log1p(np.abs(field)) + 0.2 * GRID.mu for field in fields]
    images[0][10:40, 10:40] = np.nan
    law = PowerLaw(GRID).fit(fields, images)
    np.testing.assert_allclose(law.coefficients, [0, 0.2, 0, 0.4], atol=1e-6)


def test_least_squares_sees_the_surroundings(fields):
    """It predicts from the neighbourhood what no function of the pixel's own field can."""
    from scipy.ndimage import gaussian_filter

    images = [np.log1p(gaussian_filter(np.abs(field), 4)) for field in fields]
    disk = GRID.radius < 1

    def residual(baseline):
        predicted = baseline(GRID).fit(fields[:3], images[:3]).predict(fields[3])
        return np.std((predicted - images[3])[disk])

    assert residual(LeastSquares) < 1e-3 < residual(PowerLaw)


def test_weights_choose_what_is_fitted(fields):
    west = np.indices(GRID.shape)[1] > 32
    images = [np.where(west, 1.0, 5.0)] * 4
    image = PowerLaw(GRID).fit(fields, images, weight=west.astype(float)).predict(fields[0])
    np.testing.assert_allclose(image[GRID.radius < 1], 1)


def test_a_baseline_must_be_fitted(fields):
    with pytest.raises(ValueError, match="PowerLaw must be fitted"):
        PowerLaw(GRID).predict(fields[0])


TIME = Time("2014-06-10T00:00:00")
FINE = Grid((128, 128), 56.0)


def _pixel(longitude, latitude, time):
    """Column and row of a place on FINE, of Stonyhurst longitude and latitude in degrees."""
    frame = Helioprojective(observer=get_earth(time), obstime=time, rsun=696 * u.Mm)
    place = SkyCoord(longitude * u.deg, latitude * u.deg, frame="heliographic_stonyhurst", obstime=time)
    place = place.transform_to(frame)
    x, y = (axis / FINE.scale(frame) for axis in (place.Tx, place.Ty))
    return x.to_value(u.pix) + FINE.center[0], y.to_value(u.pix) + FINE.center[1]


def _blob(longitude, latitude, time):
    x, y = _pixel(longitude, latitude, time)
    rows, columns = np.indices(FINE.shape)
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / 3**2)


def _howard(latitude):
    """Sidereal rotation in degrees a day, Howard et al. 1990."""
    sin2 = np.sin(np.radians(latitude)) ** 2
    return np.degrees((2.894 - 0.428 * sin2 - 0.370 * sin2**2) * 1e-6 * 86400)


@pytest.mark.parametrize("latitude", [0, 30, -30])
@pytest.mark.parametrize("direction", [1, -1])
def test_last_rotation_brings_a_blob_to_its_place(latitude, direction):
    days = 27
    before = TIME - direction * days * u.day
    # In Stonyhurst's frame, a place falls behind by the Earth's own way around the Sun.
    earth = (get_earth(TIME).heliocentricinertial.lon - get_earth(before).heliocentricinertial.lon).to_value(u.deg)
    longitude = (direction * days * _howard(latitude) - earth + 180) % 360 - 180
    baseline = LastRotation(FINE, [before], [_blob(0, latitude, before)])
    image = baseline.predict(TIME)
    expected = _pixel(longitude, latitude, TIME)
    bright = np.where(image > 0.3, image, 0)
    rows, columns = np.indices(FINE.shape)
    found = (bright * columns).sum() / bright.sum(), (bright * rows).sum() / bright.sum()
    np.testing.assert_allclose(found, expected, atol=0.3)
    assert np.nanmax(image) > 0.9
    assert np.isnan(image[FINE.radius > 1]).all()
    assert np.isfinite(image[FINE.radius < 0.7]).all()


def test_last_rotation_prefers_the_past():
    times = TIME + [-40, -27.8, -27.1, 27.3] * u.day
    baseline = LastRotation(GRID, times, np.zeros((4, *GRID.shape)))
    assert baseline.source(TIME) == 2
    assert baseline.source(TIME.datetime) == 2
    # The first images of an archive have nothing before them.
    index = baseline.source(times[0] + 0.1 * u.day)
    assert index is None
    assert baseline.source(times[2] - 27.3 * u.day) == 2
    assert baseline.predict(TIME + 10 * u.day) is None


@pytest.mark.parametrize(("tolerance", "expected"), [(1 * u.day, None), (2 * u.day, 0)])
def test_last_rotation_within_tolerance(tolerance, expected):
    assert LastRotation(GRID, [TIME - 29 * u.day], [None], tolerance).source(TIME) == expected


def test_last_rotation_needs_images_and_their_times():
    with pytest.raises(ValueError, match="at least one image"):
        LastRotation(GRID, [], [])
    with pytest.raises(ValueError, match="one time for each image"):
        LastRotation(GRID, [TIME], [None, None])


def test_skill():
    assert skill_score(0.9, 0.8) == pytest.approx(0.5)
    assert skill_score(0.7, 0.8) == pytest.approx(-0.5)
    assert skill_score(2.0, 8.0, perfect=0) == pytest.approx(0.75)
    np.testing.assert_allclose(skill_score([1, 0.5, 1], [0.5, 0.5, 1]), [1, 0, np.nan])
