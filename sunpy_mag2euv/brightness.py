"""The scale of brightness of pictures: from black in the outermost corona to white in active regions."""

import math

import numpy as np
import numpy.typing as npt

import astropy.units as u
import sunpy.map
from astropy.visualization import AsinhStretch, ImageNormalize, LinearStretch
from sunpy.coordinates import Helioprojective
from sunpy.map import GenericMap

__all__ = ["brightness", "scale_of", "sparse"]

#: Pixels that tell how an image is to be shown. All of them would take longer than writing the header.
_ENOUGH = 128**2


def sparse(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """
    Choose evenly spaced pixels, enough to tell how an image is to be shown.

    Parameters
    ----------
    shape : tuple of int
        Of an image.

    Returns
    -------
    tuple of slice
        One for each axis.
    """
    step = max(1, math.isqrt(math.prod(shape) // _ENOUGH))
    return tuple(slice(0, size, step) for size in shape)


def brightness(values: npt.NDArray, on_disk: npt.NDArray | bool) -> ImageNormalize:
    """
    Find a scale of brightness that shows the corona, coronal holes, quiet Sun and active regions at once.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Intensities, NaN where nothing is known.
    on_disk : `~numpy.ndarray` or bool
        Whether they are on the disk.

    Returns
    -------
    `~astropy.visualization.ImageNormalize`
        See `sunpy_mag2euv.visualization.normalization`. From 0 to 1 if nothing is known.
    """
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)
    if not known.any():
        return ImageNormalize(vmin=0, vmax=1, stretch=LinearStretch())
    shown = known & on_disk
    low, high = (float(value) for value in np.quantile(values[known], [0.01, 0.999]))
    if not high > low:
        return ImageNormalize(vmin=low, vmax=low + 1, stretch=LinearStretch())
    median = np.median(values[shown if shown.any() else known])
    # The curve needs some of its straight part.
    knee = float(np.clip((median - low) / (high - low), 0.01, 1))
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(knee))


def scale_of(*images: GenericMap) -> ImageNormalize:
    """
    Find one scale of brightness for some images.

    Parameters
    ----------
    *images : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.visualization.ImageNormalize`
        See `sunpy_mag2euv.visualization.normalization`.
    """
    values, on_disk = zip(*map(_sample, images), strict=True)
    return brightness(np.concatenate(values), np.concatenate(on_disk))


def _sample(image: GenericMap) -> tuple[np.ndarray, np.ndarray]:
    """Some intensities of an image, NaN where unknown, and whether they are on the disk."""
    some = sparse(image.data.shape)
    values = np.array(image.data[some], dtype=float)
    if image.mask is not None:
        values[np.asarray(image.mask[some])] = np.nan
    on_disk = np.ones(values.shape, dtype=bool)
    if isinstance(image.coordinate_frame, Helioprojective):
        rows, columns = np.mgrid[some]
        on_disk = sunpy.map.coordinate_is_on_solar_disk(image.pixel_to_world(columns * u.pix, rows * u.pix))
    return values.ravel(), on_disk.ravel()
