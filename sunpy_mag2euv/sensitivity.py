"""
Sensitivity: what AIA has lost of it, and which epoch the DN/s of an image refer to.

AIA sees less from year to year, most of all in 304 Å, so DN/s of different years can be compared only once they refer
to one epoch. How much was lost is in tables that aiapy reads. Only here the package asks aiapy for it.

Files of level 1 and 1.5 are as taken, and ``aiapy.calibrate.correct_degradation`` leaves no mark in the header: who has
used it says so with ``map.meta["degepoch"] = "launch"``.
"""

import contextlib
import importlib
import inspect
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import astropy.units as u
from astropy.table import QTable, Table
from astropy.time import Time
from sunpy.map import GenericMap

from sunpy_mag2euv.aia import EPOCH_KEYWORD, is_observation
from sunpy_mag2euv.maps import brief, shown
from sunpy_mag2euv.passbands import get_passband

__all__ = [
    "ADVICE",
    "AS_TAKEN",
    "LAUNCH",
    "Correction",
    "Sensitivity",
    "aiapy_tables",
    "describe_epoch",
    "divided_out",
    "epoch_of",
    "find_correction",
]

#: The epoch that aiapy's degradation refers to.
LAUNCH = "launch"

#: The epoch of an observation that nothing was done to: its own time.
AS_TAKEN = "as taken"

#: Keyword of SDOML's images (Galvez et al. 2019, doi:10.3847/1538-4365/ab1005): the degradation that was divided out.
_DIVIDED_OUT = "deg_cor"

#: What can be done about an image that does not say its epoch.
ADVICE = "say with map.meta['degepoch'] = 'launch', or a date, at which epoch an image is"

#: And where AIA's sensitivity is not known, or not well. To say an epoch that the image is not at would do harm.
_CORRECT = (
    "correct the image by other means, and say with map.meta['degepoch'] = 'launch', or a date, at which epoch it is"
)

#: What is the matter without aiapy, and what to do.
_WITHOUT_AIAPY = (
    "AIA's sensitivity is read by aiapy, which is not installed",
    'install it with pip install "sunpy_mag2euv[aia]"',
)

#: What `Sensitivity` needs of a table.
_COLUMNS = {"DATE", "VER_NUM", "WAVE_STR", "T_START", "T_STOP", "EFF_AREA", "EFFA_P1", "EFFA_P2", "EFFA_P3"}

#: The table that aiapy carries for its tests: version 8, of 2017 December. It is the one that can be had without a
#: network.
_CARRIED = "aia_V8_20171210_050627_response_table.txt"

#: What is left of the sensitivity, at least, for a table to be believed. Beyond the last measurement that a table rests
#: on it goes on along a straight line, which for 304 Å ends below zero. The lowest that was measured is some 0.04.
_LOWEST = 0.02

#: And at most: it has never been more than at launch, but for what measurements are uncertain by.
_HIGHEST = 1.2

#: Between these is what anyone divides by, whatever the table: what is not has been multiplied, or is in other units.
_DIVISORS = (0.01, 2)


@dataclass(frozen=True)
class Sensitivity:
    """
    AIA's sensitivity since launch, from a table.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        As aiapy's ``get_correction_table`` returns it.
    """

    table: QTable = field(repr=False)

    @classmethod
    def read(cls, source: Any = None) -> "Sensitivity":
        """
        Read a table.

        Parameters
        ----------
        source : str, path-like, `~astropy.table.QTable` or Sensitivity, optional
            What aiapy's ``get_correction_table`` takes or returns: a file, such as
            ``aia_V10_20201119_190000_response_table.txt`` of SolarSoft, or "SSW" or "JSOC", from where the newest is
            fetched. Unless given, it is the table in version 8 that aiapy carries, which needs no network and rests on
            measurements up to 2017 December. What has been read already is returned as it is.

        Returns
        -------
        Sensitivity

        Raises
        ------
        ImportError
            If aiapy is not installed.
        TypeError
            If ``source`` is nothing of the above.
        ValueError
            If the file or table is not such a table.
        OSError
            If it cannot be read or fetched.
        """
        if isinstance(source, cls):
            return source
        try:
            get_correction_table = aiapy_tables().get_correction_table
        except ImportError as error:
            raise ImportError("; ".join(_WITHOUT_AIAPY)) from error
        if isinstance(source, Table):
            if not (set(source.colnames) >= _COLUMNS and isinstance(source["T_START"], Time) and len(source)):
                raise ValueError(
                    "the correction table must be one that aiapy's get_correction_table has returned; "
                    f"this one has the columns {', '.join(source.colnames) or 'of none'}"
                )
            try:
                return cls(_newest(source))
            except Exception as error:
                raise ValueError(
                    "the correction table must be one that aiapy's get_correction_table has returned; this one cannot "
                    f"be read ({type(error).__name__}: {error})"
                ) from error
        if source is None:
            from aiapy.tests.data import get_test_filepath

            source = get_test_filepath(_CARRIED)
        elif str(source).upper() in ("SSW", "JSOC"):
            try:
                return cls(_newest(get_correction_table(str(source).upper())))
            except Exception as error:
                raise OSError(
                    f"cannot fetch AIA's correction table from {source} ({error}); get the file elsewhere, and give "
                    "its path"
                ) from error
        try:
            source = Path(source)
        except TypeError:
            raise TypeError(
                f"the correction table must be a file, 'SSW', 'JSOC' or a table; got {type(source).__name__}"
            ) from None
        if not source.is_file():
            raise FileNotFoundError(f"there is no correction table {source}; expected the path of an existing file")
        try:
            return cls(_newest(get_correction_table(source)))
        except Exception as error:
            raise ValueError(
                f"{source} is not a correction table as aiapy reads it ({type(error).__name__}: {error})"
            ) from error

    def since_launch(self, passband: int, time: Time) -> float:
        """
        What is left of the sensitivity at launch.

        Parameters
        ----------
        passband : int
            In angstrom.
        time : `~astropy.time.Time`

        Returns
        -------
        float
            What DN/s have to be divided by to be those of AIA at launch.

        Raises
        ------
        ValueError
            If the table does not cover the time, or is not to be believed then.
        """
        with _logging_as_it_is():
            from aiapy.calibrate import degradation

        # Later releases have to be told the version, or look for the newest.
        told = "calibration_version" in inspect.signature(degradation).parameters
        settings = {"correction_table": self.table} | (
            {"calibration_version": self._version_of(passband)} if told else {}
        )
        try:
            left = float(degradation(passband * u.angstrom, Time(time), **settings)[0])
        except ValueError as error:
            raise ValueError(
                f"AIA's correction table in version {self.version} does not cover {passband} Å on {_day(time)}"
            ) from error
        if not _LOWEST < left < _HIGHEST:
            raise ValueError(
                f"AIA's correction table in version {self.version} rests on measurements up to {_day(self.last)} and "
                f"says nothing that can be believed of {passband} Å on {_day(time)}"
            )
        return left

    def _version_of(self, passband: int) -> int:
        """Newest of a passband, which may be older than that of others."""
        channels = [str(channel).split("_")[0] for channel in self.table["WAVE_STR"]]
        found = [
            int(row) for row, channel in zip(self.table["VER_NUM"], channels, strict=True) if channel == f"{passband}"
        ]
        return max(found, default=self.version)

    @property
    def version(self) -> int:
        """Of the table."""
        return int(max(self.table["VER_NUM"]))

    @property
    def last(self) -> Time:
        """Time of the table: up to then it rests on measurements, and goes on from there as before."""
        return Time(max(str(date) for date in self.table["DATE"]), scale="utc")

    def extrapolates(self, time: Time) -> bool:
        """Whether a time is later than all that the table rests on."""
        return bool(Time(time) > self.last)


@dataclass(frozen=True)
class Correction:
    """
    What brings an image to another epoch of AIA's sensitivity.

    Attributes
    ----------
    divisor : float or None
        What its DN/s have to be divided by; None if nobody knows.
    text : str
        From which epoch to which and by what table, or why that is not known.
    advice : str
        What to do if that will not do.
    extrapolated : bool
        Whether the table had to be extrapolated; ``text`` says from when on.
    known : bool
        Whether the divisor follows from AIA's sensitivity.
    """

    divisor: float | None
    text: str
    advice: str = f"give a newer table as correction_table, or {_CORRECT}"
    extrapolated: bool = False
    known: bool = True


def epoch_of(image: GenericMap, name: str = "the image") -> str | None:
    """
    Find out which epoch of AIA's sensitivity an image's DN/s refer to.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        An observed AIA image or a synthetic one.
    name : str, optional
        What to call it.

    Returns
    -------
    str or None
        What the keyword ``DEGEPOCH`` says: `LAUNCH`, or a time as ISO has it. Without it, `LAUNCH` if ``DEG_COR`` says
        that degradation was divided out, as in SDOML (Galvez et al. 2019, doi:10.3847/1538-4365/ab1005), and `AS_TAKEN`
        for any other observation by AIA. None for others, since nobody knows.

    Raises
    ------
    ValueError
        If ``DEGEPOCH`` says anything else, or ``DEG_COR`` no number that can be a sensitivity in units of that at
        launch.
    """
    if (said := image.meta.get(EPOCH_KEYWORD)) is not None:
        try:
            return _epoch(said)
        except ValueError:
            raise ValueError(
                f"{name} must say with {EPOCH_KEYWORD.upper()} which epoch of AIA's sensitivity it refers to, 'launch' "
                f"or a date; it says {shown(said)}. Correct it, or remove it from map.meta if the image is as it was "
                "taken"
            ) from None
    if (divided_out := image.meta.get(_DIVIDED_OUT)) is not None:
        try:
            if _DIVISORS[0] < float(divided_out) < _DIVISORS[1] and not isinstance(divided_out, bool):
                return LAUNCH
        except (TypeError, ValueError, OverflowError):
            pass
        raise ValueError(
            f"{name} must say with DEG_COR by what degradation it was divided, a number from {_DIVISORS[0]} to "
            f"{_DIVISORS[1]}; it says {shown(divided_out)}. Correct it, or remove it from map.meta if the image is as "
            "it was taken"
        )
    return AS_TAKEN if is_observation(image.meta) else None


def find_correction(image: GenericMap, epoch: str | Time, sensitivity: Sensitivity | None = None) -> Correction:
    """
    Find out what an image's DN/s have to be divided by to refer to another epoch of AIA's sensitivity.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        An observed AIA image or a synthetic one.
    epoch : str or `~astropy.time.Time`
        `LAUNCH`, or a time.
    sensitivity : Sensitivity, optional
        By what table. Unless given, it is that of ``Sensitivity.read()``, if it is needed.

    Returns
    -------
    Correction

    Raises
    ------
    ValueError
        If ``epoch`` or the image's ``DEGEPOCH`` is neither.
    """
    own, epoch = epoch_of(image), _epoch(epoch)
    if own is None:
        text = f"the {brief(image.instrument)} image does not say its epoch of AIA's sensitivity"
        return Correction(None, text, ADVICE, known=False)
    epochs = _epoch(image.date) if own == AS_TAKEN else own, epoch
    if epochs[0] == epochs[1]:
        return Correction(1.0, f"from AIA's sensitivity {describe_epoch(epoch)}, where it is already")
    passband = get_passband(image.wavelength).angstrom
    try:
        sensitivity = sensitivity or Sensitivity.read()
        divisor = _ratio(sensitivity, passband, *epochs)
    except ImportError:
        text, advice = _WITHOUT_AIAPY
        return Correction(None, text, f"{advice}, or {_CORRECT}", known=False)
    except (OSError, ValueError) as error:
        return Correction(None, str(error), known=False)
    words = " to that ".join(map(describe_epoch, epochs))
    text = f"from AIA's sensitivity {words}, by version {sensitivity.version} of its correction table"
    if extrapolated := any(time != LAUNCH and sensitivity.extrapolates(time) for time in epochs):
        text += f", which is extrapolated from {_day(sensitivity.last)} on"
    return Correction(divisor, text, extrapolated=extrapolated)


def divided_out(image: GenericMap) -> float:
    """
    Find out what an observation's DN or DN/s were divided by since it was taken, which its saturated pixels were, too.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        An observed AIA image or a synthetic one.

    Returns
    -------
    float
        By ``DEG_COR``, or by the table of ``Sensitivity.read()`` if the image says its epoch alone. 1 for images as
        taken, for others than observations, and where it is not known.
    """
    epoch = epoch_of(image)
    if epoch in (AS_TAKEN, None) or not is_observation(image.meta):
        return 1.0
    if image.meta.get(EPOCH_KEYWORD) is None:
        return float(image.meta[_DIVIDED_OUT])
    try:
        return _ratio(Sensitivity.read(), get_passband(image.wavelength).angstrom, _epoch(image.date), epoch)
    except (ImportError, OSError, ValueError):
        return 1.0


def _ratio(sensitivity: Sensitivity, passband: int, *epochs: Any) -> float:
    """Sensitivity at one epoch in units of that at another."""
    before, after = (1.0 if time == LAUNCH else sensitivity.since_launch(passband, time) for time in epochs)
    return before / after


def _newest(table: Table) -> Table:
    """
    The newest version of a table for each channel, in the order of time.

    The JSOC has all versions in one table, and some releases of aiapy take launch for what comes first in it.
    """
    table = QTable(table)
    newest: dict[str, int] = {}
    for channel, version in zip(table["WAVE_STR"], table["VER_NUM"], strict=True):
        newest[str(channel)] = max(int(version), newest.get(str(channel), 0))
    rows = [
        int(version) == newest[str(channel)]
        for channel, version in zip(table["WAVE_STR"], table["VER_NUM"], strict=True)
    ]
    table = table[rows]
    if not len(table):
        raise ValueError("it has no rows")
    # What `Sensitivity.last` needs, said before it is needed.
    Time([str(date) for date in table["DATE"]])
    return table[np.argsort(table["T_START"].jd, kind="stable")]


def aiapy_tables() -> ModuleType:
    """
    The module of aiapy that has its tables, which releases spell in two ways.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If aiapy is not installed.
    """
    with _logging_as_it_is():
        try:
            return importlib.import_module("aiapy.calibrate.utils")
        except ImportError:
            return importlib.import_module("aiapy.calibrate.util")


@contextlib.contextmanager
def _logging_as_it_is() -> Iterator[None]:
    """
    Keep what is imported from setting up logging for the whole process, unless somebody has.

    drms, which aiapy needs, does so: what sunpy and all others log, INFO included, would be printed once more by it.
    """
    # Where there is a handler, `logging.basicConfig` does nothing.
    placeholder = logging.NullHandler()
    logging.getLogger().addHandler(placeholder)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(placeholder)


def describe_epoch(epoch: str) -> str:
    """An epoch as it comes after "AIA's sensitivity"."""
    return "at launch" if epoch == LAUNCH else f"of {_day(epoch)}"


def _epoch(epoch: Any) -> str:
    """`LAUNCH`, or a time in one spelling, so that equal ones are equal."""
    if isinstance(epoch, str) and epoch.strip().lower() == LAUNCH:
        return LAUNCH
    try:
        if isinstance(epoch, str | Time):
            return Time(epoch).utc.isot
    except ValueError:
        pass
    raise ValueError(f"an epoch of AIA's sensitivity must be 'launch' or a date; got {shown(epoch)}")


def _day(time: str | Time) -> str:
    return Time(time).utc.strftime("%Y-%m-%d")
