"""Frames of SDOML → a store's grid: where it has the Sun, and which of its numbers are none."""

import numpy as np

from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.preparation import resample

__all__ = ["prepare_field", "prepare_image"]

#: Its Sun has a radius of 976 arcsec at 4.8 arcsec a pixel, in the middle of 512 by 512 pixels: ``aia_fits_to_zarr.py``
#: and ``hmi_fits_to_zarr.py`` of https://github.com/SDOML/SDOMLv2 scale every image to that. They scale about a point
#: half a pixel off, which moves the centre by less than 0.02 pixels. ``CRPIX1`` and ``CRPIX2`` are not to be used: they
#: are those of the file, divided by the binning, which is off by a fraction of a pixel.
_RADIUS = 976 / 4.8 / 512

#: In gauss; beyond it is no field of the Sun's, see `sunpy_mag2euv.preparation`.
_STRONGEST_FIELD = 6000

#: Pixels inside the limb from which SDOML's averages mix with what is off it, which is 0.
_RIM = 1.5

#: From here to the limb the line of sight says so little that nobody misses the field, in solar radii.
_LIMB = 0.97

#: Share of the disk that an image may lack.
_LACKING = 0.05


def prepare_field(values: np.ndarray, grid: Grid) -> np.ndarray:
    """
    Bring Bz of SDOML to a grid.

    Parameters
    ----------
    values : `~numpy.ndarray`
        In gauss, square, solar north up, with the Sun where SDOML has it. 0 is what SDOML has for missing pixels.
    grid : Grid

    Returns
    -------
    `~numpy.ndarray`
        In gauss, float32, shape ``grid.shape``; 0 off the disk.

    Raises
    ------
    ValueError
        If the field is not known on the whole disk.
    """
    disk = _disk(values)
    values = np.ascontiguousarray(values, dtype=np.float32)
    known = np.isfinite(values) & (values != 0) & (np.abs(values) <= _STRONGEST_FIELD)
    known &= disk.radius(values.shape) < 1 - _RIM / disk.pixels
    mean = resample(np.where(known, values, np.float32(0)), known, disk, grid)
    measured = np.isfinite(mean)
    if unknown := np.count_nonzero((grid.radius < _LIMB) & ~measured):
        raise ValueError(f"the magnetogram must cover the whole disk; {unknown} pixels of the grid are unknown")
    return np.where(measured & (grid.radius < 1), mean, np.float32(0))


def prepare_image(values: np.ndarray, grid: Grid) -> np.ndarray:
    """
    Bring an AIA image of SDOML to a grid.

    Parameters
    ----------
    values : `~numpy.ndarray`
        In DN/s, square, solar north up, with the Sun where SDOML has it. 0 is what SDOML has for counts of 0 and below,
        and for missing pixels. On the disk it counts as missing, where AIA hardly ever sees nothing; in the sky around
        it is left as it is.
    grid : Grid

    Returns
    -------
    `~numpy.ndarray`
        In DN/s, float32, shape ``grid.shape``; NaN where unknown, as beyond SDOML's edge at 1.26 solar radii.

    Raises
    ------
    ValueError
        If more than a twentieth of the disk is missing.
    """
    disk = _disk(values)
    values = np.ascontiguousarray(values, dtype=np.float32)
    on_disk = disk.radius(values.shape) < 1
    known = np.isfinite(values) & (values >= 0) & ((values > 0) | ~on_disk)
    lacking = 1 - int(np.count_nonzero(known & on_disk)) / int(np.count_nonzero(on_disk))
    if lacking > _LACKING:
        raise ValueError(f"the image must show the whole disk; {lacking:.0%} of it has no data")
    return resample(np.where(known, values, np.float32(0)), known, disk, grid)


def _disk(values: np.ndarray) -> Disk:
    """Where SDOML has the Sun in an image."""
    size = len(values)
    return Disk(np.full(2, (size - 1) / 2), np.eye(2) * size * _RADIUS)
