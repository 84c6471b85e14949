import contextlib
import itertools
import json
import os
import shutil
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from training_store import SPLIT, configure, make_field, make_images, make_store

from astropy.table import Table

from sunpy_mag2euv.cli import main
from sunpy_mag2euv.models import ImageModel, load_model, save_model
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning import learners
from sunpy_mag2euv.training.learning.card import SCORES
from sunpy_mag2euv.training.learning.combinations import (
    REGRESSION,
    combinations,
    score_model,
    score_regression,
    summarize,
    to_name,
    to_passbands,
)
from sunpy_mag2euv.training.learning.config import load_config, model_record
from sunpy_mag2euv.training.learning.problems import ProblemsError, usable_split
from sunpy_mag2euv.training.learning.run import CHECKPOINT, CONFIGURATION, train
from sunpy_mag2euv.training.study import channels
from sunpy_mag2euv.training.study.channels import NETWORK, TABLE, greedy_path, processes, run_study

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

BANDS = (131, 171, 304)

SINGLE = combinations(BANDS, 1)
PAIRS = combinations(BANDS, 2)

#: Frames that are scored.
SCORED = {"toy 10", "toy 11", "toy 12"}


class Here(Executor):
    """Does what it is given at once, and knows what it was."""

    def __init__(self, ends=None):
        self.tasks = []
        self.ends = ends

    def submit(self, function, *arguments):
        future = Future()
        if len(self.tasks) == self.ends:
            future.set_exception(KilledError())
            return future
        self.tasks.append((arguments[2], arguments[3]))
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class KilledError(Exception):
    """Stands for the end of a process."""


class Nowhere(Executor):
    """Is not to be given anything."""

    def submit(self, function, *arguments):
        pytest.fail(f"{arguments[2:4]} is done already")


def configure_study(directory, store, **tables):
    """A study of tiny networks, which watch nothing on their way."""
    network = {"levels": 5, "width": 2, "normalization": "running"}
    settings = {
        "data": {"passbands": list(BANDS), "complete": False},
        "model": {"planes": ["image"], "network": network, "description": "Study"},
        "augmentation": {"shift": 0, "mirror": True},
        "split": {**SPLIT, "validation": [], "gap": 0},
        "run": {"steps": 2, "epoch": 1, "batch": 2, "workers": 0},
    }
    for table, values in tables.items():
        settings[table] = settings.get(table, {}) | values
    return configure(directory, store, "model-a", **settings)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Sets of three images without fields, of which one to train on lacks a channel."""
    path = tmp_path_factory.mktemp("channels") / "store"
    store = make_store(path, bands=BANDS, fields=False)
    store.write(2, None, make_images(make_field(2), BANDS[:2]))
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory, store):
    """A configuration, the directory of its study, what was trained in which order, and the table."""
    directory = tmp_path_factory.mktemp("channels")
    config, executor = configure_study(directory, store), Here()
    table = run_study(config, directory / "study", sizes=2, executor=executor)
    return config, directory / "study", executor.tasks, table


@pytest.fixture
def again(study, tmp_path):
    """The same study, in a directory of the test's own."""
    shutil.copytree(study[1], tmp_path / "study")
    return study[0], tmp_path / "study"


@pytest.fixture
def pretended(monkeypatch):
    """Nothing is trained or scored: networks have the scores that the test says, by inputs and target."""

    def pretend(score):
        def train_one(config, directory, inputs, target, split):
            weights, scores = channels._files(directory, inputs, target)
            weights.touch()
            rows = [
                (to_name(inputs), len(inputs), target, NETWORK, name, 2099.0, score(inputs, target)) for name in "ab"
            ]
            names = ("inputs", "size", "target", "method", "frame", "rotation", "cc")
            table = Table(rows=rows, names=names)
            for name in SCORES[1:]:
                table[name] = table["cc"]
            table["seconds"] = 1.0
            table.write(scores, format="ascii.ecsv")

        monkeypatch.setattr(channels, "_train_one", train_one)

    return pretend


def files_of(*tasks):
    """What combinations leave in the directory of a study that is done, beside what all have in common."""
    names = {f"{to_name(inputs)}-{target}.{end}" for inputs, target in tasks for end in ("safetensors", "ecsv")}
    return {*names, TABLE, CONFIGURATION}


def names_in(directory):
    return {path.name for path in Path(directory).iterdir()}


def of_method(table, method):
    return table[table["method"] == method]


def asked(table):
    """The combinations in a table."""
    return {(to_passbands(row["inputs"]), int(row["target"])) for row in table}


def assert_same_but_for_the_time(one, other):
    """But for that of networks, which is how long it took to train them, all columns are equal."""
    assert one.colnames == other.colnames
    assert len(one) == len(other)
    for name in one.colnames:
        if name != "seconds":
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# -- A study -----------------------------------------------------------------------------------------------------------


def test_every_single_input_is_tried_and_every_pair_with_the_best(study):
    _, _, tasks, table = study
    of_networks = summarize(of_method(table, NETWORK))
    singles = of_networks[of_networks["size"] == 1]
    best = to_passbands(singles["inputs"][np.argmax(singles["cc"])])
    assert sorted(tasks[:6]) == SINGLE
    assert tasks[6:] == combinations(BANDS, 2, best)
    assert asked(of_method(table, NETWORK)) == set(tasks)


def test_a_study_leaves_weights_scores_and_a_table(study):
    config, directory, tasks, _ = study
    assert names_in(directory) == files_of(*tasks)
    assert json.loads((directory / CONFIGURATION).read_text(encoding="utf-8")) == config


def test_the_table_has_a_row_for_each_image_and_method(study, store):
    config, directory, tasks, table = study
    assert table.colnames == ["inputs", "size", "target", "method", "frame", "rotation", *SCORES, "seconds"]
    assert set(table["method"]) == {NETWORK, REGRESSION}
    for method, expected in ((NETWORK, tasks), (REGRESSION, SINGLE + PAIRS)):
        chosen = of_method(table, method)
        assert asked(chosen) == set(expected)
        assert len(chosen) == 3 * len(expected)
        assert set(chosen["frame"]) == SCORED
        assert np.isfinite(chosen["cc"]).all()
    assert (of_method(table, NETWORK)["seconds"] > 0).all()
    assert np.isnan(of_method(table, REGRESSION)["seconds"]).all()
    assert (table.meta["provenance"], table.meta["models"]) == ("made up", {})
    split = usable_split(channels._specialized(config, BANDS, BANDS), Store.open(store))
    expected = score_regression(Store.open(store), split, SINGLE + PAIRS)
    np.testing.assert_allclose(of_method(table, REGRESSION)["re"], expected["re"])
    written = Table.read(directory / TABLE, format="ascii.ecsv")
    assert written.colnames == table.colnames
    for name in ("inputs", "size", "target", "method", "frame"):
        assert list(written[name]) == list(table[name])
    for name in ("rotation", "seconds", *SCORES):
        np.testing.assert_allclose(written[name], table[name], atol=1e-4)


def test_the_networks_can_be_used_and_score_what_the_table_says(study, store):
    _, directory, tasks, table = study
    frames = Store.open(store)
    for inputs, target in tasks:
        model = load_model(directory / f"{to_name(inputs)}-{target}.safetensors")
        assert type(model) is ImageModel
        assert model.name == f"{to_name(inputs)}-{target}"
        assert model.description == f"Study; {target} from {to_name(inputs)}"
        assert (list(model.input_scalings), list(model.image_scalings)) == (list(inputs), [target])
        assert list(model.levels) == list(inputs)
        assert not model.selective
        # Of ten frames that are not scored, one lacks a channel.
        assert model.training_images == {target: 9 if 304 in (*inputs, target) else 10}
        expected = score_model(model, frames, [10, 11, 12], [(inputs, target)])
        chosen = of_method(table, NETWORK)
        chosen = chosen[(chosen["inputs"] == to_name(inputs)) & (chosen["target"] == target)]
        for name in SCORES:
            np.testing.assert_allclose(chosen[name], expected[name], atol=1e-4)


def test_the_scores_say_how_they_came_about(study):
    _, directory, tasks, _ = study
    for inputs, target in tasks:
        scores = Table.read(directory / f"{to_name(inputs)}-{target}.ecsv", format="ascii.ecsv")
        assert scores.meta == {"provenance": "made up", "steps": 2}
        assert len(scores) == 3


def test_a_network_is_trained_as_any_other_run(study, store, tmp_path):
    config, directory, _, _ = study
    alone = configure_study(
        tmp_path,
        store,
        data={"inputs": [171], "passbands": [131], "complete": False},
        model={**config["model"], "name": "171-131", "description": "Study; 131 from 171"},
    )
    train(alone, tmp_path / "run")
    found = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["state_dict"]
    model = load_model(directory / "171-131.safetensors")
    assert len(model.state) == sum(name.startswith("network.") for name in found)
    for name, tensor in model.state.items():
        other = found[f"network.{name}"]
        assert torch.equal(tensor, other.half() if other.is_floating_point() else other)


# -- Searches ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def four(tmp_path):
    """A configuration with four channels."""
    bands = (94, *BANDS)
    make_store(tmp_path / "four", bands=bands, fields=False)
    return configure_study(tmp_path, tmp_path / "four", data={"passbands": list(bands), "complete": False})


def test_the_search_follows_the_best(four, tmp_path, pretended):
    bands = four["data"]["passbands"]
    rng = np.random.default_rng(0)
    found = {task: rng.uniform(-0.2, 1) for size in (1, 2, 3) for task in combinations(bands, size)}
    score = lambda inputs, target: found[tuple(sorted(inputs)), target]  # noqa: E731
    pretended(score)
    executor = Here()
    table = run_study(four, tmp_path / "study", sizes=3, executor=executor)

    def best(tasks):
        mean = {}
        for inputs, target in tasks:
            mean.setdefault(inputs, []).append(score(inputs, target))
        return max(mean, key=lambda inputs: np.mean(mean[inputs]))

    path, expected = [()], []
    for size in (1, 2, 3):
        tasks = combinations(bands, size, path[-1])
        expected += tasks
        path.append(best(tasks))
    assert [len(combinations(bands, size, path[size - 1])) for size in (1, 2, 3)] == [12, 6, 2]
    assert executor.tasks == expected
    assert asked(of_method(table, NETWORK)) == set(expected)
    found_path = greedy_path(table)
    assert [tuple(sorted(to_passbands(name))) for name in found_path["inputs"]] == path[1:]
    assert list(found_path["size"]) == [1, 2, 3]
    # In the order in which they were added, where those of combinations ascend.
    assert len(set().union(*path)) == 3
    for fewer, more in itertools.pairwise(found_path["inputs"]):
        assert more.startswith(f"{fewer}+")
    # That of the regression is its own.
    regressed = greedy_path(table, REGRESSION)
    for fewer, more in itertools.pairwise(map(to_passbands, regressed["inputs"])):
        assert set(fewer) < set(more)


def test_all_combinations_can_be_tried(study, tmp_path, pretended):
    pretended(lambda inputs, target: sum(inputs) / (1000 + target))
    config, directory, executor = study[0], tmp_path / "study", Here()
    run_study(config, directory, sizes=1, exhaustive=True, executor=executor)
    assert executor.tasks == SINGLE
    # What has been done need not be done again with more inputs.
    executor = Here()
    table = run_study(config, directory, sizes=2, exhaustive=True, executor=executor)
    assert executor.tasks == PAIRS
    assert asked(of_method(table, NETWORK)) == asked(of_method(table, REGRESSION)) == {*SINGLE, *PAIRS}
    assert names_in(directory) == files_of(*SINGLE, *PAIRS)
    assert list(greedy_path(table)["inputs"]) == ["304", "304+171"]


def test_an_exhaustive_study_goes_on_from_a_search(study, tmp_path, pretended):
    """What the search has done has the same names, in whatever order it found the inputs."""
    pretended(lambda inputs, target: sum(inputs) / (1000 + target))
    config, directory, searched, executor = study[0], tmp_path / "study", Here(), Here()
    found = run_study(config, directory, sizes=2, executor=searched)
    assert list(greedy_path(found)["inputs"]) == ["304", "304+171"]
    assert names_in(directory) == files_of(*searched.tasks)
    table = run_study(config, directory, sizes=2, exhaustive=True, executor=executor)
    assert executor.tasks == [((131, 171), 304)]
    assert asked(of_method(table, NETWORK)) == {*SINGLE, *PAIRS}
    assert names_in(directory) == files_of(*SINGLE, *PAIRS)


def test_the_path_ends_where_nothing_contains_the_best():
    rows = [("131", 1, 304, 0.9), ("171", 1, 304, 0.5), ("171+94", 2, 304, 0.8), ("94+131", 2, 304, 0.7)]
    names = ("inputs", "size", "target", "cc")
    table = Table(rows=rows, names=names)
    table["method"], table["cc_log"] = NETWORK, table["cc"]
    assert list(greedy_path(table)["inputs"]) == ["131", "131+94"]
    assert list(greedy_path(table[:3])["inputs"]) == ["131"]
    with pytest.raises(ValueError, match="no method 'guess'; it has one network each"):
        greedy_path(table, "guess")


# -- Going on ----------------------------------------------------------------------------------------------------------


def test_a_study_that_is_done_trains_nothing(study, again):
    config, directory = again
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    table = run_study(config, directory, sizes=2, executor=Nowhere())
    for name in table.colnames:
        np.testing.assert_array_equal(table[name], study[3][name], err_msg=name)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("lost", ["safetensors", "ecsv"])
def test_what_is_lost_is_done_again_and_nothing_else(study, again, lost):
    config, directory = again
    inputs, target = study[2][-1]
    weights = directory / f"{to_name(inputs)}-{target}.safetensors"
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    weights.with_suffix(f".{lost}").unlink()
    executor = Here()
    table = run_study(config, directory, sizes=2, executor=executor)
    assert executor.tasks == [(inputs, target)]
    assert_same_but_for_the_time(table, study[3])
    assert weights.read_bytes() == before[weights.name]
    changed = {path.name for path in directory.iterdir() if path.read_bytes() != before[path.name]}
    assert changed <= {weights.with_suffix(".ecsv").name, TABLE}


@pytest.mark.parametrize("done", [4, 7])
def test_a_study_that_was_killed_goes_on(study, tmp_path, pretended, done):
    """After any number of networks, of one size or the next."""
    pretended(lambda inputs, target: np.cos(sum(inputs) * target))
    config, unbroken = study[0], Here()
    expected = run_study(config, tmp_path / "whole", sizes=2, executor=unbroken)
    directory = tmp_path / "parts"
    with pytest.raises(KilledError):
        run_study(config, directory, sizes=2, executor=Here(ends=done))
    first, rest = unbroken.tasks[:done], Here()
    table = run_study(config, directory, sizes=2, executor=rest)
    assert set(rest.tasks) | set(first) == set(unbroken.tasks)
    assert not set(rest.tasks) & set(first)
    assert names_in(directory) == names_in(tmp_path / "whole")
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name], expected[name], err_msg=name)


def test_a_network_that_was_killed_goes_on_as_if_it_had_not_been(study, again, monkeypatch):
    """In the middle of its training: there is a checkpoint, and neither weights nor scores."""
    config, directory = again
    inputs, target = study[2][-1]
    weights, scores = (directory / f"{to_name(inputs)}-{target}.{end}" for end in ("safetensors", "ecsv"))
    expected = weights.read_bytes()
    weights.unlink()
    scores.unlink()
    start = learners._Learner.on_train_batch_start

    def killed(learner, *arguments):
        if learner.current_epoch == 1:
            raise KilledError
        start(learner, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learners._Learner, "on_train_batch_start", killed)
        with pytest.raises(KilledError):
            run_study(config, directory, sizes=2, executor=Here())
    assert (directory / weights.stem / CHECKPOINT).is_file()
    assert not weights.exists()
    assert not scores.exists()
    table = run_study(config, directory, sizes=2, executor=Here())
    assert weights.read_bytes() == expected
    assert_same_but_for_the_time(table, study[3])
    assert names_in(directory) == files_of(*study[2])


def test_no_half_written_file_has_a_final_name(study, again, monkeypatch):
    """The disk is full when the scores are written, and then when the table is."""
    config, directory = again
    inputs, target = study[2][-1]
    weights = directory / f"{to_name(inputs)}-{target}.safetensors"
    scores = weights.with_suffix(".ecsv")
    trained = load_model(weights)
    for path in (weights, scores, directory / TABLE):
        path.unlink()
    monkeypatch.setattr(channels, "train", lambda config, run, split: run.mkdir())
    monkeypatch.setattr(channels, "trained_model", lambda run, config, split: trained)

    def full_disk(table, path, **settings):
        Path(path).write_text("# %ECSV", encoding="utf-8")
        raise OSError("No space left on device")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Table, "write", full_disk)
            with pytest.raises(OSError, match="No space left"):
                run_study(config, directory, sizes=2, executor=Here())
        assert not scores.exists()
        assert not (directory / TABLE).exists()
        shutil.rmtree(directory / weights.stem, ignore_errors=True)
    table = run_study(config, directory, sizes=2, executor=Here())
    assert_same_but_for_the_time(table, study[3])
    assert names_in(directory) == files_of(*study[2])


def test_what_is_still_to_come_is_called_off_if_a_network_fails(four, tmp_path):
    futures = []

    class Stuck(Executor):
        """The third of its tasks fails, and the others are waiting."""

        def submit(self, function, *arguments):
            futures.append(Future())
            if len(futures) == 3:
                futures[-1].set_exception(KilledError())
            return futures[-1]

    with pytest.raises(KilledError):
        run_study(four, tmp_path / "study", executor=Stuck())
    assert len(futures) == 12
    assert [future.cancelled() for future in futures] == [True] * 2 + [False] + [True] * 9


class Dying(Here):
    """Does what it is given at once, but for the third task, at which its process ends."""

    def __init__(self):
        super().__init__()
        self.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def submit(self, function, *arguments):
        if len(self.tasks) == 2:
            return self.pool.submit(os._exit, 1)
        return super().submit(function, *arguments)

    def shutdown(self, **settings):
        self.pool.shutdown(**settings)


def test_a_worker_process_that_ends_is_said_in_a_line_and_the_study_goes_on(
    study, tmp_path, pretended, capsys, monkeypatch
):
    pretended(lambda inputs, target: 0.5)
    config, directory = study[0], tmp_path / "study"
    message = "a worker process ended unexpectedly, most likely because memory ran out; the networks that are finished"
    with Dying() as executor, pytest.raises(ChildProcessError, match=message):
        run_study(config, directory, sizes=1, executor=executor)
    assert names_in(directory) == files_of(*SINGLE[:2]) - {TABLE}
    # The command's process did not end with it, and says the same.
    monkeypatch.setattr(channels, "processes", lambda count: Dying())
    arguments = ["channels", str(study[1].parent / "run.toml"), "-o", str(directory), "--sizes", "1"]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith(f"mag2euv: error: {message}")
    assert "Traceback" not in said
    executor = Here()
    run_study(config, directory, sizes=1, executor=executor)
    assert executor.tasks == SINGLE[4:]
    assert names_in(directory) == files_of(*SINGLE)


# -- Networks that take any channels -----------------------------------------------------------------------------------


def untrained(config, store, name="any", **data):
    """A network that takes any channels and has learnt nothing."""
    directory = Path(config["data"]["store"]).parent
    data = {"inputs": list(BANDS), "passbands": list(BANDS)} | data
    model = model_record(configure(directory, "store", "translation", data=data, model={"name": name}), store)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_network(**model.architecture).state_dict()
    return model.__class__._from_record(json.loads(json.dumps(model.record())), state=state, sha256="0" * 64)


def test_networks_that_take_any_channels_are_scored_on_all_of_them(study, again, store):
    """On every subset that leaves a channel to make, however many inputs the others have."""
    config, directory = again
    model = untrained(config, Store.open(store))
    table = run_study(config, directory, sizes=1, models=[model], executor=Nowhere())
    assert set(table["method"]) == {NETWORK, REGRESSION, "any"}
    assert asked(of_method(table, "any")) == set(SINGLE + PAIRS)
    assert asked(of_method(table, NETWORK)) == asked(of_method(table, REGRESSION)) == set(SINGLE)
    assert table.meta["models"] == {"any": "0" * 64}
    chosen = of_method(table, "any")
    expected = score_model(model, Store.open(store), [10, 11, 12], SINGLE + PAIRS)
    expected.sort(["inputs", "target", "frame"])
    chosen.sort(["inputs", "target", "frame"])
    for name in SCORES:
        np.testing.assert_allclose(chosen[name], expected[name], err_msg=name)
    # It says how far off it may be, which the others do not.
    assert np.isfinite(chosen["within_95"]).all()
    assert np.isnan(of_method(table, NETWORK)["within_95"]).all()
    assert np.isnan(chosen["seconds"]).all()
    assert Table.read(directory / TABLE, format="ascii.ecsv").meta["models"] == {"any": "0" * 64}


def test_networks_that_do_not_take_any_channels_are_refused(study, store, tmp_path, tiny_model, tiny_translator):
    config, directory, _, _ = study
    frames = Store.open(store)
    fixed = load_model(directory / "131-171.safetensors")
    some = untrained(config, frames, "some", inputs=[131, 171])
    message = "the model {} must take and make any channels; it does not do so with {}"
    for model, expected in (
        (fixed, message.format("131-171", 131)),
        (some, message.format("some", 304)),
        (tiny_translator, r"the model tiny translator works on .*, the store's frames are on Grid\(shape=\(32, 32\)"),
        (tiny_model, r"the model tiny works on .*, the store's frames are on"),
    ):
        with pytest.raises(ValueError, match=expected):
            run_study(config, tmp_path / "study", models=[model], sizes=1, executor=Nowhere())
    assert not (tmp_path / "study").exists()


# -- Mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [-1, 0, 3, 4])
def test_sizes_must_leave_a_channel_to_make(study, tmp_path, sizes):
    with pytest.raises(ValueError, match=f"sizes must leave a channel to make: from 1 to 2; got {sizes}"):
        run_study(study[0], tmp_path / "study", sizes=sizes, executor=Nowhere())
    assert not (tmp_path / "study").exists()


def test_another_configuration_is_refused(study, again):
    config, directory = again
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    other = {**config, "run": {**config["run"], "steps": 3}}
    with pytest.raises(ValueError, match="holds a run of another configuration; give another directory"):
        run_study(other, directory, sizes=2, executor=Nowhere())
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"model": {"planes": ["image", "mu"]}},
            r"needs networks that are given images alone: set model.planes = \[\"image\"\], not \['image', 'mu'\]",
        ),
        ({"model": {"planes": ["signed"]}}, r"set model.planes = \[\"image\"\], not \['signed'\]"),
        (
            {"data": {"passbands": [131, 171], "inputs": [304]}},
            "a study gives every network inputs of its own; leave data.inputs empty",
        ),
        ({"augmentation": {"polarity": True}}, r"augmentation.polarity is for fields, not for images; turn it off"),
        ({"model": {"unpolarized": True}}, "images have no polarity; set model.unpolarized = false"),
        ({"data": {"passbands": [131, 171, 335]}}, "the store has no passband 335; it has 131, 171, 304"),
        ({"split": {"test": []}}, "no frame to test with 131 and 171; look at split.test and data.draws"),
        ({"data": {"draws": {"toy": 0}}}, "no frame to train with 131 and 171; look at split.test and data.draws"),
    ],
)
def test_nothing_is_written_unless_training_can_start(store, tmp_path, tables, message):
    config = configure_study(tmp_path, store, **tables)
    with pytest.raises(ValueError, match=message):
        run_study(config, tmp_path / "study", sizes=1, executor=Nowhere())
    assert not (tmp_path / "study").exists()


def test_every_combination_needs_frames_before_the_first_is_trained(tmp_path):
    """No frame to test has the pair that the regression needs, whichever the search would have taken."""
    make_store(tmp_path / "store", bands=BANDS, fields=False, only={171: [*range(10), 10, 11], 304: [*range(10), 12]})
    config = configure_study(tmp_path, tmp_path / "store")
    with pytest.raises(ValueError, match="no frame to test with 171 and 304"):
        run_study(config, tmp_path / "study", sizes=1, executor=Nowhere())
    assert not (tmp_path / "study").exists()


def test_frames_with_problems_are_refused_or_left_out(store, tmp_path, pretended):
    shutil.copytree(store, tmp_path / "store")
    frames = Store.open(tmp_path / "store", "r+")
    frames.write(4, None, {band: np.full((32, 32), np.nan) for band in BANDS})
    config = configure_study(tmp_path, tmp_path / "store")
    with pytest.raises(ProblemsError, match="toy 4: the image in 131 has no data on the disk"):
        run_study(config, tmp_path / "study", sizes=1, executor=Nowhere())
    assert not (tmp_path / "study").exists()
    config["data"]["skip_problems"] = True
    pretended(lambda inputs, target: 0.5)
    executor = Here()
    run_study(config, tmp_path / "study", sizes=1, executor=executor)
    assert executor.tasks == SINGLE


# -- Executors ---------------------------------------------------------------------------------------------------------


def test_processes_train_as_this_one_does(study, again):
    config, directory = again
    inputs, target = study[2][0]
    weights = directory / f"{to_name(inputs)}-{target}.safetensors"
    expected = weights.read_bytes()
    weights.unlink()
    with processes(1) as executor:
        table = run_study(config, directory, sizes=2, executor=executor)
    # Sums over other numbers of threads differ in their last bits.
    model, trained = load_model(weights), load_model(study[1] / weights.name)
    for name, tensor in model.state.items():
        torch.testing.assert_close(tensor.float(), trained.state[name].float(), rtol=0, atol=1e-3)
    assert len(weights.read_bytes()) == len(expected)
    assert len(table) == len(study[3])
    assert names_in(directory) == files_of(*study[2])


def test_a_dask_cluster_trains_as_this_process_does(study, again):
    distributed = pytest.importorskip("distributed")
    config, directory = again
    lost = study[2][:2]
    for inputs, target in lost:
        (directory / f"{to_name(inputs)}-{target}.ecsv").unlink()
    cluster = distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client, client.get_executor() as executor:
        table = run_study(config, directory, sizes=2, executor=executor)
    np.testing.assert_allclose(table["cc"], study[3]["cc"], atol=1e-2)
    assert names_in(directory) == files_of(*study[2])


# -- The command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(study, again, tmp_path):
    """Path of the configuration of a study whose networks are all there, and its directory."""
    config, directory = again
    path = study[1].parent / "run.toml"
    assert load_config(path) == config
    (directory / TABLE).unlink()
    return str(path), str(directory)


def test_the_command_says_what_it_is_for(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["channels", "--help"])
    assert caught.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "CONFIG.toml" in said
    for option in ("--sizes N", "--exhaustive", "--processes N", "--model MODEL", "--output DIR"):
        assert option in said


def test_the_command_makes_table_and_figures(study, finished, capsys, store):
    path, directory = finished
    save_model(untrained(study[0], Store.open(store)), Path(directory) / "any.safetensors")
    arguments = ["channels", path, "-o", directory, "--sizes", "2", "--processes", "1"]
    assert main([*arguments, "--model", f"{directory}/any.safetensors"]) == 0
    table = Table.read(Path(directory) / TABLE, format="ascii.ecsv")
    assert set(table["method"]) == {NETWORK, REGRESSION, "any"}
    for name in ("combinations.png", "pairs.png", "best.png"):
        assert Path(directory, name).read_bytes().startswith(b"\x89PNG")
    *lines, last = capsys.readouterr().out.splitlines()
    assert last.endswith(f"are in {directory}")
    assert TABLE in last
    # A head, a line, and the path.
    head, _, *rows = lines
    assert head.split() == ["method", "inputs", "size", "targets", "cc", "lowest", "hardest", "cc_log"]
    path = greedy_path(table)
    for row, line in zip(path, rows, strict=True):
        assert line.startswith(NETWORK)
        assert line.split()[3:6] == [row["inputs"], str(row["size"]), str(row["targets"])]
        assert float(line.split()[6]) == pytest.approx(row["cc"], abs=1e-3)


def test_the_command_says_what_is_wrong_in_a_line(study, finished, tmp_path, capsys):
    path, directory = finished
    untouched = tmp_path / "untouched"
    for arguments, status, message in (
        (["--sizes", "0"], 2, "--sizes must be at least 1; got 0"),
        (["--sizes", "many"], 2, "argument --sizes: invalid int value: 'many'"),
        (["--processes", "0"], 2, "--processes must be at least 1; got 0"),
        (["--sizes", "3"], 1, "sizes must leave a channel to make: from 1 to 2; got 3"),
        (["--model", str(tmp_path / "absent.safetensors")], 1, "there is no weights file"),
        (["--model", f"{directory}/131-171.safetensors", "--sizes", "1"], 1, "must take and make any channels"),
    ):
        # Of what it cannot parse, the parser makes an end itself.
        ended = pytest.raises(SystemExit, match="2") if "many" in arguments else contextlib.nullcontext()
        with ended:
            assert main(["channels", path, "-o", str(untouched), *arguments]) == status
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert message in line
        assert not untouched.exists()
    with pytest.raises(SystemExit) as caught:
        main(["channels", path])
    assert caught.value.code == 2
    assert "the following arguments are required: -o/--output" in capsys.readouterr().err
    assert main(["channels", str(tmp_path / "absent.toml"), "-o", str(untouched)]) == 2
    assert "there is no configuration" in capsys.readouterr().err
