"""What AIA has lost of its sensitivity: aiapy's numbers, and what no table says."""

import sys

import numpy as np
import pytest
from sdo_files import correction_table

import astropy.units as u
from aiapy.calibrate import degradation
from aiapy.calibrate.util import get_correction_table
from astropy.time import Time

from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.sensitivity import Sensitivity


@pytest.fixture(scope="module")
def carried():
    """The table that needs no network."""
    return Sensitivity.read()


@pytest.fixture
def file(tmp_path):
    correction_table((171,)).write(tmp_path / "table.txt", format="ascii.fixed_width_two_line")
    return tmp_path / "table.txt"


def test_the_table_that_aiapy_carries(carried):
    assert carried.version == 8
    assert carried.last.strftime("%Y-%m") == "2017-12"
    for band in PASSBANDS:
        assert 0.9 < carried.since_launch(band, "2010-05-01") <= 1
    # As the project's notes on levels have it.
    for time, expected in (("2010-05-15", 0.92), ("2011-03-01", 0.56), ("2012-06-15", 0.34), ("2015-03-03", 0.12)):
        assert carried.since_launch(304, time) == pytest.approx(expected, abs=0.01)


def test_is_that_of_aiapy(carried):
    for band, time in ((94, "2012-03-01"), (1600, "2016-01-01T12:00:00")):
        expected = degradation(band * u.AA, Time(time), correction_table=carried.table)[0].value
        assert carried.since_launch(band, Time(time)) == expected


def test_tables_come_from_files_and_from_memory(file):
    for source in (file, str(file), get_correction_table(file)):
        table = Sensitivity.read(source)
        assert table.version == 10
        assert table.since_launch(171, "2010-03-25") == pytest.approx(1 - 2e-4 + 1e-8)


def test_what_is_later_than_the_table_is_told_apart(carried):
    assert not carried.extrapolates("2017-12-01")
    assert carried.extrapolates("2017-12-11")


@pytest.mark.parametrize(
    ("band", "time", "message"),
    [
        (
            304,
            "2022-01-01",
            "version 8 rests on measurements up to 2017-12-10 and says nothing .* 304 Å on 2022-01-01",
        ),
        (171, "2035-01-01", r"version 8 does not cover 171 Å on 2035-01-01"),
        (171, "2009-01-01", r"version 8 does not cover 171 Å on 2009-01-01"),
    ],
)
@pytest.mark.filterwarnings("ignore:ERFA function")
def test_what_no_table_says(carried, band, time, message):
    with pytest.raises(ValueError, match=message):
        carried.since_launch(band, time)


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no correction table .*absent"):
        Sensitivity.read(tmp_path / "absent")
    (tmp_path / "other.txt").write_text("a b\n1 2\n")
    with pytest.raises(ValueError, match=r"other\.txt is not a correction table as aiapy reads it"):
        Sensitivity.read(tmp_path / "other.txt")


@pytest.mark.parametrize("source", ["SSW", "jsoc"])
def test_tables_that_cannot_be_fetched(source, monkeypatch):
    def down(asked):
        raise ConnectionError(f"{asked} is down")

    monkeypatch.setattr("aiapy.calibrate.util.get_correction_table", down)
    with pytest.raises(OSError, match=rf"cannot fetch AIA's correction table from {source} \({source.upper()} is down"):
        Sensitivity.read(source)


def test_without_aiapy(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiapy.calibrate.util", None)
    with pytest.raises(ImportError, match="which is not installed; install it with pip install aiapy"):
        Sensitivity.read()


def test_falls_from_year_to_year(carried):
    for band in (131, 211, 304, 335, 1600):
        years = [carried.since_launch(band, f"{year}-06-01") for year in (2010, 2012, 2014, 2016)]
        assert (np.diff(years) < 0).all()
