"""Files of a directory, done by one process and by several, and what these spend their time on."""

import contextlib
import itertools
import operator
import os
import time
from collections import Counter
from pathlib import Path
from unittest import mock

from benchmarks.rounds import Step
from sunpy_mag2euv import inputs, synthesis
from sunpy_mag2euv.archive import Job
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.workers import Workers

__all__ = ["Directory"]

#: What a process ought to spend its time on: reading, preparing, and the network with what it is shown and says.
_WORK = ((inputs, "read"), (synthesis, "prepare"), (synthesis, "answers"))

#: Files from which on memory ought to be the same.
_SETTLED = 20


class Directory:
    """
    Files, and the processes that make images of them.

    Parameters
    ----------
    directory : `~pathlib.Path`
        Where the files and their images are put.
    number : int
        Files that are done at a time.
    size : int
        Pixels a side.
    model : str or path-like
    """

    def __init__(self, directory, number, size, model):
        self._stack, self._records = contextlib.ExitStack(), {}
        self.sources = [directory / f"hmi_{place:03}.fits" for place in range(number)]
        suns = [sample_magnetogram(seed, size=size) for seed in range(min(number, 4))]
        for place, source in enumerate(self.sources):
            suns[place % len(suns)].save(source)
        # Images are made again and again, so that the disk need not hold those of all rounds.
        self._job = Job(directory / "images", model=model, device="cpu", overwrite=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def steps(self, needs):
        """
        Make the steps, and start the processes that do them.

        Parameters
        ----------
        needs : dict
            Of each file, see `~benchmarks.rounds.Step`.

        Returns
        -------
        list of Step
            By the file.
        """
        one, two = (self._stack.enter_context(Workers(number, ["sunpy_mag2euv.synthesis"])) for number in (1, 2))
        steps = [
            self._step("a file, one process with all cores", one, needs),
            self._step("a file, one of two processes alone", two, needs, alone=True),
            self._step("a file, two processes", two, needs),
        ]
        with contextlib.suppress(ImportError):
            steps.append(self._step("a file, two workers of dask", self._stack.enter_context(_dask()), needs))
        return steps

    def found(self):
        """
        Tell what the processes did, for each step.

        Returns
        -------
        dict of dict
            ``work``: share of its time, from the beginning of its first file in a round to the end of its last, that
            the process with the least spent on reading, preparing and the network. ``memory``: the most that a process
            had taken up at its last file over that at the 20th file; missing if it cannot be known.
        """
        return {name: _found(records) for name, records in self._records.items()}

    def _step(self, name, executor, needs, alone=False):
        rounds = self._records[name] = []

        def do():
            if alone:
                rounds.append([executor.submit(_timed, self._job, source).result() for source in self.sources])
            else:
                futures = [executor.submit(_timed, self._job, source) for source in self.sources]
                rounds.append([future.result() for future in futures])

        return Step(name, do, len(self.sources), needs)


@contextlib.contextmanager
def _dask():
    """An executor with two workers of dask on this machine."""
    from distributed import LocalCluster

    from sunpy_mag2euv.cluster import connected

    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**settings) as cluster, connected(cluster.scheduler_address) as executor:
        yield executor


def _timed(job, source):
    """Do a job; tell who did it, when, how much of the time was work, and how much memory that took so far."""
    spent = Counter()

    def counted(function):
        def timed(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent["work"] += time.perf_counter() - start

        return timed

    with contextlib.ExitStack() as stack:
        for module, name in _WORK:
            stack.enter_context(mock.patch.object(module, name, counted(getattr(module, name))))
        start = time.perf_counter()
        outcome = job(source)
        end = time.perf_counter()
    if outcome.status != "done":
        raise RuntimeError(f"{source} could not be done: {outcome.reason}")
    return {"process": os.getpid(), "start": start, "end": end, "work": spent["work"], "memory": _most_memory()}


def _most_memory():
    """The most memory that this process ever had, in KiB; None where that is not told."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return None


def _found(rounds):
    """What `Directory.found` tells of a step."""
    work, total = Counter(), Counter()
    for records in rounds[1:]:
        for process, own in _by_process(records).items():
            work[process] += sum(record["work"] for record in own)
            total[process] += own[-1]["end"] - own[0]["start"]
    found = {"work": round(min(work[process] / total[process] for process in total), 3)}
    records = sorted(itertools.chain(*rounds), key=operator.itemgetter("end"))
    settled, growth = _by_process(records[:_SETTLED]), []
    for process, own in _by_process(records).items():
        if process in settled and own[-1]["memory"] is not None:
            growth.append(own[-1]["memory"] / settled[process][-1]["memory"])
    return found | ({"memory": round(max(growth), 3)} if growth else {})


def _by_process(records):
    """Records of each process, in the order of time."""
    processes = {}
    for record in sorted(records, key=operator.itemgetter("end")):
        processes.setdefault(record["process"], []).append(record)
    return processes
