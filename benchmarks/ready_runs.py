"""
What the ready runs of ``docs/runs`` need: ``python -m benchmarks.ready_runs``.

Each is checked with ``mag2euv train --check``, on a made-up store of the grid that it is for. What that prints is kept
in ``docs/ready_runs.txt``, with the machine it was measured on; what can be counted without one is put into the table
``docs/ready_runs.inc``.
"""

import datetime
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from astropy.table import Table
from astropy.time import Time

from benchmarks.results import processor
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.card import write_list_table
from sunpy_mag2euv.training.learning.config import load_config, model_record
from sunpy_mag2euv.training.learning.needs import bytes_in_words, count_needs
from sunpy_mag2euv.workers import cores

DOCS = Path(__file__).parent.parent / "docs"

#: The ready runs, and the grid of the store that each is for: the paper's, and half of it.
RUNS = {
    "park2019.toml": Grid((1024, 1024), 392.0),
    "park2019-b.toml": Grid((1024, 1024), 392.0),
    "park2019-512.toml": Grid((512, 512), 196.0),
    "park2019-b-512.toml": Grid((512, 512), 196.0),
    "default-512.toml": Grid((512, 512), 196.0),
}

#: One frame at least in every part of each split.
TIMES = ("2014-01-01", "2014-01-01T06:00", "2017-03-20", "2017-08-01", "2017-12-31")

BANDS = (94, 131, 171, 193, 211, 304, 335, 1600, 1700)

#: Operations a second that a GPU is taken to do, to tell what a run is in GPU-days; and frames of the paper.
_RATE, _FRAMES = 1e13, 8544 + 714 + 727


def empty_store(path, grid):
    """
    Make a store that has the shape of a real one, and frames that are still to be written.

    Parameters
    ----------
    path : path-like
    grid : Grid

    Returns
    -------
    Store
    """
    frames = Table({"name": TIMES, "time": Time(list(TIMES)), "source": ["made up"] * len(TIMES)})
    return Store.create(path, grid, frames, BANDS, provenance="made up", calibration=dict.fromkeys(BANDS, "made up"))


def fill(store):
    """
    Write something into all frames of a store.

    Parameters
    ----------
    store : Store
    """
    for row in range(len(store.frames)):
        field = np.random.default_rng(row).normal(0, 100, store.grid.shape).astype(np.float32)
        field *= store.grid.radius < 1
        store.write(row, field, dict.fromkeys(store.passbands, np.abs(field)))


def main():
    """Check all ready runs, and write what is found."""
    machine = (
        f"{processor()}; {cores()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"torch {torch.__version__}; no GPU"
    )
    lines, rows = [f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine}"], []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for name, grid in RUNS.items():
            (scratch / name).write_bytes((DOCS / "runs" / name).read_bytes())
            config = load_config(scratch / name, [193])
            path = Path(config["data"]["store"])
            if not path.exists():
                fill(empty_store(path, grid))
            lines += ["", *_checked(scratch, name)]
            rows.append(row(name, config, Store.open(path)))
    (DOCS / "ready_runs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    head = ("Run", "Weights", "Batch", "Memory", "Checkpoint", "GFLOP a step", "Steps", "GPU-days", "Store")
    write_list_table(head, rows, DOCS / "ready_runs.inc", "What the ready runs need, by count")


def _checked(directory, name):
    """The command and what it prints, in a process of its own, whose memory is measured."""
    passband = [] if "passbands" in (directory / name).read_text(encoding="utf-8") else ["--passband", "193"]
    command = ["train", name, *passband, "--check"]
    done = subprocess.run(
        [sys.executable, "-m", "sunpy_mag2euv.cli", *command],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": str(cores())},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [f"$ mag2euv {' '.join(command)}", *done.stdout.replace(f"{directory.resolve()}/", "").splitlines()]


def row(name, config, store):
    """
    Count what a run needs.

    Parameters
    ----------
    name : str
        Of its file.
    config : dict
    store : Store

    Returns
    -------
    tuple
        Cells of the table.
    """
    needs, run = count_needs(config, model_record(config, store)), config["run"]
    frame = (1 + len(store.passbands)) * 4 * store.grid.shape[0] * store.grid.shape[1]
    return (
        f"``{name}``",
        f"{needs.parameters / 1e6:.3g} million",
        run["batch"],
        bytes_in_words(needs.memory),
        bytes_in_words(needs.checkpoint),
        f"{needs.operations / 1e9:.0f}",
        run["steps"],
        f"{needs.operations * run['steps'] / _RATE / 86400:.2g}",
        bytes_in_words(frame * _FRAMES),
    )


if __name__ == "__main__":
    main()
