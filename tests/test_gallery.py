"""The gallery: every script runs alone, in an empty directory, and shows figures."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sunpy_mag2euv

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("plot_*.py"))
REMOTE = EXAMPLES / "remote_observation.py"

pytestmark = pytest.mark.skipif(not SCRIPTS, reason="the examples are not installed with the package")

#: Runs a script as it is, and then says of each figure that it leaves how many colours it has.
DRIVER = """
import runpy, sys
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

names = runpy.run_path(sys.argv[1], run_name="__main__")
for value in names.values():
    if isinstance(value, FuncAnimation):
        value.new_frame_seq()
        value._func(0)  # others draw it when it is shown
for number in plt.get_fignums():
    plt.figure(number).canvas.draw()
    pixels = np.asarray(plt.figure(number).canvas.buffer_rgba()).reshape(-1, 4)
    print("FIGURE", len(np.unique(pixels.view(np.uint32))))
"""

#: Warnings of this package and of what it is built on are errors; that others are going to change is not.
WARNINGS = ["-Werror", "-Wignore::DeprecationWarning", "-Wignore::PendingDeprecationWarning"]


def _downloads(script):
    """Files that a script's page offers for download."""
    return re.findall(r":download:`\S+\s+</\.\./examples/data/(\S+)>`", script.read_text(encoding="utf-8"))


def _run(script, tmp_path):
    """Run a script with what its page tells to put beside it; returns the number of colours of each of its figures."""
    home, empty, temporary = (tmp_path / name for name in ("downloads", "empty", "temporary"))
    for folder in (home / "data", empty, temporary):
        folder.mkdir(parents=True)
    shutil.copy(script, home)
    for name in _downloads(script):
        shutil.copy(EXAMPLES / "data" / name, home / "data")
    paths = [str(Path(sunpy_mag2euv.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    settings = {
        "MPLBACKEND": "agg",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TMPDIR": str(temporary),
        "TQDM_DISABLE": "1",
        "PYTHONUTF8": "1",
    }
    finished = subprocess.run(
        [sys.executable, *WARNINGS, "-c", DRIVER, home / script.name],
        cwd=empty,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert list(empty.iterdir()) == []
    return [int(line.split()[1]) for line in finished.stdout.splitlines() if line.startswith("FIGURE ")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_runs_alone(script, tmp_path):
    colors = _run(script, tmp_path)
    assert colors
    # Frames, words and lines have some hundred shades together.
    assert min(colors) > 40


@pytest.mark.remote_data
def test_script_that_fetches_runs_alone(tmp_path):
    assert len(_run(REMOTE, tmp_path)) == 1


@pytest.mark.parametrize("script", [*SCRIPTS, REMOTE], ids=lambda script: script.stem)
def test_script_is_short_and_has_a_title(script):
    text = script.read_text(encoding="utf-8")
    assert re.match(r'"""\n(.+)\n(=+)\n\n[A-Z]', text)
    _, code = text[3:].split('"""', maxsplit=1)
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 70
    # What is scored is computed.
    assert not re.search(r"\b0\.\d{3}\b", "\n".join(line for line in text.splitlines() if line.startswith("#")))


def test_observations_are_small():
    files = sorted((EXAMPLES / "data").glob("*.fits"))
    assert {path.name for path in files} == {"hmi.fits", *(f"aia_{band}.fits" for band in (131, 171, 193, 211, 304))}
    assert sum(path.stat().st_size for path in files) <= 300_000
    offered = {name for script in SCRIPTS for name in _downloads(script)}
    tables = {path.name for path in (EXAMPLES / "data").glob("*.ecsv")}
    assert offered == {path.name for path in files} | tables
