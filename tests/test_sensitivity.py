"""What AIA has lost of its sensitivity: aiapy's numbers, and what no table says."""

import numpy as np
import pytest
from aia_images import make_aia
from sdo_files import correction_table
from without_aiapy import remove_aiapy

import astropy.units as u
import sunpy.map
from aiapy.calibrate import correct_degradation, degradation
from astropy.table import QTable, Table, vstack
from astropy.time import Time

from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.sensitivity import (
    AS_TAKEN,
    LAUNCH,
    Sensitivity,
    aiapy_tables,
    describe_epoch,
    divided_out,
    epoch_of,
    find_correction,
)


@pytest.fixture(scope="module")
def carried():
    """The table that needs no network."""
    return Sensitivity.read()


@pytest.fixture
def file(tmp_path):
    correction_table((171, 1600)).write(tmp_path / "table.txt", format="ascii.fixed_width_two_line")
    return tmp_path / "table.txt"


def test_the_table_that_aiapy_carries(carried):
    assert carried.version == 8
    assert carried.last.strftime("%Y-%m") == "2017-12"
    for band in PASSBANDS:
        assert 0.9 < carried.since_launch(band, "2010-05-01") <= 1
    # As the project's notes on levels have it.
    for time, expected in (("2010-05-15", 0.92), ("2011-03-01", 0.56), ("2012-06-15", 0.34), ("2015-03-03", 0.12)):
        assert carried.since_launch(304, time) == pytest.approx(expected, abs=0.01)


def test_is_that_of_aiapy(file):
    """By a table of version 10, which is what all releases ask for by themselves."""
    sensitivity = Sensitivity.read(file)
    for band, time in ((171, "2012-03-01"), (1600, "2016-01-01T12:00:00")):
        expected = degradation(band * u.AA, Time(time), correction_table=sensitivity.table)[0].value
        assert sensitivity.since_launch(band, Time(time)) == expected


def test_tables_come_from_files_and_from_memory(file):
    for source in (file, str(file), aiapy_tables().get_correction_table(file)):
        table = Sensitivity.read(source)
        assert table.version == 10
        assert table.since_launch(171, "2010-03-25") == pytest.approx(1 - 2e-4 + 1e-8)
        assert Sensitivity.read(table) is table


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


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (10, TypeError, "the correction table must be a file, 'SSW', 'JSOC' or a table; got int"),
        (QTable({"a": [1]}), ValueError, "get_correction_table has returned; this one has the columns a$"),
        (Table(), ValueError, "get_correction_table has returned; this one has the columns of none$"),
        # As it is in the file, before aiapy has made times of the text.
        (correction_table(), ValueError, "get_correction_table has returned; this one has the columns DATE, "),
    ],
    ids=repr,
)
def test_what_is_no_table(source, error, message):
    with pytest.raises(error, match=message):
        Sensitivity.read(source)


def test_a_table_that_somebody_has_changed(file):
    table = Sensitivity.read(file).table
    table["VER_NUM"] = ["ten"] * len(table)
    with pytest.raises(ValueError, match=r"get_correction_table has returned; this one cannot be read \(ValueError: "):
        Sensitivity.read(table)


@pytest.mark.parametrize("source", ["SSW", "jsoc"])
def test_tables_that_cannot_be_fetched(source, monkeypatch):
    def down(asked):
        raise ConnectionError(f"{asked} is down")

    monkeypatch.setattr(aiapy_tables(), "get_correction_table", down)
    with pytest.raises(OSError, match=rf"cannot fetch AIA's correction table from {source} \({source.upper()} is down"):
        Sensitivity.read(source)


def test_without_aiapy(monkeypatch):
    remove_aiapy(monkeypatch)
    with pytest.raises(ImportError, match=r'not installed; install it with pip install "sunpy_mag2euv\[aia\]"'):
        Sensitivity.read()


def test_falls_from_year_to_year(carried):
    for band in (131, 211, 304, 335, 1600):
        years = [carried.since_launch(band, f"{year}-06-01") for year in (2010, 2012, 2014, 2016)]
        assert (np.diff(years) < 0).all()


# -- Images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({}, AS_TAKEN),
        ({"lvl_num": 1}, AS_TAKEN),
        ({"instrume": "AIA_SAMPLE"}, AS_TAKEN),
        ({"instrume": "AIA_SYNTHETIC"}, None),
        ({"instrume": "AIA_GENERATED"}, None),
        ({"instrume": "EIT"}, None),
        ({"degepoch": "launch"}, LAUNCH),
        ({"degepoch": " LAUNCH "}, LAUNCH),
        ({"degepoch": "2011-01-01"}, "2011-01-01T00:00:00.000"),
        ({"degepoch": "2011-01-01T12:00"}, "2011-01-01T12:00:00.000"),
        ({"instrume": "AIA_SYNTHETIC", "degepoch": "launch"}, LAUNCH),
        ({"instrume": "EIT", "degepoch": "2011-01-01"}, "2011-01-01T00:00:00.000"),
        ({"deg_cor": 0.89}, LAUNCH),
        ({"deg_cor": 1}, LAUNCH),
        # 304 angstrom at its worst, and what a table may have at first
        ({"deg_cor": 0.03}, LAUNCH),
        ({"deg_cor": 1.1}, LAUNCH),
        ({"deg_cor": "0.89"}, LAUNCH),
        ({"deg_cor": 0.89, "degepoch": "2011-01-01"}, "2011-01-01T00:00:00.000"),
    ],
    ids=repr,
)
def test_epochs_of_images(keywords, expected):
    assert epoch_of(make_aia(size=4, **keywords)) == expected


@pytest.mark.parametrize("said", ["", "yesterday", "2011-13-01", 2011.0, True, "as taken"], ids=repr)
def test_epochs_that_are_none(said):
    with pytest.raises(ValueError, match=r"^image 2 must say with DEGEPOCH .*, 'launch' or a date; it says ") as error:
        epoch_of(make_aia(size=4, degepoch=said), "image 2")
    assert repr(said) in str(error.value)
    assert "\n" not in str(error.value)


def test_epochs_in_words():
    assert describe_epoch(LAUNCH) == "at launch"
    assert describe_epoch("2011-01-01T12:00:00.000") == "of 2011-01-01"


@pytest.mark.parametrize("band", [171, 304, 1600])
def test_corrections(carried, band):
    taken = make_aia(size=4, wavelength=band)
    left, early = carried.since_launch(band, taken.date), carried.since_launch(band, "2011-01-01")
    to_launch = find_correction(taken, LAUNCH)
    assert to_launch.divisor == left < 1
    assert not to_launch.extrapolated
    assert to_launch.text == (
        "from AIA's sensitivity of 2014-01-15 to that at launch, by version 8 of its correction table"
    )
    assert find_correction(taken, "2011-01-01").divisor == pytest.approx(left / early)
    assert find_correction(taken, Time("2011-01-01")).divisor == pytest.approx(left / early)
    at_launch = make_aia(size=4, wavelength=band, degepoch="launch")
    assert find_correction(at_launch, "2011-01-01").divisor == pytest.approx(1 / early)


def test_corrections_by_another_table(file):
    sensitivity = Sensitivity.read(file)
    correction = find_correction(make_aia(size=4, wavelength=171), LAUNCH, sensitivity)
    assert correction.divisor == sensitivity.since_launch(171, "2014-01-15")
    assert "by version 10 of" in correction.text


def test_nothing_to_correct_needs_no_table(monkeypatch):
    remove_aiapy(monkeypatch)
    for epoch in ("launch", "2011-01-01", "2014-01-15T00:00:00"):
        assert find_correction(make_aia(size=4, degepoch=epoch), epoch).divisor == 1
    assert find_correction(make_aia(size=4), Time("2014-01-15")).divisor == 1


def test_extrapolated_corrections(carried):
    late = make_aia(size=4, date="2020-06-01T00:00:00")
    correction = find_correction(late, LAUNCH)
    assert correction.divisor == carried.since_launch(193, "2020-06-01")
    assert correction.extrapolated
    assert correction.text.endswith("of its correction table, which is extrapolated from 2017-12-10 on")
    # To a late epoch, too
    assert find_correction(make_aia(size=4), "2020-06-01").extrapolated


def test_corrections_that_nobody_knows(monkeypatch):
    late = find_correction(make_aia(size=4, wavelength=304, date="2025-01-13T00:00:00"), LAUNCH)
    assert late.divisor is None
    assert late.text.endswith("says nothing that can be believed of 304 Å on 2025-01-13")
    silent = find_correction(make_aia(size=4, instrume="AIA_SYNTHETIC"), LAUNCH)
    assert silent.divisor is None
    assert silent.text == "the AIA SYNTHETIC image does not say its epoch of AIA's sensitivity"
    with pytest.raises(ValueError, match="an epoch of AIA's sensitivity must be 'launch' or a date; got 'now'"):
        find_correction(make_aia(size=4), "now")

    remove_aiapy(monkeypatch)
    without = find_correction(make_aia(size=4), LAUNCH)
    assert without.divisor is None
    assert without.text.endswith("which is not installed")
    assert without.advice.startswith('install it with pip install "sunpy_mag2euv[aia]", or correct the image')


def test_what_aiapy_has_corrected_is_said_by_hand(file):
    """It leaves no mark, so that without a word the correction is made once more."""
    taken = make_aia(size=4, wavelength=171)
    sensitivity = Sensitivity.read(file)
    corrected = correct_degradation(taken, correction_table=sensitivity.table)
    assert corrected.data == pytest.approx(taken.data / sensitivity.since_launch(171, taken.date))
    assert epoch_of(corrected) == AS_TAKEN
    corrected.meta["degepoch"] = "launch"
    assert epoch_of(corrected) == LAUNCH


@pytest.mark.parametrize(
    "said",
    ["none", np.nan, 0.0, True, [0.89, 0.9], -0.5, 1e-9, 5000.0, "1e-9", 10**400],
    ids=lambda said: str(said)[:9],
)
def test_degradation_that_was_divided_out_is_a_number_that_can_be(said):
    message = (
        "the second one must say with DEG_COR by what degradation it was divided, a number from 0.01 to 2; it says "
    )
    with pytest.raises(ValueError, match=f"^{message}"):
        epoch_of(sunpy.map.Map(np.ones((4, 4)), {**make_aia(size=4).meta, "deg_cor": said}), "the second one")


@pytest.mark.parametrize("epoch", [{}, {"degepoch": None}], ids=["none", "empty"])
def test_what_was_divided_out(epoch):
    """An empty keyword says as little as none."""
    meta = {**make_aia(size=4).meta, **epoch}
    assert divided_out(sunpy.map.Map(np.ones((4, 4)), meta)) == 1
    assert divided_out(sunpy.map.Map(np.ones((4, 4)), {**meta, "deg_cor": 0.5})) == 0.5


def test_the_newest_version_of_each_channel_counts(tmp_path):
    """As in the JSOC's table, which has all versions, whatever their order."""
    newest = correction_table((171, 1600))
    older = newest.copy()
    older["VER_NUM"] = 3
    older["EFF_AREA"] *= [2.0, 1.0, 2.0, 1.0]
    only_one_newer = newest[newest["WAVE_STR"] == "171_THIN"]
    only_one_newer["VER_NUM"] = 11
    only_one_newer["EFFA_P1"] *= 2
    expected = {}
    tables = {"newest": newest, "all": vstack([older, newest[::-1]]), "one": vstack([newest, only_one_newer])}
    for name, table in tables.items():
        table.write(tmp_path / f"{name}.txt", format="ascii.fixed_width_two_line")
        sensitivity = Sensitivity.read(tmp_path / f"{name}.txt")
        expected[name] = [sensitivity.since_launch(band, "2014-01-15") for band in (171, 1600)]
    assert expected["all"] == expected["newest"]
    assert expected["one"][1] == expected["newest"][1]
    assert expected["one"][0] < expected["newest"][0] - 0.1


def test_a_sensitivity_above_that_at_launch_is_not_believed(tmp_path):
    table = correction_table((171,))
    table["EFF_AREA"] = [1.0, 2.7]
    table.write(tmp_path / "table.txt", format="ascii.fixed_width_two_line")
    with pytest.raises(ValueError, match="says nothing that can be believed of 171 Å on 2014-01-15"):
        Sensitivity.read(tmp_path / "table.txt").since_launch(171, "2014-01-15")
