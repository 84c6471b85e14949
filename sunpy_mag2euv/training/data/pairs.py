"""
Which files of a directory make a training frame, and what is wrong with the others; from the headers alone.

A frame is a magnetogram and, for each passband, the image nearest to it in time. Whatever keeps a file from being part
of one is reported by the file's name, so that nothing is left out in silence.
"""

import bisect
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from sunpy.time import parse_time

from sunpy_mag2euv.aia import INSTRUMENT
from sunpy_mag2euv.intensity import unit_in_header, unit_written
from sunpy_mag2euv.quality import quality_word

__all__ = ["match", "observation_time", "problem_table", "quality_reason", "read_header"]

_FITS = re.compile(r".+\.(fits?|fts)(\.(gz|bz2|fz))?", re.IGNORECASE)

#: Bytes from the middle of the data that no two observations have in common.
_SAMPLE = 2**16


@dataclass(frozen=True)
class _File:
    """A file that a frame can have; ``passband`` is 0 for magnetograms, ``time`` in unix seconds; bytes of its data."""

    path: Path
    passband: int
    time: float
    start: int
    end: int


def match(directory: str | os.PathLike, passbands: Sequence[int], *, tolerance: u.Quantity = 60 * u.s) -> tuple:
    """
    Match the magnetograms and images of a directory.

    Parameters
    ----------
    directory : path-like
        Holds FITS files of HMI line-of-sight magnetograms and AIA images, under any names.
    passbands : sequence of int
        In angstrom; a frame has an image in each of them. Images in others are left alone.
    tolerance : `~astropy.units.Quantity`, optional
        Longest time between the magnetogram's ``T_OBS`` and the image's.

    Returns
    -------
    frames : `~astropy.table.Table`
        In the order of time: ``name``, ``time`` (that of the magnetogram, UTC), ``source``, ``magnetogram`` (a file
        name) and for each passband ``aia_0171`` and so on (a file name).
    problems : `~astropy.table.Table`
        Columns ``file``, ``kind`` and ``reason``, see `problem_table`.

    Raises
    ------
    FileNotFoundError
        If there is no such directory.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no directory {directory}; expected one that holds FITS files")
    found, problems, seen = [], [], []
    for path in sorted(directory.iterdir()):
        if not _FITS.fullmatch(path.name) or path.name.startswith("."):
            continue
        try:
            header, *where = _inspect(path)
            file = _File(path, *_classify(header), *where)
        except _ProblemError as problem:
            problems.append((path.name, problem.kind, str(problem)))
            continue
        except OSError as error:
            problems.append((path.name, "unreadable", str(error)))
            continue
        if not file.passband:
            seen.append(file.time)
        if file.passband and file.passband not in passbands:
            continue
        if reason := quality_reason(header.get("QUALITY")):
            problems.append((path.name, "quality", reason))
            continue
        found.append(file)

    found = _without_duplicates(found, problems)
    in_order = sorted(found, key=lambda file: file.time)
    magnetograms = [file for file in in_order if not file.passband]
    images = {band: [file for file in in_order if file.passband == band] for band in passbands}
    tolerance = tolerance.to_value(u.s)
    _report_strays(images, np.array(seen), tolerance, problems)

    rows = []
    for magnetogram in magnetograms:
        nearest = {band: _nearest(images[band], magnetogram.time) for band in passbands}
        absent = [band for band, file in nearest.items() if file is None or _gap(file, magnetogram) > tolerance]
        for band in absent:
            problems.append((magnetogram.path.name, "missing channel", _absence(band, nearest[band], magnetogram)))
        if not absent:
            rows.append((magnetogram, nearest))
    return _frame_table(rows, passbands), problem_table(problems)


def problem_table(problems: Any = ()) -> Table:
    """
    The table that all reports of this package's training data come in.

    Parameters
    ----------
    problems : iterable of tuple of str
        File name, kind, and a sentence.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``file``, ``kind`` and ``reason``, in the order of the file names. Kinds: ``unreadable``,
        ``instrument``, ``unit``, ``exposure``, ``coordinates``, ``time``, ``quality``, ``duplicate``,
        ``mismatched time``, ``missing channel``.
    """
    rows = sorted(problems)
    columns = [[str(row[column]) for row in rows] for column in range(3)]
    return Table(columns, names=("file", "kind", "reason"), dtype=(str, str, str))


def read_header(path: str | os.PathLike) -> Any:
    """
    Read the header of the one image in a FITS file, and check that the file goes to its end.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    `~astropy.io.fits.Header`

    Raises
    ------
    OSError
        If it cannot be read, is cut short, or holds no image or several.
    """
    return _inspect(path)[0]


def _inspect(path: str | os.PathLike) -> tuple:
    """What `read_header` returns, and the bytes (start, end) of the file that hold the data."""
    try:
        with warnings.catch_warnings():
            # Headers from the archives break the standard in ways that astropy puts right.
            warnings.simplefilter("ignore")
            with fits.open(path) as hdus:
                images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) > 0]
                headers = [hdu.header.copy() for hdu in images]
                where = hdus[-1].fileinfo()
    except Exception as error:
        raise OSError(f"cannot be read as FITS ({' '.join(str(error).split())[:200]})") from error
    if len(headers) != 1 or headers[0]["NAXIS"] != 2:
        raise OSError(f"must hold one two-dimensional image; it holds {len(headers)} arrays")
    size = os.path.getsize(path)
    start, end = where["datLoc"], where["datLoc"] + where["datSpan"]
    if Path(path).suffix.lower() in {".gz", ".bz2"}:
        # These positions are in the unpacked file.
        start, end = 0, size
    if size < end:
        raise OSError(f"is cut short: it has {size} bytes of {end}")
    return headers[0], start, end


def observation_time(header: Mapping[str, Any]) -> Time:
    """
    When an HMI or AIA image was taken, from ``T_OBS``: HMI writes TAI there and says so, AIA UTC.

    Parameters
    ----------
    header : mapping

    Returns
    -------
    `~astropy.time.Time`
        In UTC.

    Raises
    ------
    ValueError
        If there is no ``T_OBS``, or it is not a time.
    """
    text = str(header.get("T_OBS", "")).strip()
    scale = "tai" if text.endswith("TAI") else str(header.get("TIMESYS", "UTC")).strip().lower()
    try:
        return parse_time(text, scale=scale).utc
    except ValueError:
        raise ValueError(f"must have a time in T_OBS; it has {text or 'none'}") from None


def quality_reason(value: Any) -> str:
    """Why an image with this ``QUALITY`` is not used: any of the 32 bits, or no such word; empty if it is used."""
    word = quality_word(value)
    if word is None:
        return f"must have a QUALITY word of 32 bits; it has {'none' if value is None else value}"
    bits = ", ".join(str(bit) for bit in range(32) if word >> bit & 1)
    return f"QUALITY must be 0; it is 0x{word:08x} (bits {bits})" if word else ""


class _ProblemError(Exception):
    """A file that no frame can have."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def _classify(header: Mapping[str, Any]) -> tuple:
    """Passband (0 for a magnetogram) and unix time of a usable file."""
    instrument = str(header.get("INSTRUME", ""))
    unit, written = unit_in_header(header), unit_written(header) or "none"
    if instrument.startswith(INSTRUMENT):
        raise _ProblemError("instrument", "is a synthetic image, not an observation")
    if instrument.startswith("HMI"):
        passband = 0
        if unit is None or not unit.is_equivalent(u.G):
            raise _ProblemError("unit", f"must be a magnetogram in gauss; its unit is {written}")
    elif instrument.startswith("AIA"):
        wavelength: Any = header.get("WAVELNTH")
        if not _positive(wavelength):
            raise _ProblemError("instrument", f"must have WAVELNTH, in angstrom; it has {wavelength or 'none'}")
        passband = round(wavelength)
        if unit not in (u.DN, u.DN / u.s):
            raise _ProblemError("unit", f"must be an AIA image in DN or DN/s; its unit is {written}")
        if unit == u.DN and not _positive(header.get("EXPTIME")):
            raise _ProblemError("exposure", f"must have EXPTIME, in s; it has {header.get('EXPTIME', 'none')}")
    else:
        raise _ProblemError("instrument", f"must be from HMI or AIA; INSTRUME is {instrument or 'missing'}")
    if not str(header.get("CTYPE1", "")).startswith("HPLN"):
        raise _ProblemError("coordinates", f"must be helioprojective; CTYPE1 is {header.get('CTYPE1') or 'missing'}")
    try:
        return passband, float(observation_time(header).unix)
    except ValueError as error:
        raise _ProblemError("time", str(error)) from None


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < np.inf


def _gap(file: Any, other: Any) -> float:
    return abs(file.time - other.time)


def _nearest(files: Any, time: Any) -> Any:
    """The file nearest in time, of files in the order of time; None of none."""
    after = bisect.bisect(files, time, key=lambda file: file.time)
    return min(files[max(0, after - 1) : after + 1], key=lambda file: abs(file.time - time), default=None)


def _without_duplicates(files: Any, problems: Any) -> Any:
    """The first, by name, of files that show the same instrument and passband at the same time, or the same data."""
    kept: list[Any] = []
    moments: dict[Any, Any] = {}
    samples: dict[Any, Any] = {}
    for file in files:
        # T_OBS comes with two decimals.
        moment = (file.passband, round(file.time, 2))
        sample = _sample(file)
        if moment in moments:
            reason = f"shows the same as {moments[moment].path.name}: same instrument, passband and T_OBS"
        elif sample in samples and _same_data(file.path, samples[sample].path):
            reason = f"holds the same data as {samples[sample].path.name}, whose header says another time or passband"
        else:
            moments[moment] = samples[sample] = file
            kept.append(file)
            continue
        problems.append((file.path.name, "duplicate", reason))
    return kept


def _sample(file: Any) -> tuple:
    """Some bytes of the data; equal for files with equal data, and hardly ever for others."""
    size = file.end - file.start
    with open(file.path, "rb") as stream:
        stream.seek(file.start + max(0, (size - _SAMPLE) // 2))
        return size, hash(stream.read(min(size, _SAMPLE)))


def _same_data(path: Path, other: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _data(path).tobytes() == _data(other).tobytes()
        except Exception:
            # What cannot be read is reported when its data are needed.
            return False


def _data(path: Path) -> Any:
    with fits.open(path) as hdus:
        return next(hdu.data for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2)


def _report_strays(images: Any, times: Any, tolerance: Any, problems: Any) -> None:
    """Report images without a magnetogram; one whose magnetogram is bad is no stray."""
    for files in images.values():
        for file in files:
            gap = np.abs(times - file.time).min(initial=np.inf)
            if gap > tolerance:
                distance = f"the nearest is {gap:.0f} s away" if np.isfinite(gap) else "there is none at all"
                reason = f"no magnetogram within {tolerance:g} s; {distance}"
                problems.append((file.path.name, "mismatched time", reason))


def _absence(band: int, nearest: Any, magnetogram: Any) -> str:
    if nearest is None:
        return f"there is no image in {band} Å"
    return (
        f"there is no image in {band} Å: the nearest, {nearest.path.name}, is {_gap(nearest, magnetogram):.0f} s away"
    )


def _frame_table(rows: Any, passbands: Sequence[int]) -> Table:
    times = Time([magnetogram.time for magnetogram, _ in rows], format="unix", scale="utc")
    times.format = "isot"
    table = Table()
    table["name"] = np.array([time.strftime("%Y%m%d_%H%M%S") for time in times], dtype=str)
    table["time"] = times
    table["source"] = np.full(len(rows), "SDO")
    table["magnetogram"] = np.array([magnetogram.path.name for magnetogram, _ in rows], dtype=str)
    for band in passbands:
        table[f"aia_{band:04}"] = np.array([nearest[band].path.name for _, nearest in rows], dtype=str)
    return table
