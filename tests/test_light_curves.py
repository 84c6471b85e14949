"""Sums over the disk, of observations and of synthetic images over time."""

import dataclasses
import gc
import re
import weakref

import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.time import Time
from astropy.timeseries import TimeSeries
from sunpy.coordinates import Helioprojective, get_earth
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.light_curves import DEFAULT_CURVE_MODEL, deviation_factor, disk_sum, light_curve
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.regridding import regrid
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.sensitivity import Sensitivity

#: Of the magnetograms, not in the order of time.
DATES = ("2014-01-17T00:00:00.000", "2014-01-15T00:00:00.250", "2014-01-16T12:00:00.000")

#: So that only the geometry of observations matters, not their time.
LAUNCHED = {"degepoch": "launch"}

#: AIA's pixels on a disk of 959.6 arcsec.
PIXELS = np.pi * (np.degrees(np.arcsin(696e6 / u.au.to(u.m))) * 3600 / 0.6) ** 2


@pytest.fixture(scope="module")
def magnetograms(make_magnetogram):
    fields = [((0.3, 0.2, 0.05, peak), (0.5, 0.2, 0.05, -peak)) for peak in (500.0, 200.0, 900.0)]
    return [make_magnetogram(field, date=date) for field, date in zip(fields, DATES, strict=True)]


@pytest.fixture(scope="module")
def cutout(make_magnetogram):
    return make_magnetogram(size=(120, 160), scale=5.0, offset=(-60, -20), date="2014-02-01T03:00:00")


@pytest.fixture(scope="module")
def curve(magnetograms, tiny_model):
    return light_curve(magnetograms, [193, 304], model=tiny_model)


def columns_of(*bands):
    return ["time", *(f"{band}{end}" for band in bands for end in ("", "_deviation", "_validity"))]


# -- What comes out ----------------------------------------------------------------------------------------------------


def test_a_row_for_each_magnetogram_in_their_order(curve):
    assert isinstance(curve, TimeSeries)
    assert curve.colnames == columns_of(193, 304)
    assert list(curve["time"].isot) == list(DATES)
    assert curve["time"].scale == "utc"
    for name in ("193", "193_deviation", "304", "304_deviation"):
        assert curve[name].unit == u.DN / u.s
        assert (curve[name].value > 0).all()
        assert len(set(curve[name].value)) == 3


def test_sums_are_those_of_the_images(curve, magnetograms, tiny_model):
    disk = tiny_model.grid.radius < 1
    pixels = (np.degrees(np.arcsin(696e6 / u.au.to(u.m))) * 3600 / 98 / 0.6) ** 2
    for row, magnetogram in zip(curve, magnetograms, strict=True):
        for image in mag2euv.generate(magnetogram, [193, 304], model=tiny_model):
            name = f"{image.wavelength.value:.0f}"
            assert row[name].value == pytest.approx(pixels * image.data[disk].sum(dtype=float))
            assert row[name].value == pytest.approx(disk_sum(image).value, rel=1e-4)
            # It was never measured how far off the tiny model is.
            deviation = image.uncertainty.array[disk].sum(dtype=float)
            assert row[f"{name}_deviation"].value == pytest.approx(pixels * deviation)
            assert row[f"{name}_validity"] == image.meta["validity"]


def test_what_there_is_to_say_differs_by_passband(magnetograms, tiny_model):
    with pytest.warns(SunpyUserWarning, match="the weights rest on few images"):
        curve = light_curve(magnetograms[:1], model=tiny_model)
    assert curve.colnames == columns_of(*PASSBANDS)
    assert curve["211_validity"][0] == "caution: scarce passband"
    assert curve["193_validity"][0] == "no known objection"


def test_any_iterable_will_do(curve, magnetograms, tiny_model):
    for given_as in (iter(magnetograms), sunpy.map.Map(magnetograms, sequence=True)):
        same = light_curve(given_as, ["193", 304 * u.AA], model=tiny_model)
        assert same.colnames == curve.colnames
        # A MapSequence puts its Maps in the order of time.
        same.sort("time")
        ordered = curve.copy()
        ordered.sort("time")
        for name in curve.colnames:
            np.testing.assert_array_equal(same[name], ordered[name])


def test_one_passband(curve, magnetograms, tiny_model):
    alone = light_curve(magnetograms, 193, model=tiny_model)
    assert alone.colnames == columns_of(193)
    np.testing.assert_array_equal(alone["193"], curve["193"])


def test_the_distance_does_not_matter(make_magnetogram, tiny_model):
    observers = [SkyCoord(0 * u.deg, 0 * u.deg, r * u.au, frame="heliographic_stonyhurst") for r in (0.5, 1, 1.02)]
    curve = light_curve((make_magnetogram(observer=observer) for observer in observers), 193, model=tiny_model)
    np.testing.assert_allclose(curve["193"], curve["193"][0], rtol=3e-3)


def test_magnetograms_are_not_kept(make_magnetogram, tiny_model):
    made = []

    def read():
        for date in DATES:
            magnetogram = make_magnetogram(date=date)
            made.append(weakref.ref(magnetogram))
            yield magnetogram
            del magnetogram
            gc.collect()
            # One may be computed while the next is made ready.
            assert sum(reference() is not None for reference in made) <= 2

    assert len(light_curve(read(), 193, model=tiny_model)) == 3


def test_files_keep_all_of_it(curve, tmp_path):
    curve.write(tmp_path / "curve.ecsv", format="ascii.ecsv")
    read = TimeSeries.read(tmp_path / "curve.ecsv", format="ascii.ecsv")
    assert read.colnames == curve.colnames
    assert (read["time"] == curve["time"]).all()
    for name in curve.colnames[1:]:
        np.testing.assert_array_equal(read[name], curve[name])
        assert getattr(read[name], "unit", None) == getattr(curve[name], "unit", None)
    assert dict(read.meta) == dict(curve.meta)
    assert read["193"].info.description == "193 angstrom, sum over the disk"


def test_says_what_it_is(curve, tiny_model):
    assert curve.meta["model"] == "tiny"
    assert curve.meta["sha256"] == tiny_model.sha256
    assert curve.meta["epochs"] == {"193": "launch", "304": "launch"}
    assert "synthetic, not observed" in curve.meta["sum"]
    assert curve.meta["deviations"] == {"193": "upper limit", "304": "upper limit"}


def test_a_model_without_deviations(magnetograms, tiny_model):
    architecture = tiny_model.architecture | {"deviations": False}
    state = build_network(**architecture).state_dict()
    certain = dataclasses.replace(tiny_model, architecture=architecture, deviation_factors={}, state=state)
    curve = light_curve(magnetograms, 193, model=certain)
    assert curve.colnames == ["time", "193", "193_validity"]
    assert curve.meta["deviations"] == {}


def test_a_few_missing_pixels_do_no_harm(magnetograms, tiny_model):
    whole = magnetograms[0]
    data = whole.data.copy()
    data[128:133, 128:133] = np.nan
    holed = sunpy.map.Map(data, whole.meta)
    curve = light_curve([whole, holed], 193, model=tiny_model)
    assert np.isnan(mag2euv.generate(holed, 193, model=tiny_model).data[tiny_model.grid.radius < 1]).sum() > 4
    assert curve["193"][1].value == pytest.approx(curve["193"][0].value, rel=0.01)
    assert curve["193"][1] != curve["193"][0]


def test_the_default_is_the_model_that_was_compared(magnetograms):
    model = load_model(DEFAULT_CURVE_MODEL)
    curve = light_curve(magnetograms[:1], [193, 304])
    assert curve.meta["model"] == DEFAULT_CURVE_MODEL
    assert curve.meta["deviations"] == {"193": "measured", "304": "measured"}
    image = mag2euv.generate(magnetograms[0], 304, model=model)
    disk = model.grid.radius < 1
    share = image.uncertainty.array[disk].sum(dtype=float) / image.data[disk].sum(dtype=float)
    assert (curve["304_deviation"] / curve["304"]).value[0] == pytest.approx(0.32 * share)


@pytest.mark.parametrize("name", [DEFAULT_CURVE_MODEL, "detail-browse"])
def test_factors(name):
    """What was not measured is the upper limit, at which all pixels are wrong alike."""
    factors = {band: deviation_factor(load_model(name), band) for band in PASSBANDS}
    measured = (94, 131, 171, 193, 211, 304) if name == DEFAULT_CURVE_MODEL else ()
    assert all((factors[band] < 0.5) if band in measured else (factors[band] == 1) for band in PASSBANDS)


# -- What cannot be used -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_as", ["one", 193, None, "hmi.fits"])
def test_no_iterable(magnetograms, tiny_model, given_as):
    given_as = magnetograms[0] if given_as == "one" else given_as
    with pytest.raises(TypeError, match=r"magnetograms must be an iterable of Maps.* got .*list of one"):
        light_curve(given_as, 193, model=tiny_model)


def test_nothing_is_read_for_arguments_that_are_wrong(tiny_model):
    def read():
        yield pytest.fail("a magnetogram was read")

    for wrong, keywords in (
        (195, {"model": tiny_model}),
        ([], {"model": tiny_model}),
        (193, {"model": "no such model"}),
        (193, {"model": tiny_model, "device": "abacus"}),
        (193, {"model": mag2euv.load_model("any-browse")}),
    ):
        with pytest.raises(ValueError, match=r"passband|model|device"):
            light_curve(read(), wrong, allow_errors=True, **keywords)


def test_what_is_no_map_is_refused_in_its_place(magnetograms, tiny_model):
    with pytest.raises(TypeError, match=r"^magnetogram 2 cannot be used: the magnetogram must be a sunpy.map.Map"):
        light_curve([magnetograms[0], "hmi.fits"], 193, model=tiny_model)


def test_a_cutout_is_no_disk(magnetograms, cutout, tiny_model):
    sentence = r"^magnetogram 3 of 2014-02-01T03:00:00 cannot be used: a light curve must be of the whole disk"
    with pytest.raises(ValueError, match=sentence):
        light_curve([*magnetograms[:2], cutout], 193, model=tiny_model)


def test_half_of_a_disk_is_none(make_magnetogram, tiny_model):
    half = make_magnetogram()
    data = half.data.copy()
    data[:, :100] = np.nan
    with pytest.raises(ValueError, match="a light curve must be of the whole disk"):
        light_curve([sunpy.map.Map(data, half.meta)], 193, model=tiny_model)


def test_a_chart_is_no_view(tiny_model):
    with pytest.raises(ValueError, match=r"^magnetogram 1.* chart of the whole Sun. Use full-disk magnetograms"):
        light_curve([sample_chart()], 193, model=tiny_model)


def test_what_cannot_be_used_is_left_out(magnetograms, tiny_model, curve):
    given_as = [magnetograms[0], None, *magnetograms[1:], make_aia()]
    with pytest.warns(SunpyUserWarning) as warned:
        same = light_curve(given_as, [193, 304], model=tiny_model, allow_errors=True)
    said = [str(warning.message) for warning in warned]
    assert len(said) == 2
    assert said[0].startswith("magnetogram 2 cannot be used: the magnetogram must be a sunpy.map.Map")
    assert said[1].startswith("magnetogram 5 of 2014-01-15T00:00:00 cannot be used: the magnetogram must be a line-of")
    assert all(sentence.endswith("It is left out") for sentence in said)
    for name in curve.colnames:
        np.testing.assert_array_equal(same[name], curve[name])


def read_dates(dates, make_magnetogram):
    """As `sunpy.map.Map` reads files, one of which it cannot."""

    def read(date):
        if date is None:
            raise OSError("this is no FITS file")
        return make_magnetogram(date=date)

    return map(read, dates)


def test_what_cannot_be_read_is_left_out(make_magnetogram, tiny_model):
    dates = (DATES[0], None, DATES[1])
    with pytest.raises(OSError, match=r"^magnetogram 2 cannot be used: this is no FITS file$"):
        light_curve(read_dates(dates, make_magnetogram), 193, model=tiny_model)
    with pytest.warns(SunpyUserWarning, match=r"^magnetogram 2 cannot be used: this is no FITS file\. It is left out"):
        curve = light_curve(read_dates(dates, make_magnetogram), 193, model=tiny_model, allow_errors=True)
    assert list(curve["time"].isot) == [DATES[0], DATES[1]]


def test_a_generator_that_failed_does_not_end_unnoticed(make_magnetogram, tiny_model):
    def read():
        yield from read_dates((DATES[0], None, DATES[1]), make_magnetogram)

    with pytest.raises(OSError, match=r"^magnetogram 2 cannot be used: this is no FITS file$"):
        light_curve(read(), 193, model=tiny_model, allow_errors=True)


def test_files_that_sunpy_cannot_read(magnetograms, tiny_model, tmp_path):
    """sunpy advises to give an argument of its own, which is not that of light curves."""
    paths = [tmp_path / "good.fits", tmp_path / "bad.fits"]
    magnetograms[0].save(paths[0])
    paths[1].write_text("no FITS file")
    sentence = rf"^magnetogram 2 cannot be used: Failed to read {re.escape(str(paths[1]))}: .*[^.\s]"
    with pytest.raises(OSError, match=f"{sentence}$") as raised:
        light_curve(map(sunpy.map.Map, paths), 193, model=tiny_model)
    assert "bypass" not in str(raised.value)
    with pytest.warns(SunpyUserWarning, match=rf"{sentence}\. It is left out$") as warned:
        curve = light_curve(map(sunpy.map.Map, paths), 193, model=tiny_model, allow_errors=True)
    assert len(curve) == 1
    assert not any("bypass" in str(warning.message) for warning in warned)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (FileNotFoundError("there is no file."), FileNotFoundError, "there is no file"),
        (UnicodeDecodeError("utf-8", b"a", 0, 1, "odd"), ValueError, "'utf-8' codec .* odd"),
        (TimeoutError(), OSError, "TimeoutError"),
    ],
)
def test_errors_of_readers_have_the_number(magnetograms, tiny_model, error, kind, words):
    with pytest.raises(kind, match=rf"^magnetogram 2 cannot be used: {words}$") as raised:
        light_curve(failing(magnetograms, error), 193, model=tiny_model)
    assert raised.value.__cause__ is error
    with pytest.warns(SunpyUserWarning, match=rf"^magnetogram 2 cannot be used: {words}\. It is left out$"):
        assert len(light_curve(failing(magnetograms, error), 193, model=tiny_model, allow_errors=True)) == 1


def test_other_errors_of_readers_are_raised_as_they_are(magnetograms, tiny_model):
    error = RuntimeError("the server is on fire")
    with pytest.raises(RuntimeError, match=r"^the server is on fire") as raised:
        light_curve(failing(magnetograms, error), 193, model=tiny_model)
    assert raised.value is error
    assert error.__notes__ == ["This was magnetogram 2, counted from 1."]


def failing(magnetograms, error):
    """One magnetogram, and an error in place of the second."""

    def read(item):
        if isinstance(item, Exception):
            raise item
        return item

    return map(read, [magnetograms[0], error])


def test_what_is_no_fault_of_a_magnetogram_is_raised(magnetograms, tiny_model, monkeypatch):
    def fail(*args):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("sunpy_mag2euv.models.FieldModel.run", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        light_curve(magnetograms, 193, model=tiny_model, allow_errors=True)


def test_nothing_that_can_be_used(tiny_model, cutout):
    sentence = "^there must be at least one magnetogram that can be used; there is none"
    with pytest.raises(ValueError, match=f"{sentence}$"):
        light_curve([], 193, model=tiny_model, allow_errors=True)
    last = ": magnetogram 2 of 2014-02-01T03:00:00 cannot be used: a light curve must be of the whole disk"
    with pytest.warns(SunpyUserWarning, match="left out"), pytest.raises(ValueError, match=sentence + last):
        light_curve([None, cutout], 193, model=tiny_model, allow_errors=True)


# -- Sums of any image -------------------------------------------------------------------------------------------------


def even(x, y):
    """A Sun that is as bright everywhere, and bright around, which must not count."""
    return np.where(np.hypot(x, y) < 1, 100.0, 3.0)


@settings(max_examples=20)
@given(
    radius=st.floats(60, 150),
    roll=st.floats(-180, 180),
    center=st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
)
def test_pixels_may_have_any_size_and_place(radius, roll, center):
    image = make_aia(even, size=340, radius=radius, roll=roll, center=center, **LAUNCHED)
    assert disk_sum(image).to_value(u.DN / u.s) == pytest.approx(100 * PIXELS, rel=0.02)


def test_distance_and_exposure_do_not_matter():
    images = [make_aia(), make_aia(exposure=0.5), make_aia(unit="DN / s", exposure=None)]
    sums = [disk_sum(image).value for image in images]
    np.testing.assert_allclose(sums, sums[0])
    near = images[0].meta | {"dsun_obs": 0.5 * images[0].meta["dsun_obs"]}
    scale = np.arcsin(696e6 / near["dsun_obs"]) / np.arcsin(696e6 / images[0].meta["dsun_obs"])
    near |= {key: scale * near[key] for key in ("cdelt1", "cdelt2")}
    assert disk_sum(sunpy.map.Map(images[0].data, near)).value == pytest.approx(sums[0], rel=1e-3)


def test_saturated_pixels_are_at_least_as_bright_as_the_brightest():
    image = make_aia(exposure=2.0, **LAUNCHED)
    data = image.data.copy()
    data[120:122, 120:122] = 16383
    changed = disk_sum(sunpy.map.Map(data, image.meta)) - disk_sum(image)
    pixel = PIXELS / np.pi / 98**2
    expected = (np.nanmax(image.data) - image.data[120:122, 120:122]).sum() / 2.0
    assert changed.value == pytest.approx(expected * pixel, rel=1e-4)


def test_few_missing_pixels_count_as_the_mean():
    image = make_aia(even)
    data = image.data.copy()
    data[120:124, 120:124] = np.nan
    assert disk_sum(sunpy.map.Map(data, image.meta)).value == pytest.approx(disk_sum(image).value, rel=1e-5)
    data[100:124, 120:124] = np.nan
    with pytest.raises(ValueError, match=r"known on the whole disk; 0.3% of it is not"):
        disk_sum(sunpy.map.Map(data, image.meta))


def test_images_without_a_sum(make_magnetogram):
    with pytest.raises(TypeError, match=r"the image must be a sunpy.map.Map"):
        disk_sum(np.zeros((256, 256)))
    with pytest.raises(ValueError, match="the image must be an AIA image"):
        disk_sum(make_magnetogram())
    with pytest.raises(ValueError, match="the image must show the whole disk"):
        disk_sum(make_aia(size=(256, 180)))


@pytest.mark.parametrize("band", [94, 171, 304, 1700])
def test_observations_are_summed_as_synthetic_images_are(test_data, band):
    """AIA's own image, and the same on the grid of light curves."""
    image = sunpy.map.Map(test_data / "inputs" / "aia_synoptic_20250113" / f"AIAsynoptic{band:04d}.fits")
    image.meta.update(LAUNCHED)
    grid = Grid((256, 256), 98.0)
    earth = get_earth(Time(image.date))
    frame = Helioprojective(observer=earth, obstime=earth.obstime, rsun=image.rsun_meters)
    header = grid.header(frame, instrument="AIA_SYNTHETIC", wavelength=image.wavelength, unit=u.DN / u.s)
    like = sunpy.map.Map(np.zeros(grid.shape), header | LAUNCHED)
    values = regrid(image.data / image.exposure_time.to_value(u.s), image, like)
    on_grid = sunpy.map.Map(values, like.meta)
    assert disk_sum(on_grid).value == pytest.approx(disk_sum(image).value, rel=3e-3)
    # From 0.983 au; the archive has means of 4 × 4 pixels.
    disk = np.hypot(*(axis.to_value(u.arcsec) for axis in _plane(image))) < image.rsun_obs.to_value(u.arcsec)
    plain = image.data[disk].sum(dtype=float) / image.exposure_time.to_value(u.s) * (2.4 / 0.6) ** 2
    assert disk_sum(image).value == pytest.approx(plain * image.dsun.to_value(u.au) ** 2, rel=3e-3)


@pytest.mark.parametrize("given_as", [None, "Sensitivity", "table"])
def test_sums_of_observations_are_at_launch(given_as):
    """As taken or corrected before, the sum is the same, and in 304 Å in 2014 it is four times that as taken."""
    table = {None: None, "Sensitivity": Sensitivity.read(), "table": Sensitivity.read().table}[given_as]
    for band, least in ((193, 1.05), (304, 3.5)):
        taken = make_aia(wavelength=band)
        left = Sensitivity.read().since_launch(band, taken.date)
        expected = disk_sum(sunpy.map.Map(taken.data, taken.meta | LAUNCHED)) / left
        assert disk_sum(taken, correction_table=table).value == pytest.approx(expected.value)
        assert 1 / left > least
        corrected = sunpy.map.Map(taken.data / left, taken.meta | LAUNCHED)
        assert disk_sum(corrected, correction_table=table).value == pytest.approx(expected.value)


def test_says_where_sums_are_not_well_known_to_be_at_launch():
    late = {band: make_aia(wavelength=band, date="2025-01-13T00:00:00") for band in (193, 304)}
    with pytest.warns(SunpyUserWarning, match=r"^the sum is uncertain.* to that at launch.* extrapolated from 2017-12"):
        extrapolated = disk_sum(late[193])
    plain = {band: disk_sum(sunpy.map.Map(image.data, image.meta | LAUNCHED)) for band, image in late.items()}
    left = Sensitivity.read().since_launch(193, late[193].date)
    assert extrapolated.value == pytest.approx(plain[193].value / left)
    with pytest.warns(SunpyUserWarning, match=r"^the sum is not at AIA's sensitivity at launch, since .*304 Å"):
        assert disk_sum(late[304]) == plain[304]
    unknown = make_aia(instrume="AIA_SYNTHETIC", telescop="SDO/AIA")
    with pytest.warns(SunpyUserWarning, match=r"^the sum is not .*, since .* does not say its epoch.*: say with map"):
        assert disk_sum(unknown) > 0 * u.DN / u.s


@pytest.mark.parametrize(("table", "error"), [(3, TypeError), ("none.txt", FileNotFoundError), (QTable(), ValueError)])
def test_what_is_no_table_is_refused(table, error):
    with pytest.raises(error, match="correction table"):
        disk_sum(make_aia(), correction_table=table)


def _plane(image):
    world = sunpy.map.all_coordinates_from_map(image)
    return world.Tx, world.Ty
