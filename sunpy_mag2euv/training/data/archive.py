"""
The archives: which observations are taken for a sequence of times, and fetching them so that it can be interrupted.

Keywords are asked for first, so that what is known to be bad is never fetched. Files arrive in a directory beside the
final ones and are moved there when they are whole, and a table says what was taken, what was rejected, and why.
"""

import os
import shutil
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from sunpy.time import parse_time

from sunpy_mag2euv.quality import quality_word
from sunpy_mag2euv.training.data.pairs import observation_time, quality_reason, read_header

if TYPE_CHECKING:
    pass

__all__ = ["COLUMNS", "SERIES", "TABLE", "download", "read_table", "slots", "table_of", "write_table"]

#: What AIA images can be taken from: level 1 as Park et al. 2019 had it, or the same reduced to 1024 by 1024 pixels.
SERIES = ("level1", "synoptic")

#: Name of the table in the directory of the files.
TABLE = "archive.ecsv"

#: Where files arrive.
_ARRIVALS = ".arrivals"

#: Half the cadence of ``hmi.M_720s``: there is one magnetogram as near as this to any time.
_MAGNETOGRAM_WINDOW = 360 * u.s

#: Slots whose keywords are asked for, and whose files are exported, at once: a JSOC request takes a minute to stage.
_BATCH = 32

#: Of that table.
COLUMNS = ("slot", "passband", "record", "time", "quality", "file", "bytes", "status", "reason")


@dataclass(frozen=True)
class _Record:
    """
    An observation in an archive.

    ``key`` is the archive's name for it, ``time`` in unix seconds, ``quality`` None if only the file says it.
    """

    key: str
    time: float
    quality: object
    file: str
    source: object = None


def slots(start: Any, end: Any, cadence: u.Quantity) -> Time:
    """
    The times at which observations are wanted.

    Parameters
    ----------
    start, end : `~astropy.time.Time` or str
        In UTC; ``end`` itself is not a slot, so that years can be joined without a slot twice.
    cadence : `~astropy.units.Quantity`
        Counted on the clock, across leap seconds: slots of 6 h from midnight are at 00, 06, 12 and 18 UT for ever.

    Returns
    -------
    `~astropy.time.Time`

    Raises
    ------
    ValueError
        If there is no slot, or the cadence is not a positive time.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_mag2euv.training.data.archive import slots
    >>> print(slots("2016-12-31T12:00", "2017-01-01T07:00", 6 * u.h).iso)
    ['2016-12-31 12:00:00.000' '2016-12-31 18:00:00.000'
     '2017-01-01 00:00:00.000' '2017-01-01 06:00:00.000']
    """
    step = np.timedelta64(round(cadence.to_value(u.s)), "s")
    if step <= np.timedelta64(0, "s"):
        raise ValueError(f"the cadence must be a time of a second or more; got {cadence}")
    first, stop = (Time(parse_time(time), scale="utc").datetime64.astype("datetime64[s]") for time in (start, end))
    if first >= stop:
        raise ValueError(f"the start must be before the end; got {first} and {stop}")
    return Time(np.arange(first, stop, step), scale="utc", format="datetime64")


def download(
    directory: str | os.PathLike,
    times: Time,
    passbands: Sequence[int],
    email: str,
    *,
    series: str = "level1",
    tolerance: u.Quantity = 60 * u.s,
) -> Table:
    """
    Fetch the magnetogram nearest to each time and, for each passband, the image nearest to the magnetogram.

    Can be interrupted and called again: what was fetched or rejected before is neither asked for nor fetched again.

    Parameters
    ----------
    directory : path-like
        Made unless it exists.
    times : `~astropy.time.Time`
        From `slots`.
    passbands : sequence of int
        In angstrom.
    email : str
        Registered with the JSOC, which exports nothing without.
    series : {"level1", "synoptic"}, optional
        Where the images are from; magnetograms are always from the JSOC's ``hmi.M_720s``.
    tolerance : `~astropy.units.Quantity`, optional
        Longest time between a magnetogram and its images.

    Returns
    -------
    `~astropy.table.Table`
        What is in the file `TABLE` of the directory: for each slot and passband (0: magnetogram) the record that was
        taken and those nearer in time that were not, with ``time`` (``T_OBS``, UTC), ``quality``, ``file``,
        ``bytes``, ``status`` ("taken", "rejected" or, to be tried again by another call, "failed") and ``reason``.

    Raises
    ------
    ValueError
        If ``email`` or ``series`` cannot be used.
    ConnectionError
        If an archive does not answer or refuses. Call again to go on.
    """
    from tqdm import tqdm

    if "@" not in email:
        raise ValueError(f"the email address must be one that is registered with the JSOC; got {email!r}")
    if series not in SERIES:
        raise ValueError(f"the series must be one of {', '.join(SERIES)}; got {series!r}")
    directory = Path(directory)
    (directory / _ARRIVALS).mkdir(parents=True, exist_ok=True)
    log = _Log(directory)
    magnetograms = _Jsoc("hmi.M_720s", 0, "magnetogram", email)
    listings: dict[Any, Any] = {}
    images = [_Synoptic(band, listings) if series == "synoptic" else _Jsoc.aia(band, email) for band in passbands]
    with tqdm(total=len(times) * (1 + len(images)), unit="file", disable=None) as bar:
        for first in range(0, len(times), _BATCH):
            batch = times[first : first + _BATCH]
            targets = {time.strftime("%Y-%m-%dT%H:%M:%S"): time for time in batch}
            observed = _take(magnetograms, targets, _MAGNETOGRAM_WINDOW, log)
            bar.update(len(batch))
            for archive in images:
                _take(archive, observed, tolerance, log)
                bar.update(len(batch))
    shutil.rmtree(directory / _ARRIVALS)
    return log.table


def _take(archive: Any, targets: dict[Any, Any], window: u.Quantity, log: "_Log") -> dict[Any, Any]:
    """
    Have one file for each target, as far as there are any.

    Parameters
    ----------
    archive : _Jsoc or _Synoptic
    targets : dict
        The time wanted for each slot.
    window : `~astropy.units.Quantity`
        Longest time from there.
    log : _Log

    Returns
    -------
    dict
        The time of what was taken, for each slot that something was taken for.
    """
    pending = {slot: time for slot, time in targets.items() if not log.settled(slot, archive.passband)}
    if pending:
        chosen, rows = {}, []
        found = _asked(archive, archive.search, list(pending.values()), window)
        for (slot, target), records in zip(pending.items(), found, strict=True):
            record, rejected = _choose(records, target, window)
            rows += [log.row(slot, archive.passband, record, "rejected", reason) for record, reason in rejected]
            if record is not None:
                chosen[slot] = record
        _settle_arrivals(archive, chosen.values(), log.directory)
        wanted = {record.key: record for record in chosen.values() if not (log.directory / record.file).exists()}
        if wanted:
            _asked(archive, archive.fetch, list(wanted.values()), log.directory / _ARRIVALS)
            _settle_arrivals(archive, wanted.values(), log.directory)
        for slot, record in chosen.items():
            rows.append(_received(slot, archive.passband, record, pending[slot], window, log))
        log.add(pending, archive.passband, rows)
    return {slot: time for slot in targets if (time := log.taken(slot, archive.passband)) is not None}


def _asked(archive: Any, function: Any, *arguments: Any) -> Any:
    """What an archive answers, or one sentence about why it does not."""
    try:
        return function(*arguments)
    except ImportError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ConnectionError(
            f"cannot get {archive.name} ({reason}); nothing is lost, so run the same again to go on"
        ) from error


def _choose(records: Any, target: Any, window: Any) -> tuple:
    """The usable record nearest to a time, or None, and (record, reason) of those that are nearer or all there is."""
    wanted, window = target.unix, window.to_value(u.s)
    near = [record for record in records if abs(record.time - wanted) <= window]
    rejected: list[Any] = []
    for record in sorted(near, key=lambda record: abs(record.time - wanted)):
        reason = "" if record.quality is None else quality_reason(record.quality)
        if not reason:
            return record, rejected
        rejected.append((record, reason))
    if not near:
        rejected.append((None, f"no record within {window:g} s of {target.isot[:19]}"))
    return None, rejected


def _settle_arrivals(archive: Any, records: Any, directory: Path) -> None:
    """Move what has arrived whole to its final place, and remove what is there but damaged."""
    names = {record.key: record.file for record in records}
    for name in names.values():
        if (directory / name).exists() and not _is_whole(directory / name):
            (directory / name).unlink()
    for path in (directory / _ARRIVALS).iterdir():
        if _is_whole(path) and (name := names.get(archive.key(path))) is not None:
            os.replace(path, directory / name)


def _is_whole(path: Path) -> bool:
    """Whether a FITS file goes to its end and its data have the sum that was written with them."""
    try:
        read_header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path, disable_image_compression=True) as hdus:
                return all(hdu.verify_datasum() != 0 for hdu in hdus)
    except Exception:
        return False


def _received(slot: Any, passband: Any, record: Any, target: Any, window: Any, log: "_Log") -> Any:
    """The table's row of a record that was fetched; the file has the last word."""
    path = log.directory / record.file
    if not path.exists():
        return log.row(slot, passband, record, "failed", "did not arrive whole; run the same again")
    header = read_header(path)
    try:
        time = observation_time(header)
        late = abs(time - target)
        reason = quality_reason(header.get("QUALITY"))
        if not reason and late > window:
            reason = f"T_OBS is {late.to_value(u.s):.0f} s from {target.isot[:19]}; {window.to_value(u.s):g} s allowed"
    except ValueError as error:
        time, reason = _utc(record.time), str(error)
    status = "rejected" if reason else "taken"
    row = log.row(slot, passband, record, status, reason) | {"time": time.isot, "quality": _hex(header.get("QUALITY"))}
    if reason:
        path.unlink()
        return row
    return row | {"file": record.file, "bytes": path.stat().st_size}


def _hex(quality: Any) -> str:
    word = quality_word(quality)
    return "" if word is None else f"0x{word:08x}"


def table_of(rows: Iterable[dict]) -> Table:
    """The table of rows, each with `COLUMNS`."""
    rows = list(rows)
    types = [int if name in ("passband", "bytes") else str for name in COLUMNS]
    return Table([[row[name] for row in rows] for name in COLUMNS], names=COLUMNS, dtype=types)


def read_table(path: str | os.PathLike) -> list[dict]:
    """The rows of a table as `write_table` wrote it."""
    table = Table.read(path, format="ascii.ecsv").filled("")
    return [dict(zip(COLUMNS, row, strict=True)) for row in table.iterrows(*COLUMNS)]


def write_table(table: Table, path: str | os.PathLike) -> None:
    """Write a table as a whole, so that a process that is killed leaves the old one."""
    scratch = Path(path).with_name(f".{Path(path).name}-{os.getpid()}")
    table.write(scratch, format="ascii.ecsv", overwrite=True)
    os.replace(scratch, path)


class _Log:
    """The table of what was taken and rejected, kept in a file that is replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / TABLE
        self._rows: dict[Any, Any] = {}
        if self._path.exists():
            for row in read_table(self._path):
                self._rows.setdefault((row["slot"], row["passband"]), []).append(row)

    @staticmethod
    def row(slot: Any, passband: Any, record: Any, status: str, reason: str) -> dict[str, Any]:
        """A row without a file; ``record`` is None if there is none."""
        facts = ("", "", "") if record is None else (record.key, _utc(record.time).isot, _hex(record.quality))
        return dict(zip(COLUMNS, (slot, passband, *facts, "", 0, status, reason), strict=True))

    def _complete(self, row: Any) -> bool:
        path = self.directory / row["file"]
        return row["status"] == "taken" and path.is_file() and path.stat().st_size == row["bytes"]

    def settled(self, slot: Any, passband: Any) -> bool:
        """Whether nothing is left to be asked."""
        rows = self._rows.get((slot, passband), [])
        return bool(rows) and all(row["status"] == "rejected" or self._complete(row) for row in rows)

    def taken(self, slot: Any, passband: Any) -> Time | None:
        """When what was taken was observed, or None."""
        times = [row["time"] for row in self._rows.get((slot, passband), []) if row["status"] == "taken"]
        return Time(times[0], scale="utc") if times else None

    def add(self, slots: Any, passband: Any, rows: Any) -> None:
        """Replace all that is known of some slots, in the file as well."""
        for slot in slots:
            self._rows[slot, passband] = [row for row in rows if row["slot"] == slot]
        write_table(self.table, self._path)

    @property
    def table(self) -> Table:
        """All rows, in the order of slot and passband."""
        return table_of([row for key in sorted(self._rows) for row in self._rows[key]])


class _Jsoc:
    """A series of the JSOC, through Fido."""

    def __init__(self, series: str, passband: Any, segment: str | None, email: str) -> None:
        self.name, self.passband = series, passband
        self._segment, self._email = segment, email

    @classmethod
    def aia(cls, passband: int, email: str) -> Any:
        """The level 1 series that a passband is in."""
        return cls("aia.lev1_uv_24s" if passband in (1600, 1700) else "aia.lev1_euv_12s", passband, "image", email)

    def search(self, times: Any, window: Any) -> Any:
        """For each time, the records that are near enough, and maybe others."""
        ranges = ",".join(f"{_tai(time - window)}-{_tai(time + window)}" for time in times)
        records = [record for table in self._query(ranges) for record in map(self._record, table)]
        return [records] * len(times)

    def fetch(self, records: Any, directory: Path) -> None:
        """
        Export records and fetch them.

        Only complete results of a search can be exported, so the records are searched for by their very times.
        """
        from sunpy.net import Fido

        query = self._query(",".join(_tai(parse_time(record.key)) for record in records))
        Fido.fetch(query, path=str(directory / "{file}"), progress=False, overwrite=True)

    def key(self, path: Path) -> Any:
        """The record that a file holds, or None of one of another series."""
        header = read_header(path)
        instrument, wavelength = str(header.get("INSTRUME", "")), header.get("WAVELNTH")
        mine = wavelength == self.passband if self.passband else instrument.startswith("HMI")
        return _normal(header["T_REC"]) if mine and "T_REC" in header else None

    def _query(self, times: Any) -> Any:
        """
        Search by a list of times or ranges.

        The JSOC takes such lists, http://jsoc.stanford.edu/jsocwiki/DrmsNames; Fido's Time is one range.
        """
        from sunpy.net import Fido
        from sunpy.net import attrs as a

        query = [
            a.jsoc.Series(self.name),
            a.jsoc.PrimeKey("T_REC", times),
            a.jsoc.Segment(self._segment),
            a.jsoc.Notify(self._email),
        ]
        if self.passband:
            query.append(a.Wavelength(self.passband * u.angstrom))
        return Fido.search(*query)

    def _record(self, row: Any) -> Any:
        key = _normal(row["T_REC"])
        try:
            time = observation_time({"T_OBS": row["T_OBS"]})
        except ValueError:
            # Records without data have no T_OBS; their quality will keep them out.
            time = parse_time(key)
        quality = row["QUALITY"]
        if quality is None or np.ma.is_masked(quality):
            quality = "MISSING"
        stamp = key.replace("-", "").replace(":", "").replace("T", "_")
        band = f".{self.passband:04}" if self.passband else ""
        return _Record(key, float(time.unix), quality, f"{self.name}.{stamp}{band}.fits")


class _Synoptic:
    """The 1024 by 1024 level 1.5 images, through Fido; ``listings`` is what was found so far, for all passbands."""

    name = "AIA's synoptic images"

    def __init__(self, passband: int, listings: Any) -> None:
        self.passband = passband
        self._listings = listings

    def search(self, times: Any, window: Any) -> Any:
        """For each time, the records that are near enough, and maybe others; their names say the minute."""
        from sunpy.net import Fido
        from sunpy.net import attrs as a

        found = []
        for time in times:
            if time.isot not in self._listings:
                # All passbands are in one folder of the archive, which takes longer to list than to read.
                span = a.Time(time - window, time + window)
                response = Fido.search(span, a.Instrument("AIA"), a.Level("1.5s"))
                self._listings[time.isot] = [row for table in response for row in table]
            rows = [row for row in self._listings[time.isot] if _file(row).endswith(f"_{self.passband:04}.fits")]
            found.append([_Record(_file(row), float(row["Start Time"].unix), None, _file(row), row) for row in rows])
        return found

    def fetch(self, records: Any, directory: Path) -> None:
        """Fetch records."""
        from sunpy.net import Fido

        rows = [record.source for record in records]
        Fido.fetch(*rows, path=str(directory / "{file}"), progress=False, overwrite=True)

    @staticmethod
    def key(path: Path) -> str:
        """The record that a file holds."""
        return path.name


def _utc(unix: float) -> Time:
    return Time(unix, format="unix", scale="utc")


def _file(row: Any) -> str:
    return row["url"].rsplit("/", 1)[-1]


def _tai(time: Any) -> str:
    """A time as the JSOC has it."""
    return time.tai.strftime("%Y.%m.%d_%H:%M:%S_TAI")


def _normal(time: Any) -> str:
    """``T_REC`` in UTC, to the second, whichever way it is written."""
    return observation_time({"T_OBS": time}).strftime("%Y-%m-%dT%H:%M:%S")
