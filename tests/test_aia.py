import dataclasses
import sys

import asdf
import numpy as np
import pytest
from aia_images import make_aia

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.time import Time

from sunpy_mag2euv.aia import (
    INSTRUMENT,
    View,
    is_aia,
    is_observation,
    level_of,
    make_map,
)
from sunpy_mag2euv.grid import Grid, apparent_radius
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.sensitivity import Correction
from sunpy_mag2euv.validity import FieldValidity

#: Keywords of a magnetogram, or of an AIA observation, that would mean something else in a synthetic image.
FOREIGN = (
    "exptime",
    "xposure",
    "blank",
    "bscale",
    "bzero",
    "detector",
    "lvl_num",
    "t_rec",
    "quality",
    "content",
    "crota2",
)

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
def magnetogram(make_magnetogram):
    """As HMI has it: T_OBS in TAI, DATE-OBS in UTC, upside down, from somewhere between here and Venus."""
    return make_magnetogram(
        rotation=179.93,
        rotation_key="CROTA2",
        offset=(3.0, -2.0),
        observer=SkyCoord(30 * u.deg, -5 * u.deg, 0.8 * u.au, frame="heliographic_stonyhurst"),
        date="2014-01-14T23:59:37.50",
        t_obs="2014.01.15_00:00:35_TAI",
        t_rec="2014.01.15_00:00:00_TAI",
        blank=-2147483648,
        exptime=2.0,
        quality=0,
        lvl_num=1.5,
        series="hmi.M_720s",
    )


@pytest.fixture(scope="module")
def grid():
    return Grid((64, 80), 25.0, center=(41.5, 30.0))


@pytest.fixture(scope="module")
def make(grid, magnetogram, tiny_model):
    """
    A function that makes the Map of a passband, brighter with every pixel and unknown in the last row.

    Its standard deviation is a tenth of it.
    """

    def make(angstrom=193, magnetogram=magnetogram, model=tiny_model, validity=GOOD, certain=False):
        image = np.arange(grid.shape[0] * grid.shape[1], dtype=np.float32).reshape(grid.shape) + angstrom
        image[-1] = np.nan
        image *= u.DN / u.s
        deviation = None if certain else image / 10
        return make_map(image, deviation, grid, PASSBANDS[angstrom], View.of([magnetogram]), model, validity)

    return make


# -- make_map ----------------------------------------------------------------------------------------------------------


def test_map(make):
    image = make()
    assert isinstance(image, sunpy.map.sources.AIAMap)
    assert image.unit == u.DN / u.s
    assert image.wavelength == 193 * u.AA
    assert image.data.dtype == np.float32
    assert image.data[2, 3] == 2 * 80 + 3 + 193
    assert np.isnan(image.data[-1]).all()
    assert image.observatory == "SDO"


@pytest.mark.parametrize("angstrom", list(PASSBANDS))
def test_colours_of_the_passband(make, angstrom):
    assert make(angstrom).cmap.name == f"sdoaia{angstrom}"


def test_unit_is_converted(grid, magnetogram, tiny_model):
    ones = np.ones(grid.shape) * u.DN / u.ms
    image = make_map(ones, ones, grid, PASSBANDS[193], View.of([magnetogram]), tiny_model, GOOD)
    assert image.unit == image.uncertainty.unit == u.DN / u.s
    np.testing.assert_allclose(image.data, 1000)
    np.testing.assert_allclose(image.uncertainty.array, 1000)


def test_uncertainty(make):
    image = make()
    assert isinstance(image.uncertainty, StdDevUncertainty)
    assert image.uncertainty.unit == u.DN / u.s
    assert image.uncertainty.array.shape == image.data.shape
    np.testing.assert_allclose(image.uncertainty.array, image.data / 10)
    assert np.isnan(image.uncertainty.array[-1]).all()
    assert make(certain=True).uncertainty is None


def test_header_has_the_validity(make):
    assert {keyword: make().meta[keyword] for keyword in GOOD.header()} == GOOD.header()
    doubtful = dataclasses.replace(GOOD, strong=0.5, on_hmi_scale=False)
    assert make(validity=doubtful).meta["validity"] == "caution: strong field, unknown instrument"


def test_header_has_the_epoch_of_the_sensitivity(make, tiny_model):
    model = dataclasses.replace(tiny_model, epochs={193: "launch", 304: "2011-01-01"})
    assert [make(band, model=model).meta.get("degepoch") for band in (193, 304, 335)] == ["launch", "2011-01-01", None]


def test_dates_are_in_utc(make, magnetogram):
    image = make()
    assert image.meta["t_obs"] == "2014-01-15T00:00:00.000"  # 35 s from TAI
    assert image.meta["date-obs"] == "2014-01-14T23:59:37.500"
    assert image.meta["timesys"] == "UTC"
    assert image.date.scale == image.reference_date.scale == "utc"
    assert abs(image.reference_date - magnetogram.reference_date) < 1 * u.ms
    assert abs(image.date - magnetogram.date) < 1 * u.ms


def test_dates_of_a_magnetogram_all_in_tai(make, make_magnetogram):
    image = make(magnetogram=make_magnetogram(date="2011-04-01T00:00:34", timesys="TAI"))
    assert image.meta["date-obs"] == image.meta["t_obs"] == "2011-04-01T00:00:00.000"


def test_observer_is_the_magnetograms(make, magnetogram):
    image = make()
    assert image.observer_coordinate.separation_3d(magnetogram.observer_coordinate) < 1 * u.km
    assert image.coordinate_frame.is_equivalent_frame(magnetogram.coordinate_frame)


@pytest.mark.parametrize("rsun", [695.7e6, 696e6])
def test_solar_radius_is_the_magnetograms(make, make_magnetogram, grid, rsun):
    magnetogram = make_magnetogram(rsun_ref=rsun)
    image = make(magnetogram=magnetogram)
    assert image.rsun_meters == rsun * u.m
    radius = apparent_radius(magnetogram.coordinate_frame)
    assert u.isclose(image.rsun_obs, radius)
    assert u.isclose(image.scale[0], radius / (25 * u.pix))
    assert u.allclose(
        image.world_to_pixel(SkyCoord(0 * u.deg, 0 * u.deg, frame=image.coordinate_frame)), (41.5, 30) * u.pix
    )


def test_north_is_up_and_west_is_right(make):
    image = make()
    np.testing.assert_array_equal(image.rotation_matrix, np.eye(2))
    assert min(image.scale) > 0 * u.arcsec / u.pix


def test_header_says_that_it_is_synthetic(make):
    image = make()
    assert image.meta["instrume"] == INSTRUMENT == "AIA_SYNTHETIC"
    assert image.instrument == "AIA SYNTHETIC"
    assert image.meta["origin"].startswith("sunpy_mag2euv ")
    assert image.meta["history"].startswith("SYNTHETIC image")


def test_nothing_of_the_magnetogram_leaks(make, magnetogram):
    assert {"exptime", "blank", "lvl_num", "t_rec", "quality", "content", "crota2"} <= set(magnetogram.meta)
    image = make()
    assert [keyword for keyword in FOREIGN if keyword in image.meta] == []
    assert image.exposure_time is None
    assert image.processing_level is None


def test_history(make, tiny_model):
    lines = make(211).meta["history"].split("\n")
    assert all(0 < len(line) <= 72 and line.isascii() for line in lines)
    assert lines[-1] != ""
    text = " ".join(lines)
    assert "computed from a magnetogram: not an observation" in text
    assert "model: tiny" in text
    assert tiny_model.sha256 in lines  # whole, on a line of its own
    assert f"calibration: {tiny_model.calibration[211]}" in text
    assert f"trained on: {tiny_model.provenance}" in text
    assert "magnetogram: SDO HMI SIDE1 hmi.M_720s 2014-01-14T23:59:37.500 UTC" in text
    assert "doi:10.3847/2041-8213/ab46bb" in text
    assert f"caveat: {tiny_model.caveats[211]}".replace("Å", "?") in text


def test_history_of_a_well_known_passband(make):
    assert "caveat" not in make(193).meta["history"]


def test_history_has_every_paper(make, tiny_model):
    papers = ("10.3847/2041-8213/ab46bb", "10.3847/2041-8213/ac0d54")
    history = make(model=dataclasses.replace(tiny_model, references=papers)).meta["history"]
    for paper in papers:
        assert f"paper: doi:{paper}" in history.split("\n")


def test_series_of_the_magnetogram(make, make_magnetogram):
    assert "HMI SIDE1 MAGNETOGRAM 2014" in make(magnetogram=make_magnetogram()).meta["history"]
    bare = make(magnetogram=make_magnetogram(content=None)).meta["history"]
    assert "HMI SIDE1 magnetogram 2014" in bare


@pytest.fixture(scope="module")
def aia_images():
    """AIA images, of which the first is of level 1 and from elsewhere than the others."""
    first = make_aia(wavelength=1600, size=40, lvl_num=1, longitude=0.5, exposure=2.9, t_obs="2014-01-15T00:00:02")
    return [first, *(make_aia(wavelength=band, size=40, date="2014-01-15T00:00:09.5") for band in (131, 304))]


def test_observations_are_told_from_other_images(make, magnetogram, aia_images):
    assert all(is_observation(image.meta) for image in aia_images)
    for header in (make().meta, magnetogram.meta, {}, {"INSTRUME": None}):
        assert not is_observation(header)


@pytest.mark.parametrize("name", ["AIA", "AIA_1", "AIA_4", "AIA 3", "AIA_2 ", "AIA_ATA3", "AIA_SAMPLE"])
def test_names_of_observations(name):
    """As the archives write them, and as sunpy says them."""
    assert is_observation({"INSTRUME": name})


@pytest.mark.parametrize(
    "name", ["AIA_SYNTHETIC", "AIA_SYNTHETIC_2", "AIA_GENERATED", "AIA-GAN", "AIA_5", "AIA_SAMPLES", "AIA3D", "XAIA_3"]
)
def test_names_of_models(name):
    """Images that are named after AIA are none by AIA."""
    assert not is_observation({"INSTRUME": name})
    assert is_aia({"INSTRUME": name}) is name.startswith("AIA")


@pytest.mark.parametrize(
    ("instrument", "known"),
    [("AIA_2", True), ("AIA", True), (INSTRUMENT, True), ("EIT", False), ("SECCHI", False), ("", False), (None, False)],
)
def test_images_in_aias_numbers(instrument, known):
    assert is_aia({"INSTRUME": instrument}) is known


@pytest.mark.parametrize(
    ("said", "level"),
    [(1, 1), (1.5, 1.5), ("1.5", 1.5), (0, 0), (None, None), ("x", None), ("nan", None), (True, None), ([1], None)],
)
def test_levels(said, level):
    assert level_of({"LVL_NUM": said}) == level


def test_history_of_a_translation(grid, aia_images, tiny_translator):
    ones = np.ones(grid.shape) * u.DN / u.s
    image = make_map(ones, None, grid, PASSBANDS[335], View.of(aia_images), tiny_translator, GOOD)
    lines = image.meta["history"].split("\n")
    assert all(0 < len(line) <= 72 and line.isascii() for line in lines)
    assert tiny_translator.sha256 in lines
    text = " ".join(lines)
    assert "computed from AIA images of 131, 304 and 1600 angstrom: not an observation model: tiny translator" in text
    assert [line for line in lines if line.startswith("input: ")] == [
        "input: SDO AIA 2, 1600 angstrom, level 1, 2014-01-15T00:00:00.000 UTC",
        "input: SDO AIA 2, 131 angstrom, level 1.5, 2014-01-15T00:00:09.500 UTC",
        "input: SDO AIA 2, 304 angstrom, level 1.5, 2014-01-15T00:00:09.500 UTC",
    ]
    assert "magnetogram" not in text

    corrections = {
        131: Correction(0.71234567, "from there to here"),
        304: Correction(0.021, "nobody knows", known=False),
        1600: Correction(None, "nobody knows", known=False),
    }
    image = make_map(ones, None, grid, PASSBANDS[335], View.of(aia_images, corrections), tiny_translator, GOOD)
    text = image.meta["history"].replace("\n", " ")
    assert "1600 angstrom, level 1, 2014-01-15T00:00:00.000 UTC, DN/s as taken input:" in text
    assert "131 angstrom, level 1.5, 2014-01-15T00:00:09.500 UTC, DN/s divided by 0.7123 input:" in text
    assert "304 angstrom, level 1.5, 2014-01-15T00:00:09.500 UTC, DN/s divided by 0.021 for the level of" in text

    alone = make_map(ones, None, grid, PASSBANDS[335], View.of(aia_images[1:2]), tiny_translator, GOOD)
    assert "computed from an AIA image of 131 angstrom: not" in alone.meta["history"].replace("\n", " ")


def test_header_of_a_translation(grid, aia_images, tiny_translator):
    ones = np.ones(grid.shape) * u.DN / u.s
    image = make_map(ones, ones, grid, PASSBANDS[335], View.of(aia_images), tiny_translator, GOOD)
    assert image.instrument == "AIA SYNTHETIC"
    assert image.wavelength == 335 * u.AA
    assert [keyword for keyword in FOREIGN if keyword in image.meta] == []
    assert image.coordinate_frame.is_equivalent_frame(aia_images[0].coordinate_frame)
    assert image.meta["date-obs"] == "2014-01-15T00:00:00.000"
    assert image.meta["t_obs"] == "2014-01-15T00:00:02.000"


def test_provenance_beyond_ascii(make, tiny_model, tmp_path):
    # FITS has nothing but ASCII, and words longer than a card are no reason to fail.
    model = dataclasses.replace(tiny_model, provenance="4.8″ images, see https://example.org/" + 80 * "x")
    image = make(model=model)
    image.save(tmp_path / "image.fits")
    history = sunpy.map.Map(tmp_path / "image.fits").meta["history"]
    assert "trained on: 4.8? images" in history.replace("\n", " ")
    assert 80 * "x" in history.replace("\n", "")


def test_aiapy_is_not_needed(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiapy", None)  # importing it fails
    assert make().wavelength == 193 * u.AA


def write_fits(image, folder):
    path = folder / "image.fits"
    image.save(path)
    return sunpy.map.Map(path)


def write_asdf(image, folder):
    path = folder / "image.asdf"
    asdf.AsdfFile({"map": image}).write_to(path)
    with asdf.open(path, lazy_load=False) as file:
        return file["map"]


@pytest.mark.parametrize("round_trip", [write_fits, write_asdf])
def test_files_keep_it(make, tmp_path, round_trip):
    image = make(211)
    read = round_trip(image, tmp_path)
    assert isinstance(read, sunpy.map.sources.AIAMap)
    np.testing.assert_array_equal(read.data, image.data)
    assert read.data.dtype.newbyteorder("=") == np.float32
    keywords = ("instrume", "telescop", "origin", "history", "date-obs", "t_obs", "timesys", "wavelnth", "validity")
    for keyword in keywords:
        assert read.meta[keyword] == image.meta[keyword], keyword
    assert [keyword for keyword in FOREIGN if keyword in read.meta] == []
    assert read.unit == image.unit
    assert read.wavelength == 211 * u.AA
    assert read.plot_settings["cmap"] == "sdoaia211"
    assert (read.date, read.reference_date) == (image.date, image.reference_date)
    assert read.coordinate_frame.is_equivalent_frame(image.coordinate_frame)
    corner = (0, 0) * u.pix
    assert read.pixel_to_world(*corner).separation(image.pixel_to_world(*corner)) < 1e-6 * u.arcsec


def test_asdf_files_keep_the_uncertainty(make, tmp_path):
    image = make()
    read = write_asdf(image, tmp_path)
    assert read.uncertainty.unit == u.DN / u.s
    np.testing.assert_array_equal(read.uncertainty.array, image.uncertainty.array)


def test_fits_header_is_plain(make, tmp_path):
    make().save(tmp_path / "image.fits")
    with fits.open(tmp_path / "image.fits") as files:
        files.verify("exception")
        assert len(files) == 1
        header = files[0].header
        assert header["BITPIX"] == -32
        assert header["INSTRUME"] == "AIA_SYNTHETIC"
        assert Time(header["DATE-OBS"]).isot == "2014-01-14T23:59:37.500"
        assert header["HISTORY"][0].startswith("SYNTHETIC image")


def test_plots_say_that_it_is_synthetic(make):
    """And by which model."""
    assert make().latex_name.startswith("AIA (synthetic) tiny ")
