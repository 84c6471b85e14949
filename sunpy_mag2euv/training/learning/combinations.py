"""Combinations of input channels with a channel to make of them: which there are, and how well they are done."""

import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from astropy.table import Table

from sunpy_mag2euv.training.learning.card import SCORES, score_pair, write_list_table

if TYPE_CHECKING:
    from sunpy_mag2euv.models import ImageModel
    from sunpy_mag2euv.training.data.store import Store

__all__ = [
    "REGRESSION",
    "added",
    "combinations",
    "frames_of",
    "leading",
    "of_method",
    "score_model",
    "score_regression",
    "summarize",
    "table_cells",
    "tasks_of",
    "to_name",
    "to_passbands",
    "write_table",
]

#: What the regression is called in tables.
REGRESSION = "regression"

_COLUMNS = ("inputs", "size", "target", "method", "frame", "rotation", *SCORES)


def combinations(passbands: Sequence[int], size: int, given: Sequence[int] = ()) -> list[tuple]:
    """
    Combinations of input channels with a channel to make of them.

    Parameters
    ----------
    passbands : sequence of int
        All channels, in angstrom.
    size : int
        How many are inputs.
    given : sequence of int
        Those that are among the inputs anyway.

    Returns
    -------
    list of tuple
        Inputs (tuple of int, ascending) and target (int).

    Examples
    --------
    The numbers of networks in Lim et al. 2021:

    >>> from sunpy_mag2euv.passbands import PASSBANDS
    >>> from sunpy_mag2euv.training.learning.combinations import combinations
    >>> [len(combinations(PASSBANDS, 1 + len(given), given)) for given in ((), (131,), (131, 1600))]
    [72, 56, 42]
    >>> [len(combinations(PASSBANDS, size)) for size in (1, 2, 3)]
    [72, 252, 504]
    """
    rest = [band for band in passbands if band not in given]
    return [
        (tuple(sorted((*given, *more))), target)
        for more in itertools.combinations(rest, size - len(given))
        for target in rest
        if target not in more
    ]


def frames_of(split: dict[Any, Any], store: "Store", inputs: Sequence[int], target: int) -> dict[Any, npt.NDArray]:
    """
    The frames that have inputs and target.

    Parameters
    ----------
    split : dict
        As `~sunpy_mag2euv.training.learning.problems.usable_split` returns it.
    store : Store
    inputs : sequence of int
    target : int

    Returns
    -------
    dict of `~numpy.ndarray`
        As ``split``.

    Raises
    ------
    ValueError
        If there is none to train or none to test.
    """
    complete: npt.NDArray = np.all(store.has[:, store.columns([*inputs, target])], axis=1)
    share = {part: rows[complete[rows]] for part, rows in split.items()}
    for part in ("train", "test"):
        if not share[part].size:
            raise ValueError(
                f"there is no frame to {part} with {to_name(inputs)} and {target}; look at split.test and data.draws"
            )
    return share


def score_model(
    model: "ImageModel",
    store: "Store",
    rows: npt.NDArray | Sequence[int],
    tasks: Sequence[tuple],
    *,
    method: str | None = None,
) -> Table:
    """
    Score a model's answers to combinations of images.

    Parameters
    ----------
    model : ImageModel
    store : Store
    rows : sequence of int
        Frames to score, of the store's manifest.
    tasks : sequence of tuple
        As `combinations` returns them. Frames that lack an input or the target are passed over.
    method : str, optional
        What it is called in the table; by its name unless given.

    Returns
    -------
    `~astropy.table.Table`
        A row for each image: ``inputs`` (such as "131+1600"), ``size``, ``target``, ``method``, ``frame`` and
        ``rotation``, and the scores of `~sunpy_mag2euv.training.learning.card.score_pair` for the whole disk.

    Raises
    ------
    ValueError
        If no frame has inputs and target of any of them.
    """
    bands = list(model.image_scalings)
    targets: dict[Any, Any] = {}
    for inputs, target in tasks:
        targets.setdefault(tuple(inputs), []).append(target)

    def of_frame(images: dict[int, npt.NDArray]) -> Any:
        answers: dict[Any, Any] = {}

        def answer(inputs: Any) -> dict[Any, Any]:
            given = {band: images[band] for band in inputs}
            made, deviations = model.outputs(model.run(given, torch.device("cpu"), answers))
            return {
                band: (made[number].value, None if deviations is None else deviations[number].value)
                for number, band in enumerate(bands)
            }

        return answer

    # The paper's networks draw dropout when they generate, too.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _score(of_frame, targets, store, rows, method or model.name)


def tasks_of(model: "ImageModel", sizes: int = 3) -> list[tuple]:
    """
    What a model can be asked.

    Parameters
    ----------
    model : ImageModel
    sizes : int
        Up to how many inputs, for models that take any subset.

    Returns
    -------
    list of tuple
        As `combinations` returns them.
    """
    inputs, targets = list(model.input_scalings), list(model.image_scalings)
    if not model.selective:
        return [(tuple(inputs), target) for target in targets]
    tasks = [task for size in range(1, min(sizes, len(inputs)) + 1) for task in combinations(inputs, size)]
    return [(given, target) for given, target in tasks if target in targets]


def score_regression(store: "Store", split: dict[Any, Any], tasks: Sequence[tuple]) -> Table:
    """
    Score linear regression of the logarithm of DN/s on the logarithms of the inputs, pixel by pixel.

    Parameters
    ----------
    store : Store
    split : dict
        As `~sunpy_mag2euv.training.learning.problems.usable_split` returns it: fitted to the disk in the frames to
        train, each with the same weight, and scored on those to test.
    tasks : sequence of tuple
        As `combinations` returns them.

    Returns
    -------
    `~astropy.table.Table`
        As `score_model` returns it.
    """
    trained = {(tuple(inputs), target): frames_of(split, store, inputs, target)["train"] for inputs, target in tasks}
    # Sums of products of inputs, one and target: no more than these is needed, and every frame is read but once.
    sums: dict[Any, Any] = dict.fromkeys(trained, 0.0)
    disk = store.grid.radius < 1
    for row in np.unique(np.concatenate(list(trained.values()))):
        images = store.unsaturated(row, store.passbands)
        logarithms = {band: np.log(_positive(image[disk].astype(float))) for band, image in images.items()}
        for (inputs, target), rows in trained.items():
            if row in rows:
                columns = np.stack([*(logarithms[band] for band in inputs), np.ones(disk.sum()), logarithms[target]])
                columns = columns[:, np.isfinite(columns).all(axis=0)]
                sums[inputs, target] += columns @ columns.T
    fits: dict[Any, npt.NDArray] = {}
    targets: dict[Any, list[int]] = {}
    for (inputs, target), products in sums.items():
        # Of inputs that follow from each other, any will do.
        fits[inputs, target] = np.linalg.lstsq(products[:-1, :-1], products[:-1, -1], rcond=1e-10)[0]
        targets.setdefault(inputs, []).append(target)

    def of_frame(images: dict[int, npt.NDArray]) -> Any:
        logarithms = {band: np.log(_positive(image)) for band, image in images.items()}

        def answer(inputs: Any) -> dict[Any, Any]:
            given = [logarithms[band] for band in inputs]
            return {
                target: (np.exp(np.tensordot(fits[inputs, target][:-1], given, 1) + fits[inputs, target][-1]), None)
                for target in targets[inputs]
            }

        return answer

    return _score(of_frame, targets, store, split["test"], REGRESSION)


def _positive(image: npt.NDArray) -> npt.NDArray:
    """Cut where AIA sees nothing but noise, so that there is a logarithm."""
    return np.maximum(image, 0.1)


def _score(of_frame: Any, targets: Any, store: "Store", rows: npt.NDArray | Sequence[int], method: str) -> Table:
    """Score what ``of_frame(images)(inputs)`` gives for every frame: by passband, the image and its deviation."""
    found = []
    for row in rows:
        frame, rotation = str(store.frames["name"][row]), float(store.frames["rotation"][row])
        images = {
            band: image
            for band, image, there in zip(store.passbands, store.images(row), store.has[row], strict=True)
            if there
        }
        answer = of_frame(store.unsaturated(row, list(images)))
        for inputs, asked in targets.items():
            wanted = [target for target in asked if target in images]
            if not wanted or not set(inputs) <= set(images):
                continue
            answers = answer(inputs)
            for target in wanted:
                scores = score_pair(answers[target][0], images[target], target, store, row, answers[target][1])
                # Inputs and target may be known in different places.
                if "disk" in scores:
                    found.append((to_name(inputs), len(inputs), target, method, frame, rotation, *scores["disk"]))
    if not found:
        raise ValueError("there is no frame to test that has both inputs and target; look at split.test")
    return Table(rows=found, names=_COLUMNS, meta={"provenance": store.provenance})


def summarize(table: Table) -> Table:
    """
    Mean and lowest correlation over the channels that are made of the same inputs.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `score_model` and `score_regression` return it, or several of them one below the other.

    Returns
    -------
    `~astropy.table.Table`
        A row for each method and combination of inputs: ``method``, ``inputs``, ``size``, ``targets`` (how many),
        ``cc`` (mean), ``lowest`` (of the targets' correlations) and ``hardest`` (its target); ``cc_log``, the mean for
        logarithms. Correlations are averaged over images first. The best of each size and method comes first.

    Notes
    -----
    An image without contrast correlates with nothing, and counts as 0.
    """
    table, rows = _named_alike(table), []
    for group in table.group_by(["method", "inputs"]).groups:
        targets = list(group.group_by("target").groups)
        by_target = [(int(target["target"][0]), _mean(target["cc"])) for target in targets]
        hardest, lowest = min(by_target, key=lambda pair: pair[1])
        logs = [_mean(target["cc_log"]) for target in targets]
        mean = np.mean([score for _, score in by_target])
        head = (group["method"][0], group["inputs"][0], group["size"][0], len(by_target))
        rows.append((*head, mean, lowest, hardest, np.mean(logs)))
    names = ("method", "inputs", "size", "targets", "cc", "lowest", "hardest", "cc_log")
    rows.sort(key=lambda row: (row[0], row[2], -row[4]))
    return Table(rows=rows, names=names)


def added(table: Table) -> Table:
    """
    What becomes of the correlation when one more channel is given.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `summarize` takes it.

    Returns
    -------
    `~astropy.table.Table`
        A row for each method, combination of inputs and channel added, of those in the table: ``method``, ``inputs``,
        ``added``, ``targets`` (how many), ``before`` and ``after``: mean correlations over the targets that are made
        either way.
    """
    table, rows = _named_alike(table), []
    for group in table.group_by("method").groups:
        scores: dict[Any, Any] = {}
        for row in group.group_by(["inputs", "target"]).groups:
            inputs = frozenset(to_passbands(row["inputs"][0]))
            scores.setdefault(inputs, {})[int(row["target"][0])] = _mean(row["cc"])
        for inputs, before in scores.items():
            for band in sorted(before):
                after = scores.get(inputs | {band}, {})
                if common := sorted(before.keys() & after.keys()):
                    means = [np.mean([score[target] for target in common]) for score in (before, after)]
                    rows.append((group["method"][0], to_name(inputs), band, len(common), *means))
    return Table(rows=rows, names=("method", "inputs", "added", "targets", "before", "after"))


def of_method(table: Table, method: str) -> Table:
    """
    The rows of one method.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Of scores or a summary.
    method : str

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    ValueError
        If there is none.
    """
    chosen = table[table["method"] == method]
    if not len(chosen):
        there = ", ".join(dict.fromkeys(table["method"]))
        raise ValueError(f"the table has no method {method!r}; it has {there}")
    return chosen


def _named_alike(table: Table) -> Table:
    """The same rows, with one name for a combination in whatever order an older table has its inputs."""
    table = table.copy()
    table["inputs"] = [to_name(to_passbands(name)) for name in table["inputs"]]
    return table


def _mean(scores: Any) -> float:
    """Mean over images of one combination."""
    return float(np.nan_to_num(scores, nan=0.0).mean())


def leading(summary: Table) -> Table:
    """
    The single inputs of a summary, and the best of each larger number.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize` returns it, of one method.

    Returns
    -------
    `~astropy.table.Table`
    """
    # Within a size, the best comes first.
    first = np.concatenate([[True], np.diff(summary["size"]) > 0])
    return summary[first | (summary["size"] == 1)]


def write_table(summary: Table, path: str | os.PathLike, title: str) -> None:
    """
    Write a summary as a table in reStructuredText.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize` returns it.
    path : path-like
    title : str
    """
    head, rows = table_cells(summary)
    write_list_table(head, rows, path, title)


def table_cells(summary: Table) -> tuple:
    """
    What a table of a summary holds.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize` returns it.

    Returns
    -------
    head : tuple of str
    rows : list of tuple
    """
    head, rows = ("Inputs (Å)", "Channels made", "Mean CC", "Lowest CC", "of (Å)", "Mean CC of logarithms"), []
    for row in summary:
        mean, lowest, logarithms = (f"{row[name]:.3f}".replace("-", "−") for name in ("cc", "lowest", "cc_log"))
        rows.append((row["inputs"], row["targets"], mean, lowest, row["hardest"], logarithms))
    return head, rows


def to_name(inputs: Any) -> str:
    """Passbands (int) as files and tables have them, such as "131+1600": ascending, whatever their order."""
    return "+".join(map(str, sorted(inputs)))


def to_passbands(name: str) -> tuple:
    """Inverse of `to_name`; of names in another order, too."""
    return tuple(map(int, name.split("+")))
