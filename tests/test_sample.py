import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import get_earth, sun
from sunpy.map.maputils import all_coordinates_from_map, coordinate_is_on_solar_disk

from sunpy_mag2euv.sample import _regions, sample_aia_maps, sample_magnetogram
from sunpy_mag2euv.sensitivity import AS_TAKEN, epoch_of

#: The tests look at the same Suns again and again.
sample = functools.cache(sample_magnetogram)


@pytest.fixture
def magnetogram():
    return sample(0, size=1024)


def active_regions(seed):
    """Regions with spots that are well on the disk."""
    return [r for r in _regions(np.random.default_rng(seed)) if r.young and abs(r.longitude) < np.radians(60)]


def surroundings(magnetogram, longitude, latitude, degrees):
    """Field, and its heliographic offsets in degrees to the west and north, of the pixels around a place on the Sun."""
    place = SkyCoord(longitude * u.rad, latitude * u.rad, frame="heliographic_stonyhurst",
                     obstime=magnetogram.reference_date, rsun=magnetogram.coordinate_frame.rsun)  # fmt: skip
    column, row = (int(pixel) for pixel in np.round(u.Quantity(magnetogram.wcs.world_to_pixel(place))))
    reach = int(np.radians(degrees) * magnetogram.rsun_obs / magnetogram.scale[0] / u.pix)
    rows, columns = np.mgrid[row - reach : row + reach + 1, column - reach : column + reach + 1]
    world = magnetogram.wcs.pixel_to_world(columns, rows).transform_to(place.frame)
    west = (world.lon - place.lon).wrap_at(180 * u.deg).deg * np.cos(latitude)
    north = (world.lat - place.lat).deg
    near = np.hypot(west, north) < degrees
    return magnetogram.data[rows, columns][near], west[near], north[near]


def test_is_an_hmi_map_in_gauss(magnetogram):
    assert isinstance(magnetogram, sunpy.map.sources.HMIMap)
    assert magnetogram.unit == u.G
    assert magnetogram.measurement == "magnetogram"
    assert magnetogram.data.shape == (1024, 1024)
    assert magnetogram.scale[0].value * 1024 == pytest.approx(0.504 * 4096)
    assert 1500 < np.nanmax(np.abs(magnetogram.data)) < 3000


def test_observer_and_times_agree_with_sunpy(magnetogram):
    earth = get_earth(magnetogram.reference_date)
    assert magnetogram.observer_coordinate.separation_3d(earth) < 1 * u.km
    assert magnetogram.carrington_longitude.deg == pytest.approx(sun.L0(magnetogram.reference_date).deg, abs=1e-4)
    assert magnetogram.meta["car_rot"] == int(sun.carrington_rotation_number(magnetogram.reference_date))
    assert magnetogram.meta["rsun_obs"] == pytest.approx(magnetogram.rsun_obs.value)
    assert abs((magnetogram.date - magnetogram.reference_date).sec) < 1e-3


@pytest.mark.parametrize("size", [65, 256])
def test_nan_exactly_off_the_limb(size):
    magnetogram = sample(0, size=size)
    on_disk = coordinate_is_on_solar_disk(all_coordinates_from_map(magnetogram))
    np.testing.assert_array_equal(np.isfinite(magnetogram.data), on_disk)


def test_hale_and_joy_in_the_draw():
    regions = [region for seed in range(5) for region in _regions(np.random.default_rng(seed))]
    for region in regions:
        leading, following = region.locate(region.extent / 2, 0), region.locate(-region.extent / 2, 0)
        assert region.leading_sign == -np.sign(region.latitude)
        assert abs(leading[2]) < abs(following[2])
        west = [-np.sin(region.longitude), np.cos(region.longitude), 0]
        assert leading @ west > 0 > following @ west
    by_latitude = sorted(regions, key=lambda region: abs(region.latitude))
    assert np.all(np.diff([abs(region.tilt) for region in by_latitude]) >= 0)


@pytest.mark.parametrize("seed", range(3))
def test_hales_law_in_the_field(seed):
    magnetogram = sample(seed, size=512)
    regions = active_regions(seed)
    assert {np.sign(region.latitude) for region in regions} == {-1, 1}
    for region in regions:
        x, y, z = region.locate(region.extent / 2, 0)
        field, _, _ = surroundings(magnetogram, np.arctan2(y, x), np.arcsin(z), 1)
        strongest = field.flat[np.argmax(np.abs(field))]
        assert np.sign(strongest) == -np.sign(region.latitude)
        assert abs(strongest) > 300


def test_joys_law_in_the_field():
    tilts = []
    for seed in range(3):
        magnetogram = sample(seed, size=512)
        for region in active_regions(seed):
            field, west, north = surroundings(magnetogram, region.longitude, region.latitude, np.degrees(region.extent))
            lead, follow = (np.clip(sign * region.leading_sign * field - 50, 0, None) for sign in (1, -1))
            separation = np.average(west, weights=lead) - np.average(west, weights=follow)
            poleward = np.sign(region.latitude) * (np.average(north, weights=follow) - np.average(north, weights=lead))
            assert separation > 0
            tilts.append(np.arctan2(poleward, separation))
    assert 2 < np.degrees(np.mean(tilts)) < 20
    assert np.mean(np.array(tilts) > 0) > 0.6


@pytest.mark.parametrize("seed", range(3))
def test_flux_is_balanced(seed):
    field = sample(seed, size=512).data
    assert abs(np.nansum(field)) < 0.12 * np.nansum(np.abs(field))


def test_is_as_strong_as_the_active_sun(magnetogram):
    # HMI in 2012, averaged to 10 arcsec and within 0.8 solar radii: 9 to 11 G.
    blocks = magnetogram.data[:1020, :1020].reshape(204, 5, 204, 5).mean(axis=(1, 3))
    rows, columns = np.indices(blocks.shape)
    inner = np.hypot(columns - 101.8, rows - 101.8) < 0.8 * 975.6 / 10.08
    assert 7 < np.abs(blocks[inner]).mean() < 13
    assert 1.5 < np.median(np.abs(blocks[inner])) < 3


def test_the_poles_have_the_following_polarity():
    magnetogram = sample(0, size=512)
    coordinates = all_coordinates_from_map(magnetogram)
    south = coordinates.heliographic_stonyhurst.lat < -68 * u.deg
    distance = np.hypot(coordinates.Tx, coordinates.Ty)[south] / magnetogram.rsun_obs
    assert -5 < magnetogram.data[south].sum() / np.sqrt(1 - distance**2).sum() < -1


def test_seed_decides():
    first, other = (sample(seed, size=512).data for seed in (0, 1))
    again = sample_magnetogram(0, size=512).data
    assert first.tobytes() == again.tobytes()
    assert np.nanmax(np.abs(first - other)) > 100


@pytest.mark.parametrize("size", [256, 512])
def test_every_size_shows_the_same_sun(size):
    # Averaging the larger one gives the smaller one, but for noise and the blur's discretisation.
    def average(field):
        return field.reshape(128, field.shape[0] // 128, 128, -1).mean(axis=(1, 3))

    coarse, fine = average(sample(0, size=size).data), average(sample(0, size=2 * size).data)
    inside = np.isfinite(coarse) & np.isfinite(fine)
    assert np.corrcoef(coarse[inside], fine[inside])[0, 1] > 0.999
    assert np.std(coarse[inside] - fine[inside]) < 1


def test_roll_of_the_header_is_that_of_the_data(magnetogram):
    assert magnetogram.meta["crota2"] == pytest.approx(180, abs=0.1)
    assert magnetogram.meta["crota2"] != 180
    upright = magnetogram.rotate(missing=np.nan, order=1)
    assert upright.rotation_matrix == pytest.approx(np.eye(2))
    for region in active_regions(0):
        x, y, z = region.locate(region.extent / 2, 0)
        for image in (magnetogram, upright):
            field, west, north = surroundings(image, np.arctan2(y, x), np.arcsin(z), 1)
            weight = np.clip(region.leading_sign * field - 500, 0, None)
            assert np.hypot(np.average(west, weights=weight), np.average(north, weights=weight)) < 0.5


def test_says_that_it_is_made_up_and_keeps_saying_so(tmp_path):
    magnetogram = sample_magnetogram(3, size=128)
    magnetogram.save(tmp_path / "sample.fits")
    magnetogram.save(tmp_path / "sample.asdf")
    for read in (magnetogram, *sunpy.map.Map(str(tmp_path / "sample.*"))):
        assert isinstance(read, sunpy.map.sources.HMIMap)
        assert read.meta["instrume"] == "HMI_SYNTHETIC"
        assert read.meta["origin"] == "made up by sunpy_mag2euv.sample"
        assert read.meta["history"] == "made up by sunpy_mag2euv.sample, seed 3: not an observation"
        np.testing.assert_array_equal(read.data, magnetogram.data)
        assert read.reference_date == magnetogram.reference_date


@pytest.mark.parametrize("size", [63, 0, -1024, 256.0, "256", None, True, (256, 256)])
def test_silly_sizes(size):
    with pytest.raises(ValueError, match="integer of at least 64 pixels; got"):
        sample_magnetogram(size=size)


@settings(max_examples=3)
@given(seed=st.integers(0, 2**32), size=st.integers(64, 300))
def test_any_seed_and_size(seed, size):
    field = sample_magnetogram(seed, size=np.int64(size)).data
    assert field.shape == (size, size)
    assert 0.6 < np.isfinite(field).mean() < 0.75


@pytest.mark.parametrize("epochs", [{}, {171: "launch"}], ids=repr)
def test_aia_images_say_their_epoch_if_the_model_does(tiny_model, monkeypatch, epochs):
    model = dataclasses.replace(tiny_model, epochs=epochs)
    monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: model)
    (image,) = sample_aia_maps([171])
    assert image.meta["instrume"] == "AIA_SAMPLE"
    assert image.meta.get("degepoch") == epochs.get(171)
    assert epoch_of(image) == epochs.get(171, AS_TAKEN)
