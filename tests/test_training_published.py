import re

import numpy as np
import pytest
from training_store import configure, make_run, make_store, manifest

from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.cli import main
from sunpy_mag2euv.field_kinds import LINE_OF_SIGHT, SDOML_BZ
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.card import BASELINES, SCORES
from sunpy_mag2euv.training.learning.published import beside, differences, load_published, statements, write_beside

PAPER = load_published("park2019")

#: Of the paper: one frame to train on, one to watch, two to score.
DAYS = ("2014-01-01", "2017-03-01", "2017-07-02", "2017-12-30")


def test_the_paper_s_numbers_have_the_means_that_are_known_of_them():
    assert PAPER["cc"].keys() == PAPER["re"].keys() == {"94", "131", "171", "193", "211", "304", "335", "1600", "1700"}
    cc, re_ = (np.array(list(PAPER[score].values())) for score in ("cc", "re"))
    np.testing.assert_allclose(cc.mean(axis=0), [0.838, 0.807], atol=6e-4)
    np.testing.assert_allclose(abs(re_).mean(axis=0), [0.067, 0.064], atol=6e-4)
    np.testing.assert_allclose(re_.mean(axis=0), [-0.007, 0.007], atol=6e-4)
    assert "doi:10.3847/2041-8213/ab46bb" in PAPER["source"]
    assert "ppe10" not in PAPER


def scored(band):
    """Scores of two images of a passband, by a network and a baseline."""
    rows = [
        (
            band,
            str(rotation),
            rotation,
            2010,
            5.0,
            200.0,
            method,
            "disk",
            *(cc - 0.1 * (score != "cc") for score in SCORES),
        )
        for method, ccs in (("net", (0.8, 0.9)), ("climatology", (0.4, 0.4)))
        for rotation, cc in zip((2100.1, 2101.1), ccs, strict=True)
    ]
    names = ("passband", "frame", "rotation", "year", "field", "observed", "method", "region", *SCORES)
    return Table(rows=rows, names=names)


def test_means_stand_beside_the_paper_s():
    images = scored(193)
    found = beside(images, PAPER)
    (row,) = found
    assert (row["passband"], row["method"], row["images"]) == (193, "net", 2)
    assert row["cc"] == pytest.approx(0.85)
    assert row["cc_low"] < row["cc"] < row["cc_high"]
    assert [row["cc_A"], row["cc_B"], row["re_A"], row["re_B"]] == [*PAPER["cc"]["193"], *PAPER["re"]["193"]]
    assert not {name for name in found.colnames if name.startswith("ppe10_") and name[-1].isupper()}
    assert not set(found["method"]) & set(BASELINES)


def test_passbands_that_a_paper_does_not_have_are_empty():
    images = scored(4500)
    found = beside(images, PAPER)
    assert np.isnan([found["cc_A"][0], found["re_B"][0]]).all()


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores of a small grid, and of one that is like the paper's in everything but what is in it."""
    directory = tmp_path_factory.mktemp("published")
    make_store(directory / "small")
    frames = manifest(range(2000, 2000 + len(DAYS)))
    frames["time"] = Time(list(DAYS))
    store = Store.create(
        directory / "paper",
        Grid((1024, 1024), 392.0),
        frames,
        (193, 1600),
        provenance="made up",
        calibration={193: "", 1600: ""},
        epochs={193: "2011-01-01"},
    )
    return {"small": Store.open(directory / "small"), "paper": store}


def images_of(store, rows, binning):
    """A table that names frames of a store."""
    names = [str(store.frames["name"][row]) for row in rows]
    bands = [band for band in store.passbands for _ in names]
    return Table({"passband": bands, "frame": names * len(store.passbands)}, meta={"binning": binning})


BY_DATE = {"split": {"method": "park2019"}}


def test_what_is_as_in_the_paper_is_no_difference(stores):
    images = images_of(stores["paper"], (2, 3), 4)
    assert differences(images, BY_DATE, stores["paper"], PAPER) == []
    ours, theirs = statements(images, BY_DATE, stores["paper"], PAPER)
    assert ours == (
        "Scored here: 2 frames, 2017-07-02 to 2017-12-30, split by date; 1024 × 1024 pixels, solar radius 392 pixels, "
        "binning 4; made up."
    )
    assert theirs.startswith("A and B: Park et al. 2019, ApJL 884 L23, ")
    assert "727 frames, 2017-07-01 to 2017-12-31, split by date; 1024 × 1024 pixels, solar radius 392" in theirs
    assert theirs.endswith("binning 4. It has no numbers of PPE10 here.")


def test_every_difference_is_named(stores):
    small = stores["small"]
    images = images_of(small, (10, 11), 1)
    found = differences(images, {"split": {"method": "rotations"}}, small, PAPER)
    assert found == [
        "the solar radius is 13 pixels, the paper's is 392",
        "images are scored at a solar radius of 13 pixels, the paper's at one of 98",
        "DN/s in 171, 193 Å are not brought to one sensitivity of AIA, the paper's refer to AIA's sensitivity at "
        "2011-01-01",
        "frames are split by rotation, the paper's by date",
        "2 of 2 frames are not of the paper's months, 2017-07-01 to 2017-12-31",
    ]
    said = statements(images, {"split": {"method": "rotations"}}, small, PAPER)
    assert said[2:] == [f"Not the same: {difference}." for difference in found]


def test_levels_fields_and_binning_are_compared_by_themselves(stores):
    paper = stores["paper"]
    paper.epochs = {193: "launch", 1600: "launch"}
    assert differences(images_of(paper, (2,), 8), BY_DATE, paper, PAPER) == [
        "images are scored at a solar radius of 49 pixels, the paper's at one of 98",
        "DN/s in 193 Å refer to AIA's sensitivity at launch, the paper's refer to AIA's sensitivity at 2011-01-01",
        "DN/s in 1600 Å refer to AIA's sensitivity at launch, the paper's are not brought to one sensitivity of AIA",
    ]
    paper.epochs, paper.field_kind = {193: "2011-01-01"}, SDOML_BZ
    assert differences(images_of(paper, (2,), 4), BY_DATE, paper, PAPER) == [
        "fields are Bz of SDOML, the line-of-sight component of HMI's inverted vector field, the paper's line-of-sight "
        "magnetograms"
    ]
    paper.field_kind = LINE_OF_SIGHT
    assert differences(images_of(paper, (1, 2), 4), BY_DATE, paper, PAPER) == [
        "1 of 2 frames are not of the paper's months, 2017-07-01 to 2017-12-31"
    ]


def test_the_table_is_written_with_what_is_said_of_it(tmp_path):
    images = scored(304)
    write_beside(beside(images, PAPER), ["One.", "Two."], tmp_path / "table.rst", "Beside")
    text = (tmp_path / "table.rst").read_text(encoding="utf-8")
    cells = [cell.strip() for cell in re.findall(r"^ {3}[* ] ?- (.*)$", text, re.MULTILINE)]
    # Lines of cells are blocks of lines, with one bar each.
    assert re.fullmatch(r"\| −?0\.\d{3}", cells[13])
    assert len(re.findall(r"^ {7}\| \S+…\S+$", text, re.MULTILINE)) == 3
    assert "| |" not in text
    assert cells[:10] == ["Passband (Å)", "Model", "Images", "CC", "A", "B", "RE", "A", "B", "PPE10"]
    assert cells[10:13] == ["304", "net", "2"]
    assert cells[14:16] == ["0.84", "0.83"]
    assert cells[17:19] == ["−0.18", "−0.17"]
    assert text.endswith("\n\n* One.\n* Two.\n")


# -- The command -------------------------------------------------------------------------------------------------------


def test_a_run_is_scored_against_a_paper_by_one_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_store("store")
    make_run(tmp_path / "run", configure(tmp_path, tmp_path / "store"))
    assert main(["score", "run", "--against", "park2019", "--table", "table.rst", "--images", "images.ecsv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["passband", "method", "images", "cc", "cc_low"]
    assert [line.split()[:3] for line in lines[2:4]] == [["171", "shared", "3"], ["193", "shared", "3"]]
    assert lines[4].startswith("Scored here: 3 frames, ")
    assert lines[6] == "Not the same: the solar radius is 13 pixels, the paper's is 392."
    text = (tmp_path / "table.rst").read_text(encoding="utf-8")
    assert "Held-out scores, whole disk, with 95 % intervals, beside published ones" in text
    assert "* Not the same: frames are split by rotation, the paper's by date." in text
    assert {"shared", *BASELINES} == set(Table.read("images.ecsv")["method"])


def test_networks_of_one_passband_each_are_scored_together(tmp_path, capsys, monkeypatch):
    """The configuration says nothing of passbands; a run with another split is told to know what it is scored on."""
    monkeypatch.chdir(tmp_path)
    make_store("store")
    other = {"method": "rotations", "test": [2094], "validation": [2097], "gap": 0}
    for band, tables in ((193, {}), (171, {"split": other})):
        config = configure(
            tmp_path,
            tmp_path / "store",
            data={"passbands": [band]},
            model={"network": {"widths": [4, 8], "head": 4}, "name": f"net-{band}"},
            **tables,
        )
        make_run(tmp_path / f"net-{band}", config)
    configure(tmp_path, tmp_path / "store")
    text = (tmp_path / "run.toml").read_text(encoding="utf-8")
    (tmp_path / "run.toml").write_text(re.sub('"passbands" = .*\n', "", text), encoding="utf-8")
    assert main(["score", "run.toml", "net-193", "net-171", "--against", "park2019"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[2:4]] == [["171", "net-171"], ["193", "net-193"]]
    assert "note: net-171 was trained on 3 of the 3 frames that are scored" in err
    assert "note: net-193" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run.toml"], "there is no configuration or run run.toml"),
        (["file.toml"], "there is nothing to score; name weights, or directories of runs, after the configuration"),
        (["run.toml", "x", "--against", "park2019", "--region", "limb"], "--against is of the whole disk"),
        (["run.toml", "x", "--against", "park2019", "--by", "year"], "--against is of the whole disk"),
        (["run.toml", "x", "--against", "park2019", "--left-out"], "--against is of the whole disk"),
        (
            ["run.toml", "x", "--table", "nowhere/t.rst"],
            "there is no directory nowhere to write t.rst to",
        ),
        (["empty"], "empty has no config.json; train first with mag2euv train"),
    ],
)
def test_what_cannot_be_scored_is_said_in_a_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.toml").touch()
    assert main(["score", *arguments]) in (1, 2)
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"mag2euv: error: {message}")


def test_networks_of_other_passbands_have_nothing_to_be_put_beside_the_paper(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_store("store")
    make_run(tmp_path / "run", configure(tmp_path, tmp_path / "store", data={"passbands": [171]}))
    configure(tmp_path, tmp_path / "store", data={"passbands": [193]})
    assert main(["score", "run.toml", "run", "--against", "park2019"]) == 1
    assert capsys.readouterr().err.endswith(
        "mag2euv: error: none of the models makes a passband of run.toml; look at data.passbands\n"
    )
