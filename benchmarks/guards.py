"""
Ratios that a test looks at: how much sooner this package has images than the paper's networks, on one core.

They are measured in a process that has one thread for everything, in the processor's time, and of several times the
least counts. So what else the machine does changes them by a few per cent. With more threads it does not: those of
NumPy's products of matrices count the time in which they wait for each other.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.peers import paper_model, plain, scaled
from benchmarks.rounds import Step, interleaved
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import load_model

__all__ = ["measured", "ratios"]

_ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")


def measured():
    """
    Measure `ratios` in a new process.

    Returns
    -------
    dict of float
    """
    command, root = [sys.executable, "-m", "benchmarks.guards"], Path(__file__).parent.parent
    run = subprocess.run(command, cwd=root, env=os.environ | _ONE, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout)


def ratios(repeats=5, size=256, **parameters):
    """
    Tell how many times longer the paper's networks take in plain eager single precision.

    Parameters
    ----------
    repeats : int
    size : int
        Pixels a side of nine passbands; one of the paper's networks alone has twice that.
    **parameters
        Of the paper's network.

    Returns
    -------
    dict of float
    """
    device, default = torch.device("cpu"), load_model()
    fields = [np.random.default_rng(0).normal(0, 30, (side, side)).astype(np.float32) for side in (size, 2 * size)]
    small, large = (
        dataclasses.replace(default, grid=Grid(field.shape, default.grid.solar_radius * len(field) / 1024))
        for field in fields
    )
    paper = paper_model(large, {"kind": "generator", **parameters}, fields[1])
    network, inputs = paper.network(device), [scaled(field, device) for field in fields]
    steps = [
        Step("of nine, plain", lambda: plain(network, inputs[0]), 1 / 9),
        Step("nine", lambda: small.outputs(small.run(fields[0], device))),
        Step("plain", lambda: plain(network, inputs[1])),
        Step("quick", lambda: paper.run(fields[1], device)),
    ]
    least = {name: min(times) for name, times in interleaved(steps, repeats, clock=time.process_time).items()}
    return {
        f"nine of the paper's networks to nine passbands, {size}²": round(least["of nine, plain"] / least["nine"], 2),
        f"the paper's network, plain to quick, {2 * size}²": round(least["plain"] / least["quick"], 2),
    }


if __name__ == "__main__":
    print(json.dumps(ratios()))
