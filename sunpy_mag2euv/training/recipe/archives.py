"""
The archives that the packaged weights learn from: where they are, and what their codes mean.

They pair HMI fields seen from Earth, most of them synoptic, with 8-bit SDO browse images on one grid, or hold sets of
images without a field. What a code means is known; what else has to be put right is for
`~sunpy_mag2euv.training.recipe.levels`.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import bin_image
from sunpy_mag2euv.scaling import LinearScaling, LogScaling, SqrtScaling

__all__ = [
    "ARCHIVES",
    "FINE",
    "GRID",
    "NO_FIELD",
    "SATURATION",
    "SETS",
    "STRETCHES",
    "TOP",
    "archive_paths",
    "binned",
    "decode",
    "read_fields",
]

#: The archives with fields in the order in which their frames are numbered, and the folder that each is in. Where two
#: have the same image, the first one's is taken.
ARCHIVES = {
    "hourly_2012": "browse_pairs",
    "daily_2010_2011": "browse_pairs",
    "daily_2011": "browse_pairs",
    "flares_2010_2015": "browse_pairs",
    "loops_2017": "browse_pairs",
    "full_sets_2015": "browse_pairs",
    "scattered_2010_2023": "browse_pairs",
    "full_set_2022": "browse_pairs",
    "same_time_2023": "browse_pairs",
    "full_set_1024": "detail_pairs",
}

#: The archive of sets of images without fields.
SETS = {"aia_sets_512": "browse_pairs"}

#: The archives of few frames, but finer ones, with fields of nearly the same time: of the whole disk, or of patches.
FINE = dict.fromkeys(("full_set_1024", "mdi_512", "sharp_377_512", "sharps_2012_512"), "detail_pairs")

#: Finer archives are averaged to this grid.
GRID = Grid((256, 256), 98.0)

#: Stretch of each passband's browse images: codes 0…255 are −1…1 of these scalings of DN/s.
STRETCHES = {
    94: SqrtScaling(1.5 / 4.99803, 50 / 4.99803),
    131: LogScaling(7 / 6.99685, 1200 / 6.99685),
    171: SqrtScaling(10 / 4.99803, 6000 / 4.99803),
    193: LogScaling(120 / 2.99950, 6000 / 2.99950),
    211: LogScaling(30 / 4.99801, 13000 / 4.99801),
    304: LogScaling(50 / 4.99941, 2000 / 4.99941),
    335: LogScaling(3.5 / 6.99734, 1000 / 6.99734),
    1600: LinearScaling(0, 1000 / 2.99911),
    1700: LinearScaling(0, 2500 / 1.00026),
}

#: DN/s at which 131 and 171 of some archives saturate, by the code at which they do: what is there is at least this
#: bright.
SATURATION = {
    archive: {band: float(STRETCHES[band].inverse(176 / 127.5 - 1)) for band in (131, 171)}
    for archive in ("hourly_2012", "sharps_2012_512")
}

#: The highest code is 254, and what is there is at least as bright as that. A little less, for rounding.
TOP = 253.9

#: Field where there is none: off the limb, or outside patches.
NO_FIELD = -32768

#: Code of pixels without data.
_MISSING = 255


def archive_paths(directory: str | os.PathLike, archives: dict[Any, Any]) -> dict[str, Path]:
    """
    Where archives are.

    Parameters
    ----------
    directory : path-like
        Holds the folders with the ``.npz`` files.
    archives : dict
        `ARCHIVES`, `SETS` or `FINE`.

    Returns
    -------
    dict of `pathlib.Path`
        By name.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    """
    paths = {name: Path(directory, folder, f"{name}.npz") for name, folder in archives.items()}
    if missing := [f"{path.parent.name}/{path.name}" for path in paths.values() if not path.is_file()]:
        raise FileNotFoundError(f"{directory} holds no {', '.join(missing)}")
    return paths


def read_fields(fields: npt.NDArray, grid: Grid = GRID) -> npt.NDArray:
    """
    Fields as archives have them → on a grid.

    Parameters
    ----------
    fields : `~numpy.ndarray`
        In gauss, int16, shape (frames, rows, columns), 0 or −32768 off the limb.
    grid : Grid, optional
        As fine as theirs, or coarser by a whole number.

    Returns
    -------
    `~numpy.ndarray`
        In gauss, float32, shape (frames, rows, columns), 0 off the limb and where there is none.
    """
    fields = binned(np.where(fields == NO_FIELD, np.nan, fields.astype(np.float32)), grid)
    return np.nan_to_num(np.where(grid.radius < 1, fields, 0)).astype(np.float32)


def decode(codes: npt.NDArray, passband: int, grid: Grid = GRID) -> npt.NDArray:
    """
    Codes → intensity on a grid, averaged in DN/s.

    Parameters
    ----------
    codes : `~numpy.ndarray`
        uint8, shape (images, rows, columns).
    passband : int
        In angstrom.
    grid : Grid, optional
        As fine as theirs, or coarser by a whole number.

    Returns
    -------
    `~numpy.ndarray`
        In DN/s as the browse images have it, float32, shape (images, rows, columns), NaN where there is no data.
    """
    values = codes.astype(np.float32)
    values[codes == _MISSING] = np.nan
    return binned(STRETCHES[passband].inverse(values / 127.5 - 1), grid).astype(np.float32)


def binned(images: npt.NDArray, grid: Grid = GRID) -> npt.NDArray:
    """
    Average images to a grid.

    Parameters
    ----------
    images : `~numpy.ndarray`
        Shape (images, rows, columns), a whole number of times as fine as the grid.
    grid : Grid, optional

    Returns
    -------
    `~numpy.ndarray`
        Shape (images, rows, columns); the same array if it is on the grid.
    """
    factor = images.shape[-1] // grid.shape[-1]
    return images if factor == 1 else np.stack([bin_image(image, factor) for image in images])
