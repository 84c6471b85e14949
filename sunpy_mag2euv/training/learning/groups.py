"""
How well a model does on a quiet Sun and on an active one, and in which years its level is right.

A mean over all frames hides both. The rows are those of `~sunpy_mag2euv.training.learning.card.score_images`, put
together by the mean strength of the field on the disk, or by the year.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from astropy.table import Table

from sunpy_mag2euv.training.learning.card import BASELINES, REFERENCES, write_list_table

__all__ = ["GROUPINGS", "summarize_groups", "write_groups"]

#: By which part of the frames of a passband, in the order of their mean |B|.
_ACTIVITY = {
    "quietest tenth": (0, 0.1),
    "quiet third": (0, 1 / 3),
    "medium third": (1 / 3, 2 / 3),
    "active third": (2 / 3, 1),
}

#: Baselines that there is an image of for every frame.
_COMPLETE = BASELINES[:3]


def summarize_groups(images: Table, grouping: str) -> Table:
    r"""
    Means over the images of each group, on the whole disk.

    Parameters
    ----------
    images : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.learning.card.score_images` returns it.
    grouping : {"activity", "year"}
        By mean \|B\| on the disk, in thirds of the frames of each passband and the quietest tenth of them; or by the
        year of the frames.

    Returns
    -------
    `~astropy.table.Table`
        A row for each passband, group and model: ``passband``, ``group``, ``images``, ``field`` (mean \|B\| on the disk
        in gauss), ``method``, ``cc``, the CC of those baselines that need no other image, ``re``, and the mean over the
        disk in DN/s as it is ``observed`` and ``generated``.
    """
    rows = []
    models = [method for method in dict.fromkeys(images["method"]) if method not in (*BASELINES, *REFERENCES)]
    for band in np.unique(images["passband"]):
        of_band = images[(images["passband"] == band) & (images["region"] == "disk")]
        for group, chosen in GROUPINGS[grouping](of_band):
            part = of_band[chosen]
            if not len(part):
                # A third of two frames
                continue
            methods = {method: part[part["method"] == method] for method in (*models, *_COMPLETE)}
            baselines = [methods[name]["cc"].mean() for name in _COMPLETE]
            for model in models:
                of_model = methods[model]
                generated = of_model["observed"] * (1 + of_model["re"])
                rows.append(
                    (
                        *(band, group, len(of_model), of_model["field"].mean(), model, of_model["cc"].mean()),
                        *(*baselines, of_model["re"].mean(), of_model["observed"].mean(), generated.mean()),
                    )
                )
    return Table(
        rows=rows,
        names=(
            *("passband", "group", "images", "field", "method", "cc"),
            *(*_COMPLETE, "re", "observed", "generated"),
        ),
    )


def _by_activity(images: Table) -> Iterator[Any]:
    """Names of groups, and which rows are in them."""
    frames, first = np.unique(images["frame"], return_index=True)
    order = np.argsort(np.asarray(images["field"])[first], kind="stable")
    for name, (start, end) in _ACTIVITY.items():
        # A tenth of a few frames is one frame.
        end = max(round(end * len(frames)), 1)
        yield name, np.isin(images["frame"], frames[order[round(start * len(frames)) : end]])


def _by_year(images: Table) -> Iterator[Any]:
    years = np.asarray(images["year"])
    for year in np.unique(years):
        yield str(year), years == year


#: What `summarize_groups` can put rows together by.
GROUPINGS = {"activity": _by_activity, "year": _by_year}


def write_groups(summary: Table, path: str | os.PathLike, title: str) -> None:
    """
    Write a summary as a table in reStructuredText.

    Parameters
    ----------
    summary : `~astropy.table.Table`
        As `summarize_groups` returns it.
    path : path-like
    title : str
    """
    head = [
        *("Passband (Å)", "Frames", "Images", "Mean \\|B\\| (G)", "Method", "CC"),
        *(f"CC, {name}" for name in _COMPLETE),
        *("RE", "Observed (DN/s)", "Generated (DN/s)"),
    ]
    rows = [
        [
            *(row["passband"], row["group"], row["images"], f"{row['field']:.1f}", row["method"]),
            *(f"{row[name]:.3f}".replace("-", "−") for name in ("cc", *_COMPLETE)),
            f"{row['re']:+.3f}".replace("-", "−"),
            *(f"{row[name]:.3g}" for name in ("observed", "generated")),
        ]
        for row in summary
    ]
    write_list_table(head, rows, path, title)
