"""
What SDOML has of a year and a channel: when its frames were taken, and what there is to say against them.

Its attributes are the headers of all frames, of which a few keywords are needed. These are kept in the cache, and
are read again only if the archive has changed.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astropy.time import Time

from sunpy_mag2euv.quality import quality_word
from sunpy_mag2euv.remote import cache_dir
from sunpy_mag2euv.training.data.pairs import observation_time, quality_reason
from sunpy_mag2euv.training.data.remote_arrays import RemoteArray

__all__ = ["Index", "is_indexed", "read_index"]

#: The keywords that are needed.
_KEYWORDS = ("T_OBS", "QUALITY", "EXPTIME", "DEG_COR")

#: Of what is kept; raised when it changes.
_FORMAT = 1

#: What an image can have been divided by: a sensitivity that AIA has been seen to have. Tables that are extrapolated
#: fall below, to zero and beyond in 304 Å.
_DEGRADATIONS = (0.02, 1.2)

#: How times are written, by HMI and by AIA: by their scale, with year, month, day and time of day.
_WRITTEN = {
    "tai": re.compile(r"(\d{4})[-.](\d\d)[-.](\d\d)[_T](\d\d:\d\d:\d\d(?:\.\d+)?)_TAI", re.ASCII),
    "utc": re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)Z?", re.ASCII),
}

#: In seconds. SDOML takes shorter exposures for this long.
_SHORTEST = 0.01


@dataclass(frozen=True)
class Index:
    """
    The frames of an array, in its order, which is not that of time.

    Attributes
    ----------
    times : `~numpy.ndarray`
        ``T_OBS`` in unix seconds (UTC), NaN where it is none.
    qualities : `~numpy.ndarray`
        ``QUALITY`` as an unsigned word, -1 where it is none.
    exposures, degradations : `~numpy.ndarray`
        ``EXPTIME`` in seconds and ``DEG_COR``, NaN where there is none.
    """

    times: np.ndarray
    qualities: np.ndarray
    exposures: np.ndarray
    degradations: np.ndarray

    def near(self, time: float, window: float) -> list[int]:
        """
        Find the frames near a time.

        Parameters
        ----------
        time : float
            In unix seconds.
        window : float
            In seconds; longest time from there.

        Returns
        -------
        list of int
            Their numbers, the nearest first.
        """
        order, times = self._in_order
        first = np.searchsorted(times, time - window)
        last = np.searchsorted(times, time + window, side="right")
        return sorted((int(number) for number in order[first:last]), key=lambda number: abs(self.times[number] - time))

    @functools.cached_property
    def _in_order(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers in the order of time, without those that have none, and the times."""
        order = np.argsort(self.times, kind="stable")[: np.count_nonzero(np.isfinite(self.times))]
        return order, self.times[order]

    def objection(self, number: int, is_image: bool) -> str:
        """
        What there is to say against a frame, by its header.

        Parameters
        ----------
        number : int
        is_image : bool
            Whether it is of AIA, rather than a magnetogram.

        Returns
        -------
        str
            Empty if it can be used.
        """
        word = int(self.qualities[number])
        if reason := quality_reason(None if word < 0 else word):
            return reason
        if not is_image:
            return ""
        exposure, degradation = float(self.exposures[number]), float(self.degradations[number])
        if not _SHORTEST < exposure < np.inf:
            return f"EXPTIME must be a number of seconds above {_SHORTEST}; it is {exposure:g}"
        if not _DEGRADATIONS[0] <= degradation <= _DEGRADATIONS[1]:
            return (
                f"DEG_COR, which the image was divided by, must be a number from {_DEGRADATIONS[0]} to "
                f"{_DEGRADATIONS[1]}; it is {degradation:g}"
            )
        return ""


def is_indexed(array: RemoteArray) -> bool:
    """Whether an array's index is in the cache."""
    return _cached(array) is not None


def read_index(array: RemoteArray) -> Index:
    """
    Read what is needed of an array's attributes, from the cache if they are there.

    Parameters
    ----------
    array : `~sunpy_mag2euv.training.data.remote_arrays.RemoteArray`

    Returns
    -------
    Index

    Raises
    ------
    FileNotFoundError
        If the array has no attributes.
    ValueError
        If they are not such lists as SDOML has, with an entry for each frame.
    ConnectionError
        If the archive does not answer.
    OSError
        If the cache cannot be written to.
    """
    if (index := _cached(array)) is not None:
        return index
    lists = array.attributes(_KEYWORDS)
    count = array.shape[0]
    if "T_OBS" not in lists:
        raise ValueError(
            f"the attributes of {array.name} must have T_OBS, with an entry for each frame; they have none"
        )
    for keyword, values in lists.items():
        if not isinstance(values, list) or len(values) != count:
            number = len(values) if isinstance(values, list) else "no list of"
            raise ValueError(
                f"{keyword} of {array.name} must have an entry for each of {count} frames; it has {number}"
            )
    index = Index(
        _times(lists["T_OBS"]),
        _numbers(lists.get("QUALITY"), count, _word, np.int64),
        _numbers(lists.get("EXPTIME"), count, _number, np.float64),
        _numbers(lists.get("DEG_COR"), count, _number, np.float64),
    )
    _keep(index, array)
    return index


def _times(texts: Sequence[object]) -> np.ndarray:
    """Unix seconds; all at once where they are as HMI and AIA write them, one by one where they are not."""
    written = [str(text).strip() for text in texts]
    times = np.full(len(written), np.nan)
    for scale, form in _WRITTEN.items():
        found = {number: match for number, text in enumerate(written) if (match := form.fullmatch(text))}
        if found:
            # All of them are as if none was, if one has a 13th month.
            with contextlib.suppress(ValueError):
                values = ["{}-{}-{}T{}".format(*match.groups()) for match in found.values()]
                times[list(found)] = Time(values, format="isot", scale=scale).utc.unix
    for number in np.flatnonzero(np.isnan(times)):
        times[number] = _time(written[number])
    return times


def _time(text: str) -> float:
    """Unix seconds of a ``T_OBS``, NaN if it is none."""
    try:
        return float(observation_time({"T_OBS": text}).unix)
    except ValueError:
        return np.nan


def _numbers(values: list | None, count: int, number: Callable, dtype: type) -> np.ndarray:
    """An array of what a list has; as of None where there is no list."""
    return np.array([number(value) for value in (values or [None] * count)], dtype=dtype)


def _word(value: object) -> int:
    word = quality_word(value)
    return -1 if word is None else word


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan


def _cached(array: RemoteArray) -> Index | None:
    """What was kept of an array; None if that is nothing, or the archive's file is another now."""
    try:
        with np.load(_path(array)) as kept:
            if str(kept["facts"]) == _facts(array):
                return Index(kept["times"], kept["qualities"], kept["exposures"], kept["degradations"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        pass
    return None


def _keep(index: Index, array: RemoteArray) -> None:
    """Put an index into the cache, as a whole or not at all."""
    path = _path(array)
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            np.savez_compressed(file, facts=np.array(_facts(array)), **dataclasses.asdict(index))
        os.replace(scratch, path)
    except OSError as error:
        raise OSError(
            f"cannot write to the cache {path.parent} ({error}); set SUNPY_MAG2EUV_CACHE to a folder that can be "
            "written to"
        ) from error


def _path(array: RemoteArray) -> Path:
    """Where an index is kept: a name for each address, that tells what it is of."""
    address = f"{array.archive.root.rstrip('/')}/{array.name}"
    name = "-".join(array.name.split("/")[-2:])
    return cache_dir() / "sdoml" / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:16]}.npz"


def _facts(array: RemoteArray) -> str:
    """What tells whether the attributes are still the same."""
    facts = array.attributes_facts
    told = [str(facts.get(name)) for name in ("size", "ETag", "LastModified", "mtime")]
    return " ".join([str(_FORMAT), str(array.shape[0]), *told])
