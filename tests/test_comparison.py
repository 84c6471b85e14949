"""A synthetic Map against an observed one."""

import dataclasses

import numpy as np
import pytest
from aia_images import make_aia as _aia
from aia_images import sun as _sun
from sdo_files import correction_table
from without_aiapy import remove_aiapy

import astropy.units as u
import sunpy.map
from astropy.table import QTable
from astropy.time import Time
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.intensity import SATURATION, intensity
from sunpy_mag2euv.metrics import REGIONS
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.regridding import regrid
from sunpy_mag2euv.sensitivity import Sensitivity

SCORES = ("cc", "re", "ppe10", "ppe50", "cc_log", "rmse", "ssim")


@pytest.fixture(scope="module")
def aia():
    return _aia()


def _with(image, change):
    """A copy whose data ``change`` has been let loose on."""
    data = image.data.copy()
    change(data)
    return sunpy.map.Map(data, image.meta.copy())


def _set(rows, columns, value):
    return lambda data: data.__setitem__((rows, columns), value)


def _assert_equal(table, other, names=SCORES, **tolerance):
    for name in names:
        np.testing.assert_allclose(
            *(np.asarray(u.Quantity(each[name]).value, float) for each in (table, other)), err_msg=name, **tolerance
        )


def test_a_map_beside_itself(aia):
    table = mag2euv.compare(aia, aia)
    assert isinstance(table, QTable)
    assert list(table["region"]) == list(REGIONS)
    assert (table["pixels"] > 0).all()
    np.testing.assert_allclose(table["cc"], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(table["cc_log"], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(table["ssim"], 1, rtol=0, atol=1e-12)
    for name, value in (("re", 0), ("ppe10", 1), ("ppe50", 1)):
        np.testing.assert_array_equal(table[name], value)
    np.testing.assert_array_equal(table["rmse"], 0 * u.DN / u.s)
    np.testing.assert_array_equal(table["structure"], [1] + [np.nan] * 6)


def test_pixels_are_counted(aia):
    pixels = dict(zip(*(mag2euv.compare(aia, aia)[name] for name in ("region", "pixels")), strict=True))
    assert pixels["disk"] == pytest.approx(np.pi * 98**2, rel=0.005)
    parts = ("active region", "quiet Sun", "coronal hole", "limb")
    assert sum(pixels[name] for name in parts) == pixels["disk"]
    # The meridians at 30° are seen as an ellipse of half the disk's width.
    assert pixels["central"] == pytest.approx(pixels["disk"] / 2, rel=0.01)


@pytest.mark.parametrize(
    "keywords",
    [
        {"roll": 180.0},
        {"roll": 179.93, "size": 1024, "radius": 401.7, "center": (3.2, -1.7)},
        {"roll": 37.0, "radius": 101.3},
        {"size": 600, "radius": 230.0, "center": (-9.0, 20.0)},
        {"size": (150, 210), "radius": 120.0, "center": (40.0, 30.0), "roll": -90.0},
        {"radius": 60.0},
        {"date": "2014-01-15T00:11:00", "exposure": 0.5},
        {"unit": "DN / s", "exposure": None},
        {"unit": "ct / s", "exposure": None},
        {"dsun_obs": 1.471e11 * 0.999},
    ],
)
def test_any_geometry(aia, keywords):
    """The same Sun, made on other pixels; a bit of it, or a coarser one, is as good where there is something."""
    table = mag2euv.compare(aia, _aia(**keywords))
    assert (table["pixels"] > 0).all()
    assert (table["cc"] > 0.99).all()
    np.testing.assert_allclose(table["re"], 0, atol=0.02)


def test_regridding_preserves_structure(aia):
    fine = _aia(size=1024, radius=401.7, roll=179.93)
    assert mag2euv.compare(aia, fine)["structure"][0] == pytest.approx(1, abs=0.01)
    assert (mag2euv.compare(aia, fine)["cc"] > 0.9999).all()


def test_fine_structure_is_averaged_not_sampled(aia):
    """A checkerboard of fine pixels has no effect on coarse ones."""
    fine = _aia(size=1024, radius=392.0)
    checkers = sunpy.map.Map(fine.data * (1 + 0.9 * (-1) ** np.indices(fine.data.shape).sum(axis=0)), fine.meta)
    table = mag2euv.compare(aia, checkers)
    assert (table["cc"] > 0.9999).all()
    np.testing.assert_allclose(table["re"], 0, atol=1e-3)


@pytest.mark.parametrize("factor", [2, 4])
def test_whole_factors_are_plain_means(aia, factor):
    fine = _aia(size=256 * factor, radius=98.0 * factor)
    mean = sunpy.map.Map(fine.data.reshape(256, factor, 256, factor).mean(axis=(1, 3)), aia.meta)
    _assert_equal(mag2euv.compare(mean, fine), mag2euv.compare(mean, mean), atol=1e-9)


@pytest.mark.parametrize("second", [{}, {"size": 512, "radius": 203.0, "roll": 179.93}], ids=["same", "regridded"])
@pytest.mark.parametrize("value", [np.nan, np.inf, SATURATION.value, SATURATION.value + 500])
def test_a_bad_pixel_only_changes_the_count(aia, second, value):
    """As if the scored pixels that it is part of were not there."""
    synthetic = _aia(lambda x, y: _sun(x, y) ** 0.9)
    good = _aia(**second)
    row, column = np.array(good.data.shape) // 3
    bad = _with(good, _set(row, column, value))
    table, whole = mag2euv.compare(synthetic, bad), mag2euv.compare(synthetic, good)
    lost = whole["pixels"][0] - table["pixels"][0]
    assert 1 <= lost <= (1 if not second else 9)
    # Leave out the pixels in which the images differ, by way of the synthetic image.
    holes = np.isnan(regrid(intensity(bad), bad, synthetic)) & ~np.isnan(regrid(intensity(good), good, synthetic))
    assert holes.sum() == lost
    without = mag2euv.compare(_with(synthetic, _set(*np.nonzero(holes), np.nan)), good)
    np.testing.assert_array_equal(table["pixels"], without["pixels"])
    _assert_equal(table, without, (*SCORES, "structure"), rtol=1e-12, atol=1e-12)
    # Which is next to nothing
    _assert_equal(table, whole, atol=0.01, rtol=0.01)


def test_saturation_in_images_per_second(aia):
    bright = _with(aia, _set(128, 100, SATURATION.value))
    per_second = sunpy.map.Map(bright.data / 2.0, bright.meta | {"bunit": "DN / s"})
    assert mag2euv.compare(aia, per_second)["pixels"][0] == mag2euv.compare(aia, aia)["pixels"][0] - 1


def test_masked_pixels(aia):
    mask = np.zeros(aia.data.shape, dtype=bool)
    mask[100:110, 100:110] = True
    masked = sunpy.map.Map(aia.data, aia.meta, mask=mask)
    assert mag2euv.compare(masked, aia)["pixels"][0] == mag2euv.compare(aia, aia)["pixels"][0] - 100


def test_scores_are_of_the_pixels_of_the_region(aia):
    """What happens off the disk is none of the disk's business."""
    brighter = _aia(lambda x, y: _sun(x, y) * np.where(np.hypot(x, y) > 1.05, 1.3, 1))
    table, itself = mag2euv.compare(brighter, aia), mag2euv.compare(aia, aia)
    inside = [name != "off-limb" for name in table["region"]]
    _assert_equal(table[inside], itself[inside], ("cc", "re", "ppe10", "rmse"), atol=1e-12)
    assert table["ppe10"][-1] < 0.5 < table["ppe50"][-1]


@pytest.mark.parametrize(
    ("size", "radius", "binning"), [(256, 98.0, 1), (512, 196.0, 2), (1024, 392.0, 4), (64, 24.0, 1)]
)
def test_default_binning_is_the_papers(size, radius, binning):
    image = _aia(size=size, radius=radius)
    meta = mag2euv.compare(image, image).meta
    assert meta["binning"] == binning
    assert meta["solar_radius_pixels"] == pytest.approx(radius / binning)


def test_binned_scores(aia):
    fine = _aia(lambda x, y: _sun(x, y) * (1 + 0.5 * np.sin(300 * x)), size=512, radius=196.0)
    smooth = _aia(size=512, radius=196.0)
    scores = {binning: mag2euv.compare(fine, smooth, binning=binning) for binning in (1, 2, 4)}
    assert scores[1]["ppe10"][0] < scores[4]["ppe10"][0]
    assert scores[1]["pixels"][0] == pytest.approx(4 * scores[2]["pixels"][0], rel=0.01)
    assert scores[1]["pixels"][0] == pytest.approx(16 * scores[4]["pixels"][0], rel=0.01)
    # Two by two fine pixels are those of the small image.
    pair = (sunpy.map.Map(image.data.reshape(256, 2, 256, 2).mean(axis=(1, 3)), aia.meta) for image in (fine, smooth))
    _assert_equal(scores[2], mag2euv.compare(*pair), atol=1e-9)


@pytest.fixture
def launch_model(tiny_model):
    """A model whose DN/s are those of AIA at launch."""
    return dataclasses.replace(tiny_model, epochs=dict.fromkeys(PASSBANDS, "launch"))


def test_synthetic_images(launch_model, make_magnetogram):
    synthetic = mag2euv.generate(make_magnetogram(), 193, model=launch_model)
    table = mag2euv.compare(synthetic, _aia(hglt_obs=0.0))
    assert table.meta["model"] == "tiny"
    assert table.meta["sha256"] == launch_model.sha256
    assert table.meta["divisor"] == Sensitivity.read().since_launch(193, "2014-01-15")
    assert table.meta["passband"] == 193
    assert table.meta["synthetic_time"] == table.meta["observed_time"] == synthetic.date.isot
    assert table["pixels"][0] == mag2euv.compare(_aia(), _aia())["pixels"][0]
    assert "model" not in mag2euv.compare(_aia(), _aia()).meta


def test_provenance_survives_files(launch_model, make_magnetogram, tmp_path):
    mag2euv.generate(make_magnetogram(), 193, model=launch_model).save(tmp_path / "synthetic.fits")
    table = mag2euv.compare(sunpy.map.Map(tmp_path / "synthetic.fits"), _aia(hglt_obs=0.0))
    assert (table.meta["model"], table.meta["sha256"]) == ("tiny", launch_model.sha256)
    assert table.meta["divisor"] == Sensitivity.read().since_launch(193, "2014-01-15")
    table.write(tmp_path / "table.ecsv")
    again = QTable.read(tmp_path / "table.ecsv")
    assert again.meta == table.meta
    assert again["rmse"].unit == u.DN / u.s


@pytest.mark.parametrize("place", ["first", "second"])
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"unit": None, "exposure": None}, "in DN or DN/s; this one is without a unit"),
        ({"unit": "G"}, "in DN or DN/s; this one is in 'G'"),
        ({"exposure": None}, "must have its exposure time"),
        ({"exposure": 0.0}, "must have its exposure time"),
        ({"wavelength": None, "waveunit": None, "instrume": "OTHER", "bunit": "DN"}, "must be an AIA image, observed"),
        ({"wavelength": 195}, "there is no AIA passband 195"),
        ({"instrume": "EIT", "telescop": "SOHO", "bunit": "DN"}, "must be an AIA image, observed or synthetic; .* EIT"),
        ({"instrume": "SECCHI", "detector": "EUVI", "wavelength": 171, "bunit": "DN"}, "must be an AIA image, obs"),
        ({"lvl_num": 0}, "must be of level 1 or 1.5; this one is of level 0. Use the level 1 file"),
        ({"dsun_obs": None}, "must say its observer"),
        ({"date-obs": None}, "must say its observation time"),
        ({"timesys": "GPS"}, "must say its observation time in a way that can be read"),
        ({"sun": lambda x, y: 0 * x}, "must show the Sun; all its numbers are 0 in DN/s"),
        ({"sun": lambda x, y: x - 99}, "must show the Sun; none of its numbers is positive"),
        ({"sun": lambda x, y: 0 * x + 7}, "must show the Sun; all its numbers are 7 in DN/s"),
        ({"sun": lambda x, y: -(2.0**31) + x}, "must have pixels that are known; .* below what AIA can record"),
        ({"size": 64, "radius": 3.9}, "must show the Sun at least 8 pixels wide"),
        ({"radius": 98e5}, "must have pixels that a telescope can have"),
        ({"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg"}, "must be helioprojective"),
        ({"size": (1, 20)}, "at least 2 pixels"),
    ],
)
@pytest.mark.filterwarnings("ignore:Missing metadata")
def test_unusable_images(aia, keywords, message, place):
    pair = [_aia(**keywords), aia]
    with pytest.raises(ValueError, match=message) as error:
        mag2euv.compare(*(pair if place == "first" else pair[::-1]))
    assert place in str(error.value) or "passband" in message


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"wavelength": 171}, "of one passband; the first is 193 Å, the second 171 Å"),
        ({"date": "2014-01-15T00:13:00"}, "at most 12 min apart; these are 13 min apart"),
        ({"date": "2014-01-14T00:00:00"}, "apart; these are 1440 min apart"),
        ({"date": "2020-01-15T00:00:00"}, "apart; these are 2191 d apart"),
        ({"longitude": 40.0}, "observers of these are 39.9 deg apart"),
        ({"center": (1000.0, 0.0), "size": 40}, "must have pixels that are known in both"),
    ],
)
def test_pairs_that_do_not_match(aia, keywords, message):
    with pytest.raises(ValueError, match=message):
        mag2euv.compare(aia, _aia(**keywords))


def test_magnetograms_and_pictures_are_refused(aia, make_magnetogram):
    with pytest.raises(
        ValueError,
        match="the second image must be an AIA image, observed or synthetic; this one is HMI SIDE1 magnetogram",
    ):
        mag2euv.compare(aia, make_magnetogram())
    picture = sunpy.map.Map(np.zeros((20, 20), np.uint8), aia.meta)
    with pytest.raises(ValueError, match="uint8 numbers, as pictures do"):
        mag2euv.compare(aia, picture)


def test_maps_are_needed(aia):
    with pytest.raises(TypeError, match=r"the first image must be a sunpy.map.Map; got ndarray"):
        mag2euv.compare(aia.data, aia)
    with pytest.raises(TypeError, match=r"the second image must be a sunpy.map.Map; got NoneType"):
        mag2euv.compare(aia, None)


def test_the_time_difference_is_the_callers_choice(aia):
    later = _aia(date="2014-01-15T01:00:00")
    assert mag2euv.compare(aia, later, max_time_difference=1 * u.hour)["cc"][0] == pytest.approx(1)
    with pytest.raises(TypeError, match="max_time_difference"):
        mag2euv.compare(aia, later, max_time_difference=60)
    with pytest.raises(u.UnitsError):
        mag2euv.compare(aia, later, max_time_difference=60 * u.arcsec)


# -- Levels ------------------------------------------------------------------------------------------------------------


def at_launch(**keywords):
    """What AIA would have seen at launch, as a synthetic image."""
    return _aia(**{"instrume": "AIA_SYNTHETIC", "lvl_num": None, "unit": "DN / s", "exposure": None} | keywords)


def observed(factor, **keywords):
    """The same as AIA sees it with a part of its sensitivity."""
    return _aia(lambda x, y: factor * _sun(x, y), **keywords)


@pytest.mark.parametrize("band", [171, 193, 304, 1600])
@pytest.mark.parametrize("epoch", ["launch", "2012-06-01"])
def test_observations_are_brought_to_the_level(band, epoch):
    sensitivity = Sensitivity.read()
    left = sensitivity.since_launch(band, "2014-01-15")
    if epoch != "launch":
        left /= sensitivity.since_launch(band, epoch)
    assert left < 0.99
    synthetic, aia_map = at_launch(wavelength=band, degepoch=epoch), observed(left, wavelength=band)
    table = mag2euv.compare(synthetic, aia_map)
    known = table["pixels"] > 0
    np.testing.assert_allclose(table["re"][known], 0, atol=1e-6)
    np.testing.assert_allclose(table["cc"][known], 1, atol=1e-6)
    np.testing.assert_array_equal(table["ppe10"][known], 1)
    assert table.meta["divisor"] == pytest.approx(left, rel=1e-12)
    words = "at launch" if epoch == "launch" else "of 2012-06-01"
    assert table.meta["level"] == (
        f"the second image is brought from AIA's sensitivity of 2014-01-15 to that {words}, by version 8 of its "
        "correction table"
    )


def test_an_observation_that_is_corrected_already():
    launch = {"degepoch": "launch"}
    for keywords in (launch, {"deg_cor": 0.9}):
        table = mag2euv.compare(at_launch(**launch), observed(1, **keywords))
        np.testing.assert_allclose(table["re"], 0, atol=1e-6)
        assert table.meta["divisor"] == 1
        assert table.meta["level"] == "both images are at AIA's sensitivity at launch"
    # Between two observations, one of which is corrected, it works as well.
    left = Sensitivity.read().since_launch(193, "2014-01-15")
    table = mag2euv.compare(observed(left), _aia(**launch))
    np.testing.assert_allclose(table["re"], 0, atol=1e-6)
    assert table.meta["divisor"] == pytest.approx(1 / left)


def test_observations_as_taken_are_left_alone(aia, monkeypatch):
    remove_aiapy(monkeypatch)
    meta = mag2euv.compare(aia, _aia(date="2014-01-15T00:05:00")).meta
    assert (meta["level"], meta["divisor"]) == ("both images are as taken", 1)
    silent = at_launch()
    meta = mag2euv.compare(silent, silent).meta
    assert (meta["level"], meta["divisor"]) == ("neither image says its epoch of AIA's sensitivity", 1)


def _compare_warned(*args, **kwargs):
    """The table, and the one sentence that is warned with."""
    with pytest.warns(SunpyUserWarning) as warned:
        table = mag2euv.compare(*args, **kwargs)
    (warning,) = warned
    return table, str(warning.message)


@pytest.mark.parametrize("keywords", [{}, {"degepoch": "launch"}])
def test_a_synthetic_image_that_does_not_say_its_epoch(keywords):
    left = 0.8
    table, sentence = _compare_warned(at_launch(), observed(left, **keywords))
    assert sentence == (
        "RE, PPE and RMSE are not to be trusted, since the first image does not say its epoch of AIA's sensitivity: "
        "say with map.meta['degepoch'] = 'launch', or a date, at which epoch an image is"
    )
    # As it was before anything was known of levels
    assert table.meta["divisor"] == 1
    assert table.meta["level"] == (
        "the second image is left as it is, since the first image does not say its epoch of AIA's sensitivity"
    )
    disk = table[0]
    assert disk["cc"] == pytest.approx(1, abs=1e-6)
    assert disk["re"] == pytest.approx(1 / left - 1, rel=0.02)
    assert disk["ppe10"] == 0


def test_who_knows_the_epoch_can_say_so():
    """As the warning says."""
    left = Sensitivity.read().since_launch(193, "2014-01-15")
    silent = at_launch()
    told = sunpy.map.Map(silent.data, silent.meta.copy())
    told.meta["degepoch"] = "launch"
    np.testing.assert_allclose(mag2euv.compare(told, observed(left))["re"], 0, atol=1e-6)


def test_a_table_that_says_nothing():
    date = "2025-01-13T00:00:00"
    synthetic = at_launch(degepoch="launch", date=date, wavelength=304)
    table, sentence = _compare_warned(synthetic, observed(0.5, date=date, wavelength=304))
    assert sentence.startswith(
        "RE, PPE and RMSE are not to be trusted, since AIA's correction table in version 8 rests on measurements up to "
        "2017-12-10 and says nothing that can be believed of 304 Å on 2025-01-13: give a newer table"
    )
    assert table.meta["level"].startswith(
        "the second image is left as it is, since AIA's correction table in version 8"
    )
    assert table["re"][0] == pytest.approx(1, rel=0.02)


def test_an_extrapolated_table():
    date = "2020-06-01T00:00:00"
    left = Sensitivity.read().since_launch(193, date)
    table, sentence = _compare_warned(at_launch(degepoch="launch", date=date), observed(left, date=date))
    np.testing.assert_allclose(table["re"], 0, atol=1e-6)
    assert table.meta["divisor"] == left
    assert table.meta["level"].endswith("which is extrapolated from 2017-12-10 on")
    assert sentence.startswith(
        "RE, PPE and RMSE are uncertain, since the second image is brought from AIA's sensitivity"
    )
    assert "extrapolated from 2017-12-10 on: give a newer table as correction_table" in sentence


def test_without_aiapy(monkeypatch):
    remove_aiapy(monkeypatch)
    table, sentence = _compare_warned(at_launch(degepoch="launch"), observed(0.8))
    assert 'not installed: install it with pip install "sunpy_mag2euv[aia]", or correct the image' in sentence
    assert table.meta["divisor"] == 1
    assert table["re"][0] == pytest.approx(0.25, rel=0.02)
    # Who asks for a table gets no scores without it.
    with pytest.raises(ImportError, match="which is not installed"):
        mag2euv.compare(at_launch(degepoch="launch"), observed(0.8), correction_table="table.txt")


def test_the_table_is_the_callers_choice(tmp_path):
    path = tmp_path / "table.txt"
    correction_table((193,)).write(path, format="ascii.fixed_width_two_line")
    days = (Time("2014-01-15") - Time("2012-01-01")).to_value(u.day)
    left = 1.6 / 2.0 * (1 - 3e-4 * days + 2e-8 * days**2)
    synthetic, aia_map = at_launch(degepoch="launch"), observed(left)
    for given in (path, str(path), Sensitivity.read(path).table, Sensitivity.read(path)):
        table = mag2euv.compare(synthetic, aia_map, correction_table=given)
        assert table.meta["divisor"] == pytest.approx(left)
        assert "by version 10 of its" in table.meta["level"]
        np.testing.assert_allclose(table["re"], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("absent.txt", FileNotFoundError, "there is no correction table absent.txt"),
        (8, TypeError, "the correction table must be a file, 'SSW', 'JSOC' or a table; got int"),
        (QTable({"a": [1]}), ValueError, "the correction table must be one that aiapy"),
    ],
    ids=repr,
)
def test_a_bad_table_is_refused_before_any_work(aia, monkeypatch, given, error, message):
    """Whether it is needed or not."""
    monkeypatch.setattr("sunpy_mag2euv.metrics.comparison.regrid", lambda *args: pytest.fail("work was done"))
    for synthetic in (aia, at_launch(degepoch="launch")):
        with pytest.raises(error, match=message):
            mag2euv.compare(synthetic, aia, correction_table=given)


@pytest.mark.parametrize("binning", [0, 1.5, "4", True, False, np.True_, np.float64(4), np.nan, [4], -(10**30)])
def test_bad_binning(aia, binning):
    with pytest.raises(ValueError, match="binning must be an integer"):
        mag2euv.compare(aia, aia, binning=binning)


@pytest.mark.parametrize("binning", [np.int64(2), np.uint8(2), np.array(2)], ids=repr)
def test_binning_of_any_integer(aia, binning):
    table = mag2euv.compare(aia, aia, binning=binning)
    _assert_equal(table, mag2euv.compare(aia, aia, binning=2), atol=0)
    assert type(table.meta["binning"]) is int


@pytest.mark.parametrize("binning", [25, 40000, 10**30, 10**400])
def test_binning_that_leaves_no_sun(aia, binning, monkeypatch):
    """Refused before any memory is taken, which would be in proportion to its square."""
    monkeypatch.setattr("sunpy_mag2euv.metrics.comparison.read_intensity", lambda *args: pytest.fail("work was done"))
    with pytest.raises(ValueError, match=r"the Sun must be at least 8 pixels wide .* Choose a smaller binning"):
        mag2euv.compare(aia, aia, binning=binning)


def test_pixels_that_are_much_finer_than_aias(aia):
    """As many as there are in the image are no trouble, but their radius is one of a Gaussian."""
    fine = _aia(size=16, radius=20000.0)
    with pytest.raises(ValueError, match=r"the Sun must be at most 20000 pixels wide .* Choose a larger binning"):
        mag2euv.compare(fine, aia, binning=1)


@pytest.mark.parametrize("radius", [1e4, 1e5, 9e5])
def test_scales_that_have_nothing_in_common(aia, radius):
    """An image that is far smaller than a pixel of the other one."""
    fine = _aia(size=16, radius=radius, center=(0.5, 0.5))
    for pair in ((aia, fine), (fine, aia)):
        with pytest.raises(ValueError, match="must have pixels that are known in both; these have none"):
            mag2euv.compare(*pair)


def test_nothing_but_sky(aia):
    """Known in both, but in none of the regions: no table that is NaN altogether."""
    corner = _aia(size=20, center=(115.0, 115.0))
    assert np.isfinite(corner.data).all()
    for pair in ((aia, corner), (corner, aia)):
        with pytest.raises(ValueError, match=r"must have pixels that are known in both within 1\.25 solar radii"):
            mag2euv.compare(*pair)


# -- What can be compared with what ------------------------------------------------------------------------------------


def test_what_was_compared(aia):
    synthetic = at_launch(degepoch="launch")
    marked = _aia(degepoch="launch")
    for pair, words in (
        ((synthetic, marked), "a synthetic image with an observed image"),
        ((synthetic, synthetic), "a synthetic image with a synthetic image"),
        ((aia, aia), "an observed image with an observed image"),
    ):
        assert mag2euv.compare(*pair).meta["compared"] == words


def test_the_other_way_round(aia):
    with pytest.raises(
        ValueError, match=r"the first image must be the synthetic one, .* the other way round. Swap them$"
    ):
        mag2euv.compare(aia, at_launch())


def test_images_that_other_models_made(aia):
    """They have to be marked as what they are, as the sentence says."""
    header = {"instrume": "MURAM", "telescop": "MODEL", "lvl_num": None, "unit": None, "bunit": "DN / s"}
    other = _aia(exposure=None, degepoch="2014-01-15T00:00:00", **header)
    with pytest.raises(ValueError, match=r"say so with map.meta\['instrume'\] = 'AIA_SYNTHETIC'"):
        mag2euv.compare(other, aia)
    marked = sunpy.map.Map(other.data, other.meta.copy())
    marked.meta["instrume"] = "AIA_SYNTHETIC"
    assert mag2euv.compare(marked, aia)["re"][0] == pytest.approx(0, abs=1e-9)


def test_an_image_that_is_the_same_everywhere(aia):
    """As something to compare with, it has scores."""
    flat = _aia(lambda x, y: 0 * x + 100, instrume="AIA_SYNTHETIC", degepoch="2014-01-15T00:00:00")
    table = mag2euv.compare(flat, aia)
    assert np.isnan(table["cc"][0])
    assert np.isfinite(table["re"][0])


def test_images_that_are_named_after_aia(aia):
    """They are compared as synthetic ones."""
    named = _aia(instrume="AIA-GAN", lvl_num=None, degepoch="2014-01-15T00:00:00")
    assert mag2euv.compare(named, aia).meta["compared"] == "a synthetic image with an observed image"


def test_an_observation_that_is_filled_in_part(aia):
    filled = _with(aia, _set(slice(0, aia.data.shape[0] // 3), slice(None), 0))
    with pytest.warns(
        SunpyUserWarning, match=r"the second image has numbers in \d+.\d% of the disk that seem to stand"
    ):
        table = mag2euv.compare(aia, filled)
    assert 0.1 < table.meta["filled"] < 0.4
    assert "filled" not in mag2euv.compare(aia, aia).meta


@pytest.mark.parametrize("timesys", ["UT", "GMT", "", None])
def test_other_words_for_utc(aia, timesys):
    image = sunpy.map.Map(aia.data, {**aia.meta, "timesys": timesys})
    for pair in ((image, aia), (aia, image)):
        table = mag2euv.compare(*pair)
        assert table["cc"][0] == pytest.approx(1)
        assert table.meta["observed_time"] == table.meta["synthetic_time"] == "2014-01-15T00:00:00.000"


def test_pixels_that_say_something_else(aia):
    """They are counted, and take no part."""
    bad = _with(aia, _set(100, slice(100, 110), SATURATION.value))
    bad = _with(bad, _set(101, slice(100, 105), -32768))
    table, whole = mag2euv.compare(aia, bad), mag2euv.compare(aia, aia)
    assert whole["pixels"][0] - table["pixels"][0] == 15
    assert (table["cc"] > 1 - 1e-9).all()
    np.testing.assert_allclose(table["re"], 0, atol=1e-9)
    assert (table.meta["saturated"], table.meta["impossible"]) == (10, 5)
    assert (whole.meta["saturated"], whole.meta["impossible"]) == (0, 0)


def test_a_normalised_flare_is_not_scored(aia):
    """EXPTIME was set to 1, and the plateau is what is left of the detector's end."""
    flare = _with(_aia(unit="DN / s", exposure=1.0), _set(slice(100, 110), slice(100, 110), SATURATION.value / 2.9))
    table = mag2euv.compare(aia, flare)
    assert mag2euv.compare(aia, aia)["pixels"][0] - table["pixels"][0] == 100
    assert table.meta["saturated"] == 100


def test_an_observation_of_poor_quality(aia):
    table, sentence = _compare_warned(aia, _aia(quality=1 << 13))
    assert sentence.startswith(
        "the second image may be wrong: its QUALITY word 0x00002000 says that it was taken during"
    )
    assert table.meta["quality"] in sentence
    assert "quality" not in mag2euv.compare(aia, aia).meta


def test_an_observation_that_resolves_less(aia):
    """Down to half of what is scored it may."""
    assert mag2euv.compare(aia, _aia(size=128, radius=50.0)).meta["coarseness"] == pytest.approx(1.96)
    coarse = _aia(size=64, radius=20.0)
    table, sentence = _compare_warned(aia, coarse)
    assert sentence == (
        "the second image resolves 4.9 times less than the pixels that are scored, so it has no fine structure to "
        "compare with: choose a larger binning, such as 5"
    )
    assert table.meta["coarseness"] == pytest.approx(4.9)
    # The advice helps.
    assert mag2euv.compare(aia, coarse, binning=5).meta["coarseness"] == pytest.approx(0.98)


def test_seen_from_the_far_side(aia):
    """Both from one place, wherever that is; the central meridian is the observer's."""
    far = _aia(longitude=120.0)
    _assert_equal(mag2euv.compare(far, far), mag2euv.compare(aia, aia), ("cc", "re"), atol=1e-12)
    np.testing.assert_array_equal(mag2euv.compare(far, far)["pixels"], mag2euv.compare(aia, aia)["pixels"])


def test_real_images(test_data):
    """Structure as the Sun has it, rolled and shrunk by other means than ours."""
    paths = sorted(test_data.glob("inputs/*SDO_AIA_AIA_193.jp2"))
    if not paths:
        pytest.skip("there are no AIA images")
    try:
        picture = sunpy.map.Map(paths[0])
    except Exception as error:
        pytest.skip(f"JPEG 2000 cannot be read here ({type(error).__name__})")
    # What a picture's numbers mean is not the question here.
    image = sunpy.map.Map(picture.data.astype(float) ** 2, picture.meta | {"bunit": "DN"})
    small = image.superpixel([4, 4] * u.pix, func=np.mean)
    rolled = small.rotate(33 * u.deg, order=3, missing=np.nan)
    for first, second in ((small, image), (small, rolled), (rolled, image)):
        table = mag2euv.compare(first, second)
        assert (table["cc"][table["pixels"] > 0] > 0.99).all()
