"""What makes a frame and what is wrong with files, on files with the archives' headers."""

import shutil

import numpy as np
import pytest
from sdo_files import write, write_aia, write_hmi

import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.training.data.pairs import match, observation_time, quality_reason, read_header

#: As the JSOC has them: the magnetogram of 00:00 TAI, and AIA's images of 00:00 UTC.
NIGHT = Time("2011-06-01T23:59:26")
BANDS = (171, 304)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What `good` is a copy of."""
    path = tmp_path_factory.mktemp("pairs")
    for hours in (0, 6):
        time = NIGHT + hours * u.h
        write_hmi(path / f"hmi_{hours:02}.fits", time)
        write_aia(path / f"aia171_{hours:02}.fits", time + 34 * u.s, 171)
        write_aia(path / f"aia171_{hours:02}_next.fits", time + 46 * u.s, 171)
        write_aia(path / f"aia304_{hours:02}.fits", time - 20 * u.s, 304)
    return path


@pytest.fixture
def good(written, tmp_path):
    """Two complete frames, 6 h apart, with an image more than is needed."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


def only(problems):
    """File, kind and reason of the one problem."""
    assert len(problems) == 1, problems
    return tuple(problems[0])


def test_frames(good):
    frames, problems = match(good, BANDS)
    assert len(problems) == 0
    assert frames.colnames == ["name", "time", "source", "magnetogram", "aia_0171", "aia_0304"]
    assert list(frames["name"]) == ["20110601_235926", "20110602_055926"]
    assert list(frames["magnetogram"]) == ["hmi_00.fits", "hmi_06.fits"]
    assert list(frames["aia_0171"]) == ["aia171_00.fits", "aia171_06.fits"]
    assert list(frames["aia_0304"]) == ["aia304_00.fits", "aia304_06.fits"]
    assert abs(frames["time"] - (NIGHT + [0, 6] * u.h)).max() < 1 * u.s
    assert frames["time"].scale == "utc"


def test_tables_survive_ecsv(good, tmp_path):
    write_aia(good / "z.fits", NIGHT, 304, quality=1)
    for number, table in enumerate(match(good, BANDS)):
        path = tmp_path / f"{number}.ecsv"
        table.write(path)
        again = Table.read(path)
        assert again.colnames == table.colnames
        assert [str(row) for row in again["file" if number else "name"]] == list(table["file" if number else "name"])
    assert abs(Table.read(tmp_path / "0.ecsv")["time"] - match(good, BANDS)[0]["time"]).max() < 1 * u.ms


def test_other_files_and_passbands_are_left_alone(good):
    (good / "README.txt").write_text("no FITS")
    (good / ".partial.fits").write_bytes(b"hidden")
    write_aia(good / "aia4500.fits", NIGHT, 4500, quality=7)
    frames, problems = match(good, BANDS)
    assert len(frames) == 2
    assert len(problems) == 0
    assert "aia_0304" not in match(good, (171,))[0].colnames


def test_no_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no directory .*absent; expected one that holds FITS files"):
        match(tmp_path / "absent", BANDS)


def test_an_empty_directory(tmp_path):
    frames, problems = match(tmp_path, BANDS)
    assert len(frames) == len(problems) == 0
    assert frames.colnames[-1] == "aia_0304"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-3000], "is cut short: it has [0-9]+ bytes of [0-9]+"),
        (lambda content: content[:1000], "cannot be read as FITS"),
        (lambda content: b"<html>404</html>", "cannot be read as FITS"),
        (lambda content: b"", "cannot be read as FITS"),
    ],
)
def test_corrupt_files(good, damage, reason):
    path = good / "aia304_06.fits"
    path.write_bytes(damage(path.read_bytes()))
    frames, problems = match(good, BANDS)
    assert list(frames["name"]) == ["20110601_235926"]
    assert list(problems["file"]) == ["aia304_06.fits", "hmi_06.fits"]
    assert list(problems["kind"]) == ["unreadable", "missing channel"]
    with pytest.raises(OSError, match=reason):
        read_header(path)


def test_a_file_with_no_image_or_two(good):
    two = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 4))), fits.ImageHDU(np.ones((4, 4)))])
    two.writeto(good / "two.fits")
    fits.PrimaryHDU().writeto(good / "none.fits")
    frames, problems = match(good, BANDS)
    assert len(frames) == 2
    assert list(problems["reason"]) == [
        f"must hold one two-dimensional image; it holds {number} arrays" for number in (0, 2)
    ]


def test_missing_channel(good):
    (good / "aia304_06.fits").unlink()
    frames, problems = match(good, BANDS)
    assert len(frames) == 1
    file, kind, reason = only(problems)
    assert (file, kind) == ("hmi_06.fits", "missing channel")
    assert reason == "there is no image in 304 Å: the nearest, aia304_00.fits, is 21620 s away"
    (good / "aia304_00.fits").unlink()
    assert list(match(good, BANDS)[1]["reason"]) == ["there is no image in 304 Å"] * 2


def test_mismatched_times(good):
    (good / "aia304_06.fits").unlink()
    write_aia(good / "late.fits", NIGHT + 6 * u.h + 95 * u.s, 304)
    frames, problems = match(good, BANDS)
    assert len(frames) == 1
    assert [tuple(row) for row in problems] == [
        ("hmi_06.fits", "missing channel", "there is no image in 304 Å: the nearest, late.fits, is 95 s away"),
        ("late.fits", "mismatched time", "no magnetogram within 60 s; the nearest is 95 s away"),
    ]
    frames, problems = match(good, BANDS, tolerance=2 * u.min)
    assert len(problems) == 0
    assert frames["aia_0304"][1] == "late.fits"


def test_tolerance_is_inclusive(tmp_path):
    write_hmi(tmp_path / "hmi.fits", NIGHT)
    write_aia(tmp_path / "aia.fits", NIGHT + 60 * u.s)
    assert len(match(tmp_path, (171,))[0]) == 1
    assert len(match(tmp_path, (171,), tolerance=59.9 * u.s)[0]) == 0


@pytest.mark.parametrize("unit", ["DN/s", "m/s", "", None, "nonsense"])
def test_a_magnetogram_not_in_gauss(good, unit):
    write_hmi(good / "wrong.fits", NIGHT + 1 * u.h, BUNIT=unit)
    file, kind, reason = only(match(good, BANDS)[1])
    assert (file, kind) == ("wrong.fits", "unit")
    assert reason == f"must be a magnetogram in gauss; its unit is {unit or 'none'}"


@pytest.mark.parametrize("unit", ["ph", "Gauss", "DN / s2", "nonsense"])
def test_an_image_not_in_dn(good, unit):
    write_aia(good / "wrong.fits", NIGHT, 304, PIXLUNIT=unit)
    file, kind, reason = only(match(good, BANDS)[1])
    assert (file, kind) == ("wrong.fits", "unit")
    assert reason == f"must be an AIA image in DN or DN/s; its unit is {unit or 'none'}"


def test_an_image_without_a_unit(good):
    """As those of the synoptic archive, which are in DN; others may be in anything."""
    write_aia(good / "synoptic.fits", NIGHT + 1 * u.s, 304, PIXLUNIT=None, level=1.5)
    write_aia(good / "counts.fits", NIGHT, 304, PIXLUNIT="ct")
    write_aia(good / "level_0.fits", NIGHT, 304, PIXLUNIT=None, level=0.5)
    write_aia(good / "no_exposure.fits", NIGHT, 304, PIXLUNIT=None, EXPTIME=None)
    frames, problems = match(good, BANDS)
    assert list(problems["file"]) == ["level_0.fits", "no_exposure.fits"]
    assert set(problems["kind"]) == {"unit"}
    assert set(problems["reason"]) == {"must be an AIA image in DN or DN/s; its unit is none"}
    assert frames["aia_0304"][0] == "counts.fits"


def test_exposure(good):
    write_aia(good / "dn.fits", NIGHT, 304, EXPTIME=None)
    write_aia(good / "dn_0.fits", NIGHT, 304, EXPTIME=0.0)
    write_aia(good / "dn_s.fits", NIGHT, 304, EXPTIME=None, PIXLUNIT="DN/s")
    frames, problems = match(good, BANDS)
    assert list(problems["file"]) == ["dn.fits", "dn_0.fits"]
    assert set(problems["kind"]) == {"exposure"}
    assert frames["aia_0304"][0] == "dn_s.fits"


def test_instruments(good):
    write_aia(good / "wrong.fits", NIGHT, 304, INSTRUME="AIA_SYNTHETIC")
    assert only(match(good, BANDS)[1]) == ("wrong.fits", "instrument", "is a synthetic image, not an observation")
    (good / "wrong.fits").unlink()
    write_aia(good / "wrong.fits", NIGHT, 304, INSTRUME="SUVI")
    assert only(match(good, BANDS)[1])[2] == "must be from HMI or AIA; INSTRUME is SUVI"
    (good / "wrong.fits").unlink()
    write_aia(good / "wrong.fits", NIGHT, WAVELNTH="blue")
    assert only(match(good, BANDS)[1])[2] == "must have WAVELNTH, in angstrom; it has blue"


def test_a_chart(good):
    write_hmi(good / "chart.fits", NIGHT, CTYPE1="CRLN-CEA", CTYPE2="CRLT-CEA")
    assert only(match(good, BANDS)[1]) == ("chart.fits", "coordinates", "must be helioprojective; CTYPE1 is CRLN-CEA")


@pytest.mark.parametrize("time", ["MISSING", None])
def test_no_time(good, time):
    write_hmi(good / "wrong.fits", NIGHT, T_OBS=time)
    assert only(match(good, BANDS)[1]) == ("wrong.fits", "time", f"must have a time in T_OBS; it has {time or 'none'}")


def test_the_same_observation_twice(good):
    write_aia(good / "b_again.fits", NIGHT + 34 * u.s, 171, image=lambda x, y: 200 + 50 * x)
    write_hmi(good / "z_again.fits", NIGHT, field=lambda x, y: 100 * y)
    frames, problems = match(good, BANDS)
    assert [tuple(row) for row in problems] == [
        ("b_again.fits", "duplicate", "shows the same as aia171_00.fits: same instrument, passband and T_OBS"),
        ("z_again.fits", "duplicate", "shows the same as hmi_00.fits: same instrument, passband and T_OBS"),
    ]
    assert len(frames) == 2


def test_the_same_data_under_another_header(good):
    header = {**read_header(good / "aia304_00.fits"), "T_OBS": (NIGHT + 6 * u.h - 10 * u.s).isot}
    data = fits.getdata(good / "aia304_00.fits")
    for key in ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM"):
        header.pop(key, None)
    write(good / "copy.fits", data, header)
    frames, problems = match(good, BANDS)
    file, kind, reason = only(problems)
    assert (file, kind) == ("copy.fits", "duplicate")
    assert reason == "holds the same data as aia304_00.fits, whose header says another time or passband"
    assert frames["aia_0304"][1] == "aia304_06.fits"


@pytest.mark.parametrize("quality", [1, 2**31 - 1, -(2**31), 1152, "0x00000400", "0x80000000"])
def test_bad_quality(good, quality):
    (good / "hmi_06.fits").unlink()
    write_hmi(good / "hmi_06.fits", NIGHT + 6 * u.h, quality=quality)
    frames, problems = match(good, BANDS)
    assert len(frames) == 1
    file, kind, reason = only(problems)
    assert (file, kind) == ("hmi_06.fits", "quality")
    assert reason.startswith("QUALITY must be 0; it is 0x")


@pytest.mark.parametrize("quality", ["0x00000000", 0.0, "0"])
def test_good_quality(good, quality):
    (good / "hmi_06.fits").unlink()
    write_hmi(good / "hmi_06.fits", NIGHT + 6 * u.h, quality=quality)
    assert len(match(good, BANDS)[0]) == 2


@pytest.mark.parametrize("bit", range(32))
def test_every_bit_counts(bit):
    word = 1 << bit
    signed = word - 2**32 if bit == 31 else word
    for value in (word, signed, f"0x{word:08x}", f"0X{word:08X}", str(signed), float(signed), np.int64(signed)):
        assert f"(bits {bit})" in quality_reason(value)


@pytest.mark.parametrize("value", [None, "", "MISSING", float("nan"), float("inf"), 0.5, 2**32, -(2**31) - 1])
def test_no_quality_word(value):
    assert quality_reason(value).startswith("must have a QUALITY word of 32 bits; it has")


def test_observation_times():
    assert observation_time({"T_OBS": "2017.01.01_00:00:00_TAI"}).isot == "2016-12-31T23:59:24.000"
    assert observation_time({"T_OBS": "2011-02-15T00:00:01.34Z"}).isot == "2011-02-15T00:00:01.340"
    assert observation_time({"T_OBS": "2011-02-15T00:00:01.34", "TIMESYS": "TAI"}).isot == "2011-02-14T23:59:27.340"
