"""Problems of a training set, found and named before training starts."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from astropy.table import Table

from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.config import split_frames

__all__ = ["ProblemsError", "find_problems", "usable_split"]

log = logging.getLogger(__name__)

#: Gauss that the strongest pixel of a magnetogram exceeds, noise alone, and that none reaches.
_WEAKEST, _STRONGEST = 5, 1e4


class ProblemsError(ValueError):
    """
    Frames of a training set have problems.

    Attributes
    ----------
    problems : `~astropy.table.Table`
        As `find_problems` returns it.
    """

    def __init__(self, problems: Any) -> None:
        self.problems = problems
        lines = [f"{name}: {problem}" for name, problem in problems["name", "problem"].iterrows()]
        super().__init__(
            f"{len(set(problems['frame']))} frames of the training set have problems; put them right, or set "
            "data.skip_problems = true to go on without them:\n" + "\n".join(lines)
        )


def usable_split(config: dict, store: Store, read: Sequence[int] | np.ndarray | None = None) -> dict[str, np.ndarray]:
    """
    Check the frames of a store and split those that can be used.

    Parameters
    ----------
    config : dict
        As `~sunpy_mag2euv.training.learning.config.load_config` returns it.
    store : Store
    read : sequence of int, optional
        As `find_problems` takes it.

    Returns
    -------
    dict of `~numpy.ndarray`
        Frame numbers of "train", "validation", "gap" and "test", without those that have problems or none of the
        passbands.

    Raises
    ------
    ProblemsError
        If frames have problems and the configuration does not say to go on without them.
    """
    data = config["data"]
    problems = find_problems(
        store,
        [*data["inputs"], *(band for band in data["passbands"] if band not in data["inputs"])],
        fields=not data["inputs"],
        complete=data["complete"],
        max_delay=data["max_delay"],
        read=read,
    )
    if len(problems):
        if not data["skip_problems"]:
            raise ProblemsError(problems)
        for name, problem in problems["name", "problem"].iterrows():
            log.warning("left out: %s: %s", name, problem)
    usable: npt.NDArray = np.any(store.has[:, store.columns(data["passbands"])], axis=1)
    if data["inputs"]:
        usable &= _can_be_translated(store, data)
    usable[problems["frame"]] = False
    return {part: rows[usable[rows]] for part, rows in split_frames(config, store).items()}


def _can_be_translated(store: Store, data: Any) -> npt.NDArray:
    """Whether a frame has what is needed to learn some of its images from others."""
    given, asked = (store.has[:, store.columns(data[name])] for name in ("inputs", "passbands"))
    if set(data["inputs"]) & set(data["passbands"]):
        # Any one is enough, if another is left to learn.
        together = sorted({*data["inputs"], *data["passbands"]})
        return np.any(given, axis=1) & (store.has[:, store.columns(together)].sum(axis=1) > 1)
    return np.all(given, axis=1) & np.any(asked, axis=1)


def find_problems(
    store: Store,
    passbands: Sequence[int],
    *,
    fields: bool = True,
    complete: bool,
    max_delay: float,
    read: Sequence[int] | np.ndarray | None = None,
) -> Table:
    """
    Read frames and report what is wrong.

    Parameters
    ----------
    store : Store
    passbands : sequence of int
        Those to learn or to learn from; frames that have none of them are nobody's problem.
    fields : bool
        Whether frames need a field.
    complete : bool
        Whether a frame must have all of them.
    max_delay : float
        Seconds that an image and its frame's time, which is the magnetogram's if there is one, may be apart.
    read : sequence of int, optional
        Rows of the manifest whose field and images are read, all unless given. Of the others, only what the manifest
        says is looked at.

    Returns
    -------
    `~astropy.table.Table`
        ``frame`` (row of the manifest), ``name`` and ``problem`` (a sentence); a frame may have several.
    """
    found = []
    columns = store.columns(passbands)
    there, delays = store.has[:, columns], store.delay[:, columns]
    disk = store.grid.radius < 1
    reference = "magnetogram" if fields else "frame"
    chosen = set(range(len(store.frames)) if read is None else map(int, read))
    seen: dict[str, str] = {}
    moments: dict[tuple[str, str], str] = {}
    for row in tqdm(range(len(store.frames)), desc="checking", unit="frame", leave=False):
        name = str(store.frames["name"][row])

        def report(problem: Any, row: int = row, name: str = name) -> None:
            found.append((row, name, problem))

        if not store.done[row]:
            report("was never completely written; run the command that made the store again")
            continue
        has = there[row]
        if not has.any():
            continue
        if complete and not has.all():
            report("lacks " + ", ".join(str(passbands[int(number)]) for number in np.flatnonzero(~has)))
        for band, delay in zip(passbands, delays[row], strict=True):
            if abs(delay) > max_delay:
                report(f"the image in {band} was taken {abs(delay):.0f} s from the {reference}")
        content = ""
        if row in chosen:
            try:
                field: Any = store.field(row) if fields else None
                images = store.images(row, passbands)
            except Exception as error:
                # Whatever a damaged chunk makes its codec raise.
                report(f"cannot be read ({type(error).__name__}: {error})")
                continue
            if fields and (problem := _field_problem(field, disk)):
                report(problem)
            for band, image, is_there in zip(passbands, images, has, strict=True):
                if is_there and not np.isfinite(image[disk]).any():
                    report(f"the image in {band} has no data on the disk")
            content = hashlib.sha256((field if fields else images).tobytes()).hexdigest()
        moment = (str(store.frames["time"][row]), str(store.frames["source"][row]))
        if (earlier := seen.get(content) or moments.get(moment)) is not None:
            report(f"is a duplicate of {earlier}")
        if content:
            seen.setdefault(content, name)
        moments.setdefault(moment, name)
    rows: list[Any] = list(zip(*found, strict=True)) or [[], [], []]
    return Table(list(map(list, rows)), names=("frame", "name", "problem"), dtype=(int, str, str))


def _field_problem(field: npt.NDArray, disk: Any) -> str | None:
    """What is wrong with a field, if anything is."""
    strongest = np.abs(field).max()
    if not np.isfinite(field).all():
        return "the field has pixels that are not finite"
    if not field[disk].any():
        return "the field is zero everywhere"
    if strongest > _STRONGEST:
        return f"the field reaches {strongest:.0f}, which no magnetogram in gauss does"
    if strongest < _WEAKEST:
        return f"the field stays below {strongest:.2g}, which no magnetogram in gauss does"
    return None
