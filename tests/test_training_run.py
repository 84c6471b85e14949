import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from training_store import FINE_GRID, configure, make_coarse, make_field, make_images, make_store, manifest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning import learners
from sunpy_mag2euv.training.learning.run import CHECKPOINT, CONFIGURATION, read_weights, set_up, train

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

#: Three epochs.
RUN = {"steps": 6, "epoch": 2}

LOSS = {"l1": 0.5, "surprise": 1.0, "discordance": 0.25, "structure": 0.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two of its frames lack a channel: one to train on, and the first of those that are watched."""
    path = tmp_path_factory.mktemp("run") / "store"
    store = make_store(path)
    for row in (2, 7):
        store.write(row, make_field(row), {193: make_images(make_field(row))[193]})
    return path


@pytest.fixture(scope="module")
def large_store(tmp_path_factory):
    """On a grid that is large enough for a generator with normalisation."""
    path = tmp_path_factory.mktemp("run") / "store"
    make_store(path, grid=Grid((64, 64), 26.0))
    return path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, store):
    """A configuration with averaging, and the directory of its run."""
    directory = tmp_path_factory.mktemp("unbroken")
    config = configure(directory, store, run=RUN, optimizer={"warmup": 2, "averaging": 0.995}, loss=LOSS)
    train(config, directory / "run")
    return config, directory / "run"


def weights(directory):
    """All weights that a checkpoint holds: of the networks, and their average if there is one."""
    checkpoint = torch.load(directory / CHECKPOINT, weights_only=True)
    return [checkpoint[name] for name in ("state_dict", "current_model_state") if name in checkpoint]


def assert_same(one, other):
    for of_one, of_other in zip(weights(one), weights(other), strict=True):
        assert of_one.keys() == of_other.keys()
        for name, tensor in of_one.items():
            torch.testing.assert_close(of_other[name], tensor, rtol=0, atol=0, msg=name)


def logged(directory, name="loss"):
    """Numbers by step, those of the last of several runs counting."""
    numbers = {}
    for path in sorted(directory.glob("log/*/metrics.csv")):
        with path.open() as file:
            numbers |= {int(row["step"]): float(row[name]) for row in csv.DictReader(file) if row.get(name)}
    return numbers


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def killed(monkeypatch):
    def killed(config, directory, *, at):
        """A run that ends in the middle of an epoch."""
        start = learners._Learner.on_train_batch_start

        def die(learner, batch, batch_idx):
            if learner.current_epoch * config["run"]["epoch"] + batch_idx == at:
                raise KilledError
            start(learner, batch, batch_idx)

        with monkeypatch.context() as patch:
            patch.setattr(learners._Learner, "on_train_batch_start", die)
            with pytest.raises(KilledError):
                train(config, directory)

    return killed


def test_runs_of_one_seed_are_bit_identical(unbroken, tmp_path):
    config, directory = unbroken
    train(config, tmp_path / "again")
    assert_same(directory, tmp_path / "again")
    assert logged(directory) == logged(tmp_path / "again")
    other = {**config, "run": {**config["run"], "seed": 1}}
    train(other, tmp_path / "other")
    assert not set(logged(directory).values()) & set(logged(tmp_path / "other").values())


def test_every_step_has_one_loss_in_the_log(unbroken):
    config, directory = unbroken
    assert list(logged(directory)) == list(range(RUN["steps"]))
    # It is the sum of what it consists of, each of which is there too.
    terms = [LOSS[name] * np.array(list(logged(directory, name).values())) for name in LOSS if LOSS[name]]
    assert all(len(weighted) == RUN["steps"] and weighted.any() for weighted in terms)
    np.testing.assert_allclose(list(logged(directory).values()), sum(terms), atol=1e-5)
    rates = logged(directory, "lr-AdamW")
    assert list(rates) == [0, 2, 4]
    assert rates[0] == pytest.approx(config["optimizer"]["learning_rate"] / 2)
    # The first watched frame has not got 171; the other has.
    for name in ("cc_0171", "cc_0193"):
        assert list(logged(directory, name)) == [1, 3, 5]
        assert all(-1 <= score <= 1 for score in logged(directory, name).values())


def test_sample_images_appear_every_epoch(unbroken):
    _, directory = unbroken
    pictures = sorted(directory.glob("samples/*.png"))
    assert [path.name for path in pictures] == ["epoch_0000.png", "epoch_0001.png", "epoch_0002.png"]
    # The weights have changed, and so has the picture.
    assert len({path.read_bytes() for path in pictures}) == 3
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_tensorboard_is_written(unbroken):
    _, directory = unbroken
    assert len(list(directory.glob("tensorboard/version_0/events.*"))) == 1


def test_the_average_is_what_is_watched_and_kept(unbroken):
    _, directory = unbroken
    average, current = weights(directory)
    assert any(not torch.equal(average[name], current[name]) for name in average)
    assert average.keys() == current.keys()


def test_a_killed_run_goes_on_as_if_it_had_not_been(unbroken, tmp_path, killed):
    config, directory = unbroken
    killed(config, tmp_path / "run", at=3)
    assert list(logged(tmp_path / "run")) == [0, 1, 2]
    run = train(config, tmp_path / "run")
    assert run.trainer.current_epoch == 3
    assert_same(directory, tmp_path / "run")
    assert logged(tmp_path / "run") == logged(directory)


def test_a_run_killed_in_its_first_epoch_begins_anew(unbroken, tmp_path, killed):
    config, directory = unbroken
    killed(config, tmp_path / "run", at=1)
    assert not (tmp_path / "run" / CHECKPOINT).exists()
    train(config, tmp_path / "run")
    assert_same(directory, tmp_path / "run")


def test_weights_of_an_earlier_step_are_kept_and_averaged_in(unbroken, store, tmp_path, killed):
    config, directory = unbroken
    keeping = configure(
        tmp_path,
        store,
        run={**RUN, "keep": 4, "kept_share": 0.25},
        optimizer={"warmup": 2, "averaging": 0.995},
        loss=LOSS,
    )
    # Killed after the step that is kept, and before the next checkpoint.
    killed(keeping, tmp_path / "run", at=5)
    train(keeping, tmp_path / "run")
    assert_same(directory, tmp_path / "run")
    # What a run had after four steps, in the same schedule.
    killed(config, tmp_path / "early", at=5)
    early, last = read_weights(tmp_path / "early"), read_weights(directory)
    for name, tensor in read_weights(tmp_path / "run").items():
        torch.testing.assert_close(tensor, 0.25 * early[name] + 0.75 * last[name], msg=name)
        assert not tensor.is_floating_point() or not torch.equal(tensor, last[name]) or "bias" in name
    assert not list((tmp_path / "run").glob(".*"))


def test_a_run_that_is_done_stays_as_it_is(unbroken):
    config, directory = unbroken
    before = (directory / CHECKPOINT).read_bytes()
    train(config, directory)
    assert (directory / CHECKPOINT).read_bytes() == before


def test_a_killed_adversarial_run_goes_on_as_if_it_had_not_been(large_store, tmp_path, killed):
    """With dropout, normalisation, both optimisers, and a last epoch that is shorter than the others."""
    config = configure(tmp_path, large_store, "model-b", run={"steps": 5, "epoch": 2}, data={"passbands": [193]})
    assert config["model"]["network"]["dropout"] == 0.5
    train(config, tmp_path / "whole")
    killed(config, tmp_path / "parts", at=3)
    train(config, tmp_path / "parts")
    assert_same(tmp_path / "whole", tmp_path / "parts")
    (state,) = weights(tmp_path / "whole")
    assert {name.split(".")[0] for name in state} == {"network", "discriminator", "spread"}
    for name in ("loss", "l1", "fooled", "adversary"):
        of_whole = logged(tmp_path / "whole", name)
        assert list(of_whole) == list(range(5))
        assert logged(tmp_path / "parts", name) == of_whole


# -- Detail ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detail(tmp_path_factory):
    """A configuration, and the directory of its run: detail from three frames, with dropout."""
    directory = tmp_path_factory.mktemp("detail")
    make_coarse(directory / "coarse.safetensors")
    frames = manifest([2094.1, 2094.3, 2094.5, 2097.2, 2099.5])
    frames["binning"] = [1, 2, 1, 1, 1]
    make_store(directory / "store", frames=frames, grid=FINE_GRID)
    optimizer = {"warmup": 2, "averaging": 0.9, "learning_rate": 0.01}
    config = configure(directory, directory / "store", "detail", run=RUN, optimizer=optimizer)
    train(config, directory / "run")
    return config, directory / "run"


def test_runs_of_two_scales_change_nothing_but_the_detail(detail):
    config, directory = detail
    coarse = load_model(config["model"]["coarse"]).state
    begun = set_up(config, directory).learner.network.state_dict()
    trained = read_weights(directory)
    assert trained.keys() == begun.keys()
    assert {name for name in trained if name.startswith("coarse.")} == {f"coarse.{name}" for name in coarse}
    current = torch.load(directory / CHECKPOINT, weights_only=True)["current_model_state"]
    for name, tensor in coarse.items():
        assert torch.equal(current[f"network.coarse.{name}"], tensor.float())
        # Averages of one number are rounded, but not so much that it can be seen in weights files.
        torch.testing.assert_close(trained[f"coarse.{name}"], tensor.float(), rtol=1e-6, atol=0)
        assert torch.equal(trained[f"coarse.{name}"].half(), tensor)
    # Features get their first gradients when something is read from them.
    for name in ("detail.read.weight", "detail.enter.weight", "detail.encoder.1.body.1.weight"):
        assert not torch.equal(trained[name], begun[name])
    for name in ("loss", "detail", "surprise"):
        assert list(logged(directory, name)) == list(range(RUN["steps"]))
    assert list(logged(directory, "cc_0193")) == [1, 3, 5]
    assert len(list(directory.glob("samples/*.png"))) == 3


def test_a_killed_run_of_two_scales_goes_on_as_if_it_had_not_been(detail, tmp_path, killed):
    config, directory = detail
    assert config["model"]["network"]["dropout"] > 0
    killed(config, tmp_path / "run", at=3)
    assert list(logged(tmp_path / "run")) == [0, 1, 2]
    train(config, tmp_path / "run")
    assert_same(directory, tmp_path / "run")
    for name in ("loss", "detail", "surprise"):
        assert logged(tmp_path / "run", name) == logged(directory, name)


def test_a_run_of_two_scales_starts_with_the_detail_of_another(detail, tmp_path):
    config, directory = detail
    start = set_up({**config, "run": {**config["run"], "start": str(directory)}}, tmp_path / "run").learner.network
    trained = read_weights(directory)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in start.state_dict().items())
    assert not any(weight.requires_grad for weight in start.coarse.parameters())


# -- From another run --------------------------------------------------------------------------------------------------


def test_a_run_starts_with_the_averaged_weights_of_another(unbroken, store, tmp_path, killed):
    _, directory = unbroken
    loss = {"surprise": 1.0, "discordance": 0.0}
    config = configure(tmp_path, store, run={**RUN, "start": str(directory)}, loss=loss, optimizer={"averaging": 0.9})
    before = (directory / CHECKPOINT).read_bytes()
    start, average = set_up(config, tmp_path / "run").learner.network.state_dict(), read_weights(directory)
    assert start.keys() == average.keys()
    assert all(torch.equal(start[name], average[name]) for name in start)
    current = torch.load(directory / CHECKPOINT, weights_only=True)["current_model_state"]
    assert not all(torch.equal(start[name], current[f"network.{name}"]) for name in start)

    # It goes on from its own weights, not once more from the other's; and leaves those alone.
    train(config, tmp_path / "whole")
    killed(config, tmp_path / "parts", at=3)
    train(config, tmp_path / "parts")
    assert_same(tmp_path / "whole", tmp_path / "parts")
    trained = read_weights(tmp_path / "whole")
    assert not any(torch.equal(trained[name], tensor) for name, tensor in start.items() if name.endswith("weight"))
    assert (directory / CHECKPOINT).read_bytes() == before


def test_a_run_cannot_start_from_what_does_not_fit(unbroken, store, tmp_path):
    def starting(directory, **tables):
        return configure(tmp_path, store, run={**RUN, "start": str(directory)}, **tables)

    _, directory = unbroken
    other = starting(directory, model={"network": {"widths": [4, 8], "head": 5}})
    with pytest.raises(ValueError, match=r"the weights of the run in .*unbroken.*/run do not fit this network: "):
        set_up(other, tmp_path / "run")
    with pytest.raises(ValueError, match="do not fit this network"):
        set_up(starting(directory, data={"passbands": [193]}), tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"nowhere has no last\.ckpt; train first with mag2euv train"):
        set_up(starting(tmp_path / "nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


SCRIPT = """
import json, os, signal, sys
from sunpy_mag2euv.training.learning import learners
from sunpy_mag2euv.training.learning.run import train

if __name__ == "__main__":
    config, directory, at = json.load(open(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    start = learners._Learner.on_train_batch_start

    def die(learner, batch, batch_idx):
        if learner.current_epoch * config["run"]["epoch"] + batch_idx == at:
            os.kill(os.getpid(), signal.SIGKILL)
        start(learner, batch, batch_idx)

    learners._Learner.on_train_batch_start = die
    train(config, directory)
"""


def run_script(directory, config, *, at=-1):
    """Train in a process of its own, or in several; the process kills itself before step ``at``."""
    (directory / "script.py").write_text(SCRIPT, encoding="utf-8")
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    names = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "script.py", "config.json", "run", str(at)],
        cwd=directory,
        # Sums over other numbers of threads differ in their last bits.
        env=environment | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_run_survives_the_death_of_its_process(unbroken, tmp_path):
    config, directory = unbroken
    done = run_script(tmp_path, config, at=3)
    assert done.returncode == -9, done.stderr
    assert (tmp_path / "run" / CHECKPOINT).is_file()
    train(config, tmp_path / "run")
    assert_same(directory, tmp_path / "run")


def test_two_processes_learn_what_one_learns_with_twice_the_batch(store, tmp_path):
    """Frames that lack a channel are among both those to train on and those to watch."""
    alone = configure(tmp_path, store, run={**RUN, "batch": 4})
    train(alone, tmp_path / "alone")
    quiet = alone["trainer"]
    together = configure(tmp_path, store, run={**RUN, "batch": 2}, trainer={**quiet, "devices": 2, "strategy": "ddp"})
    done = run_script(tmp_path, together)
    assert done.returncode == 0, done.stderr
    assert "MEMBER: 2/2" in done.stderr
    losses = [logged(tmp_path / name) for name in ("alone", "run")]
    assert list(losses[0]) == list(losses[1]) == list(range(RUN["steps"]))
    np.testing.assert_allclose(list(losses[1].values()), list(losses[0].values()), atol=1e-4)
    for of_one, of_two in zip(weights(tmp_path / "alone"), weights(tmp_path / "run"), strict=True):
        for name, tensor in of_one.items():
            torch.testing.assert_close(of_two[name], tensor, rtol=0, atol=1e-4, msg=name)
    assert json.loads((tmp_path / "run" / CONFIGURATION).read_text(encoding="utf-8")) == together
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 3


# -- Mistakes ----------------------------------------------------------------------------------------------------------


def test_another_configuration_is_refused(unbroken):
    config, directory = unbroken
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    other = {**config, "run": {**config["run"], "steps": 8}}
    with pytest.raises(ValueError, match="holds a run of another configuration; give another directory"):
        train(other, directory)
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


def test_nothing_is_written_unless_training_can_start(store, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no training store"):
        train(configure(tmp_path, tmp_path / "nowhere"), tmp_path / "run")
    deep = configure(tmp_path, store, model={"network": {"widths": [4] * 6, "head": 4}})
    with pytest.raises(ValueError, match=r"sides that are multiples of 64; got \(32, 32\)"):
        train(deep, tmp_path / "run")
    with pytest.raises(ValueError, match="the store has no passband 304; it has 171, 193"):
        train(configure(tmp_path, store, data={"passbands": [304]}), tmp_path / "run")
    with pytest.raises(ValueError, match="no frame is left to train on"):
        train(configure(tmp_path, store, split={"method": "park2019"}), tmp_path / "run")
    with pytest.raises(ValueError, match="no frame is left to train on"):
        train(configure(tmp_path, store, data={"draws": {"toy": 0}}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_epochs", 3, "trainer.max_epochs follows from the other tables"),
        ("devises", 2, "Lightning cannot make a trainer .* 'devises'"),
        ("accelerator", "abacus", "Lightning cannot make a trainer .*abacus"),
    ],
)
def test_what_lightning_cannot_use_is_refused_before_anything_is_written(store, tmp_path, key, value, message):
    config = configure(tmp_path, store, trainer={key: value})
    with pytest.raises(ValueError, match=message):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_passbands_need_frames_to_train_on(tmp_path):
    store = make_store(tmp_path / "store")
    for row in range(6):
        store.write(row, make_field(row), {193: make_images(make_field(row))[193]})
    with pytest.raises(ValueError, match=r"no frame to train on has passband 171; leave it out of data\.passbands"):
        train(configure(tmp_path, tmp_path / "store"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_frames_to_watch_those_of_the_gap_are(store, tmp_path):
    run = train(configure(tmp_path, store, split={"validation": []}, run={"steps": 1, "epoch": 1}), tmp_path / "run")
    rotations = Store.open(store).frames["rotation"][run.sampling.watched]
    assert set(np.floor(rotations)) == {2098}
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == ["epoch_0000.png"]


def test_without_any_frames_to_watch_training_goes_on(store, tmp_path):
    config = configure(tmp_path, store, split={"validation": [], "test": []}, run={"steps": 1, "epoch": 1})
    run = train(config, tmp_path / "run")
    assert len(run.sampling.watched) == 0
    assert not (tmp_path / "run" / "samples").exists()
    assert (tmp_path / "run" / CHECKPOINT).is_file()
