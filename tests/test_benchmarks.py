"""The benchmarks: that they run, that the documentation shows the last of them, and that what was gained is kept."""

import dataclasses
import itertools
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import ceilings, directory, guards, limits, results, steps
from benchmarks.rounds import Step, interleaved, summaries
from sunpy_mag2euv.grid import Grid

CPU = torch.device("cpu")
DOCS = Path(__file__).parent.parent / "docs"
RUNS = [json.loads(line) for line in results.HISTORY.read_text(encoding="utf-8").splitlines()]
TINY_PAPER = {"levels": 5, "width": 2}


def test_the_documentation_shows_the_last_runs(tmp_path):
    for device in {run["device"] for run in RUNS}:
        results.write_tables(results.last(device=device), tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.inc")}
    shown = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("benchmarks_*.inc")}
    assert "benchmarks_cpu_times.inc" in shown
    assert written == shown


def test_ratios_do_not_fall():
    """Beside the paper's networks in the same run, images take no more than half as long again as they did."""
    recorded = results.last(device="cpu", name=results.processor())
    if recorded is None:
        pytest.skip("no run was recorded on a processor like this one")
    best = {}
    # What is too slow is so every time.
    for _ in range(3):
        best = {name: max(ratio, best.get(name, 0)) for name, ratio in guards.measured().items()}
        fallen = {name: ratio for name, ratio in best.items() if ratio < recorded["guards"][name] * 2 / 3}
        if not fallen:
            break
    assert not fallen, f"they were {recorded['guards']}"


def test_guards_tell_ratios():
    found = guards.ratios(1, 128, width=2, levels=5)
    assert len(found) == 2
    assert all(0 < ratio < 1000 for ratio in found.values())


def test_rounds_are_interleaved():
    done, times = [], itertools.count()
    steps = [Step("a", lambda: done.append("a")), Step("b", lambda: done.append("b"), units=4)]
    seconds = interleaved(steps, 2, clock=lambda: next(times), progress=lambda *what: done.append(what))
    assert done == [what for n in range(3) for name in "ab" for what in ((n, name), name)]
    # A clock that goes on by one each time; the first round does not count.
    assert seconds == {"a": [1, 1], "b": [0.25, 0.25]}


def test_summaries():
    assert summaries({"a": [3.0, 1.00004, 2.0]}) == {"a": [1.0, 2.0, 3.0]}


@pytest.fixture
def tiny_setup(tiny_model, tmp_path, monkeypatch):
    """What is measured in no time: small images and networks, and nothing in other processes."""

    def compiled(*arguments):
        if arguments[0] == "-c":
            compile(arguments[1], "<command>", "exec")

    monkeypatch.setattr(ceilings, "in_new_process", compiled)
    monkeypatch.setattr(steps, "in_new_process", compiled)
    monkeypatch.setattr(directory, "Workers", lambda number, modules: ThreadPoolExecutor(1))
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr(guards, "measured", lambda: {"nine": 12.0})
    # The magnetogram's pixels are large.
    models = [dataclasses.replace(tiny_model, grid=Grid((side, side), 0.38 * side)) for side in (32, 64)]
    return steps.Setup(CPU, tmp_path, models, 256, TINY_PAPER)


@pytest.mark.filterwarnings("ignore::sunpy.util.exceptions.SunpyUserWarning")
def test_a_run(tiny_setup):
    run = command.measure(tiny_setup, 1, 4)
    assert json.loads(json.dumps(run)) == run
    for name in ("matrix product, float32", "convolution, bfloat16", "mag2euv --help", "Map to nine Maps, 64²"):
        assert len(run["seconds"][name]) == 3
    for name, needs in run["needs"].items():
        assert needs.keys() <= run["seconds"].keys(), name
        assert all(amount > 0 for amount in needs.values()), name
    assert run["off"]["the paper's network, float32"] < 1e-5
    assert run["guards"] == {"nine": 12.0}
    for found in run["found"].values():
        assert 0 < found["work"] <= 1
    text = results.shown(run)
    assert "GFLOP/s" in text
    assert "two processes, to one of them alone" in text


def made_up(**others):
    seconds = {"import sunpy": 1.0, "import sunpy_mag2euv": 1.5, "FITS file read": 1e-8, "a file, two processes": 0.5}
    seconds = {name: [0.9 * time, time, 2 * time] for name, time in seconds.items()}
    facts = {"device": "cpu", "name": "a processor", "cores": 2, "threads": 2, "torch": "2"}
    facts |= {"date": "now", "commit": "c", "repeats": 7}
    needs = {"a file, two processes": {"FITS file read": 1e7}}
    return facts | {"seconds": seconds, "needs": needs} | others


def test_tables():
    run = made_up(found={"a file, two processes": {"work": 0.9}}, guards={"nine": 12.0})
    tables = {name: rows for name, (_, _, rows) in results.tables(run).items()}
    assert tables["rates"] == [("FITS file read", "100 MB/s", "50.0…111")]
    # The floor is of what was read at best.
    assert tables["times"][-1] == ("a file, two processes", "0.500", "0.450…1.00", "2.00", "0.0900", "5.56")
    assert tables["ratios"] == [
        ("import sunpy_mag2euv, less import sunpy, in seconds", "0.500", "≤ 0.3, which it is not"),
        ("two processes: least share of time for reading, preparing and the network", "0.900", "≥ 0.85"),
        ("nine, one core", "12.0", "≥ two thirds of it"),
    ]


def test_history(tmp_path):
    path = tmp_path / "history.jsonl"
    for number, device in enumerate(("cpu", "cuda", "cpu", "cuda")):
        results.keep(made_up(device=device, number=number), path)
    assert results.last(path, device="cpu")["number"] == 2
    assert results.last(path)["number"] == 3
    assert results.last(path, name="another") is None


def test_what_processes_did():
    def record(process, start, work, memory):
        return {"process": process, "start": start, "end": start + 1, "work": work, "memory": memory}

    first = [record(1, 0, 0.1, 100), record(2, 0, 0.1, 100)]
    second = [record(1, 10, 0.9, 110), record(1, 11, 0.9, 120), record(2, 10, 0.5, 130), record(2, 12, 1, 130)]
    # The second waited for a second; the first round does not count for work, and all do for memory.
    assert directory._found([first, second]) == {"work": 0.5, "memory": 1.0}
    more = [record(1, 20 + number, 1, 100 + number) for number in range(30)]
    assert directory._found([[], more])["memory"] == pytest.approx(129 / 119, abs=1e-3)


def test_the_command_records(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", lambda setup, repeats, files: made_up(repeats=repeats))
    monkeypatch.setattr(command, "Setup", lambda device, path: None)
    monkeypatch.setattr(command, "_DOCS", tmp_path)
    monkeypatch.setattr(results.keep, "__defaults__", (tmp_path / "history.jsonl",))
    command.main(["--repeats", "3"])
    assert "a file, two processes" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    command.main(["--record"])
    names = ["benchmarks_cpu_rates.inc", "benchmarks_cpu_ratios.inc", "benchmarks_cpu_times.inc", "history.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--repeats", "0"], "at least 1"), (["--device", "nowhere"], "cannot be used here")]
)
def test_arguments_that_cannot_be_used(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_limits_of_what_images_tell():
    rng = np.random.default_rng(0)
    observed = rng.lognormal(size=10_000)
    assert limits.compare_logarithms(observed, 3 * observed) == pytest.approx((1, 1, 0))
    # The same everywhere, but for what says nothing
    correlation, spread, error = limits.compare_logarithms(observed, 1 + 1e-3 * rng.random(10_000))
    assert (correlation, spread, error) == pytest.approx((0, 0, 1), abs=0.05)
    first, second = np.eye(4, dtype=bool), np.ones((4, 4), dtype=bool)
    assert (limits.overlap(first, first), limits.overlap(first, second), limits.overlap(first, ~first)) == (1, 0.25, 0)


def test_the_darkest_pixels():
    image = np.full((9, 9), 10.0)
    image[4, 4] = np.nan
    image[:, 0] = 1
    where = np.ones_like(image, dtype=bool)
    where[:3] = False
    dark = limits.darkest(image, 6, where, sigma=0.1)
    assert dark[3:, 0].sum() == 5
    assert dark.sum() == 6
    assert not dark[:3].any()
