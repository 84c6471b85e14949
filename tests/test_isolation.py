"""Processes that are forked compute as their parents do; what else is put aside is tested with inference."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")

#: A process that computes with two threads, in whose children the same is computed.
_COMPUTE = """
import multiprocessing, sys
import numpy as np, torch
from sunpy_mag2euv.models import load_model

def answer(number):
    return float(model.run(field, torch.device("cpu")).sum()), torch.get_num_threads()

torch.set_num_threads(2)
model = load_model(sys.argv[1])
field = np.random.default_rng(0).normal(0, 100, model.grid.shape)
expected, _ = answer(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    answers = pool.map(answer, range(4))
assert all(abs(found - expected) < 1e-4 * abs(expected) and threads == 1 for found, threads in answers), answers
assert answer(0) == (expected, 2)
print("done")
"""

#: A process in whose children torch is not there, or not complete, or computes with as many threads as one says there.
_FORK = """
import os, sys, types
import sunpy_mag2euv.isolation

def fork(check):
    process = os.fork()
    if process == 0:
        os._exit(0 if check() else 1)
    assert os.waitpid(process, 0)[1] == 0

fork(lambda: "torch" not in sys.modules)
sys.modules["torch"] = types.ModuleType("torch")
fork(lambda: True)
del sys.modules["torch"]
import torch
threads = torch.get_num_threads()
fork(lambda: torch.get_num_threads() == 1)
assert torch.get_num_threads() == threads
print("done")
"""


def _run(code, *arguments):
    """What a process prints, which is ended if it hangs."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, start_new_session=True)
    return done.stdout, done.stderr


def test_children_of_a_process_that_has_computed_can_compute(tiny_weights):
    assert _run(_COMPUTE, tiny_weights) == ("done\n", "")


def test_children_whatever_there_is_of_torch():
    assert _run(_FORK) == ("done\n", "")
