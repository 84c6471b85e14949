"""Processes of this machine that work for this one, each replaced if it dies, as a `concurrent.futures.Executor`."""

import contextlib
import importlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from sunpy_mag2euv.console import Terminated, prompt_end, unfailing_streams

__all__ = ["WorkerError", "Workers", "cores"]

#: What tells numerical libraries how many threads to use, when they are loaded.
_THREADS = "OMP_NUM_THREADS"

#: Seconds that a process has to tidy up before it is killed.
_PATIENCE = 5


class WorkerError(OSError):
    """A process died at its work, and another one, too."""


class Workers(Executor):
    """
    Processes that do one thing after another.

    Unlike `concurrent.futures.ProcessPoolExecutor`, which gives up with all that it was to do, this replaces a process
    that dies, such as for want of memory, and has what it was at done once more. Processes end when this one does,
    however that ends.

    Parameters
    ----------
    number : int
        How many. The cores are shared out among their torch.
    modules : iterable of str, optional
        What they import while they wait for work.
    retried : callable, optional
        Called, in any thread, when a process has died and another begins with what it was at: with how it died, in
        words, and the arguments of the function.

    Notes
    -----
    For each process there is a thread here that waits for it, so that it is known which of them was at what.
    """

    def __init__(
        self, number: int, modules: Sequence[str] = (), retried: Callable[[str, Any], object] | None = None
    ) -> None:
        # Forked processes would have a torch without its threads, see `sunpy_mag2euv.isolation`.
        self._context = multiprocessing.get_context("spawn")
        self._arguments = max(1, cores() // number), tuple(modules)
        self._threads = ThreadPoolExecutor(number)
        self._lock = threading.RLock()
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._workers: list[Any] = []
        self._stopped, self._retried = False, retried
        for _ in range(number):
            self._idle.put(self._start())

    def submit(self, function: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """
        Have something done.

        Parameters
        ----------
        function : callable
            It, its arguments and what it returns must be pickleable.
        *args, **kwargs

        Returns
        -------
        `concurrent.futures.Future`
            Raises `WorkerError` if two processes in a row died at it.
        """
        return self._threads.submit(self._do, (function, args, kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """
        Take no more work.

        Parameters
        ----------
        wait : bool, optional
            Whether to wait until all is done that was taken.
        cancel_futures : bool, optional
            Whether to forget what nobody is at yet.
        """
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self.stop()

    def stop(self) -> None:
        """End all processes, whatever they are at; what they were writing to is tidied up."""
        with self._lock:
            self._stopped = True
            workers = list(self._workers)
        for process, _ in workers:
            process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for process, _ in workers:
            process.join(max(0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        if kind is not None:
            self.stop()
        self.shutdown(cancel_futures=kind is not None)

    def _do(self, work: Any) -> Any:
        """Have it done by a process that is idle; by a new one, if that dies."""
        worker = self._idle.get()
        try:
            for last in (False, True):
                if not worker[0].is_alive():
                    worker = self._replace(worker)
                process, connection = worker
                try:
                    connection.send(work)
                    result, error = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    worker = self._replace(worker)
                    if self._retried is not None and not last:
                        self._retried(_cause(process.exitcode), *work[1])
                    continue
                if error is not None:
                    raise error
                return result
        finally:
            self._idle.put(worker)
        raise WorkerError(f"two processes died at it, the last {_cause(process.exitcode)}")

    def _start(self) -> Any:
        """A process, and the connection to it."""
        with self._lock:
            if self._stopped:
                raise WorkerError("it was not begun, since the work was ended")
            here, there = self._context.Pipe()
            process = self._context.Process(target=_work, args=(there, *self._arguments), daemon=True)
            with _without_interruptions(), _threads(self._arguments[0]):
                process.start()
            there.close()
            self._workers.append((process, here))
            return self._workers[-1]

    def _replace(self, worker: Any) -> Any:
        """Another process for one that died."""
        with self._lock:
            successor = self._start()
            self._workers.remove(worker)
        worker[1].close()
        return successor


def cores() -> int:
    """
    Count the cores that this process may use.

    Returns
    -------
    int
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _without_interruptions() -> Iterator[None]:
    """Have processes that are started not hear of Ctrl-C, which is for all processes of a terminal."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Have processes that are started use so many threads at most, those of NumPy included."""
    before = os.environ.get(_THREADS)
    if before is None or not before.isdecimal() or int(before) > number:
        os.environ[_THREADS] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


def _cause(code: int) -> str:
    """How a process died, in words."""
    if code is None or code >= 0:
        return f"with the exit status {code}"
    name = signal.Signals(-code).name
    return "by SIGKILL, as when memory runs out" if name == "SIGKILL" else f"by {name}"


def _work(connection: Any, threads: int, modules: Sequence[str]) -> None:
    """What a process does."""
    # Not every system keeps what was blocked for a process that is started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(Terminated), unfailing_streams(), prompt_end(silent=True):
        threading.Thread(target=_end_with_parent, daemon=True).start()
        import torch

        from sunpy import log

        log.setLevel("WARNING")
        torch.set_num_threads(min(torch.get_num_threads(), threads))
        for name in modules:
            importlib.import_module(name)
        while True:
            try:
                function, args, kwargs = connection.recv()
            except EOFError:
                return
            except Exception as error:
                answer = None, TypeError(f"what is to be done cannot be understood here ({error})")
            else:
                answer = _answer(function, args, kwargs)
            try:
                connection.send(answer)
            except OSError:
                return
            except Exception as error:
                connection.send((None, TypeError(f"what came of it cannot be passed on ({error})")))


def _answer(function: Callable, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, BaseException | None]:
    """What a function returns, and what it raises."""
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even if that was killed."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os._exit(1)
