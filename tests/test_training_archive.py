"""What is taken from the archives, with a stand-in for Fido that writes files with the archives' headers."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sdo_files import correction_table, write_aia, write_hmi

import astropy.units as u
from astropy.table import Table
from astropy.time import Time
from sunpy.net import attrs as a
from sunpy.time import parse_time

from sunpy_mag2euv.cli import UsageError
from sunpy_mag2euv.training.data import archive
from sunpy_mag2euv.training.data.archive import download, slots
from sunpy_mag2euv.training.data.commands import add_data
from sunpy_mag2euv.training.data.pairs import match
from sunpy_mag2euv.training.data.store import Store

START = Time("2011-06-01")
BANDS = (171, 1600)
EMAIL = "someone@example.org"
STEPS = {"hmi.M_720s": 720, "aia.lev1_euv_12s": 12, "aia.lev1_uv_24s": 24}


class FakeFido:
    """
    Archives that never end: a record for every step of each series.

    Attributes
    ----------
    quality : dict
        QUALITY of some records, by passband (0: magnetogram) and time; others have 0.
    searched, fetched : list
        What was asked for.
    interrupt : int
        How many files come whole before the next one breaks off and the user loses patience; -1: none does.
    """

    def __init__(self):
        self.quality, self.searched, self.fetched, self.interrupt, self.lost = {}, [], [], -1, set()

    def search(self, *query):
        facts = {type(part): part for part in query}
        if a.jsoc.Series not in facts:
            return [self._synoptic(facts[a.Time])]
        series = facts[a.jsoc.Series].value
        band = round(facts[a.Wavelength].min.to_value(u.angstrom)) if a.Wavelength in facts else 0
        assert facts[a.jsoc.Notify].value == EMAIL
        assert facts[a.jsoc.Segment].value == ("image" if band else "magnetogram")
        text = facts[a.jsoc.PrimeKey].value
        self.searched.append((series, text))
        rows = []
        for part in text.split(","):
            first, last = (round(parse_time(end).tai.unix_tai) for end in (part.split("-") * 2)[:2])
            step = STEPS[series]
            rows += [self._record(band, number * step) for number in range(-(-first // step), last // step + 1)]
        return [Table(rows)] if rows else [Table()]

    def _record(self, band, seconds):
        time = Time(seconds, format="unix_tai")
        observed = time.utc + (1.34 if band else -4) * u.s
        written = (
            (time.utc.strftime("%Y-%m-%dT%H:%M:%SZ"), observed.isot[:22] + "Z")
            if band
            else tuple(moment.tai.strftime("%Y.%m.%d_%H:%M:%S_TAI") for moment in (time, observed))
        )
        return {"T_REC": written[0], "T_OBS": written[1], "QUALITY": self._quality(band, observed), "BAND": band}

    def _quality(self, band, time):
        return next((q for (b, t), q in self.quality.items() if b == band and abs(time - Time(t)) < 6 * u.s), 0)

    def _synoptic(self, span):
        self.searched.append(("synoptic", span.start.isot))
        minutes = np.arange(-(-span.start.unix // 120) * 120, span.end.unix, 120)
        return [
            {
                "Start Time": Time(minute, format="unix", scale="utc"),
                "url": Time(minute, format="unix").strftime(f"https://example.org/H0/AIA%Y%m%d_%H%M_{band:04}.fits"),
                "BAND": band,
            }
            for minute in minutes
            for band in BANDS
        ]

    def fetch(self, *responses, path, progress, overwrite):
        assert overwrite
        rows = [row for part in responses for row in ([part] if isinstance(part, dict) else part[0])]
        for row in rows:
            name = row["url"].rsplit("/", 1)[-1] if "url" in row.keys() else f"jsoc.{len(self.fetched)}.fits"  # noqa: SIM118
            target = path.format(file=name)
            self._write(target, row)
            if self.interrupt == 0:
                with open(target, "r+b") as file:
                    file.truncate(9000)
                raise KeyboardInterrupt
            self.interrupt -= 1
            self.fetched.append((row["BAND"], row.get("T_REC", name) if isinstance(row, dict) else row["T_REC"]))

    def _write(self, path, row):
        Path(path).unlink(missing_ok=True)
        band = row["BAND"]
        if isinstance(row, dict):
            time = row["Start Time"] + 8 * u.s
            write_aia(path, time, band, level=1.5, size=64, quality=self._quality(band, time))
        elif band:
            write_aia(path, parse_time(row["T_OBS"]), band, size=64, T_REC=row["T_REC"], quality=int(row["QUALITY"]))
        else:
            write_hmi(path, parse_time(row["T_OBS"]).utc, size=64, T_REC=row["T_REC"], quality=int(row["QUALITY"]))


@pytest.fixture(autouse=True)
def fido(monkeypatch):
    fake = FakeFido()
    monkeypatch.setattr("sunpy.net.Fido", fake)
    return fake


@pytest.fixture
def times():
    """00 and 06 UT."""
    return slots(START, START + 12 * u.h, 6 * u.h)


def files(directory):
    return sorted(path.name for path in directory.iterdir())


def test_slots():
    year = slots("2011-01-01", "2012-01-01", 6 * u.h)
    assert len(year) == 4 * 365
    assert {time.strftime("%H:%M:%S") for time in year} == {"00:00:00", "06:00:00", "12:00:00", "18:00:00"}
    assert list(slots("2015-06-30T18:00", "2015-07-01T06:01", 6 * u.h).isot) == [
        "2015-06-30T18:00:00.000", "2015-07-01T00:00:00.000", "2015-07-01T06:00:00.000"
    ]  # fmt: skip
    # Joined years have every slot once.
    assert len(slots("2011-01-01", "2017-01-01", 6 * u.h)) == 4 * 2192


@pytest.mark.parametrize("cadence", [0 * u.h, -6 * u.h, 0.1 * u.s])
def test_slots_need_a_cadence(cadence):
    with pytest.raises(ValueError, match="must be a time of a second or more"):
        slots("2011-01-01", "2012-01-01", cadence)


def test_slots_need_an_order():
    with pytest.raises(ValueError, match="the start must be before the end"):
        slots("2012-01-01", "2012-01-01", 6 * u.h)


def test_download(fido, times, tmp_path):
    table = download(tmp_path, times, BANDS, EMAIL)
    assert list(table["status"]) == ["taken"] * 6
    assert list(table["passband"]) == [0, 171, 1600] * 2
    # The magnetogram of 00:00 TAI is 34 s before 00:00 UT, and the images are those nearest to it.
    assert list(table["time"][:3]) == ["2011-05-31T23:59:22.000", "2011-05-31T23:59:27.340", "2011-05-31T23:59:27.340"]
    assert set(table["quality"]) == {"0x00000000"}
    assert files(tmp_path) == sorted([*table["file"], "archive.ecsv"])
    assert table["file"][0] == "hmi.M_720s.20110531_235926.fits"
    written = Table.read(tmp_path / "archive.ecsv", format="ascii.ecsv").filled("")
    assert [tuple(row) for row in written] == [tuple(row) for row in table]
    frames, problems = match(tmp_path, BANDS)
    assert len(frames) == 2
    assert len(problems) == 0


def test_one_export_for_many_files(fido, tmp_path):
    download(tmp_path, slots(START, START + 3 * u.day, 6 * u.h), (171,), EMAIL)
    # Keywords, then files, of magnetograms and images.
    assert [series for series, _ in fido.searched] == ["hmi.M_720s"] * 2 + ["aia.lev1_euv_12s"] * 2
    assert fido.searched[1][1].startswith("2011.06.01_00:00:00_TAI,2011.06.01_06:00:00_TAI,")
    assert len(fido.fetched) == 24


def test_nothing_is_fetched_twice(fido, times, tmp_path):
    first = download(tmp_path, times, BANDS, EMAIL)
    fido.searched.clear(), fido.fetched.clear()
    second = download(tmp_path, times, BANDS, EMAIL)
    assert fido.searched == fido.fetched == []
    assert [tuple(row) for row in first] == [tuple(row) for row in second]


@pytest.mark.parametrize("whole", range(6))
@pytest.mark.parametrize("series", ["level1", "synoptic"])
def test_going_on_after_an_interruption(fido, times, tmp_path, whole, series):
    fido.interrupt = whole
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path, times, BANDS, EMAIL, series=series)
    assert len(fido.fetched) == whole
    # What is in the directory is whole; what broke off is not there.
    assert "unreadable" not in list(match(tmp_path, BANDS)[1]["kind"])
    fido.interrupt = -1
    table = download(tmp_path, times, BANDS, EMAIL, series=series)
    assert list(table["status"]) == ["taken"] * 6
    assert len(fido.fetched) == len(set(fido.fetched)) == 6
    assert files(tmp_path) == sorted([*table["file"], "archive.ecsv"])
    assert len(match(tmp_path, BANDS)[0]) == 2


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:9000])]
)
def test_damaged_files_are_fetched_again(fido, times, tmp_path, damage):
    table = download(tmp_path, times, BANDS, EMAIL)
    fido.fetched.clear()
    damage(tmp_path / table["file"][4])
    again = download(tmp_path, times, BANDS, EMAIL)
    assert [band for band, _ in fido.fetched] == [171]
    assert [tuple(row) for row in again] == [tuple(row) for row in table]


@pytest.mark.parametrize("quality", [1024, "0x00000400", -(2**31), "0x80000000"])
def test_bad_magnetograms_are_not_fetched(fido, times, tmp_path, quality):
    fido.quality[0, "2011-05-31T23:59:22"] = quality
    table = download(tmp_path, times, BANDS, EMAIL)
    # Neither are the images that belong to them.
    assert list(table["passband"]) == [0, 0, 171, 1600]
    assert list(table["status"]) == ["rejected", "taken", "taken", "taken"]
    assert table["reason"][0].startswith("QUALITY must be 0; it is 0x")
    assert len(fido.fetched) == 3
    fido.searched.clear()
    download(tmp_path, times, BANDS, EMAIL)
    assert fido.searched == []


def test_the_next_image_stands_in_for_a_bad_one(fido, times, tmp_path):
    fido.quality[171, "2011-05-31T23:59:27.34"] = 2**17
    table = download(tmp_path, times[:1], BANDS, EMAIL)
    assert list(table["status"]) == ["taken", "rejected", "taken", "taken"]
    assert list(table["time"][1:3]) == ["2011-05-31T23:59:27.340", "2011-05-31T23:59:15.340"]
    assert table["file"][1] == ""


def test_no_image_within_the_tolerance(fido, times, tmp_path):
    table = download(tmp_path, times[:1], BANDS, EMAIL, tolerance=5 * u.s)
    assert list(table["status"]) == ["taken", "rejected", "rejected"]
    assert table["reason"][2] == "no record within 5 s of 2011-05-31T23:59:22"


def test_synoptic(fido, times, tmp_path):
    table = download(tmp_path, times, BANDS, EMAIL, series="synoptic")
    assert list(table["file"][1:3]) == ["AIA20110601_0000_0171.fits", "AIA20110601_0000_1600.fits"]
    assert table["time"][1] == "2011-06-01T00:00:08.000"
    # One listing of the archive's folder serves all passbands.
    assert [series for series, _ in fido.searched].count("synoptic") == 2


def test_synoptic_files_have_the_last_word(fido, times, tmp_path):
    fido.quality[171, "2011-06-01T00:00:08"] = 2**30
    table = download(tmp_path, times[:1], BANDS, EMAIL, series="synoptic", tolerance=50 * u.s)
    assert list(table["status"]) == ["taken", "rejected", "taken"]
    assert table["reason"][1] == "QUALITY must be 0; it is 0x40000000 (bits 30)"
    assert files(tmp_path) == sorted(["archive.ecsv", *(name for name in table["file"] if name)])
    fido.quality.clear()
    table = download(tmp_path / "narrow", times[:1], BANDS, EMAIL, series="synoptic", tolerance=40 * u.s)
    assert list(table["reason"][1:]) == ["T_OBS is 46 s from 2011-05-31T23:59:22; 40 s allowed"] * 2


def test_files_that_never_come_are_tried_again(fido, times, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fido, "fetch", lambda *responses, **kwargs: None)
        table = download(tmp_path, times[:1], BANDS, EMAIL)
        assert list(table["status"]) == ["failed"]
        assert table["reason"][0] == "did not arrive whole; run the same again"
    assert list(download(tmp_path, times[:1], BANDS, EMAIL)["status"]) == ["taken"] * 3


def test_an_archive_that_does_not_answer(fido, times, tmp_path, monkeypatch):
    def down(*query):
        raise ValueError("Email address is invalid or not registered")

    monkeypatch.setattr(fido, "search", down)
    with pytest.raises(ConnectionError, match=r"cannot get hmi\.M_720s \(Email .* registered\); nothing is lost"):
        download(tmp_path, times, BANDS, EMAIL)


def test_what_cannot_be_used_is_said_first(times, tmp_path):
    with pytest.raises(ValueError, match="must be one that is registered with the JSOC; got 'me'"):
        download(tmp_path / "new", times, BANDS, "me")
    with pytest.raises(ValueError, match="the series must be one of level1, synoptic; got 'level2'"):
        download(tmp_path / "new", times, BANDS, EMAIL, series="level2")
    assert files(tmp_path) == []


def test_the_query_that_the_jsoc_gets(monkeypatch, times, tmp_path):
    """Through Fido itself, up to the client of the JSOC."""
    pandas = pytest.importorskip("pandas")
    from sunpy.net.fido_factory import Fido

    asked = []

    class Client:
        def __init__(self, email=None):
            pass

        def pkeys(self, series):
            return ["T_REC", "WAVELNTH"]

        def keys(self, series):
            return ["T_REC", "WAVELNTH", "QUALITY"]

        def info(self, series):
            keywords = pandas.DataFrame({"is_time": [True, False]}, index=["T_REC", "WAVELNTH"])
            segments = pandas.DataFrame(index=["image", "spikes"])
            return SimpleNamespace(primekeys=["T_REC", "WAVELNTH"], keywords=keywords, segments=segments)

        def query(self, records, **kwargs):
            asked.append(records)
            keywords = {"T_REC": ["2011-06-01T00:00:02Z"], "T_OBS": ["2011-06-01T00:00:03.34Z"], "QUALITY": [2**30]}
            return pandas.DataFrame(keywords), pandas.DataFrame({"image": ["/SUM1/image_lev1.fits"]})

    monkeypatch.setattr("sunpy.net.Fido", Fido)
    monkeypatch.setattr("drms.Client", Client)
    jsoc = archive._Jsoc.aia(171, EMAIL)
    found = jsoc.search(list(times), 6 * u.s)
    assert asked == [
        "aia.lev1_euv_12s[2011.06.01_00:00:28_TAI-2011.06.01_00:00:40_TAI,"
        "2011.06.01_06:00:28_TAI-2011.06.01_06:00:40_TAI][171]{image}"
    ]
    assert len(found) == 2
    assert (found[0][0].key, found[0][0].quality) == ("2011-06-01T00:00:02", 2**30)
    assert found[0][0].file == "aia.lev1_euv_12s.20110601_000002.0171.fits"


@pytest.mark.remote_data
def test_the_real_archives(monkeypatch):
    from sunpy.net.fido_factory import Fido

    monkeypatch.setattr("sunpy.net.Fido", Fido)
    times = slots(START, START + 12 * u.h, 6 * u.h)
    for source, window in [
        (archive._Jsoc("hmi.M_720s", 0, "magnetogram", EMAIL), 6 * u.min),
        (archive._Jsoc.aia(171, EMAIL), 60 * u.s),
        (archive._Jsoc.aia(1600, EMAIL), 60 * u.s),
        (archive._Synoptic(171, {}), 60 * u.s),
    ]:
        for time, records in zip(times, source.search(list(times), window), strict=True):
            assert min(abs(record.time - time.unix) for record in records) <= window.to_value(u.s)


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_data(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["data", *map(str, arguments)])
    return arguments.command(arguments)


DOWNLOAD = ("download", "--start", "2011-06-01", "--end", "2011-06-01T12:00", "--passbands", "171", "1600")


def test_commands(fido, tmp_path, capsys):
    arguments = (*DOWNLOAD, "--series", "synoptic", "--email", EMAIL, "-o", tmp_path / "files")
    assert run(*arguments) == 0
    assert capsys.readouterr().out == f"6 taken, 0 rejected, 0 failed; {tmp_path}/files/archive.ecsv says why\n"

    correction_table((171,)).write(tmp_path / "correction.ecsv")
    prepare = ("prepare", tmp_path / "files", tmp_path / "store", "--passbands", "171", "1600", "--size", "64",
               "--correction-table", tmp_path / "correction.ecsv")  # fmt: skip
    assert run(*prepare) == 0
    assert capsys.readouterr().out == f"2 of 2 frames in {tmp_path}/store\n"
    store = Store.open(tmp_path / "store")
    assert store.done.all()
    assert (store.grid.shape, store.grid.solar_radius) == ((64, 64), 24.5)
    assert run(*prepare) == 0


def test_preparing_stops_at_problems(fido, tmp_path, capsys):
    run(*DOWNLOAD, "--series", "synoptic", "--email", EMAIL, "-o", tmp_path / "files")
    (tmp_path / "files" / "AIA20110601_0600_1600.fits").unlink()
    correction_table((171,)).write(tmp_path / "correction.ecsv")
    prepare = ("prepare", tmp_path / "files", tmp_path / "store", "--passbands", "171", "1600", "--size", "64",
               "--correction-table", tmp_path / "correction.ecsv")  # fmt: skip
    capsys.readouterr()
    assert run(*prepare) == 1
    said = capsys.readouterr().err
    assert "hmi.M_720s.20110601_055926.fits: missing channel: there is no image in 1600 Å" in said
    assert "use --skip-problems to go on without" in said
    assert not (tmp_path / "store").exists()
    assert run(*prepare, "--skip-problems") == 0
    assert "missing channel" in capsys.readouterr().err
    assert list(Store.open(tmp_path / "store").done) == [True]


def test_no_frames(tmp_path, capsys):
    assert run("prepare", tmp_path, tmp_path / "store") == 1
    assert "holds no magnetogram with images in all passbands" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*DOWNLOAD[:5], "--cadence", "6", "--email", EMAIL, "-o", "x"), "--cadence must be a time with its unit"),
        ((*DOWNLOAD[:5], "--cadence", "6 km", "--email", EMAIL, "-o", "x"), "--cadence must be a time with its unit"),
        ((*DOWNLOAD[:5], "--tolerance=-60s", "--email", EMAIL, "-o", "x"), "--tolerance must be a time"),
        ((*DOWNLOAD, "--email", "me", "-o", "x"), "must be one that is registered with the JSOC"),
        ((*DOWNLOAD[:3], "--end", "2010-01-01", "--email", EMAIL, "-o", "x"), "the start must be before the end"),
        ((*DOWNLOAD[:3], "--end", "soon", "--email", EMAIL, "-o", "x"), "no times between"),
        ((*DOWNLOAD[:5], "--passbands", "195", "--email", EMAIL, "-o", "x"), "there is no AIA passband 195"),
        (("prepare", "absent", "store"), "there is no directory absent"),
        (("prepare", ".", "store", "--radius", "600"), "the Sun must fit in; got 1024 and 600"),
        (("prepare", ".", "store", "--reference-epoch", "launch"), "--reference-epoch must be a time"),
    ],
)
def test_usage_errors(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run(*arguments)
    assert files(tmp_path) == []
