"""
Sensitivity: what AIA has lost of it, and which epoch the DN/s of an image refer to.

AIA sees less from year to year, most of all in 304 Å, so DN/s of different years can be compared only once they refer
to one epoch. How much was lost is in tables that aiapy reads. Only here the package asks aiapy for it.
"""

from dataclasses import dataclass
from pathlib import Path

import astropy.units as u
from astropy.table import QTable
from astropy.time import Time

__all__ = ["EPOCH_KEYWORD", "LAUNCH", "Sensitivity"]

#: The epoch that aiapy's degradation refers to.
LAUNCH = "launch"

#: Keyword of an image's header that says which epoch of AIA's sensitivity its DN/s refer to: `LAUNCH` or a date.
#: Without it, an observation is as it was taken.
EPOCH_KEYWORD = "degepoch"

#: The table that aiapy carries for its tests: version 8, of 2017 December. It is the one that can be had without a
#: network.
_CARRIED = "aia_V8_20171210_050627_response_table.txt"

#: What is left of the sensitivity, at least, for a table to be believed. Beyond the last measurement that a table rests
#: on it goes on along a straight line, which for 304 Å ends below zero. The lowest that was measured is some 0.04.
_LOWEST = 0.02


@dataclass(frozen=True)
class Sensitivity:
    """
    AIA's sensitivity since launch, from a table.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        As `aiapy.calibrate.util.get_correction_table` returns it.
    """

    table: QTable

    @classmethod
    def read(cls, source=None):
        """
        Read a table.

        Parameters
        ----------
        source : str, path-like or `~astropy.table.QTable`, optional
            What `aiapy.calibrate.util.get_correction_table` takes or returns: a file, such as
            ``aia_V10_20201119_190000_response_table.txt`` of SolarSoft, or "SSW" or "JSOC", from where the newest is
            fetched. Unless given, it is the table in version 8 that aiapy carries, which needs no network and rests on
            measurements up to 2017 December.

        Returns
        -------
        Sensitivity

        Raises
        ------
        ImportError
            If aiapy is not installed.
        ValueError
            If the file is not such a table.
        OSError
            If it cannot be read or fetched.
        """
        try:
            from aiapy.calibrate.util import get_correction_table
        except ImportError as error:
            raise ImportError(
                "AIA's sensitivity is read by aiapy, which is not installed; install it with pip install aiapy"
            ) from error
        if isinstance(source, QTable):
            return cls(source)
        if source is None:
            from aiapy.tests.data import get_test_filepath

            source = get_test_filepath(_CARRIED)
        elif str(source).upper() in ("SSW", "JSOC"):
            try:
                return cls(get_correction_table(str(source).upper()))
            except Exception as error:
                raise OSError(
                    f"cannot fetch AIA's correction table from {source} ({error}); get the file elsewhere, and give "
                    "its path"
                ) from error
        source = Path(source)
        if not source.is_file():
            raise FileNotFoundError(f"there is no correction table {source}; expected the path of an existing file")
        try:
            return cls(get_correction_table(source))
        except Exception as error:
            raise ValueError(
                f"{source} is not a correction table as aiapy reads it ({type(error).__name__}: {error})"
            ) from error

    def since_launch(self, passband, time):
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
        from aiapy.calibrate import degradation

        try:
            left = float(degradation(passband * u.angstrom, Time(time), correction_table=self.table)[0])
        except ValueError as error:
            raise ValueError(
                f"AIA's correction table in version {self.version} does not cover {passband} Å on {_day(time)}"
            ) from error
        if not left > _LOWEST:
            raise ValueError(
                f"AIA's correction table in version {self.version} rests on measurements up to {_day(self.last)} and "
                f"says nothing that can be believed of {passband} Å on {_day(time)}"
            )
        return left

    @property
    def version(self):
        """Of the table."""
        return int(max(self.table["VER_NUM"]))

    @property
    def last(self):
        """Time of the table: up to then it rests on measurements, and goes on from there as before."""
        return Time(max(str(date) for date in self.table["DATE"]), scale="utc")

    def extrapolates(self, time):
        """Whether a time is later than all that the table rests on."""
        return bool(Time(time) > self.last)


def _day(time):
    return Time(time).utc.strftime("%Y-%m-%d")
