"""
The browse-image archives: what is in them, how it is put right, and how it becomes a store.

``python -m sunpy_mag2euv.training.recipe.browse DIRECTORY STORE`` writes the store.

The archives pair synoptic HMI fields seen from Earth with 8-bit SDO browse images on one grid. Three things have to be
put right before a network can learn DN/s from them:

* the images are codes, which the stretches in `STRETCHES` turn into DN/s;
* before 2011 February the 193 and 304 images had another, flatter stretch, which is not documented: their codes are
  mapped onto the later ones (`match_codes`);
* browse images after 2013 were brightened by unknown amounts: those frames are scaled to the level of the well-sampled
  epoch of their passband, by the disk's median.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from astropy.table import Table
from astropy.time import Time
from sunpy.coordinates.sun import carrington_rotation_number

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.scaling import LinearScaling, LogScaling, SqrtScaling
from sunpy_mag2euv.training.data.splits import rotations
from sunpy_mag2euv.training.data.store import Store

__all__ = [
    "ARCHIVES",
    "GRID",
    "STRETCHES",
    "Browse",
    "calibration",
    "ceilings",
    "load_browse",
    "match_codes",
    "pixel_weight",
    "write_store",
]

#: The archives in the order in which their frames are numbered.
ARCHIVES = ("hourly_2012", "daily_2010_2011", "full_sets_2015", "same_time_2023")

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

#: Code that means "no data".
MISSING = 255

#: Code at which 131 and 171 of ``hourly_2012`` saturate: what is there is at least this bright.
SATURATION = {131: 176, 171: 176}

#: The browse images of these passbands changed their stretch here.
STRETCH_CHANGE = {193: np.datetime64("2011-02-01"), 304: np.datetime64("2011-02-01")}

#: Archive whose level a passband's other frames are scaled to; the median of all frames where there is none.
REFERENCE_ARCHIVE = {
    94: "hourly_2012",
    131: "hourly_2012",
    171: "hourly_2012",
    193: "daily_2010_2011",
    304: "daily_2010_2011",
}

#: An image whose disk is fainter than this part of its passband's level has another exposure, or is none of the Sun.
#: There are three in 131 and 171, at two times in October 2012; all others stay within 30 per cent of their neighbours.
FAINT = 0.5

#: Carrington rotations that are scored: the levels and stretches above are found without them.
TEST_ROTATIONS = (2100, 2101, 2128, 2159)


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
        Line-of-sight field in gauss, int16, shape (frames, 256, 256), 0 off the limb.
    index : dict
        For each passband, the frames that its images belong to.
    images : dict
        For each passband, images in DN/s, float32, NaN where there is no data.
    """

    time: np.ndarray
    rotation: np.ndarray
    archive: np.ndarray
    field: np.ndarray
    index: dict
    images: dict


def _scaled(code):
    return np.asarray(code) / 127.5 - 1


def match_codes(codes, target_codes, activity, target_activity):
    """
    Monotone table that maps the codes of one stretch onto those of another.

    Both stretches are monotone functions of intensity, so quantiles correspond, provided that the two samples show an
    equally active Sun: the second sample is weighted to have the first's distribution of ``activity``.

    Parameters
    ----------
    codes, target_codes : `~numpy.ndarray`
        Samples of codes, 0…254.
    activity, target_activity : `~numpy.ndarray`
        For each code, any measure of how active the Sun is there.

    Returns
    -------
    `~numpy.ndarray`
        Shape (256,), the target stretch's code for each code.
    """
    edges = np.quantile(activity, np.linspace(0, 1, 21)[1:-1])
    bins, target_bins = np.digitize(activity, edges), np.digitize(target_activity, edges)
    count, target_count = np.bincount(bins, minlength=20), np.bincount(target_bins, minlength=20)
    weight = (count / np.maximum(target_count, 1))[target_bins]
    cumulative = np.cumsum(np.bincount(codes, minlength=256)) / codes.size
    target_cumulative = np.cumsum(np.bincount(target_codes, weight, minlength=256))
    table = np.interp(cumulative, target_cumulative / target_cumulative[-1], np.arange(256))
    # Beyond the observed codes the table goes on at the slope it ends with.
    low, high = np.quantile(codes, [1e-3, 1 - 1e-3]).astype(int)
    slope_low = (table[low + 10] - table[low]) / 10
    slope_high = (table[high] - table[high - 10]) / 10
    ramp = np.arange(256)
    table[:low] = table[low] + slope_low * (ramp[:low] - low)
    table[high:] = table[high] + slope_high * (ramp[high:] - high)
    return np.clip(table, 0, 254)


def pixel_weight():
    """
    Weight of each pixel: 1 on the disk, less off the limb, where no pixel has a field of its own.

    A synoptic chart is taken at the central meridian, so that at Stonyhurst longitude L the field is L / 13.2° days
    off. That is no reason to weigh such pixels less: networks that were trained with weights halved at two days did
    worse on rotations between those trained on and scored, in every passband, and so did least squares.

    Returns
    -------
    `~numpy.ndarray`
        Shape (256, 256).
    """
    return np.where(GRID.radius < 1, 1, 0.3).astype(np.float32)


def load_browse(directory):
    """
    Read all archives and put their levels right.

    Parameters
    ----------
    directory : path-like
        Holds the four ``.npz`` files of `ARCHIVES`.

    Returns
    -------
    Browse

    Raises
    ------
    FileNotFoundError
        If an archive is missing.
    """
    directory = Path(directory)
    missing = [name for name in ARCHIVES if not (directory / f"{name}.npz").is_file()]
    if missing:
        raise FileNotFoundError(f"{directory} holds no {', '.join(f'{name}.npz' for name in missing)}")

    time, archive, field = [], [], []
    codes = {passband: [] for passband in STRETCHES}
    index = {passband: [] for passband in STRETCHES}
    start = 0
    for name in ARCHIVES:
        with np.load(directory / f"{name}.npz") as data:
            time.append(data["time"].astype("datetime64[s]"))
            archive.append(np.full(len(data["time"]), name))
            field.append(data["magnetogram"])
            for passband in STRETCHES:
                if f"aia_{passband:04d}" in data:
                    codes[passband].append(data[f"aia_{passband:04d}"])
                    index[passband].append(data[f"index_{passband:04d}"] + start)
        start += len(time[-1])
    time, archive, field = map(np.concatenate, (time, archive, field))
    rotation = carrington_rotation_number(time)
    train = rotations(rotation, TEST_ROTATIONS)["train"]

    images, faint = {}, set()
    for passband in STRETCHES:
        index[passband] = np.concatenate(index[passband])
        images[passband], found = _put_right(
            passband, np.concatenate(codes[passband]), index[passband], time, archive, field, train
        )
        faint |= {int(frame) for frame in index[passband][found]}
    # What went wrong at that moment went wrong in the other passbands too, if less visibly.
    for passband in STRETCHES:
        kept = ~np.isin(index[passband], list(faint))
        images[passband], index[passband] = images[passband][kept], index[passband][kept]
    return Browse(time, rotation, archive, field, index, images)


def _put_right(passband, codes, index, time, archive, field, train):
    """Codes → images in DN/s, at one level; and which of them are too faint."""
    disk = GRID.radius < 0.9
    values = codes.astype(np.float32)
    values[codes == MISSING] = np.nan
    medians = np.array([np.nanmedian(frame[disk]) for frame in values])

    if passband in STRETCH_CHANGE:
        early = time[index] < STRETCH_CHANGE[passband]
        trained = np.isin(index, train)
        daily = archive[index] == "daily_2010_2011"
        # Exposure varied between the early frames, so each is brought to their common median first.
        values[early] += (np.median(medians[early]) - medians[early])[:, None, None]
        samples, activities = [], []
        for rows in (early & trained, ~early & trained & daily):
            sample = values[rows][:, disk].ravel()[::7]
            activity = np.concatenate([_activity(field[frame])[disk] for frame in index[rows]])[::7]
            known = np.isfinite(sample)
            samples.append(np.clip(np.rint(sample[known]), 0, 254).astype(int))
            activities.append(activity[known])
        table = match_codes(*samples, *activities)
        values[early] = np.interp(values[early], np.arange(256), table)

    # From here on in DN/s, where a change of sensitivity is a factor.
    images = STRETCHES[passband].inverse(_scaled(values))
    levels = np.array([np.nanmedian(frame[disk]) for frame in images])
    reference = archive[index] == REFERENCE_ARCHIVE.get(passband)
    level = np.median(levels[reference] if reference.any() else levels)
    factor = np.where(reference, 1, level / levels)
    return (images * factor[:, None, None]).astype(np.float32), factor * levels < FAINT * level


def _activity(field):
    """Log of the unsigned field within some 50 Mm: how active the Sun is around each pixel."""
    return np.log1p(gaussian_filter(np.abs(field.astype(np.float32)), 7))


#: Epoch of AIA's sensitivity that the levels of the well-sampled passbands belong to.
_EPOCHS = {94: "2012", 131: "2012", 171: "2012", 193: "2011 February-March", 304: "2011 February-March"}

_PROVENANCE = (
    "8-bit SDO browse images (JPEG, 4.8 arcsec) and HMI synoptic charts of radial field seen from Earth, "
    "2010-2012, 2015 and 2023; not the 8544 simultaneous pairs of Park et al. 2019"
)

#: A store does not know how many of them a network will be trained on; the weights say so themselves.
_SCARCE = (
    "the weights rest on few images of this passband, of uncertain brightness: "
    "structure and level of the result are illustrative"
)


def calibration(band):
    """What a passband's DN/s refer to, in words."""
    if band in _EPOCHS:
        return f"sensitivity as in {_EPOCHS[band]}, not corrected for degradation"
    return "level uncertain: browse images of 2015 and later, brightened by unknown amounts"


def ceilings():
    """For the passbands in which ``hourly_2012`` saturates, the DN/s at which it does."""
    return {band: STRETCHES[band].inverse(_scaled(code)) for band, code in SATURATION.items()}


def write_store(directory, path):
    """
    Make a store of the archives.

    Parameters
    ----------
    directory : path-like
        Of the archives, see `load_browse`.
    path : path-like
        The store to write.

    Returns
    -------
    Store
    """
    data = load_browse(directory)
    counts = {band: len(data.index[band]) for band in STRETCHES}
    frames = Table(
        {
            "name": [f"{archive} {time}" for archive, time in zip(data.archive, data.time, strict=True)],
            "time": Time(data.time, scale="utc"),
            "source": data.archive,
        }
    )
    store = Store.create(
        path,
        GRID,
        frames,
        list(STRETCHES),
        provenance=_PROVENANCE,
        calibration={band: calibration(band) for band in STRETCHES},
        caveats={band: _SCARCE for band, count in counts.items() if count < 10},
        weights={name: pixel_weight() for name in ARCHIVES},
    )
    for row, archive in enumerate(tqdm(data.archive, unit="frame")):
        images = {band: data.images[band][data.index[band] == row] for band in STRETCHES}
        images = {band: found[0] for band, found in images.items() if len(found)}
        store.write(row, data.field[row], images, ceilings=ceilings() if archive == "hourly_2012" else None)
    return store


def main(module="browse", write=write_store):
    """Command line of this module, and of others that make a store of the archives."""
    parser = argparse.ArgumentParser(
        prog=f"python -m sunpy_mag2euv.training.recipe.{module}", description="Archives to a store."
    )
    parser.add_argument("directory", help="of the browse archives")
    parser.add_argument("store", help="to write")
    arguments = parser.parse_args()
    write(arguments.directory, arguments.store)


if __name__ == "__main__":
    main()
