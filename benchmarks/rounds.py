"""Steps that take time, and what comes of going round them."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Step", "interleaved", "summaries"]


@dataclass(frozen=True)
class Step:
    """
    Something that takes time.

    Attributes
    ----------
    name : str
        What tables call it.
    function : callable
        Does it; without parameters.
    units : float
        How many it does at a time, of what time is counted for: Maps, files, bytes, operations.
    needs : dict
        What one of them needs at least, by the name of the step that provides it: the time that these take for as many
        units is its floor.
    """

    name: str
    function: Callable
    units: float = 1
    needs: dict[str, float] = field(default_factory=dict)


def interleaved(steps, repeats, *, clock=time.perf_counter, progress=None):
    """
    Go round some steps, one after another, so that what else the machine does concerns all of them.

    Parameters
    ----------
    steps : iterable of Step
    repeats : int
        Rounds. There is one more, the first, which is not counted.
    clock : callable, optional
        Gives seconds.
    progress : callable, optional
        Told the round and the step's name before each.

    Returns
    -------
    dict of list of float
        For each name the seconds per unit in every round.
    """
    steps = list(steps)
    seconds = {step.name: [] for step in steps}
    for number in range(repeats + 1):
        for step in steps:
            if progress is not None:
                progress(number, step.name)
            start = clock()
            step.function()
            elapsed = clock() - start
            if number:
                seconds[step.name].append(elapsed / step.units)
    return seconds


def summaries(seconds):
    """The least, the median and the most of each, to four digits."""
    return {
        name: [float(f"{value:.4g}") for value in (min(times), statistics.median(times), max(times))]
        for name, times in seconds.items()
    }
