"""Processes that work for this one."""

import os
import signal
import time
from concurrent.futures import as_completed

import pytest
import torch

from sunpy_mag2euv.workers import WorkerError, Workers


@pytest.fixture(scope="module")
def workers():
    """Two processes."""
    with Workers(2) as workers:
        yield workers


def _die_once(path):
    """Be killed, but not again."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def _not_picklable():
    return lambda: None


def test_work_is_done_by_other_processes(workers):
    futures = [workers.submit(os.getpid) for _ in range(20)]
    pids = {future.result() for future in as_completed(futures)}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert list(workers.map(pow, [2, 3], [3, 2])) == [8, 9]
    assert workers.submit(dict, a=1).result() == {"a": 1}


def test_threads_are_shared_out(workers):
    before = os.environ.get("OMP_NUM_THREADS")
    assert 1 <= int(workers.submit(os.getenv, "OMP_NUM_THREADS").result()) <= max(1, (os.cpu_count() or 1) // 2)
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert workers.submit(torch.get_num_threads).result() <= max(1, (os.cpu_count() or 1) // 2)


def test_errors_come_back(workers):
    with pytest.raises(ValueError, match="invalid literal"):
        workers.submit(int, "x").result()
    with pytest.raises(TypeError, match="what came of it cannot be passed on"):
        workers.submit(_not_picklable).result()


def test_who_dies_is_replaced(workers, tmp_path):
    marker = tmp_path / "died"
    survivor = workers.submit(_die_once, marker).result(timeout=60)
    assert marker.exists()
    assert os.getpid() != survivor
    # What the other process was at is none of its business.
    slow, deadly = workers.submit(time.sleep, 1), workers.submit(os._exit, 3)
    with pytest.raises(WorkerError, match="two processes died at it, the last with the exit status 3"):
        deadly.result(timeout=60)
    assert slow.result() is None
    pid = workers.submit(os.getpid).result(timeout=60)
    os.kill(pid, signal.SIGKILL)
    assert pid not in {workers.submit(os.getpid).result(timeout=60) for _ in range(4)}


def test_what_is_tried_again_is_said(tmp_path):
    said = []
    with Workers(1, retried=lambda *words: said.append(words)) as workers:
        workers.submit(_die_once, tmp_path / "died").result(timeout=60)
        with pytest.raises(WorkerError):
            workers.submit(os._exit, 3).result(timeout=60)
    assert said == [("by SIGKILL, as when memory runs out", tmp_path / "died"), ("with the exit status 3", 3)]


def test_the_end_waits_for_nobody():
    workers = Workers(1)
    future = workers.submit(time.sleep, 600)
    behind = workers.submit(time.sleep, 600)
    start = time.monotonic()
    workers.stop()
    with pytest.raises(WorkerError, match="the work was ended"):
        future.result(timeout=60)
    with pytest.raises(WorkerError, match="the work was ended"):
        behind.result(timeout=60)
    workers.shutdown()
    assert time.monotonic() - start < 30
