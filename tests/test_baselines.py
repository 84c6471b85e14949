"""What can be had without a network."""

import numpy as np
import pytest

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import Helioprojective, get_earth

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import (
    Climatology,
    LastRotation,
    LeastSquares,
    PowerLaw,
    SameAge,
    bin_image,
    skill_score,
)

GRID = Grid((64, 64), 24.0)

#: That of today's default model, and one on which a block of 4 by 4 pixels is one of its.
PAPER, LARGE = Grid((256, 256), 98.0), Grid((1024, 1024), 392.0)


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


def test_least_squares_sees_as_far_on_any_grid():
    assert LeastSquares(PAPER).widths == (0, 1, 2, 4, 8, 16, 32)
    assert LeastSquares(LARGE).widths == (0, 1, 2, 4, 8, 16, 32, 64, 128)
    assert LeastSquares(GRID).widths == (0, 1, 2, 4, 8)
    assert LeastSquares(Grid((4, 4), 1.5)).widths == (0,)


@pytest.mark.parametrize("grid", [PAPER, Grid((512, 512), 196.0), Grid((1022, 1023), 392.0)])
def test_least_squares_smooths_as_it_says(grid):
    """What is smoothed on blocks is the same within a hundredth, also where blocks stick out; small grids have none."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    field = np.where(grid.radius < 1, rng.normal(0, 3, grid.shape), 0)
    field[tuple(rng.integers(0, min(grid.shape), (2, 30)))] += 1500
    disk = grid.radius < 1
    baseline = LeastSquares(grid)
    smoothed = baseline._features(field)[3:]
    assert len(smoothed) == len(baseline.widths)
    for width, values in zip(baseline.widths[-2:], smoothed[-2:], strict=True):
        expected = gaussian_filter(np.abs(field.astype(np.float32)), width)[disk]
        np.testing.assert_allclose(np.expm1(values), expected, rtol=1e-5 if grid is PAPER else 0.01)


@pytest.mark.parametrize("kind", [Climatology, PowerLaw, LeastSquares])
def test_baselines_are_fitted_to_large_images(kind):
    """Of a frame of 1024² pixels, no more is kept than a few images' worth."""
    import tracemalloc

    rng = np.random.default_rng(0)
    field = np.where(LARGE.radius < 1, rng.normal(0, 20, LARGE.shape), 0).astype(np.float32)
    image = np.log1p(np.abs(field)) + LARGE.mu
    baseline = kind(LARGE)
    tracemalloc.start()
    baseline.fit([field], [image])
    (_, most), _ = tracemalloc.get_traced_memory(), tracemalloc.stop()
    assert most < 3e8
    predicted = baseline.predict(field)
    disk = LARGE.radius < 1
    assert np.isnan(predicted[~disk]).all()
    expected = image if kind is not Climatology else LARGE.mu + np.log1p(np.abs(field))[disk].mean()
    np.testing.assert_allclose(predicted[disk], expected[disk], atol=1e-6 if kind is not Climatology else 0.2)


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


class Sun:
    """Images of bumps that rotate as Howard et al. say and else never change."""

    def __init__(self, times, brightness=None):
        self.times, self.brightness = times, brightness or {}
        self.read = set()

    def __len__(self):
        return len(self.times)

    def __getitem__(self, number):
        self.read.add(number)
        return self.image(self.times[number]) * self.brightness.get(number, 1)

    def image(self, time):
        earth = get_earth(time)
        rows, columns = np.indices(FINE.shape)
        # Of what is that high above the photosphere.
        x, y = ((pixels - 63.5) / 56 / (1 + SameAge.height) for pixels in (columns, rows))
        toward, b0 = np.sqrt(np.clip(1 - x**2 - y**2, 0, None)), earth.lat.to_value(u.rad)
        latitude = np.degrees(np.arcsin(np.clip(y * np.cos(b0) + toward * np.sin(b0), -1, 1)))
        longitude = np.degrees(np.arctan2(x, toward * np.cos(b0) - y * np.sin(b0)))
        days = (time - TIME).to_value(u.day)
        # Since TIME, a place has turned by its own rotation less the Earth's way around the Sun.
        longitude -= days * _howard(latitude) - 0.9856 * days
        return 2 + np.cos(np.radians(6 * longitude)) * np.cos(np.radians(6 * latitude))


NIGHTS = TIME + np.arange(-16, 16.1, 0.5) * u.day
NOW = 32


def test_same_age_reproduces_what_does_not_change(monkeypatch):
    """Images in any order, seen at the central meridian, show a Sun without evolution as it is."""
    monkeypatch.setattr(SameAge, "width", 0.01)
    shuffled = NIGHTS[np.random.default_rng(2).permutation(len(NIGHTS))]
    sun = Sun(shuffled)
    image = SameAge(FINE, shuffled, sun).predict(TIME)
    disk = FINE.radius < 1
    assert np.isnan(image[~disk]).all()
    # Latitudes near the poles stay visible all the time, but need longer to the central meridian.
    assert np.isfinite(image[disk]).mean() > 0.99
    inner = FINE.radius < 0.95
    np.testing.assert_allclose(image[inner], sun.image(TIME)[inner], atol=0.05)
    np.testing.assert_array_equal(SameAge(FINE, shuffled, sun).predict(TIME.datetime), image)


@pytest.mark.parametrize(("degrees", "days"), [(-60, 4.5), (-30, 2.26), (0, 0), (30, -2.26), (60, -4.5)])
def test_same_age_shows_the_past_in_the_west_and_the_future_in_the_east(degrees, days):
    """The number of an image is its brightness: places are shown as they were at the central meridian."""
    images = [np.full(FINE.shape, time) for time in (NIGHTS - TIME).to_value(u.day)]
    image = SameAge(FINE, NIGHTS, images).predict(TIME)
    column, row = (int(np.round(pixel)) for pixel in _pixel(degrees, 0, TIME))
    # Within half of the time between images, and what half a pixel makes.
    assert image[row, column] == pytest.approx(days, abs=0.4)


def test_same_age_shows_what_has_changed_as_it_was():
    """All is twice as bright from TIME on; what is in the west was at the central meridian before."""
    sun = Sun(NIGHTS, {number: 2 for number in range(NOW, len(NIGHTS))})
    image, steady = SameAge(FINE, NIGHTS, sun).predict(TIME), SameAge(FINE, NIGHTS, Sun(NIGHTS)).predict(TIME)
    east, west = np.s_[44:84, 20:44], np.s_[44:84, 84:108]
    np.testing.assert_allclose(image[east], 2 * steady[east])
    np.testing.assert_allclose(image[west], steady[west])


def test_same_age_smooths_what_it_knows():
    """Noise is averaged, and what is not known, in one image or off the disk, stays so and takes no part."""
    rng = np.random.default_rng(0)
    images = rng.normal(5, 1, (len(NIGHTS), *FINE.shape))
    images[NOW, 62:66, 62:66] = np.nan
    image = SameAge(FINE, NIGHTS, images).predict(TIME)
    assert np.isnan(image[63:65, 63:65]).all()
    assert np.nanstd(image) < 0.25
    constant = SameAge(FINE, NIGHTS, np.where(np.isnan(images), np.nan, 3)).predict(TIME)
    np.testing.assert_allclose(constant[np.isfinite(constant)], 3)


def test_same_age_smooths_as_much_of_the_sun_on_finer_grids():
    """Noise of pixels that are half as large is smoothed over twice as many; larger ones have all that they need."""
    rng = np.random.default_rng(0)
    left = {}
    for grid in (Grid((64, 64), 24.0), PAPER, Grid((512, 512), 196.0)):
        image = SameAge(grid, [TIME], rng.normal(0, 1, (1, *grid.shape)), 30 * u.day).predict(TIME)
        left[grid.solar_radius] = np.nanstd(image[grid.radius < 0.5])
    # A Gaussian leaves 1/(2 √π σ) of it.
    expected = 1 / (2 * np.sqrt(np.pi) * SameAge.width)
    assert left[24.0] == pytest.approx(expected, rel=0.15)
    assert left[98.0] == pytest.approx(expected, rel=0.1)
    assert left[196.0] == pytest.approx(expected / 2, rel=0.1)


def test_other_times_are_shown_on_large_images():
    """The same as on a grid whose pixels are blocks of theirs."""
    rows, columns = np.indices(LARGE.shape) / 1024
    image = np.sin(20 * rows) + np.cos(25 * columns)
    before = TIME - 27.2 * u.day
    for make in (
        lambda grid, image: LastRotation(grid, [before], [image]).predict(TIME),
        lambda grid, image: SameAge(grid, [TIME], [image]).predict(TIME),
    ):
        large = make(LARGE, image)
        assert np.isnan(large[LARGE.radius >= 1]).all()
        inner = np.isfinite(bin_image(large, 4)) & (PAPER.radius < 0.9)
        assert inner.sum() > 1000
        np.testing.assert_allclose(bin_image(large, 4)[inner], make(PAPER, bin_image(image, 4))[inner], atol=0.03)


def test_same_age_within_tolerance():
    """One image shows the strip that was at the central meridian around its time, and no other is read."""
    times = TIME + [-100, 0, 100] * u.day
    sun = Sun(times)
    rows, columns = np.nonzero(np.isfinite(SameAge(FINE, times, sun).predict(TIME)))
    middle = columns[rows == 63]
    assert sun.read == {1}
    # 13° to each side, of things that are a little above the photosphere.
    np.testing.assert_allclose([middle.min() - 63.5, middle.max() - 63.5], [-13.2, 13.2], atol=1)
    narrow = np.isfinite(SameAge(FINE, times, sun, 6 * u.hour).predict(TIME))
    assert narrow.sum() == pytest.approx(len(rows) / 4, rel=0.1)
    sun.read.clear()
    assert np.isnan(SameAge(FINE, times, sun).predict(TIME + 40 * u.day)).all()
    assert not sun.read


def test_same_age_needs_images_and_their_times():
    with pytest.raises(ValueError, match="at least one image"):
        SameAge(GRID, [], [])
    with pytest.raises(ValueError, match="one time for each image"):
        SameAge(GRID, [TIME], [None, None])
    with pytest.raises(u.UnitsError):
        SameAge(GRID, [TIME], [None], 1 * u.m)


def test_skill():
    assert skill_score(0.9, 0.8) == pytest.approx(0.5)
    assert skill_score(0.7, 0.8) == pytest.approx(-0.5)
    assert skill_score(2.0, 8.0, perfect=0) == pytest.approx(0.75)
    np.testing.assert_allclose(skill_score([1, 0.5, 1], [0.5, 0.5, 1]), [1, 0, np.nan])
