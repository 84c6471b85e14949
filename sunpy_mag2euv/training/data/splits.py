"""
Splits: which frames are trained on, watched and scored.

Frames hours apart show the same Sun, and an active region may last for several rotations. So frames are never split at
random but by solar rotation, with rotations in between that are used for nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
from astropy.time import Time

__all__ = ["park2019", "rotations"]


def rotations(
    rotation: npt.NDArray, test: Sequence[int], validation: Sequence[int] = (), gap: int = 1
) -> dict[Any, npt.NDArray]:
    """
    Split frames by Carrington rotation.

    Parameters
    ----------
    rotation : `~numpy.ndarray`
        Carrington rotation number of each frame, with its fraction.
    test, validation : sequence of int
        Rotations to score and to watch.
    gap : int
        Rotations left out before and after those of ``test``, and between ``validation`` and what is trained on.

    Returns
    -------
    dict of `~numpy.ndarray`
        Frame numbers of "train", "validation", "gap" and "test".

    Raises
    ------
    ValueError
        If a rotation to watch is, or is within ``gap`` of, one to score.

    Examples
    --------
    >>> from sunpy_mag2euv.training.data.splits import rotations
    >>> {name: list(map(int, frames)) for name, frames in rotations([2098.5, 2099.2, 2100.1, 2101.0], [2101]).items()}
    {'train': [0, 1], 'validation': [], 'gap': [2], 'test': [3]}
    """
    near = [(watched, scored) for watched in validation for scored in test if abs(watched - scored) <= gap]
    if near:
        raise ValueError(f"validation rotation {near[0][0]} must be more than {gap} from test rotation {near[0][1]}")
    number = np.floor(rotation).astype(int)
    parts = np.full(number.shape, "train", dtype="U10")
    for chosen in (*validation, *test):
        parts[abs(number - chosen) <= gap] = "gap"
    for name, chosen in (("validation", validation), ("test", test)):
        parts[np.isin(number, chosen)] = name
    return _frames(parts)


def park2019(time: Time) -> dict[Any, npt.NDArray]:
    """
    Split frames by date as Park et al. 2019 did: 2011-2016 to train, January-June 2017 to validate, July-December 2017
    to test. What is outside these years is left out. There is no gap: regions on the disk at the turn of the half-year
    are in two parts.

    Parameters
    ----------
    time : `~astropy.time.Time`

    Returns
    -------
    dict of `~numpy.ndarray`
        Frame numbers of "train", "validation", "gap" and "test".
    """
    # HMI's record of a year's first slot, 00:00, was observed half a minute before midnight.
    time = time + 6 * u.min
    edges = Time(["2011-01-01", "2017-01-01", "2017-07-01", "2018-01-01"])
    names = np.array(["gap", "train", "validation", "test", "gap"])
    return _frames(names[np.searchsorted(edges.utc.mjd, time.utc.mjd, side="right")])


def _frames(parts: Any) -> dict[Any, Any]:
    return {name: np.nonzero(parts == name)[0] for name in ("train", "validation", "gap", "test")}
