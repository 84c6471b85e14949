import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch
from matplotlib.figure import Figure
from training_store import FINE_GRID, configure, damage, make_coarse, make_store, manifest

from sunpy_mag2euv.cli import main
from sunpy_mag2euv.training.learning import check as checking
from sunpy_mag2euv.training.learning.check import check
from sunpy_mag2euv.training.learning.problems import ProblemsError
from sunpy_mag2euv.training.learning.run import train

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Only one frame to train on has 171, which is not the first."""
    path = tmp_path_factory.mktemp("check") / "store"
    make_store(path, only={171: [4, 7, 8, 10]})
    return path


def found(config, directory):
    """What was looked at and what was found, as a dictionary; there must be nothing new in the directory."""
    before = sorted(path.relative_to(directory) for path in directory.rglob("*"))
    table = check(config, directory / "runs" / "run")
    assert sorted(path.relative_to(directory) for path in directory.rglob("*")) == before
    assert len(dict(table)) == len(table)
    return dict(table)


def test_a_check_says_what_there_is_and_leaves_nothing(store, tmp_path):
    about = found(configure(tmp_path, store, run={"steps": 1_000_000}), tmp_path)
    assert list(about) == [
        *("network", "store", "split", "171 Å", "193 Å", "read", "device", "a step", "memory", "disk", "the run"),
        "output",
    ]
    assert about["network"] == "shared, shared: 5 296 weights; planes in: 14, images out: 2"
    assert f"{store}, 13 frames of 32 × 32 pixels, solar radius 13 pixels; " in about["store"]
    assert about["split"] == "by rotation, 1 to score: 6 train, 2 validation, 2 gap, 3 test"
    assert about["171 Å"] == "1 train, 2 validation, 0 gap, 1 test; epoch of 171"
    assert about["193 Å"] == "6 train, 2 validation, 2 gap, 3 test; epoch of 193"
    assert about["device"].startswith("cpu, ")
    assert about["the run"].startswith("1000000 steps; ")
    assert about["output"].endswith("run, can be written")


@pytest.mark.parametrize("protocol", ["model-b", "translation", "detail"])
def test_every_protocol_can_be_checked(tmp_path, protocol):
    make_store(tmp_path / "store", grid=FINE_GRID, frames=manifest([2094.1, 2094.3, 2097.2, 2099.5]))
    make_coarse(tmp_path / "coarse.safetensors")
    # With all that a run does beside its steps, and more steps than a check makes.
    run = {"steps": 40, "epoch": 10, "keep": 20}
    config = configure(tmp_path, tmp_path / "store", protocol, run=run, optimizer={"averaging": 0.9})
    assert "1 test" in found(config, tmp_path)["split"]


def test_a_run_that_has_begun_can_be_checked(store, tmp_path):
    config = configure(tmp_path, store, run={"steps": 1, "epoch": 1})
    train(config, tmp_path / "runs" / "run")
    assert found(config, tmp_path)["output"].endswith("its checkpoint will be gone on from")
    other = {**config, "run": {**config["run"], "steps": 2}}
    with pytest.raises(ValueError, match="holds a run of another configuration"):
        check(other, tmp_path / "runs" / "run")


def test_without_frames_to_score_there_is_a_note(store, tmp_path):
    about = found(configure(tmp_path, store, split={"test": [], "validation": []}), tmp_path)
    assert about["note"] == "no frame is left to score, without which nothing is exported"


@pytest.fixture
def damaged(tmp_path):
    """A store of which the field of a frame cannot be read."""

    def damaged(row):
        make_store(tmp_path / "store")
        damage(tmp_path / "store", "field", row)
        return tmp_path / "store"

    return damaged


def test_frames_that_are_read_are_found_to_be_damaged(damaged, tmp_path):
    store = damaged(0)
    with pytest.raises(ProblemsError, match="toy 0: cannot be read"):
        check(configure(tmp_path, store), tmp_path / "run")
    left = configure(tmp_path, store, data={"skip_problems": True})
    assert found(left, tmp_path)["split"].endswith("5 train, 2 validation, 2 gap, 3 test")


def test_frames_that_are_not_read_are_left_to_the_run(damaged, tmp_path):
    store = damaged(11)
    assert "3 test" in found(configure(tmp_path, store), tmp_path)["split"]
    with pytest.raises(ProblemsError, match="toy 11: cannot be read"):
        train(configure(tmp_path, store), tmp_path / "run")


def test_what_the_manifest_says_is_found_without_reading(tmp_path):
    frames = manifest()
    frames["time"][12] = frames["time"][11]
    make_store(tmp_path / "store", frames=frames)
    with pytest.raises(ProblemsError, match="toy 12: is a duplicate of toy 11"):
        check(configure(tmp_path, tmp_path / "store"), tmp_path / "run")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"data": {"store": "/nowhere"}}, "there is no training store at"),
        ({"data": {"passbands": [304]}}, "the store has no passband 304"),
        ({"split": {"method": "park2019"}}, "no frame is left to train on"),
        ({"data": {"draws": {"toy": 0}}}, "no frame is left to train on"),
        ({"model": {"network": {"widths": [4] * 6, "head": 4}}}, "sides that are multiples of 64"),
        ({"trainer": {"devises": 2}}, "Lightning cannot make a trainer"),
        ({"trainer": {"accelerator": "cuda"}}, "Lightning cannot make a trainer"),
        ({"run": {"start": "nowhere"}}, r"has no last\.ckpt"),
    ],
)
def test_what_a_run_could_not_use_is_refused(store, tmp_path, tables, message):
    if "cuda" in str(tables) and torch.cuda.is_available():
        pytest.skip("there is such a device")
    with pytest.raises((OSError, ValueError), match=message):
        check(configure(tmp_path, store, **tables), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_a_passband_without_frames_to_train_on_is_named(tmp_path):
    make_store(tmp_path / "store", only={171: [10]})
    with pytest.raises(ValueError, match="no frame to train on has passband 171"):
        check(configure(tmp_path, tmp_path / "store"), tmp_path / "run")


def test_a_directory_that_cannot_be_is_refused_by_check_and_run(store, tmp_path, monkeypatch):
    config = configure(tmp_path, store)
    for attempt in (check, train):
        with pytest.raises(NotADirectoryError, match=r"run\.toml is a file; give another directory"):
            attempt(config, tmp_path / "run.toml" / "run")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    for attempt in (check, train):
        with pytest.raises(PermissionError, match=r"cannot write to .*; give another directory"):
            attempt(config, tmp_path / "run")


def test_a_disk_without_room_is_found_before_a_step(store, tmp_path, monkeypatch):
    monkeypatch.setattr(checking.shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    with pytest.raises(ValueError, match=r"two checkpoints take 1\d\d kB, and on the disk .* there are 100 kB"):
        check(configure(tmp_path, store), tmp_path / "run")


def test_a_step_without_enough_memory_is_said_in_a_sentence(store, tmp_path, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nTraceback")

    monkeypatch.setattr(checking.Run, "fit", fail)
    with pytest.raises(ValueError, match=r"a step cannot be made on cpu: CUDA out of memory\. Tried .* GiB\.$"):
        check(configure(tmp_path, store), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_the_command_prints_the_table(store, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, store)
    assert main(["train", "run.toml", "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "network  shared, shared: 5 296 weights; planes in: 14, images out: 2"
    assert lines[-1] == "output   runs/shared, can be written"
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
    assert main(["train", "run.toml", "--check", "-o", "run.toml"]) == 1
    assert capsys.readouterr().err.endswith("run.toml is a file; give another directory\n")


def test_a_disk_that_is_full_is_said_in_a_sentence_and_gone_on_from(store, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, store)
    saved, savefig = [], Figure.savefig

    def full(figure, *arguments, **keywords):
        saved.append(figure)
        if len(saved) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        savefig(figure, *arguments, **keywords)

    monkeypatch.setattr(Figure, "savefig", full)
    assert main(["train", "run.toml", "-o", "run"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("mag2euv: error: [Errno 28] No space left on device; the same command goes on")
    assert main(["train", "run.toml", "-o", "run"]) == 0


def test_an_interrupted_check_is_one_like_other_commands(store, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, store)
    with monkeypatch.context() as patch:
        # As Lightning ends when it gets an interruption.
        patch.setattr(pl.Trainer, "fit", lambda *_, **__: sys.exit(1))
        assert main(["train", "run.toml", "--check"]) == 130
    assert capsys.readouterr().err.endswith("mag2euv: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
