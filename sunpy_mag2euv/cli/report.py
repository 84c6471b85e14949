"""A table of what became of many magnetogram files."""

import functools
import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv import files
from sunpy_mag2euv.archive import Outcome

if TYPE_CHECKING:
    from sunpy_mag2euv.archive import Job
    from sunpy_mag2euv.models import FieldModel

__all__ = ["is_report", "write_report"]

#: What reports say of themselves.
_MADE_BY = "mag2euv generate"


def write_report(
    path: Path, job: "Job", sources: Sequence[str], outcomes: Mapping[str, Outcome], model: "FieldModel"
) -> None:
    """
    Write a table of what became of each file, as ECSV.

    Parameters
    ----------
    path : `pathlib.Path`
        Replaced if it is there.
    job : `~sunpy_mag2euv.archive.Job`
    sources : sequence of str
    outcomes : dict
        As `do_all` fills it. Files that are missing in it were not done with when the work was interrupted.
    model : `~sunpy_mag2euv.models.FieldModel`
        What the images were made with.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    import astropy.units as u
    from astropy.table import QTable

    rows = [outcomes.get(source) or Outcome(source, "pending", "interrupted") for source in sources]
    table = QTable(
        {
            "input": [_text(row.source) for row in rows],
            "status": [row.status for row in rows],
            "reason": [_text(row.reason) for row in rows],
            "validity": [_validity(row) for row in rows],
            "seconds": [round(row.seconds, 3) for row in rows] * u.s,
            "images": [_text(_pattern(job, row)) for row in rows],
            "model": [_text(row.model) for row in rows],
        },
        meta={
            "made by": _MADE_BY,
            "weights sha256": {model.name: model.sha256},
            "passbands": [band.angstrom for band in job.passbands],
        },
    )
    files.write(path.parent, {path.name: functools.partial(table.write, format="ascii.ecsv")}, overwrite=True)


def is_report(path: Path) -> bool:
    """
    Tell tables that `write_report` wrote.

    Parameters
    ----------
    path : `pathlib.Path`
        A file.

    Returns
    -------
    bool
    """
    with path.open("rb") as file:
        start = file.read(4096)
    return start.startswith(b"# %ECSV") and f"made by: {_MADE_BY}".encode() in start


def _text(name: str) -> str:
    """A name that may not be text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _pattern(job: "Job", outcome: Outcome) -> str:
    """What `sunpy.map.Map` takes for all images of a file."""
    if not outcome.files:
        return ""
    return os.path.join(glob.escape(str(job.directory)), f"{glob.escape(job.stem(outcome.source))}_aia_*.fits")


def _validity(outcome: Outcome) -> str:
    """What all images of a file say of themselves, the same once, after the passbands that say it unless all do."""
    said = outcome.validity or dict(_said(path) for path in outcome.files if path.endswith(".fits"))
    bands: dict[str, list[str]] = {}
    for band, text in said.items():
        bands.setdefault(text, []).append(str(band))
    if len(bands) == 1:
        return next(iter(bands))
    return "; ".join(f"{' '.join(numbers)}: {text}" for text, numbers in bands.items())


def _said(path: str) -> tuple[Any, str]:
    """Passband and validity of an image that was made before."""
    from astropy.io import fits

    try:
        header = fits.getheader(path)
        return round(float(header["WAVELNTH"])), str(header["VALIDITY"])
    except (OSError, KeyError, ValueError, TypeError):
        return path, "unknown"
