"""Sequences: the answers to many, in their order, of which the next are made ready while one is computed."""

import inspect
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

import sunpy.map
from sunpy.util.exceptions import warn_user

__all__ = ["Answers", "are_several", "in_step"]

#: What is iterable and still one thing, if the wrong one.
_ONE = (sunpy.map.GenericMap, str, bytes, os.PathLike, np.ndarray, Mapping)


def are_several(maps: object) -> bool:
    """Whether this is meant to be several Maps: a list, tuple or other collection, a MapSequence or an iterator."""
    return isinstance(maps, sunpy.map.MapSequence) or (isinstance(maps, Iterable) and not isinstance(maps, _ONE))


def in_step(**columns: Any) -> Iterator[tuple]:
    """
    Go through several iterables together.

    Parameters
    ----------
    **columns : iterable
        By what to call them in errors, in the plural.

    Returns
    -------
    iterator of tuple
        The first of each, then the second, and so on.

    Raises
    ------
    ValueError
        If they are not equally long: at once, or if that cannot be known, where one of them ends.
    """
    sizes = {name: len(values) for name, values in columns.items() if hasattr(values, "__len__")}
    if len(set(sizes.values())) > 1:
        found = " and ".join(f"{size} {name}" for name, size in sizes.items())
        raise ValueError(f"{_listed(columns)} must go in pairs; there are {found}. Give as many of each, or one")
    return _Rows({name: iter(values) for name, values in columns.items()})


class _Rows(Iterator):
    """Of several columns. If something is wrong with one item, all go on to the next, as a generator would not."""

    def __init__(self, columns: dict[str, Iterator]) -> None:
        self._columns = columns

    def __next__(self) -> tuple:
        row, ended, errors = [], [], []
        for name, values in self._columns.items():
            try:
                row.append(next(values))
            except StopIteration:
                ended.append(name)
            except Exception as error:
                over = inspect.isgenerator(values) and values.gi_frame is None
                errors.append(_OverError(error) if over else error)
        if len(ended) == len(self._columns):
            raise StopIteration
        if ended:
            raise ValueError(f"{_listed(self._columns)} must go in pairs; there are too few {ended[0]}")
        if errors:
            raise errors[0]
        return tuple(row)


def _listed(columns: Iterable[str]) -> str:
    return " and ".join(columns)


#: In place of an item when there are no more.
_END = object()


class _OverError(Exception):
    """What a generator raised, which is at its end then: whatever else it had to give is lost."""


@dataclass(frozen=True)
class _Failed:
    """What stands in the place of an answer that cannot be given; after it there may be ``over``, nothing more."""

    error: Exception
    over: bool = False


class Answers(Iterator):
    """
    An iterator of answers that, unlike a generator, goes on after an error.

    A thread of its own takes the next items and makes them ready, while the one that asks computes: no more than are
    computed at a time and one, so that memory is bounded. It begins when the first answer is asked for. Several threads
    may ask, each for its own answers.

    Parameters
    ----------
    items : iterable of tuple
        What is to be answered.
    prepare : callable
        Takes what is in an item, which is a tuple, and returns what ``answer`` needs.
    answer : callable
        Takes a list of what ``prepare`` returned, and returns a list of the answers.
    at_once : int
        How many items are answered at a time.
    allow_errors : bool
        Whether to leave out, with a warning, what cannot be answered. Otherwise its error is raised in its place, and
        the next answer is that to the next item. What a generator raises, which ends it, is always raised.
    """

    def __init__(
        self,
        items: Iterable[tuple],
        prepare: Callable[..., Any],
        answer: Callable[[list], list],
        at_once: int,
        allow_errors: bool,
    ) -> None:
        self._items, self._prepare, self._answer = iter(items), prepare, answer
        self._at_once, self._allow_errors = at_once, allow_errors
        # What threads are at, in the order of the items; what is ready to be answered; and the answers.
        self._ahead: deque[Future] = deque()
        self._ready: list[Any] = []
        self._answers: deque[Any] = deque()
        self._number, self._lock = 0, threading.RLock()
        self._process: int | None = None

    def __next__(self) -> Any:
        with self._lock:
            while True:
                if not self._answers:
                    self._compute()
                if not self._answers:
                    raise StopIteration
                answer = self._answers.popleft()
                self._number += 1
                if not isinstance(answer, _Failed):
                    return answer
                # What is lost with a generator must not be missed unnoticed.
                if answer.over or not self._allow_errors:
                    if not hasattr(answer.error, "__notes__"):
                        answer.error.add_note(f"This was number {self._number} of those given, counted from 1.")
                    raise answer.error
                warn_user(f"number {self._number} of those given is left out: {answer.error}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("an iterator of answers can neither be copied nor sent to another process; make another one")

    def _compute(self) -> None:
        """Find the answers to the next items; none if there are no more."""
        self._take()
        sound = [item for item in self._ready if not isinstance(item, _Failed)]
        try:
            answers = self._answer(sound) if sound else []
        except Exception as error:
            # Which of them it was is found out by asking for each alone.
            answers = [_Failed(error)] if len(sound) == 1 else [self._alone(item) for item in sound]
        rest = iter(answers)
        self._answers += [item if isinstance(item, _Failed) else next(rest) for item in self._ready]
        # If this was interrupted, they are still to be answered.
        self._ready = []

    def _alone(self, item: Any) -> Any:
        try:
            return self._answer([item])[0]
        except Exception as error:
            return _Failed(error)

    def _take(self) -> None:
        """Wait for items to be ready, while the next are begun with."""
        if self._ahead and self._process != os.getpid():
            raise RuntimeError(
                "an iterator of answers must be used in one process; this is a fork of that. Make another one here"
            )
        self._process = os.getpid()
        while len(self._ready) < self._at_once:
            while len(self._ahead) <= self._at_once:
                self._begin()
            wait([self._ahead[0]])
            if self._ahead[0].exception() is None and self._ahead[0].result() is _END:
                break
            self._ready.append(self._ahead.popleft().result())

    def _begin(self) -> None:
        """Have a thread make the next item ready, after those that are being made ready."""
        item: Future = Future()
        before = list(self._ahead)[-1:]
        # Not one of an executor: Python would wait for these in the end, and they may wait for what never comes.
        work = (item, before, self._items, self._prepare)
        threading.Thread(target=_fetch, args=work, name="mag2euv", daemon=True).start()
        self._ahead.append(item)


def _fetch(item: Future, before: list[Future], items: Iterator[tuple], prepare: Callable[..., Any]) -> None:
    """Make an item ready."""
    wait(before)
    try:
        item.set_result(_next(items, prepare))
    except BaseException as error:
        item.set_exception(error)


def _next(items: Iterator[tuple], prepare: Callable[..., Any]) -> Any:
    """The next item made ready, `_END` if there is none; what goes wrong is for those who wait for it."""
    try:
        return prepare(*next(items))
    except StopIteration:
        return _END
    except _OverError as error:
        return _Failed(error.args[0], over=True)
    except Exception as error:
        return _Failed(error)
