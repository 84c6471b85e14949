"""The runs of docs/runs that are there to be made by others: each is a configuration that this version can train."""

import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.ready_runs import BANDS, DOCS, RUNS, empty_store, fill, row
from sunpy_mag2euv.cli import main
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.training.learning.check import check
from sunpy_mag2euv.training.learning.config import load_config, protocol_defaults, split_frames

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]


def ready(name, directory, passbands=(193,)):
    """A ready run, whose store is in a directory."""
    path = directory / name
    path.write_bytes((DOCS / "runs" / name).read_bytes())
    return load_config(path, passbands)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A directory with small stores of the names that the runs give, large enough for eight levels."""
    directory = tmp_path_factory.mktemp("stores")
    for name in ("jsoc-1024.zarr", "sdoml.zarr"):
        fill(empty_store(directory / name, Grid((512, 512), 196.0)))
    return directory


@pytest.mark.parametrize("name", RUNS)
def test_a_step_of_every_ready_run_can_be_made(stores, name):
    config = ready(name, stores)
    # Of the network everything but its width.
    network = config["model"]["network"]
    network |= {"width": 2} if "width" in network else {"widths": [2] * len(network["widths"]), "head": 2}
    config["trainer"] |= {"accelerator": "cpu"}
    config["run"] |= {"batch": 1, "workers": 0}
    found = dict(check(config, stores / "run"))
    assert "193 Å" in found
    assert found["network"].startswith(config["model"]["name"])
    assert {"train", "validation", "test"} <= set(re.findall("[1-9] ([a-z]+)", found["split"]))


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("park2019")])
def test_the_paper_s_runs_change_nothing_of_the_protocol_but_what_goes_with_the_grid(tmp_path, name):
    config = ready(name, tmp_path)
    defaults = protocol_defaults(config["protocol"])
    changed = {
        f"{table}.{key}"
        for table, values in defaults.items()
        for key, value in values.items()
        if config[table][key] != value
    }
    expected = {"data.store", "data.passbands", "data.complete", "model.name"}
    if "512" in name:
        expected |= {"model.valid_radius", "augmentation.shift"}
    if name == "park2019-b-512.toml":
        expected.add("loss.stride2_layers")
    assert changed == expected
    assert config["model"]["name"].endswith("-193")


def test_nothing_of_the_paper_s_months_is_trained_on_by_rotation(stores):
    config = ready("default-512.toml", stores)
    store = empty_store(stores / "months.zarr", Grid((4, 4), 1.5))
    by_rotation = split_frames(config, store)
    by_date = split_frames({**config, "split": {**config["split"], "method": "park2019"}}, store)
    assert by_date["test"].size == 2
    assert not set(by_date["test"]) & {*by_rotation["train"], *by_rotation["validation"]}


@pytest.mark.parametrize("name", RUNS)
def test_what_the_documentation_says_they_need_is_what_is_counted(tmp_path, name):
    config = ready(name, tmp_path)
    cells = row(name, config, empty_store(tmp_path / "store", RUNS[name]))
    table = (DOCS / "ready_runs.inc").read_text(encoding="utf-8")
    assert re.search(r"\* - " + r"\n +- ".join(re.escape(str(cell)) for cell in cells) + "\n", table)


def test_the_documentation_shows_what_the_command_printed_of_each():
    shown = (DOCS / "ready_runs.txt").read_text(encoding="utf-8")
    assert re.findall(r"\$ mag2euv train (\S+)", shown) == list(RUNS)


def test_one_network_for_each_passband_has_to_be_asked_for(stores, tmp_path, capsys):
    path = stores / "park2019.toml"
    path.write_bytes((DOCS / "runs" / "park2019.toml").read_bytes())
    for arguments, message in (
        ([], r"give data\.passbands, such as \[193\], or --passband"),
        (["--passband", "12"], "12"),
        (["--passband", "193", "193"], "passband 193 is in data.passbands more than once"),
    ):
        assert main(["train", str(path), *arguments, "--check"]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert re.search(message, line)
    fixed = tmp_path / "run.toml"
    fixed.write_text('protocol = "model-a"\n[data]\nstore = "store"\npassbands = [193]\n', encoding="utf-8")
    assert main(["train", str(fixed), "--passband", "304", "--check"]) == 2
    assert "says what to learn, in data.passbands; leave --passband out" in capsys.readouterr().err


def test_all_passbands_of_the_paper_are_in_the_default_run():
    run = tomllib.loads(Path(DOCS, "runs", "default-512.toml").read_text(encoding="utf-8"))
    assert tuple(run["data"]["passbands"]) == BANDS
