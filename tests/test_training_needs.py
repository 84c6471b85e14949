import dataclasses
import json
import logging

import pytest
import torch
from training_store import FINE_GRID, configure, make_coarse, make_store, manifest

from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import model_record
from sunpy_mag2euv.training.learning.needs import Needs, bytes_in_words, count_needs, duration_in_words
from sunpy_mag2euv.training.learning.run import CHECKPOINT, set_up

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """With a store of two frames to train on and one to watch, and coarse weights."""
    directory = tmp_path_factory.mktemp("needs")
    make_store(directory / "store", grid=FINE_GRID, frames=manifest([2094.1, 2094.3, 2097.2, 2099.5]))
    make_coarse(directory / "coarse.safetensors")
    return directory


def needed(config):
    return count_needs(config, model_record(config, Store.open(config["data"]["store"])))


class Held:
    """A tensor that the backward pass will need; how many bytes such take together, and have taken at most."""

    counts, now, most = {}, 0, 0

    def __init__(self, tensor):
        self.tensor, storage = tensor, tensor.untyped_storage()
        self.place, self.size = storage._cdata, 0 if isinstance(tensor, torch.nn.Parameter) else storage.nbytes()
        if not Held.counts.get(self.place):
            Held.now += self.size
            Held.most = max(Held.most, Held.now)
        Held.counts[self.place] = Held.counts.get(self.place, 0) + 1

    def __del__(self):
        Held.counts[self.place] -= 1
        if not Held.counts[self.place]:
            Held.now -= self.size


@pytest.mark.parametrize("protocol", ["shared", "model-a", "model-b", "translation", "detail"])
def test_what_is_counted_is_what_a_run_has(directory, tmp_path, monkeypatch, protocol):
    config = configure(directory, directory / "store", protocol, run={"steps": 1, "epoch": 1})
    needs, run = needed(config), set_up(config, tmp_path / "run")
    for name, value in (("counts", {}), ("now", 0), ("most", 0)):
        monkeypatch.setattr(Held, name, value)
    with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
        run.fit()
    # The losses of the detail are not counted, and small beside a network that is not as small as this one.
    assert needs.kept == pytest.approx(Held.most, rel=0.7 if protocol == "detail" else 0.05)
    assert needs.parameters == sum(weight.numel() for weight in run.learner.parameters())
    assert needs.trained == sum(weight.numel() for weight in run.learner.parameters() if weight.requires_grad)
    saved = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)
    moments = [
        tensor
        for optimizer in saved["optimizer_states"]
        for state in optimizer["state"].values()
        for name, tensor in state.items()
        if name != "step"
    ]
    assert sum(tensor.numel() for tensor in moments) == 2 * needs.trained
    assert needs.averaged == ("current_model_state" in saved)
    # Names and statistics take some as well, which is much for networks as small as these.
    assert needs.checkpoint < (tmp_path / "run" / CHECKPOINT).stat().st_size < needs.checkpoint + 100_000


def test_a_batch_twice_as_large_keeps_and_takes_twice_as_much(directory):
    config = configure(directory, directory / "store", "model-b")
    once, twice = (needed({**config, "run": {**config["run"], "batch": batch}}) for batch in (1, 2))
    assert twice.parameters == once.parameters
    assert twice.kept == pytest.approx(2 * once.kept, rel=1e-2)
    assert twice.operations == 2 * once.operations


def test_memory_is_the_sum_of_what_is_there_at_once():
    needs = Needs(parameters=10, trained=8, averaged=True, kept=1000, largest=100, operations=1)
    assert needs.checkpoint == 4 * (10 + 10 + 2 * 8)
    assert needs.memory == needs.checkpoint + 4 * 8 + 1000 + 2 * 100
    assert dataclasses.replace(needs, averaged=False).memory == needs.memory - 40


def test_counting_draws_nothing_and_leaves_no_trace(directory):
    config = configure(directory, directory / "store")
    before, state = json.dumps(config), torch.random.get_rng_state()
    assert needed(config) == needed(config)
    assert json.dumps(config) == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_run_says_what_it_needs_and_how_long_it_takes(directory, tmp_path, caplog):
    config = configure(directory, directory / "store", "detail", run={"steps": 40, "epoch": 40, "batch": 1})

    def said():
        return [record.getMessage() for record in caplog.records if record.name.startswith("sunpy_mag2euv")]

    with caplog.at_level(logging.INFO, "sunpy_mag2euv"):
        run = set_up(config, tmp_path / "run")
        memory = bytes_in_words(needed(config).memory)
        assert said() == [f"the device needs about {memory} of memory, if it works in single precision"]
        run.fit()
    _, pace = said()
    assert pace.startswith("a step takes ")
    assert pace.endswith(" for 10 more")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 seconds"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (200 * 86400, "200 days")],
)
def test_durations_are_told_in_the_unit_that_suits_them(seconds, text):
    assert duration_in_words(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 kB"), (4096, "4.1 kB"), (1e6, "1 MB"), (2.5e9, "2.5 GB"), (4.19e11, "419 GB")]
)
def test_bytes_are_told_in_powers_of_ten(number, text):
    assert bytes_in_words(number) == text
