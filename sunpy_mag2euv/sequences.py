"""Sequences: the answers to many, in their order, of which the next are made ready while one is computed."""

import inspect
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

import sunpy.map
from sunpy.util.exceptions import warn_user

__all__ = ["Answers", "are_several", "in_step"]

#: What is iterable and still one thing, if the wrong one.
_ONE = (sunpy.map.GenericMap, str, bytes, os.PathLike, np.ndarray, Mapping)


def are_several(maps):
    """Whether this is meant to be several Maps: a list, tuple or other collection, a MapSequence or an iterator."""
    return isinstance(maps, sunpy.map.MapSequence) or (isinstance(maps, Iterable) and not isinstance(maps, _ONE))


def in_step(**columns):
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

    def __init__(self, columns):
        self._columns = columns

    def __next__(self):
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


def _listed(columns):
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
    computed at a time and one, so that memory is bounded. It begins when the first answer is asked for.

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

    def __init__(self, items, prepare, answer, at_once, allow_errors):
        self._prepare, self._answer = prepare, answer
        self._at_once, self._allow_errors = at_once, allow_errors
        self._items, self._number = iter(items), 0
        self._ahead, self._answers = deque(), deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mag2euv")

    def __next__(self):
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
                answer.error.add_note(f"This was number {self._number} of those given, counted from 1.")
                raise answer.error
            warn_user(f"number {self._number} of those given is left out: {answer.error}")

    def _compute(self):
        """Answers to the next items, none if there are no more."""
        prepared = []
        while len(prepared) < self._at_once:
            while len(self._ahead) <= self._at_once:
                self._ahead.append(self._thread.submit(_next, self._items, self._prepare))
            if (item := self._ahead[0].result()) is _END:
                break
            self._ahead.popleft()
            prepared.append(item)
        sound = [item for item in prepared if not isinstance(item, _Failed)]
        answers = iter(self._answer(sound) if sound else ())
        self._answers += [item if isinstance(item, _Failed) else next(answers) for item in prepared]


def _next(items, prepare):
    """The next item made ready, `_END` if there is none; what goes wrong is for those who wait for it."""
    try:
        return prepare(*next(items))
    except StopIteration:
        return _END
    except _OverError as error:
        return _Failed(error.args[0], over=True)
    except Exception as error:
        return _Failed(error)
