"""
Sets of AIA images of one moment, without magnetograms: what a network learns to translate from.

``python -m sunpy_mag2euv.training.recipe.sets DIRECTORY STORE`` writes the store.

The sets are those of ``aia_sets_512``, and of the browse-image archives (`sunpy_mag2euv.training.recipe.browse`) the
frames with more than one passband. Where an image is in two archives, that of ``aia_sets_512`` is taken.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.metrics import bin_image
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.recipe import browse

__all__ = ["ARCHIVE", "Sets", "load_sets", "write_store"]

#: The archive of sets, on a grid of twice the resolution.
ARCHIVE = "aia_sets_512"

#: Archives of `sunpy_mag2euv.training.recipe.browse` with frames that are not in `ARCHIVE`.
_OTHERS = ("hourly_2012", "daily_2010_2011", "same_time_2023")

_PROVENANCE = "8-bit SDO browse images (JPEG, 4.8 arcsec), 2010-2012, 2015, 2023 and 2025; not calibrated AIA data"

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
        For every set, by passband, the image in DN/s, float32, NaN where there is no data.
    """

    time: np.ndarray
    archive: np.ndarray
    images: list


def load_sets(directory):
    """
    Read all sets and put their levels right.

    Parameters
    ----------
    directory : path-like
        Holds the ``.npz`` files of the archives.

    Returns
    -------
    Sets

    Raises
    ------
    FileNotFoundError
        If an archive is missing.
    """
    path = Path(directory, f"{ARCHIVE}.npz")
    if not path.is_file():
        raise FileNotFoundError(f"{directory} holds no {path.name}")
    frames = browse.load_browse(directory)
    with np.load(path) as data:
        time, archive = [data["time"].astype("datetime64[s]")], [ARCHIVE] * len(data["time"])
        images = [{} for _ in archive]
        for band in browse.STRETCHES:
            level = _level(frames.images[band])
            for found, codes in zip(images, data[f"aia_{band:04d}"], strict=True):
                if (codes != browse.MISSING).any():
                    found[band] = _on_grid(codes, band, level)
    for frame, name in enumerate(frames.archive):
        found = {band: frames.images[band][index == frame] for band, index in frames.index.items()}
        found = {band: image[0] for band, image in found.items() if len(image)}
        if name in _OTHERS and len(found) > 1:
            time.append(frames.time[frame : frame + 1])
            archive.append(str(name))
            images.append(found)
    return Sets(np.concatenate(time), np.array(archive), images)


def _level(images):
    """To what the images of a passband have been brought: the median over images of their medians on the disk."""
    disk = browse.GRID.radius < 0.9
    return np.median([np.nanmedian(image[disk]) for image in images])


def _on_grid(codes, band, level):
    """
    Codes at twice the resolution → DN/s at a level.

    Most of these images were brightened by an unknown amount, to make up for degradation.
    """
    values = codes.astype(np.float32)
    values[codes == browse.MISSING] = np.nan
    image = bin_image(browse.STRETCHES[band].inverse(values / 127.5 - 1), 2)
    return (image * (level / np.nanmedian(image[browse.GRID.radius < 0.9]))).astype(np.float32)


def write_store(directory, path):
    """
    Make a store of the sets. Its frames have no field.

    Parameters
    ----------
    directory : path-like
        Of the archives, see `load_sets`.
    path : path-like
        The store to write.

    Returns
    -------
    Store
    """
    sets = load_sets(directory)
    counts = {band: sum(band in images for images in sets.images) for band in browse.STRETCHES}
    frames = Table(
        {
            "name": [f"{archive} {time}" for archive, time in zip(sets.archive, sets.time, strict=True)],
            "time": Time(sets.time, scale="utc"),
            "source": sets.archive,
        }
    )
    store = Store.create(
        path,
        browse.GRID,
        frames,
        list(browse.STRETCHES),
        provenance=_PROVENANCE,
        calibration={band: browse.calibration(band) for band in browse.STRETCHES},
        caveats={band: _SCARCE for band, count in counts.items() if count < 10},
        weights={name: browse.pixel_weight() for name in (ARCHIVE, *_OTHERS)},
    )
    for row, (archive, images) in enumerate(zip(tqdm(sets.archive, unit="set"), sets.images, strict=True)):
        store.write(row, None, images, ceilings=browse.ceilings() if archive == "hourly_2012" else None)
    return store


if __name__ == "__main__":
    browse.main("sets", write_store)
