"""The packaged weights: what they answer to a made-up Sun and to real magnetograms."""

import warnings

import numpy as np
import pytest
import torch

import astropy.units as u
import sunpy.map
from sunpy.coordinates.sun import carrington_rotation_number
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.metrics import correlation, relative_error, structure_ratio
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.recipe.archives import SATURATION, decode, read_fields

FILES = [
    "hmi.M_720s_nrt.20190116_140000_TAI.fits",
    "mdi.fd_M_96m_lev182.19991211_000000_TAI.data.fits",
    "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits",
    "gong.tdbqa190121t1614.fits.gz",
    "sdo-hmi_2011-02-14_20-34-12.fits",
]


def generate_all(magnetogram):
    """All passbands, without the warnings for the scarce ones, which are tested elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyUserWarning)
        return mag2euv.generate(magnetogram, mag2euv.load_model().passbands)


@pytest.fixture(scope="module")
def magnetogram():
    return sample_magnetogram(seed=3, size=512)


@pytest.fixture(scope="module")
def images(magnetogram):
    return generate_all(magnetogram)


def test_emission_does_not_know_polarity(magnetogram, images):
    mirrored = generate_all(sunpy.map.Map(-magnetogram.data, magnetogram.meta))
    for image, other in zip(images, mirrored, strict=True):
        assert correlation(image.data, other.data) >= 0.99, image.wavelength


def test_bright_where_the_field_is(magnetogram, images):
    model = mag2euv.load_model()
    strength = np.abs(prepare(magnetogram, model.grid).values)
    disk = model.grid.radius < 0.8
    active, quiet = disk & (strength > 200), disk & (strength < 5)
    assert active.sum() > 50
    for image in images:
        assert np.median(image.data[active]) > 1.1 * np.median(image.data[quiet]), image.wavelength


def test_the_limb_is_at_the_solar_radius(images):
    """1700 Å ends where the photosphere does."""
    (image,) = (image for image in images if image.wavelength == 1700 * u.angstrom)
    grid = mag2euv.load_model().grid
    edges = np.arange(0.9, 1.1, 0.01)
    profile = [np.median(image.data[(grid.radius >= r) & (grid.radius < r + 0.01)]) for r in edges]
    limb = edges[np.argmin(np.diff(profile))] + 0.01
    assert limb == pytest.approx(1, abs=0.015)


def test_levels_are_those_of_a_sun(images):
    """Between what the training images have on a dark and on a bright disk; scaled wrongly they would be far off."""
    for image, scaling in zip(images, mag2euv.load_model().image_scalings.values(), strict=True):
        disk = mag2euv.load_model().grid.radius < 0.9
        assert scaling.low < np.median(image.data[disk]) < scaling.inverse(0.6), image.wavelength


def test_uncertainty_is_larger_off_the_limb(magnetogram, images):
    """In parts of the intensity, compared with the quiet disk: there is no field to answer to."""
    grid = mag2euv.load_model().grid
    quiet = np.abs(prepare(magnetogram, grid).values) < 10
    inner, off = quiet & (grid.radius < 0.7), (grid.radius > 1.05) & (grid.radius < 1.15)
    for image in images:
        if image.wavelength.value in (171, 193, 304):
            relative = [np.median(image.uncertainty.array[where] / image.data[where]) for where in (inner, off)]
            assert relative[1] > relative[0], image.wavelength


def test_deviations_are_of_the_images_size(images):
    disk = mag2euv.load_model().grid.radius < 1
    for image in images:
        np.testing.assert_array_equal(np.isfinite(image.uncertainty.array), np.isfinite(image.data))
        assert 0.02 < np.median(image.uncertainty.array[disk] / image.data[disk]) < 1, image.wavelength


def test_the_sharp_model_has_more_structure(magnetogram):
    sharp = mag2euv.load_model("shared-browse-sharp")
    grid = sharp.grid
    for passband in (94, 131, 171, 193, 304):
        smooth, fine = (mag2euv.generate(magnetogram, passband, model=model) for model in (None, sharp))
        ratio = structure_ratio(fine.data, smooth.data, grid.radius, grid.solar_radius)
        assert ratio > 2, passband
        assert correlation(fine.data[grid.radius < 1], smooth.data[grid.radius < 1]) > 0.9, passband


def test_no_checkerboard_of_its_own():
    """Without a field to answer to, nothing in the disk's middle varies from pixel to pixel."""
    model = mag2euv.load_model()
    planes = model.run(np.zeros(model.grid.shape, dtype=np.float32), torch.device("cpu")).numpy()
    # Those after the images are of their deviations.
    for plane in planes[: len(model.image_scalings)]:
        disk = plane[88:168, 88:168]
        alternating = disk[::2, ::2] - disk[1::2, ::2] - disk[::2, 1::2] + disk[1::2, 1::2]
        assert np.abs(alternating).max() < 1e-3


def test_no_checkerboard(images):
    """Power at the pixels' own period, alternating in both directions, stays below that of twice the period."""
    for image in images:
        disk = np.log(image.data[64:192, 64:192])
        disk = (disk - disk.mean()) * np.hanning(128)[:, None] * np.hanning(128)
        power = np.abs(np.fft.fft2(disk)) ** 2
        assert power[62:67, 62:67].mean() < power[30:35, 30:35].mean(), image.wavelength


@pytest.mark.parametrize("name", FILES)
def test_real_magnetograms(test_data, tmp_path, name):
    magnetogram = sunpy.map.Map(test_data / "inputs" / name)
    for image in generate_all(magnetogram):
        path = tmp_path / f"{image.wavelength.value:.0f}.fits"
        image.save(path)
        again = sunpy.map.Map(path)
        assert isinstance(again, sunpy.map.sources.AIAMap)
        assert again.meta["instrume"] == "AIA_SYNTHETIC"
        assert abs(again.date - magnetogram.date) < 1 * u.ms
        assert again.observer_coordinate.separation_3d(magnetogram.observer_coordinate) < 100 * u.km
        np.testing.assert_array_equal(again.data, image.data)
        assert np.isfinite(again.data).mean() > 0.7


def test_active_regions_are_where_a_real_magnetogram_has_them(test_data):
    magnetogram = sunpy.map.Map(test_data / "inputs" / FILES[2])
    grid = mag2euv.load_model().grid
    strength = np.abs(prepare(magnetogram, grid).values)
    image = mag2euv.generate(magnetogram, 171)
    disk = grid.radius < 0.8
    bright = disk & (image.data > np.quantile(image.data[disk], 0.98))
    # Of the brightest fiftieth of the disk, nearly all has strong field within some 30 arcsec.
    near = [strength[r - 3 : r + 4, c - 3 : c + 4].max() > 50 for r, c in np.argwhere(bright)]
    assert np.mean(near) > 0.8


#: Archive, passband, rotation that was not trained on, and the least mean correlation there.
HELD_OUT = [
    ("hourly_2012", 94, 2128, 0.7),
    ("hourly_2012", 131, 2128, 0.75),
    ("hourly_2012", 171, 2128, 0.68),
    ("daily_2011", 193, 2111, 0.75),
    ("daily_2011", 304, 2111, 0.62),
    ("flares_2010_2015", 211, 2169, 0.7),
]


@pytest.mark.parametrize(("archive", "band", "rotation", "least"), HELD_OUT)
def test_images_that_were_not_learnt_from(test_data, archive, band, rotation, least):
    """In DN/s at AIA's sensitivity at launch, of days whose images were not brightened."""
    model, sensitivity = mag2euv.load_model(), Sensitivity.read()
    with np.load(test_data / "browse_pairs" / f"{archive}.npz") as data:
        times, index = data["time"].astype("datetime64[s]"), data[f"index_{band:04d}"]
        chosen = np.nonzero(np.floor(carrington_rotation_number(times[index])) == rotation)[0]
        chosen = chosen[:: max(1, len(chosen) // 6)]
        fields = read_fields(data["magnetogram"][index[chosen]])
        images, times = decode(data[f"aia_{band:04d}"][chosen], band), times[index[chosen]]
    disk, plane, scores = model.grid.radius < 1, list(model.image_scalings).index(band), []
    ceiling = SATURATION.get(archive, {}).get(band, np.inf)
    for field, image, time in zip(fields, images, times, strict=True):
        left = sensitivity.since_launch(band, time)
        known = disk & np.isfinite(image)
        synthetic = np.minimum(model.outputs(model.run(field, torch.device("cpu")))[0][plane].value, ceiling / left)
        observed = np.minimum(image, ceiling) / left
        pair = synthetic[known], observed[known]
        scores.append((correlation(*pair), relative_error(*pair)))
    cc, error = np.mean(scores, axis=0)
    assert len(scores) >= 6
    assert cc > least
    assert abs(error) < 0.15
