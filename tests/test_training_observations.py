"""Preparing observations and filling a store, on files with the archives' headers."""

import numpy as np
import pytest
from sdo_files import (
    aia_header,
    correction_table,
    pointing_table,
    solar_coordinates,
    write_aia,
    write_hmi,
)

import astropy.units as u
import sunpy.map
from aiapy.calibrate import degradation, register
from astropy.time import Time

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.sensitivity import Sensitivity, aiapy_tables
from sunpy_mag2euv.training.data.observations import (
    GRID,
    SATURATION,
    Calibration,
    fill,
    load_calibration,
    open_store,
    prepare_image,
    read_pointing_table,
)
from sunpy_mag2euv.training.data.pairs import match
from sunpy_mag2euv.training.data.store import Store

SMALL = Grid((128, 128), 49.0)
EPOCH = Time("2011-01-01")
TIME = Time("2014-02-03T06:00:01.34")
BANDS = (171, 1600)
SPOT = (0.45, -0.3)


def sun(x, y):
    """A disk of 1000 with a spot of 3000 more, on a sky of 10."""
    return np.where(np.hypot(x, y) < 1, 1000, 10) + 3000 * np.exp(
        -((x - SPOT[0]) ** 2 + (y - SPOT[1]) ** 2) / 2 / 0.03**2
    )


def sun_of(time, passband):
    """A Sun that differs from every other by a factor."""
    factor = 1 + Time(time).unix % 86400 / 864000 + passband / 1e5
    return lambda x, y: factor * sun(x, y)


def image(time=TIME, passband=171, size=256, paint=sun, level=1.5, **keywords):
    header = aia_header(time, passband, size=size, level=level, **keywords)
    return sunpy.map.Map(paint(*solar_coordinates(header, size)).astype(np.float32), header)


def spot(values, grid):
    """Where the spot is, in pixels of the grid from where it belongs."""
    rows, columns = np.indices(grid.shape)
    weight = np.clip(values / np.nanmedian(values[grid.radius < 0.9]) - 1.2, 0, None)
    weight = np.where(grid.radius < 0.9, weight, 0)
    x, y = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
    return np.hypot(*(np.array([x, y]) - grid.center - np.array(SPOT) * grid.solar_radius))


def limb(values, grid):
    """Radius in pixels at which the mean over position angle is halfway between disk and sky."""
    radius = grid.radius * grid.solar_radius
    bins = np.arange(0.9, 1.1, 0.25 / grid.solar_radius) * grid.solar_radius
    number = np.digitize(radius, bins)
    profile = np.array([np.nanmean(values[number == i]) for i in range(1, len(bins))])
    middle = (profile[:5].mean() + profile[-5:].mean()) / 2
    return np.interp(-middle, -profile, (bins[:-1] + bins[1:]) / 2)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Files of both tables, as a user would have them."""
    directory = tmp_path_factory.mktemp("tables")
    correction_table(BANDS[:1]).write(directory / "correction.txt", format="ascii.fixed_width_two_line")
    pointing = pointing_table("2014-02-03T05:00:00", x0=2040.3, y0=2060.8, scale=0.6005, rotation=-0.5)
    pointing.write(directory / "pointing.ecsv")
    return directory


@pytest.fixture(scope="module")
def calibration(tables):
    sensitivity = Sensitivity.read(tables / "correction.txt")
    return Calibration(EPOCH, sensitivity, read_pointing_table(tables / "pointing.ecsv"))


@pytest.fixture(scope="module")
def level_1():
    """A full-size level 1 image whose header has its pointing wrong; the table has it right."""
    right = {"CRPIX1": 2041.3, "CRPIX2": 2061.8, "CDELT1": 0.6005, "CDELT2": 0.6005, "CROTA2": -0.5 + 8.6e-5}
    header = aia_header(TIME, size=4096, level=1.0)
    data = sun(*solar_coordinates(header | right, 4096)).astype(np.int16)
    return sunpy.map.Map(data, header)


def test_level_1_is_pointed(level_1, calibration):
    values, _ = prepare_image(level_1, SMALL, calibration)
    assert values.shape == (128, 128)
    assert values.dtype == np.float32
    assert spot(values, SMALL) < 0.05
    assert limb(values, SMALL) == pytest.approx(49, abs=0.1)
    # AIA sees 1.26 solar radii to each side of this disk, and the grid's sides are 1.31 away from its centre.
    assert np.isnan(values[:, 0]).all()
    assert np.isnan(values).mean() < 0.1
    assert np.isfinite(values[SMALL.radius < 1.2]).all()


def test_the_grid_of_the_paper(calibration):
    assert Grid((1024, 1024), 392.0, (511.5, 511.5)) == GRID
    values, _ = prepare_image(image(size=1024, rotation=1.0), GRID, calibration)
    assert spot(values, GRID) < 0.1
    assert limb(values, GRID) == pytest.approx(392, abs=0.2)


def test_agrees_with_register(calibration):
    """aiapy's registered image, which is interpolated twice, differs at edges alone."""
    registered = register(image(size=512, level=1.0, rotation=20.0, CRPIX1=250.3), order=1, missing=0.0)
    twice, _ = prepare_image(registered, SMALL, calibration)
    once, _ = prepare_image(image(size=512, rotation=20.0, CRPIX1=250.3), SMALL, calibration)
    smooth = SMALL.radius < 0.9
    np.testing.assert_allclose(twice[smooth], once[smooth], rtol=0.02)
    assert abs(twice[smooth] / once[smooth] - 1).mean() < 1e-3


def test_level_1_needs_its_pointing(level_1, calibration):
    with pytest.raises(ValueError, match="a level 1 image needs the pointing table"):
        prepare_image(level_1, SMALL, Calibration(EPOCH, calibration.sensitivity))
    late = Calibration(
        EPOCH,
        calibration.sensitivity,
        pointing_table("2015-01-01", x0=2047.5, y0=2047.5, scale=0.6, rotation=0.0),
    )
    with pytest.raises(ValueError, match="the pointing table must cover the image"):
        prepare_image(level_1, SMALL, late)


@pytest.mark.parametrize(("size", "rotation", "offset"), [(256, 0.0, 0.0), (300, 40.0, 3.3), (512, 179.9, -5.0)])
def test_level_15_is_taken_as_it_is(calibration, size, rotation, offset):
    middle = (size + 1) / 2
    aia = image(size=size, rotation=rotation, CRPIX1=middle + offset, CRPIX2=middle - offset)
    values, _ = prepare_image(aia, SMALL, calibration)
    assert spot(values, SMALL) < 0.1
    assert limb(values, SMALL) == pytest.approx(49, abs=0.15)


def test_exposure(calibration):
    once, ceiling = prepare_image(image(exposure=2.0), SMALL, calibration)
    twice, higher = prepare_image(image(exposure=0.5), SMALL, calibration)
    np.testing.assert_allclose(twice, 4 * once, rtol=1e-6)
    assert higher == pytest.approx(4 * ceiling)
    assert once[64, 64] == pytest.approx(1000 / 2.0 / calibration.factor(171, TIME - 1 * u.s), rel=1e-3)


def test_per_second_is_not_divided_again(calibration):
    for exposure, expected in ((2.0, (SATURATION - 0.5) / 2.0), (None, np.inf)):
        aia = image(passband=1600, PIXLUNIT="DN/s")
        aia.meta["exptime"] = exposure
        if exposure is None:
            del aia.meta["exptime"]
        values, ceiling = prepare_image(aia, SMALL, calibration)
        assert values[64, 64] == pytest.approx(1000, rel=1e-3)
        assert ceiling == pytest.approx(expected)


@pytest.mark.parametrize(("unit", "expected"), [(None, 500), ("ct", 500), ("ct / s", 1000)])
def test_other_ways_to_say_dn(calibration, unit, expected):
    aia = image(passband=1600, PIXLUNIT=unit, level=1.5)
    values, ceiling = prepare_image(aia, SMALL, calibration)
    assert values[64, 64] == pytest.approx(expected, rel=1e-3)
    assert ceiling == pytest.approx((SATURATION - 0.5) / 2.0)


def test_saturated_pixels_reach_the_ceiling(calibration):
    aia = image(paint=lambda x, y: np.where(np.hypot(x, y) < 0.3, SATURATION, SATURATION - 2), exposure=2.902)
    values, ceiling = prepare_image(aia, SMALL, calibration)
    assert (values[SMALL.radius < 0.25] >= ceiling).all()
    assert not (values[SMALL.radius > 0.35] >= ceiling).any()
    assert ceiling == pytest.approx(SATURATION / 2.902 / calibration.factor(171, TIME), rel=1e-4)


def test_missing_pixels_stay_missing(calibration):
    aia = image()
    aia.data[100:140, 100:140] = np.nan
    values, _ = prepare_image(aia, SMALL, calibration)
    assert np.isnan(values).any()
    assert np.isfinite(values[SMALL.radius > 0.5][: 64 * 10]).any()
    whole, _ = prepare_image(image(), SMALL, calibration)
    # Beside the hole the means are over what is known, not over NaN or zeros.
    far = np.isfinite(values) & (SMALL.radius < 0.9) & (np.abs(whole - whole[64, 100]) < 1)
    np.testing.assert_allclose(values[far], whole[far], rtol=0.01)


@pytest.mark.parametrize("mark", [{"DEGEPOCH": "launch"}, {"DEG_COR": 0.7}], ids=str)
def test_images_that_were_corrected_are_not_corrected_again(calibration, mark):
    with pytest.raises(ValueError, match="must be as it was taken; its header says with DEGEPOCH or DEG_COR"):
        prepare_image(image(**mark), SMALL, calibration)


def test_degradation_refers_to_the_epoch(calibration):
    """By aiapy's own numbers, and by the table's by hand."""
    table = calibration.sensitivity.table
    ours = calibration.factor(171, TIME)
    then, at_epoch = (degradation(171 * u.angstrom, time, correction_table=table).value[0] for time in (TIME, EPOCH))
    assert ours == pytest.approx(then / at_epoch, rel=1e-12)
    days = (TIME - Time("2012-01-01")).to_value(u.day)
    first = (EPOCH - Time("2010-03-24")).to_value(u.day)
    by_hand = 1.6 / 2.0 * (1 - 3e-4 * days + 2e-8 * days**2) / (1 - 2e-4 * first + 1e-8 * first**2)
    assert ours == pytest.approx(by_hand, rel=1e-6)
    assert ours < 0.7
    assert calibration.factor(171, EPOCH) == 1
    assert calibration.factor(1600, TIME) == 1
    values = [prepare_image(image(time), SMALL, calibration)[0][64, 64] for time in (EPOCH, TIME)]
    assert values[1] / values[0] == pytest.approx(1 / ours, rel=1e-3)


def test_calibration_is_described(calibration):
    assert (
        calibration.describe(171) == "DN/s at AIA's sensitivity of 2011-01-01, by version 10 of its degradation table"
    )
    assert calibration.describe(1600) == "DN/s of observed AIA images, not corrected for degradation"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"PIXLUNIT": "ph"}, "must be in DN or DN/s; its unit is ph"),
        ({"level": None}, "must say its level"),
        ({"EXPTIME": None}, "must say its exposure time"),
        ({"CRPIX1": 20.0}, "must show the full disk"),
    ],
)
def test_unusable_images(calibration, change, message):
    aia = image(**change)
    for key, value in change.items():
        if value is None:
            del aia.meta["lvl_num" if key == "level" else key]
    with pytest.raises(ValueError, match=message):
        prepare_image(aia, SMALL, calibration)


def test_not_an_aia_image(calibration, tmp_path):
    magnetogram = sunpy.map.Map(write_hmi(tmp_path / "hmi.fits", TIME))
    with pytest.raises(TypeError, match="must be from AIA; this is a HMIMap"):
        prepare_image(magnetogram, SMALL, calibration)


def test_an_image_without_values(calibration):
    aia = image()
    aia.data[:] = np.nan
    with pytest.raises(ValueError, match="must have values"):
        prepare_image(aia, SMALL, calibration)


def test_pointing_table_files(tmp_path):
    expected = pointing_table("2014-02-03T05:00:00", x0=2040.3, y0=2060.8, scale=0.6005, rotation=-0.5)
    expected.write(tmp_path / "p.ecsv")
    plain = expected.copy()
    for name in plain.colnames:
        plain[name] = plain[name].isot if name.startswith("T_") else plain[name].value
    plain.write(tmp_path / "p.csv")
    for name in ("p.ecsv", "p.csv"):
        table = read_pointing_table(tmp_path / name)
        assert abs(table["T_STOP"] - expected["T_STOP"]).max() < 1 * u.ms
        assert (table["A_171_X0"] == expected["A_171_X0"]).all()
        assert table["A_171_IMSCALE"].unit == u.arcsec / u.pix
        assert table["A_171_INSTROT"][0] == -0.5 * u.deg
    plain["A_171_X0"] = np.ma.masked_equal(plain["A_171_X0"], plain["A_171_X0"][0])
    plain.write(tmp_path / "holes.csv")
    assert np.isnan(read_pointing_table(tmp_path / "holes.csv")["A_171_X0"][0])


@pytest.fixture
def directory(tmp_path):
    """Two frames of level 1.5 images."""
    path = tmp_path / "files"
    path.mkdir()
    for hours in (0, 6):
        time = TIME + hours * u.h
        write_hmi(path / f"hmi_{hours}.fits", time, size=256)
        for band in BANDS:
            write_aia(
                path / f"aia_{band}_{hours}.fits",
                time + band % 50 * u.s,
                band,
                size=256,
                level=1.5,
                image=sun_of(time, band),
            )
    return path


def test_tables_are_checked_first(directory, tables, tmp_path):
    frames, _ = match(directory, BANDS)
    load = {"correction_table": tables / "correction.txt"}
    calibration = load_calibration(directory, frames, BANDS, EPOCH, **load)
    assert calibration.pointing_table is None  # level 1.5 needs none, and so none was fetched
    assert load_calibration(directory, frames, (1600,), EPOCH).sensitivity is None
    with pytest.raises(ValueError, match="must cover the reference epoch in 171 Å"):
        load_calibration(directory, frames, BANDS, Time("2025-01-01"), **load)
    with pytest.raises(FileNotFoundError, match=r"there is no correction table .*absent"):
        load_calibration(directory, frames, BANDS, EPOCH, correction_table=tmp_path / "absent")
    with pytest.raises(ValueError, match=r"correction\.txt is not a pointing table"):
        load_calibration(directory, frames, BANDS, EPOCH, pointing_table=tables / "correction.txt", **load)
    with pytest.raises(ValueError, match=r"pointing\.ecsv is not a correction table"):
        load_calibration(directory, frames, BANDS, EPOCH, correction_table=tables / "pointing.ecsv")


def test_tables_that_cannot_be_fetched(directory, tables, monkeypatch):
    def down(*args, **kwargs):
        raise ConnectionError("the JSOC is down")

    monkeypatch.setattr(aiapy_tables(), "get_pointing_table", down)
    (directory / "aia_171_0.fits").unlink()
    write_aia(directory / "aia_171_0.fits", TIME, 171, level=1.0)
    frames, _ = match(directory, BANDS)
    with pytest.raises(OSError, match=r"cannot fetch AIA's pointing table from JSOC .* give it with --pointing-table"):
        load_calibration(directory, frames, BANDS, EPOCH, correction_table=tables / "correction.txt")


def test_store(directory, calibration, tmp_path):
    frames, problems = match(directory, BANDS)
    assert len(problems) == 0
    store = open_store(tmp_path / "store", frames, BANDS, SMALL, calibration)
    assert len(fill(store, directory, calibration)) == 0
    store = Store.open(tmp_path / "store")
    assert store.done.all()
    assert store.grid == SMALL
    assert store.calibration == {band: calibration.describe(band) for band in BANDS}
    assert store.epochs == {171: EPOCH.strftime("%Y-%m-%d")}
    assert list(store.frames["aia_0171"]) == ["aia_171_0.fits", "aia_171_6.fits"]
    np.testing.assert_allclose(store.delay, [[21, 0], [21, 0]], atol=1.1)  # T_OBS of HMI has whole seconds
    for row in range(2):
        expected, ceiling = prepare_image(sunpy.map.Map(directory / store.frames["aia_0171"][row]), SMALL, calibration)
        np.testing.assert_array_equal(store.images(row, [171])[0], expected)
        assert store.ceilings[row, 0] == pytest.approx(ceiling, rel=1e-6)
        assert spot(store.images(row, [1600])[0], SMALL) < 0.1
        field = store.field(row)
        assert 1 < field[SMALL.radius < 0.9].std() < 8
        assert (field[SMALL.radius >= 1] == 0).all()


def test_resuming(directory, calibration, tmp_path, monkeypatch):
    frames, _ = match(directory, BANDS)
    store = open_store(tmp_path / "store", frames, BANDS, SMALL, calibration)
    written, write = [], Store.write

    def write_one(self, row, *args, **kwargs):
        if written:
            raise KeyboardInterrupt
        written.append(row)
        write(self, row, *args, **kwargs)

    monkeypatch.setattr(Store, "write", write_one)
    with pytest.raises(KeyboardInterrupt):
        fill(store, directory, calibration)
    assert list(Store.open(tmp_path / "store").done) == [True, False]

    written.clear()
    store = open_store(tmp_path / "store", frames, BANDS, SMALL, calibration)
    fill(store, directory, calibration)
    assert written == [1]
    assert Store.open(tmp_path / "store").done.all()


def test_a_store_of_something_else(directory, calibration, tmp_path):
    frames, _ = match(directory, BANDS)
    path = tmp_path / "store"
    open_store(path, frames, BANDS, SMALL, calibration)
    later = Calibration(Time("2012-01-01"), calibration.sensitivity)
    for arguments, what in [
        ((frames, BANDS, GRID, calibration), "grid"),
        ((frames, BANDS[::-1], SMALL, calibration), "passbands"),
        ((frames, BANDS, SMALL, later), "calibration"),
        ((frames[:1], BANDS, SMALL, calibration), "frames"),
    ]:
        with pytest.raises(ValueError, match=f"was made with other {what}; give another path, or remove it"):
            open_store(path, *arguments)


def test_data_that_turn_out_to_be_corrupt(directory, calibration, tmp_path):
    """The header is fine and the length is right; only decompression notices."""
    path = directory / "aia_1600_0.fits"
    content = bytearray(path.read_bytes())
    content[-len(content) // 2 : -1000] = b"\xff" * len(content[-len(content) // 2 : -1000])
    path.write_bytes(content)
    frames, problems = match(directory, BANDS)
    assert len(frames) == 2
    assert len(problems) == 0
    store = open_store(tmp_path / "store", frames, BANDS, SMALL, calibration)
    problems = fill(store, directory, calibration)
    assert list(problems["file"]) == ["aia_1600_0.fits"]
    assert problems["reason"][0]
    assert list(Store.open(tmp_path / "store").done) == [False, True]


def test_a_magnetogram_with_a_hole(directory, calibration, tmp_path):
    path = directory / "hmi_6.fits"
    path.unlink()

    def field(x, y):
        return np.where(np.hypot(x, y) < 0.2, -(2**31) / 10, 5 * np.sin(9 * x))

    write_hmi(path, TIME + 6 * u.h, size=256, field=field)
    frames, _ = match(directory, BANDS)
    store = open_store(tmp_path / "store", frames, BANDS, SMALL, calibration)
    file, kind, reason = fill(store, directory, calibration)[0]
    assert (file, kind) == ("hmi_6.fits", "unusable")
    assert "must cover the whole disk" in reason
    assert list(store.done) == [True, False]
