"""
The archives of few, but finer and nearly simultaneous pairs as a store: what a network learns fine structure from.

``python -m sunpy_mag2euv.training.recipe.fine DIRECTORY STORE`` writes the store.

Levels are those of the browse store (`sunpy_mag2euv.training.recipe.browse`): what is in both has them from there. What
lacks a field weighs nothing: around patches, images have no data.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import affine_transform, distance_transform_edt
from tqdm.auto import tqdm

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.recipe import browse
from sunpy_mag2euv.training.recipe.archives import (
    FINE,
    NO_FIELD,
    SATURATION,
    STRETCHES,
    archive_paths,
    decode,
    read_fields,
)
from sunpy_mag2euv.training.recipe.levels import put_right

if TYPE_CHECKING:
    from sunpy_mag2euv.training.data.store import Store
    from sunpy_mag2euv.training.recipe.browse import Browse

__all__ = ["GRID", "write_store"]

#: What all archives are brought to.
GRID = Grid((1024, 1024), 392.0)

#: Archives whose fields are patches of the disk.
_PATCHES = ("sharp_377_512", "sharps_2012_512")

#: What lies this close to the edge of a patch, in pixels of `GRID`, may be due to a field that is not there.
_MARGIN = 8

#: Solar radii beyond which an archive's fields are not to be believed: in frames of MDI movies the dark sky, which
#: stands for strong negative fields, is blurred into the outermost two pixels of the disk. On average they have −60 G.
_RIM = {"mdi_512": 0.99}

#: By how many pixels of `GRID` fields are off, to the north and to the west, at the disk's centre, and by how much more
#: one solar radius to the north and one to the west: the limb that browse images were centred and scaled by is not that
#: of the magnetic field. Found by cross-correlation of the field strength with 1600 and 1700 Å, which are emitted less
#: than 0.5 Mm (0.3 pixels) above it, in 56 overlapping patches; both passbands say the same within 0.1 pixels.
_OFF = {
    np.datetime64("2025-07-22"): ((0.16, -0.88), ((-0.73, -0.03), (0.11, -1.03))),
    np.datetime64("2024-11-26"): ((0.02, 0.07), ((1.54, 0.10), (-0.02, 1.23))),
}

_PROVENANCE = (
    "two days in nine passbands, 2024-11-26 and 2025-07-22, at 2.4 arcsec, from 8-bit SDO browse images and "
    "magnetograms of the same hour, and browse images at 4.8 arcsec with frames of MDI magnetogram movies, 2010-12 and "
    "2011-01, and with SHARP patches, 2011-02 and 2012-03; not calibrated AIA data"
)


@dataclass(frozen=True)
class _Frame:
    """
    A frame on its archive's grid.

    Attributes
    ----------
    time : `~numpy.datetime64`
    archive : str
    field : `~numpy.ndarray`
        As the archive has it, shape (rows, columns).
    images : dict
        For each passband that is of use, an image in DN/s at AIA's sensitivity at launch, of the same shape, NaN where
        there is no data, or no field.
    ceilings : dict
        For each of them, the DN/s at which values are lower limits.
    """

    time: np.datetime64
    archive: str
    field: np.ndarray
    images: dict
    ceilings: dict


def write_store(directory: str | os.PathLike, path: str | os.PathLike, correction_table: Any = None) -> "Store":
    """
    Make a store of the archives. Its manifest has a column ``binning``, how many pixels wide an image's own ones are.

    Parameters
    ----------
    directory : path-like
        Holds the folders of these archives and of those of `~sunpy_mag2euv.training.recipe.browse`.
    path : path-like
        The store to write.
    correction_table : optional
        As `sunpy_mag2euv.sensitivity.Sensitivity.read` takes it.

    Returns
    -------
    Store

    Raises
    ------
    FileNotFoundError
        If an archive is missing.
    """
    paths = archive_paths(directory, FINE)
    sensitivity = Sensitivity.read(correction_table)
    data = browse.load_browse(directory, sensitivity)
    frames = [frame for name, file in paths.items() for frame in _read(name, file, data, sensitivity)]
    store = browse.create_store(
        path,
        np.array([frame.time for frame in frames]),
        np.array([frame.archive for frame in frames]),
        # No network learns from these alone: which passbands are scarce is for the browse store to say.
        {band: len(index) for band, index in data.index.items()},
        sensitivity,
        provenance=_PROVENANCE,
        caveat=browse.SCARCE,
        grid=GRID,
        columns={"binning": [_binning(frame.field) for frame in frames]},
    )
    for row, frame in enumerate(tqdm(frames, unit="frame", disable=None)):
        images = {band: _repeated(image) for band, image in frame.images.items()}
        store.write(row, _on_grid(frame), images, ceilings=frame.ceilings)
    return store


def _read(name: str, path: str | os.PathLike, data: "Browse", sensitivity: Sensitivity) -> list[_Frame]:
    """
    Read an archive and put its levels right.

    Parameters
    ----------
    name : str
    path : path-like
    data : `~sunpy_mag2euv.training.recipe.browse.Browse`
        That has the levels.
    sensitivity : `~sunpy_mag2euv.sensitivity.Sensitivity`

    Returns
    -------
    list of _Frame
        Those with an image.
    """
    with np.load(path) as archive:
        content = dict(archive)
    times, fields = content["time"].astype("datetime64[s]"), content["magnetogram"]
    grid = GRID.binned(_binning(fields[0]))
    first = _first_ones(times, fields)
    frames = {number: _Frame(times[number], name, fields[number], {}, {}) for number in first}
    covered = {number: _covered(fields[number]) if name in _PATCHES else True for number in frames}
    faint = set()
    for band in STRETCHES:
        if f"aia_{band:04d}" not in content:
            continue
        index = content[f"index_{band:04d}"]
        right = put_right(
            band,
            decode(content[f"aia_{band:04d}"], band, grid),
            times[index],
            np.full(len(index), name),
            sensitivity,
            level=data.levels[band],
            stretch=data.stretches[band],
        )
        ceilings = np.fmin(right.tops, SATURATION.get(name, {}).get(band, np.inf) * right.factors)
        for number, image, ceiling, veiled in zip(first[index], right.images, ceilings, right.veiled, strict=True):
            image = np.where(covered[number], image, np.float32(np.nan))
            if not veiled and np.isfinite(image).any():
                frames[number].images[band], frames[number].ceilings[band] = image, ceiling
        faint |= set(first[index[right.faint]])
    return [frame for number, frame in frames.items() if frame.images and number not in faint]


def _first_ones(times: Any, fields: Any) -> npt.NDArray:
    """For each frame, the first with its time and field: images of one moment may be in frames of their own."""
    return np.array(
        [
            next(other for other in np.nonzero(times == time)[0] if np.array_equal(fields[other], field))
            for time, field in zip(times, fields, strict=True)
        ]
    )


def _binning(image: npt.NDArray) -> int:
    """How many pixels of `GRID` are as wide as one of an image's."""
    return GRID.shape[-1] // image.shape[-1]


def _repeated(image: npt.NDArray) -> npt.NDArray:
    """An image on `GRID`: every pixel of a coarser one becomes a block with the same centre."""
    return image.repeat(_binning(image), axis=0).repeat(_binning(image), axis=1)


def _on_grid(frame: _Frame) -> npt.NDArray:
    """The field of a frame in gauss on `GRID`, float32, 0 beyond the rim and where there is none."""
    grid = GRID.binned(_binning(frame.field))
    rim = _RIM.get(frame.archive, 1)
    known = np.where(grid.radius < rim, read_fields(frame.field[None], grid)[0], np.float32(0))
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(known)[None, None], GRID.shape, mode="bilinear", align_corners=False
    )
    field = fine[0, 0].numpy()
    if (day := frame.time.astype("datetime64[D]")) in _OFF:
        field = _in_place(field, *_OFF[day])  # type: ignore[arg-type]
    return np.where(GRID.radius < 1, field, np.float32(0))


def _in_place(field: npt.NDArray, offset: tuple[float, float], growth: float) -> npt.NDArray:
    """A field, without what it is off, see `_OFF`; both in the order of rows and columns."""
    center = np.array(GRID.center[::-1])
    matrix = np.eye(2) + np.array(growth) / GRID.solar_radius
    return affine_transform(field, matrix, center + np.array(offset) - matrix @ center)


def _covered(field: npt.NDArray) -> npt.NDArray:
    """Where the field is known, and for some way around; boolean, on the archive's grid."""
    return distance_transform_edt(field != NO_FIELD) * _binning(field) > _MARGIN


if __name__ == "__main__":
    browse.main("fine", write_store)
