"""The packaged weights: what they answer to a made-up Sun and to real magnetograms."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, gaussian_filter, maximum_filter

import astropy.units as u
import sunpy.map
from sunpy.coordinates.sun import carrington_rotation_number
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.metrics import bin_image, correlation, relative_error, structure_ratio
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

#: Where the documentation says how well they do, if it is there.
CARD = Path(__file__).parents[1] / "docs" / "model_card_detail.rst"


def generate_all(magnetogram):
    """All passbands, without the warnings for the scarce ones, which are tested elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyUserWarning)
        return mag2euv.generate(magnetogram, mag2euv.load_model().passbands)


@pytest.fixture(scope="module")
def magnetogram():
    return sample_magnetogram(seed=3, size=1024)


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


def test_the_sharp_model_has_the_same_detail_but_stronger(magnetogram, images):
    model, sharp = mag2euv.load_model(), mag2euv.load_model("detail-browse-sharp")
    field = prepare(magnetogram, model.grid).values
    network, stronger = (each.network(torch.device("cpu")) for each in (model, sharp))
    with torch.inference_mode():
        coarse, detail = network.scales(model.inputs(field)[None])
        same, more = stronger.scales(sharp.inputs(field)[None])
    torch.testing.assert_close(same, coarse, rtol=1e-3, atol=1e-3)
    count, disk = len(model.image_scalings), torch.from_numpy(model.grid.radius < 0.9)
    for band, weak, strong in zip(model.image_scalings, detail[0, :count], more[0, :count], strict=True):
        assert correlation(strong[disk].numpy(), weak[disk].numpy()) > 0.999, band
        assert 0.99 < float(strong[disk].std() / weak[disk].std()) < 3, band


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


def test_detail_is_added_to_coarse_images(magnetogram, images):
    """Averaged, images are those of the coarse part by itself; as they are, they have much more structure."""
    quick = mag2euv.load_model("shared-browse")
    grid, disk = mag2euv.load_model().grid, quick.grid.radius < 0.98
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyUserWarning)
        coarse_images = mag2euv.generate(magnetogram, quick.passbands, model=quick)
    for image, coarse in zip(images, coarse_images, strict=True):
        binned = bin_image(image.data, 4)
        assert correlation(binned[disk], coarse.data[disk]) > 0.95, image.wavelength
        assert abs(relative_error(binned[disk], coarse.data[disk])) < 0.03, image.wavelength
        enlarged = coarse.data.repeat(4, axis=0).repeat(4, axis=1)
        assert structure_ratio(image.data, enlarged, grid.radius, grid.solar_radius) > 2, image.wavelength


def test_no_checkerboard_of_its_own():
    """Without a field to answer to, nothing in the disk's middle varies from pixel to pixel."""
    model = mag2euv.load_model()
    planes = model.run(np.zeros(model.grid.shape, dtype=np.float32), torch.device("cpu")).numpy()
    middle = slice(model.grid.shape[0] * 11 // 32, model.grid.shape[0] * 21 // 32)
    # Those after the images are of their deviations.
    for plane in planes[: len(model.image_scalings)]:
        disk = plane[middle, middle]
        alternating = disk[::2, ::2] - disk[1::2, ::2] - disk[::2, 1::2] + disk[1::2, 1::2]
        assert np.abs(alternating).max() < 2e-3


def powers(image):
    """Power of the middle of the disk, in waves for its side."""
    size = image.data.shape[0] // 2
    disk = np.log(image.data[size // 2 : -size // 2, size // 2 : -size // 2])
    return np.abs(np.fft.fft2((disk - disk.mean()) * np.hanning(size)[:, None] * np.hanning(size))) ** 2


def test_no_checkerboard(images):
    """Power at the pixels' own period, alternating in both directions, stays below that of twice the period."""
    for image in images:
        power = powers(image)
        half, quarter = (slice(len(power) // part - 2, len(power) // part + 3) for part in (2, 4))
        assert power[half, half].mean() < power[quarter, quarter].mean(), image.wavelength


def test_no_seams_of_blocks(images):
    """Along rows and columns, no more power at the period of a coarse pixel than at periods beside it."""
    for image in images:
        for power in (powers(image), powers(image).T):
            wave = len(power) // mag2euv.load_model().block
            beside = np.r_[wave - 12 : wave - 3, wave + 4 : wave + 13]
            assert power[wave - 1 : wave + 2, :3].mean() < 3 * power[beside, :3].mean(), image.wavelength


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
    near = maximum_filter(strength, round(0.07 * grid.solar_radius)) > 50
    assert near[bright].mean() > 0.8


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
    model, sensitivity = mag2euv.load_model("shared-browse"), Sensitivity.read()
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


#: Differences of images that interpolation makes: nine tenths of the pixels within the first, all but a thousandth
#: within the second, in parts of the intensity.
INTERPOLATED = 0.01, 0.1


def differences(images, others, where):
    """Quantiles of the differences of images on part of the grid, in parts of the intensity."""
    off = np.stack([np.abs(other.data / image.data - 1)[where] for image, other in zip(images, others, strict=True)])
    return np.quantile(off, [0.9, 0.999])


@pytest.fixture(scope="module")
def regions():
    """A field with structure of a few grid pixels, as a function of the place on the Sun."""
    rng = np.random.default_rng(5)
    waves = rng.normal(0, 60, (40, 2))
    phases, center = rng.uniform(0, 2 * np.pi, 40), rng.uniform(-0.6, 0.6, (6, 2))

    def field(x, y):
        network = np.cos(waves[:, 0, None] * x.ravel() + waves[:, 1, None] * y.ravel() + phases[:, None]).sum(axis=0)
        envelope = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 2 / 0.1**2) for a, b in center)
        return network.reshape(x.shape) * (3 + 20 * envelope)

    return field


def generated(magnetogram):
    """One passband of the corona and one below it, without the warnings for strong fields."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyUserWarning)
        return mag2euv.generate(magnetogram, [171, 304])


@pytest.fixture(scope="module")
def upright(make_magnetogram, regions):
    return generated(make_magnetogram(regions, size=1600))


@pytest.mark.parametrize(
    "change",
    [{"rotation": 179.93}, {"rotation": 31.0, "offset": (12.3, -7.6)}, {"size": 2000}, {"flip": (True, False)}],
    ids=str,
)
def test_turned_shifted_and_scaled_magnetograms_give_the_same_image(make_magnetogram, regions, upright, change):
    """The Sun is the same, whatever pixels the magnetogram has."""
    images = generated(make_magnetogram(regions, **({"size": 1600} | change)))
    disk = mag2euv.load_model().grid.radius < 0.98
    most, nearly_all = differences(upright, images, disk)
    assert most < INTERPOLATED[0]
    assert nearly_all < INTERPOLATED[1]


def test_a_cutout_is_the_full_disk_with_nothing_around(test_data):
    """NOAA 11158, by itself and in a full disk that has nothing else: no pixel knows how large the image is."""
    cutout = sunpy.map.Map(test_data / "inputs" / FILES[4])
    margin = 2500
    meta = cutout.meta.copy()
    meta["crpix1"] += margin
    meta["crpix2"] += margin
    for key in ("naxis1", "naxis2"):
        meta[key] = meta[key] + 2 * margin
    whole = sunpy.map.Map(np.pad(cutout.data, margin), meta)
    grid = mag2euv.load_model().grid
    for image, other in zip(generated(cutout), generated(whole), strict=True):
        fitting = other.data[prepare(cutout, grid).window]
        inside = binary_erosion(np.isfinite(image.data), iterations=20)
        assert inside.sum() > 1000
        np.testing.assert_allclose(image.data[inside], fitting[inside], rtol=0.02)


def test_a_coarse_magnetogram_is_marked(test_data):
    with pytest.warns(SunpyUserWarning, match="resolves"):
        image = mag2euv.generate(sunpy.map.Map(test_data / "inputs" / FILES[3]), 171)
    assert "coarse input" in image.meta["validity"]
    assert 1.2 < image.meta["coarse"] < 1.4
    image = mag2euv.generate(sunpy.map.Map(test_data / "inputs" / FILES[0]), 171)
    assert image.meta["coarse"] < 1
    assert image.meta["validity"] == "no known objection"


def test_noise_makes_no_structure(test_data):
    """It takes detail away, rather than making points of its own; by how much is what the model card says."""
    model, rng = mag2euv.load_model(), np.random.default_rng(0)
    field = prepare(sunpy.map.Map(test_data / "inputs" / FILES[0]), model.grid).values
    noise = np.where(model.grid.radius < 1, rng.normal(0, 1, field.shape), 0)
    quiet, bands, contrasts, patterns, fine = model.grid.radius < 0.6, (171, 193, 304, 1600), {}, {}, {}
    for gauss in (0, 3, 10):
        noisy = (field + gauss * noise).astype(np.float32)
        images = model.outputs(model.run(noisy, torch.device("cpu")))[0].value
        values = [np.log(np.maximum(images[list(model.image_scalings).index(band)], 0.1)) for band in bands]
        fine[gauss] = [(gaussian_filter(each, 1) - gaussian_filter(each, 12))[quiet] for each in values]
        contrasts[gauss] = [noisy.std() / clean.std() for noisy, clean in zip(fine[gauss], fine[0], strict=True)]
        patterns[gauss] = [correlation(*pair) for pair in zip(fine[gauss], fine[0], strict=True)]
    assert max(contrasts[3] + contrasts[10]) < 1
    assert min(patterns[10]) > 0.75
    if CARD.exists():
        said = re.search(
            r"leaves (\d+) to (\d+) per cent .* correlates\s+to (\S+) and more .* 10 G leave (\d+) to (\d+) per cent, "
            r"(\d+) in 304 Å, and a\s+correlation of (\S+) to (\S+)\.\n",
            CARD.read_text(encoding="utf-8"),
            re.DOTALL,
        )
        least, most, pattern, least_of_strong, most_of_strong, at_304, low, high = map(float, said.groups())
        at_304_found = contrasts[10].pop(bands.index(304))
        found = [*contrasts[3], *contrasts[10], at_304_found]
        assert [min(found[:4]), max(found[:4])] == pytest.approx([least / 100, most / 100], abs=0.01)
        assert [min(found[4:-1]), max(found[4:-1])] == pytest.approx(
            [least_of_strong / 100, most_of_strong / 100], abs=0.01
        )
        assert found[-1] == pytest.approx(at_304 / 100, abs=0.01)
        assert min(patterns[3]) > pattern
        assert [min(patterns[10]), max(patterns[10])] == pytest.approx([low, high], abs=0.01)
