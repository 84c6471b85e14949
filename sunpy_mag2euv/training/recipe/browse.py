"""
The browse-image archives as a store: what the packaged weights are trained on.

``python -m sunpy_mag2euv.training.recipe.browse DIRECTORY STORE`` writes the store.
"""

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from astropy.table import Table
from astropy.time import Time
from sunpy.coordinates.sun import carrington_rotation_number

from sunpy_mag2euv.sensitivity import LAUNCH, Sensitivity
from sunpy_mag2euv.training.data.splits import rotations
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.recipe.archives import (
    ARCHIVES,
    GRID,
    SATURATION,
    STRETCHES,
    archive_paths,
    decode,
    read_fields,
)
from sunpy_mag2euv.training.recipe.levels import put_right

if TYPE_CHECKING:
    from sunpy_mag2euv.grid import Grid

__all__ = ["SCARCE", "TEST_ROTATIONS", "Browse", "create_store", "load_browse", "main", "pixel_weight", "write_store"]

#: Carrington rotations that are scored: stretches are matched without them.
TEST_ROTATIONS = (2100, 2101, 2111, 2112, 2128, 2134, 2135, 2159, 2160, 2168, 2169)

#: Images of one passband this close together are the same one.
_SAME = np.timedelta64(120, "s")


@dataclass(frozen=True)
class Browse:
    """
    Frames with any subset of the passbands.

    Attributes
    ----------
    time : `~numpy.ndarray`
        datetime64, shape (frames,).
    rotation : `~numpy.ndarray`
        Carrington rotation number, shape (frames,).
    archive : `~numpy.ndarray`
        Name of the archive that each frame is from, shape (frames,).
    field : `~numpy.ndarray`
        Line-of-sight field in gauss, float32, shape (frames, 256, 256), 0 off the limb.
    index : dict
        For each passband, the frames that its images belong to.
    images : dict
        For each passband, images in DN/s at AIA's sensitivity at launch, float32, NaN where there is no data.
    factors : dict
        For each passband, what images were multiplied by to be that; NaN for those of another stretch.
    levels : dict
        For each passband, the disk's median in DN/s that images of unknown brightness were scaled to.
    stretches : dict
        For each passband, the `~sunpy_mag2euv.training.recipe.levels.EarlyStretch` of its early images, or None.
    """

    time: np.ndarray
    rotation: np.ndarray
    archive: np.ndarray
    field: np.ndarray
    index: dict
    images: dict
    factors: dict
    levels: dict
    stretches: dict


def pixel_weight(grid: "Grid" = GRID) -> npt.NDArray:
    """
    Weight of each pixel: 1 on the disk, less off the limb, where no pixel has a field of its own.

    A synoptic chart is taken at the central meridian, so that at Stonyhurst longitude L the field is L / 13.2° days
    off. That is no reason to weigh such pixels less: networks that were trained with weights halved at two days did
    worse on rotations between those trained on and scored, in every passband, and so did least squares.

    Parameters
    ----------
    grid : Grid, optional

    Returns
    -------
    `~numpy.ndarray`
        Shape of the grid.
    """
    return np.where(grid.radius < 1, 1, 0.3).astype(np.float32)


def load_browse(directory: str | os.PathLike, correction_table: Any = None) -> Browse:
    """
    Read all archives with fields and put their levels right.

    Parameters
    ----------
    directory : path-like
        Holds the folders of the archives.
    correction_table : optional
        As `sunpy_mag2euv.sensitivity.Sensitivity.read` takes it. No level rests on images of later than 2017.

    Returns
    -------
    Browse

    Raises
    ------
    FileNotFoundError
        If an archive is missing.
    """
    paths = archive_paths(directory, ARCHIVES)
    sensitivity = Sensitivity.read(correction_table)
    time, archive, fields = [], [], []
    decoded: dict[int, list[Any]] = {band: [] for band in STRETCHES}
    index: dict[int, list[Any]] = {band: [] for band in STRETCHES}
    start = 0
    for name, path in paths.items():
        with np.load(path) as data:
            time.append(data["time"].astype("datetime64[s]"))
            archive.append(np.full(len(data["time"]), name))
            fields.append(read_fields(data["magnetogram"]))
            for band in STRETCHES:
                if f"aia_{band:04d}" in data:
                    decoded[band].append(decode(data[f"aia_{band:04d}"], band))
                    index[band].append(data[f"index_{band:04d}"] + start)
        start += len(time[-1])
    time, archive, fields = map(np.concatenate, (time, archive, fields))
    rotation = carrington_rotation_number(time)
    train = rotations(rotation, TEST_ROTATIONS)["train"]

    images, factors, levels, stretches, faint = {}, {}, {}, {}, set()
    for band in STRETCHES:
        numbers = np.concatenate(index[band])
        first = _first_ones(time[numbers])
        numbers = numbers[first]
        right = put_right(
            band,
            np.concatenate(decoded.pop(band))[first],
            time[numbers],
            archive[numbers],
            sensitivity,
            fields=fields[numbers],
            trained=np.isin(numbers, train),
        )
        levels[band], stretches[band] = right.level, right.stretch
        index[band], images[band], factors[band] = (
            array[~right.veiled] for array in (numbers, right.images, right.factors)
        )
        faint |= {int(frame) for frame in numbers[right.faint]}
    # What went wrong at that moment went wrong in the other passbands too, if less visibly.
    for band in STRETCHES:
        kept = ~np.isin(index[band], list(faint))
        for arrays in (index, images, factors):
            arrays[band] = arrays[band][kept]
    return Browse(time, rotation, archive, fields, index, images, factors, levels, stretches)


def _first_ones(time: npt.NDArray) -> npt.NDArray:
    """Numbers of images without those that are there already."""
    order = np.argsort(time, kind="stable")
    group = np.cumsum(np.diff(time[order], prepend=time[order[0]]) > _SAME)
    return np.sort([order[group == number].min() for number in range(group[-1] + 1)])


_PROVENANCE = (
    "8-bit SDO browse images (JPEG, 4.8 arcsec) and HMI synoptic charts of radial field seen from Earth, 2010-2012, "
    "in 211 to 2015 and in 171 of 2017, with a few sets up to 2025; not the 8544 simultaneous pairs of Park et al. 2019"
)

#: Passbands with fewer images than this are not trained on.
_FEW = 20

#: A store does not know how many of them a network will be trained on; the weights say so themselves.
SCARCE = (
    "the weights rest on few images of this passband, of uncertain brightness: "
    "structure and level of the result are illustrative"
)


def create_store(
    path: str | os.PathLike,
    time: npt.NDArray,
    archive: npt.NDArray,
    counts: dict[int, int],
    sensitivity: Sensitivity,
    *,
    provenance: str,
    caveat: str,
    grid: "Grid" = GRID,
    columns: dict[Any, Any] | None = None,
) -> Store:
    """
    Make a store of archives whose frames are still to be written.

    Parameters
    ----------
    path : path-like
    time, archive : `~numpy.ndarray`
        When each frame is from, and which archive, shape (frames,).
    counts : dict of int
        For each passband, how many images there are.
    sensitivity : `~sunpy_mag2euv.sensitivity.Sensitivity`
        That levels were put right by.
    provenance : str
    caveat : str
        Of passbands with few images.
    grid : Grid, optional
    columns : dict, optional
        Further columns of the manifest.

    Returns
    -------
    Store
    """
    frames = Table(
        {
            "name": [f"{name} {moment}" for name, moment in zip(archive, time, strict=True)],
            "time": Time(time, scale="utc"),
            "source": archive,
            **(columns or {}),
        }
    )
    calibration = f"AIA's sensitivity at launch, by version {sensitivity.version} of its degradation table"
    return Store.create(
        path,
        grid,
        frames,
        list(STRETCHES),
        provenance=provenance,
        calibration=dict.fromkeys(STRETCHES, calibration),
        epochs=dict.fromkeys(STRETCHES, LAUNCH),
        caveats={band: caveat for band, count in counts.items() if count < _FEW},
        weights={name: pixel_weight(grid) for name in dict.fromkeys(map(str, archive))},
    )


def write_store(directory: str | os.PathLike, path: str | os.PathLike, correction_table: Any = None) -> Store:
    """
    Make a store of the archives.

    Parameters
    ----------
    directory : path-like
        Of the archives, see `load_browse`.
    path : path-like
        The store to write.
    correction_table : optional
        See `load_browse`.

    Returns
    -------
    Store
    """
    sensitivity = Sensitivity.read(correction_table)
    data = load_browse(directory, sensitivity)
    counts = {band: len(index) for band, index in data.index.items()}
    store = create_store(path, data.time, data.archive, counts, sensitivity, provenance=_PROVENANCE, caveat=SCARCE)
    rows = {band: {int(frame): number for number, frame in enumerate(index)} for band, index in data.index.items()}
    for frame, archive in enumerate(tqdm(data.archive, unit="frame", disable=None)):
        numbers = {band: found[frame] for band, found in rows.items() if frame in found}
        ceilings = {
            band: ceiling * data.factors[band][numbers[band]]
            for band, ceiling in SATURATION.get(archive, {}).items()
            if band in numbers
        }
        images = {band: data.images[band][number] for band, number in numbers.items()}
        store.write(frame, data.field[frame], images, ceilings=ceilings)
    return store


def main(module: Any = "browse", write: Any = write_store) -> None:
    """Command line of this module, and of others that make a store of the archives."""
    parser = argparse.ArgumentParser(
        prog=f"python -m sunpy_mag2euv.training.recipe.{module}", description="Archives to a store."
    )
    parser.add_argument("directory", help="with the folders of the archives")
    parser.add_argument("store", help="to write")
    parser.add_argument(
        "--correction-table", metavar="FILE", help="of AIA's sensitivity; the one that aiapy carries unless given"
    )
    arguments = parser.parse_args()
    write(arguments.directory, arguments.store, arguments.correction_table)


if __name__ == "__main__":
    main()
