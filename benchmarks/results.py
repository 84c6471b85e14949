"""What was measured, kept and shown: ``history.jsonl``, a line for each run, and the tables of the documentation."""

import contextlib
import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

import torch

from benchmarks.rounds import summaries
from sunpy_mag2euv.training.learning.card import write_list_table
from sunpy_mag2euv.workers import cores

__all__ = ["HISTORY", "described", "keep", "last", "processor", "shown", "tables", "write_tables"]

HISTORY = Path(__file__).with_name("history.jsonl")

#: How the rates of steps are told that do nothing else than find them.
_RATES = {
    "matrix product": (1e9, "GFLOP/s"),
    "convolution": (1e9, "GFLOP/s"),
    "copy in memory": (1e9, "GB/s"),
    "FITS file": (1e6, "MB/s"),
}


def processor():
    """
    Name the processor of this machine.

    Returns
    -------
    str
        What two machines have in common on which ratios of times can be compared.
    """
    facts = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            facts[name.strip()] = value.strip()
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    return f"{facts['model name']}, family {facts.get('cpu family')}, model {facts.get('model')}"


def described(steps, seconds, device, **others):
    """
    Put together what a run has found.

    Parameters
    ----------
    steps : iterable of Step
    seconds : dict
        As `~benchmarks.rounds.interleaved` returns it.
    device : `torch.device`
    **others
        Plain data that is kept as well.

    Returns
    -------
    dict
        Plain data for JSON.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(),
        "device": device.type,
        "name": name,
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "repeats": max(map(len, seconds.values())),
        "seconds": summaries(seconds),
        "needs": {step.name: step.needs for step in steps if step.needs},
        **others,
    }


def _commit():
    command = ["git", "-C", str(HISTORY.parent), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return ""


def keep(entry, path=HISTORY):
    """Add what a run has found to the history."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def last(path=HISTORY, **facts):
    """
    Find the last run of a kind.

    Parameters
    ----------
    path : path-like, optional
    **facts
        What the run has to have, such as ``device="cpu"``.

    Returns
    -------
    dict or None
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    runs = (entry for entry in map(json.loads, reversed(lines)) if facts.items() <= entry.items())
    return next(runs, None)


def tables(entry):
    """
    Make the tables that show a run.

    Parameters
    ----------
    entry : dict
        As `described` returns it.

    Returns
    -------
    dict of (title, head, rows)
        By name.
    """
    title = (
        f"{entry['name']}, cores: {entry['cores']}, threads: {entry['threads']}, torch {entry['torch']}; "
        f"{entry['date']} UTC, {entry['commit']}, rounds: {entry['repeats']}"
    )
    return {
        "times": (
            title,
            ("What", "Seconds", "Least…most", "A second", "Floor", "Times its floor"),
            _times(entry),
        ),
        "rates": (title, ("What", "Rate", "Lowest…highest"), _rates(entry)),
        "ratios": (title, ("What", "Found", "To be"), _ratios(entry)),
    }


def write_tables(entry, directory):
    """
    Write the tables that show a run, as the documentation includes them.

    Parameters
    ----------
    entry : dict
    directory : path-like
    """
    for name, (title, head, rows) in tables(entry).items():
        write_list_table(head, rows, Path(directory, f"benchmarks_{entry['device']}_{name}.inc"), title)


def shown(entry):
    """The tables that show a run, as text for a terminal."""
    lines = []
    for title, head, rows in tables(entry).values():
        cells = [head, *rows]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        lines += ["", title, ""]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
    return "\n".join(lines)


def _rate_of(name):
    return next((rate for start, rate in _RATES.items() if name.startswith(start)), None)


def _times(entry):
    seconds, rows = entry["seconds"], []
    for name, (least, median, most) in seconds.items():
        if _rate_of(name):
            continue
        # The least time of what the machine can do: it could then, at least.
        floor = sum(amount * seconds[other][0] for other, amount in entry["needs"].get(name, {}).items())
        floors = (_digits(floor), _digits(median / floor)) if floor else ("", "")
        rows.append((name, _digits(median), f"{_digits(least)}…{_digits(most)}", _digits(1 / median), *floors))
    return rows


def _rates(entry):
    rows = []
    for name, (least, median, most) in entry["seconds"].items():
        if rate := _rate_of(name):
            low, middle, high = (_digits(1 / value / rate[0]) for value in (most, median, least))
            rows.append((name, f"{middle} {rate[1]}", f"{low}…{high}"))
    return rows


def _ratios(entry):
    rows = []
    for what, value, bound, limit in _claims(entry):
        # What was not measured, since there are no such instructions or no dask, is not shown.
        with contextlib.suppress(KeyError):
            found = value()
            holds = found >= limit if bound == "≥" else found <= limit
            rows.append((what, _digits(found), f"{bound} {limit:g}{'' if holds else ', which it is not'}"))
    for what, found in entry.get("guards", {}).items():
        rows.append((f"{what}, one core", _digits(found), "≥ two thirds of it"))
    return rows


def _claims(entry):
    """What ought to hold: in words, a function of no parameters that gives the number, and its limit."""
    seconds = {name: times[1] for name, times in entry["seconds"].items()}
    off, found = entry.get("off", {}), entry.get("found", {})
    paper, one = "the paper's network, 1024²", "a file, one of two processes alone"
    nine = "field to nine images in DN/s, 1024²"
    claims = [
        (
            "import sunpy_mag2euv, less import sunpy, in seconds",
            lambda: seconds["import sunpy_mag2euv"] - seconds["import sunpy"],
            "≤",
            0.3,
        ),
        (
            "mag2euv --help, less import sunpy, in seconds",
            lambda: seconds["mag2euv --help"] - seconds["import sunpy"],
            "≤",
            0.3,
        ),
        ("Map to nine Maps, 256², in seconds", lambda: seconds["Map to nine Maps, 256²"], "≤", 0.45),
        ("Map to nine Maps, 1024², in seconds", lambda: seconds["Map to nine Maps, 1024²"], "≤", 2),
        (
            "nine of the paper's networks, plain, to nine passbands, from the same field",
            lambda: seconds[f"{nine}, nine of the paper's networks, plain float32"] / seconds[nine],
            "≥",
            8,
        ),
    ]
    for dtype, faster, error in (("float32", 1.2, 1e-5), ("bfloat16", 2.2, 0.01)):
        claims += [
            (
                f"the paper's network, plain float32 to {dtype} of this package",
                lambda dtype=dtype: seconds[f"{paper}, plain float32"] / seconds[f"{paper}, {dtype} of this package"],
                "≥",
                faster,
            ),
            (
                f"the paper's network, {dtype}: rms difference in DN/s, relative",
                lambda dtype=dtype: off[f"the paper's network, {dtype}"],
                "≤",
                error,
            ),
        ]
    for name in ("a file, two processes", "a file, two workers of dask"):
        two = name.removeprefix("a file, ")
        claims += [
            (f"{two}, to one of them alone", lambda name=name: seconds[one] / seconds[name], "≥", 1.6),
            (
                f"{two}, to one with all cores",
                lambda name=name: seconds["a file, one process with all cores"] / seconds[name],
                "≥",
                1.6,
            ),
            (
                f"{two}: least share of time for reading, preparing and the network",
                lambda name=name: found[name]["work"],
                "≥",
                0.85,
            ),
            (
                f"{two}: memory at the last file to that at the 20th",
                lambda name=name: found[name]["memory"],
                "≤",
                1.05,
            ),
        ]
    if entry["device"] != "cpu":
        claims.append(("rms difference to the CPU's images, relative", lambda: off[entry["device"]], "≤", 1e-3))
    return claims


def _digits(value):
    """Three digits, or all before the point."""
    if value != 0 and abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"
