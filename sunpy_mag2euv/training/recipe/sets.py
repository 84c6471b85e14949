"""
Sets of AIA images of one moment, without magnetograms: what a network learns to translate from.

``python -m sunpy_mag2euv.training.recipe.sets DIRECTORY STORE`` writes the store.

The sets are those of ``aia_sets_512``, and of the archives with fields (`sunpy_mag2euv.training.recipe.browse`) the
frames with more than one passband. Where an image is in two archives, that of ``aia_sets_512`` is taken.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.recipe import browse
from sunpy_mag2euv.training.recipe.archives import SATURATION, SETS, STRETCHES, archive_paths, decode
from sunpy_mag2euv.training.recipe.levels import put_right

if TYPE_CHECKING:
    from sunpy_mag2euv.training.data.store import Store

__all__ = ["Sets", "load_sets", "write_store"]

#: Archives with fields that have sets of images, but for those that are among the `SETS`.
_OTHERS = ("hourly_2012", "daily_2010_2011", "full_set_2022", "same_time_2023", "full_set_1024")

_PROVENANCE = "8-bit SDO browse images (JPEG, 4.8 arcsec), 2010-2012, 2015 and 2022-2025; not calibrated AIA data"

#: A store does not know how many of them a network will be trained on; the weights say so themselves.
_SCARCE = "the weights rest on few images of this passband, of uncertain brightness: its level is illustrative"


@dataclass(frozen=True)
class Sets:
    """
    Images of one moment each, in any subset of the passbands.

    Attributes
    ----------
    time : `~numpy.ndarray`
        datetime64, shape (sets,).
    archive : `~numpy.ndarray`
        Name of the archive that each is from, shape (sets,).
    images : list of dict
        For every set, by passband, the image in DN/s at AIA's sensitivity at launch, float32, NaN where there is no
        data.
    ceilings : list of dict
        For every set, for some of its passbands, the DN/s at which values are lower limits.
    """

    time: np.ndarray
    archive: np.ndarray
    images: list
    ceilings: list


def load_sets(directory: str | os.PathLike, correction_table: Any = None) -> Sets:
    """
    Read all sets and put their levels right.

    Parameters
    ----------
    directory : path-like
        Holds the folders of the archives.
    correction_table : optional
        As `sunpy_mag2euv.sensitivity.Sensitivity.read` takes it.

    Returns
    -------
    Sets

    Raises
    ------
    FileNotFoundError
        If an archive is missing.
    """
    paths = archive_paths(directory, SETS)
    sensitivity = Sensitivity.read(correction_table)
    frames = browse.load_browse(directory, sensitivity)
    time: list[Any] = []
    archive: list[Any] = []
    images: list[Any] = []
    ceilings: list[Any] = []
    for name, path in paths.items():
        with np.load(path) as data:
            moments = data["time"].astype("datetime64[s]")
            sets: list[dict[int, Any]] = [{} for _ in moments]
            for band, level in frames.levels.items():
                decoded = decode(data[f"aia_{band:04d}"], band)
                there = np.nonzero(np.isfinite(decoded).any(axis=(1, 2)))[0]
                names = np.full(len(there), name)
                right = put_right(band, decoded[there], moments[there], names, sensitivity, level=level)
                for number, image, veiled in zip(there, right.images, right.veiled, strict=True):
                    if not veiled:
                        sets[number][band] = image
        time.append(moments)
        archive += [name] * len(moments)
        images += sets
        ceilings += [{}] * len(moments)
    for frame, name in enumerate(frames.archive):
        numbers = {band: np.nonzero(index == frame)[0] for band, index in frames.index.items()}
        numbers = {band: found[0] for band, found in numbers.items() if len(found)}
        if name in _OTHERS and len(numbers) > 1:
            time.append(frames.time[frame : frame + 1])
            archive.append(str(name))
            images.append({band: frames.images[band][number] for band, number in numbers.items()})
            limits = {band: limit for band, limit in SATURATION.get(name, {}).items() if band in numbers}
            ceilings.append({band: limit * frames.factors[band][numbers[band]] for band, limit in limits.items()})
    return Sets(np.concatenate(time), np.array(archive), images, ceilings)


def write_store(directory: str | os.PathLike, path: str | os.PathLike, correction_table: Any = None) -> "Store":
    """
    Make a store of the sets. Its frames have no field.

    Parameters
    ----------
    directory : path-like
        Of the archives, see `load_sets`.
    path : path-like
        The store to write.
    correction_table : optional
        See `load_sets`.

    Returns
    -------
    Store
    """
    sensitivity = Sensitivity.read(correction_table)
    sets = load_sets(directory, sensitivity)
    counts = {band: sum(band in images for images in sets.images) for band in STRETCHES}
    store = browse.create_store(
        path, sets.time, sets.archive, counts, sensitivity, provenance=_PROVENANCE, caveat=_SCARCE
    )
    for row, images in enumerate(tqdm(sets.images, unit="set", disable=None)):
        store.write(row, None, images, ceilings=sets.ceilings[row])
    return store


if __name__ == "__main__":
    browse.main("sets", write_store)
