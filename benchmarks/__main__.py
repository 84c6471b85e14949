"""Measure, show, and keep: ``python -m benchmarks --record``."""

import argparse
import contextlib
import sys
import tempfile
import warnings
from pathlib import Path

import sunpy

from benchmarks import guards, results
from benchmarks.ceilings import ceilings
from benchmarks.directory import Directory
from benchmarks.rounds import interleaved
from benchmarks.steps import Setup
from sunpy_mag2euv.inference import resolve_device

_DOCS = Path(__file__).parent.parent / "docs"


def measure(setup, repeats, files):
    """
    Measure everything.

    Parameters
    ----------
    setup : Setup
    repeats : int
        How often, of which the median counts.
    files : int
        How many files are done in all rounds together by each of those that do them. Only on a CPU; other devices have
        no use for several processes.

    Returns
    -------
    dict
        See `~benchmarks.results.described`.
    """
    device, others = setup.device, {"off": setup.off()}
    with contextlib.ExitStack() as stack:
        steps = [*ceilings(device, setup.directory, setup.size), *setup.steps()]
        if device.type == "cpu":
            others["guards"] = guards.measured()
            number = max(2, -(-files // (repeats + 1)))
            directory = stack.enter_context(Directory(setup.directory, number, setup.size // 4, setup.models[-1]))
            steps += directory.steps(setup.file_needs())
        seconds = interleaved(steps, repeats, progress=_say)
        if device.type == "cpu":
            others["found"] = directory.found()
    return results.described(steps, seconds, device, **others)


def _say(number, name):
    print(f"round {number}: {name}".ljust(110), end="\r", file=sys.stderr, flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds, of which the median counts (default: 7)")
    parser.add_argument("--files", type=int, default=200, help="to do in all rounds together (default: 200)")
    parser.add_argument("--device", default="cpu", help="where networks run, such as cuda (default: cpu)")
    parser.add_argument("--record", action="store_true", help="add the run to the history, and write the tables")
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1:
        parser.error(f"--repeats must be at least 1; got {arguments.repeats}")
    try:
        device = resolve_device(arguments.device)
    except ValueError as error:
        parser.error(str(error))

    # Of made-up Maps there is much to say.
    sunpy.log.setLevel("ERROR")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as directory:
        warnings.simplefilter("ignore")
        setup = Setup(device, Path(directory))
        entry = measure(setup, arguments.repeats, arguments.files)
    print(results.shown(entry))
    if arguments.record:
        results.keep(entry)
        results.write_tables(entry, _DOCS)


if __name__ == "__main__":
    main()
