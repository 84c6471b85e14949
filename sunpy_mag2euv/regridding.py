"""
Regridding: an image of the Sun → the pixels of another one.

Both images say where each of their pixels is on the sky, so any two orientations, scales and fields of view will do.
What is compared is the Sun, so angles are in units of its apparent radius: a slightly different distance changes
nothing.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import astropy.units as u
from sunpy.map import GenericMap

from sunpy_mag2euv.grid import apparent_radius
from sunpy_mag2euv.metrics.scores import bin_image

__all__ = ["regrid", "solar_coordinates", "solar_radius"]

#: Pixels between those whose coordinates are computed exactly. In between they are linear to 1e-4 pixels.
_STEP = 16

#: Samples per pixel and axis at which an image that has been averaged down is interpolated.
_SAMPLES = 2

#: Decimals of a pixel to which positions are rounded, so that a pixel that coincides with another is that other one.
_DECIMALS = 6

#: Points that are interpolated at once: few enough for a processor's cache.
_CHUNK = 2**15


def solar_coordinates(image: GenericMap) -> tuple[npt.NDArray, npt.NDArray]:
    """
    Coordinates of a Map's pixels on the plane of the sky.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        Helioprojective.

    Returns
    -------
    x, y : `~numpy.ndarray`
        To the west and to the north of the disk's centre in apparent solar radii; shape of the data.
    """
    rows, columns = image.data.shape
    x, y = _on_all(lambda *pixel: _to_sun(image, *pixel), np.arange(rows), np.arange(columns))
    return x, y


def solar_radius(image: GenericMap) -> float:
    """Apparent solar radius of a Map in pixels (geometric mean of the axes)."""
    row, column = (np.array(image.data.shape) - 1) / 2
    x, y = _to_sun(image, column + np.array([0, 1, 0]), row + np.array([0, 0, 1]))
    return float(abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])) ** -0.5)


def regrid(values: npt.NDArray, image: GenericMap, target: GenericMap) -> npt.NDArray:
    """
    Bring an image to the pixels of another.

    If its pixels are much smaller than the other's, whole blocks of about half of those are averaged first. Then it is
    interpolated with cubic convolution (Keys 1981, IEEE Trans. Acoust. 29, 1153, doi:10.1109/TASSP.1981.1163711) at
    points that are spread over each of the other's pixels, and these are averaged. Nothing is filled in: a result
    is NaN if any of the pixels that it is made of is.

    Parameters
    ----------
    values : `~numpy.ndarray`
        What is brought there, NaN where unknown.
    image : `~sunpy.map.GenericMap`
        Whose pixels ``values`` are on.
    target : `~sunpy.map.GenericMap`
        Whose pixels the result is on.

    Returns
    -------
    `~numpy.ndarray`
        Shape of the target's data, NaN off the image. The very same values, if the pixels coincide.
    """
    ratio = solar_radius(image) / solar_radius(target)
    block = max(1, round(ratio / _SAMPLES))
    samples = max(1, round(ratio / block))
    if block > 1:
        values = bin_image(values, block)

    def positions(column: npt.NDArray, row: npt.NDArray) -> tuple[npt.NDArray, ...]:
        pixels = _to_pixel(image, *_to_sun(target, column, row))
        return tuple((pixel + 0.5) / block - 0.5 for pixel in pixels)

    rows, columns = ((np.arange(number * samples) + 0.5) / samples - 0.5 for number in target.data.shape)
    columns, rows = _on_all(positions, rows, columns)
    return bin_image(_interpolate(values, rows.round(_DECIMALS), columns.round(_DECIMALS)), samples)


def _to_sun(image: GenericMap, column: npt.NDArray, row: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
    """Pixels → apparent solar radii to the west and to the north."""
    radius = apparent_radius(image.coordinate_frame).to_value(u.arcsec)
    world = image.wcs.pixel_to_world_values(column, row)
    x, y = (axis * u.Unit(unit).to(u.arcsec) for axis, unit in zip(world, image.wcs.world_axis_units, strict=True))
    return ((x + 648000) % 1296000 - 648000) / radius, y / radius


def _to_pixel(image: GenericMap, x: npt.NDArray, y: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
    """Apparent solar radii to the west and to the north → pixels."""
    radius = apparent_radius(image.coordinate_frame)
    world = ((axis * radius).to_value(unit) for axis, unit in zip((x, y), image.wcs.world_axis_units, strict=True))
    return image.wcs.world_to_pixel_values(*world)


def _on_all(
    function: Callable[..., tuple[npt.NDArray, ...]], rows: npt.NDArray, columns: npt.NDArray
) -> list[npt.NDArray]:
    """
    Evaluate a smooth function of pixels on all of them.

    Parameters
    ----------
    function : callable
        Takes columns and rows of some pixels, returns several values for each.
    rows, columns : `~numpy.ndarray`
        Evenly spaced, ascending.

    Returns
    -------
    list of `~numpy.ndarray`
        Shape (rows, columns).
    """
    nodes, weights = [], []
    for pixels in (rows, columns):
        node = pixels[0] + _STEP * np.arange(2 + math.floor((pixels[-1] - pixels[0]) / _STEP))
        nodes.append(node)
        weights.append(np.maximum(0, 1 - np.abs(pixels[:, None] - node) / _STEP))
    row, column = np.meshgrid(*nodes, indexing="ij")
    return [weights[0] @ plane @ weights[1].T for plane in function(column, row)]


def _interpolate(values: npt.NDArray, rows: npt.NDArray, columns: npt.NDArray) -> npt.NDArray:
    """Cubic convolution of an image at points; NaN where any pixel with a weight is."""
    margin = 3
    padded = np.pad(values, margin, constant_values=np.nan)
    stride, flat = padded.shape[1], padded.ravel()
    result = np.zeros(rows.shape)
    step = max(1, _CHUNK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        row, row_weights = _taps(rows[part], values.shape[0])
        column, column_weights = _taps(columns[part], values.shape[1])
        first = (row - 1 + margin) * stride + column - 1 + margin
        for i, row_weight in enumerate(row_weights):
            for j, column_weight in enumerate(column_weights):
                weight = row_weight * column_weight
                # A missing pixel without weight does no harm; where pixels coincide, that is all of them but one.
                weighty = weight != 0
                if weighty.all():
                    result[part] += weight * flat[first + (i * stride + j)]
                elif weighty.any():
                    result[part][weighty] += (weight * flat[first + (i * stride + j)])[weighty]
    return result


def _taps(position: npt.NDArray, number: int) -> tuple[npt.NDArray, tuple[npt.NDArray, ...]]:
    """Pixel below each position, and the weights of the pixel before it, of itself and of the two after it."""
    position = np.clip(position, -2, number)
    pixel = np.floor(position).astype(int)
    after = position - pixel
    before = 1 - after
    weights = (
        -0.5 * after * before**2,
        1 - 2.5 * after**2 + 1.5 * after**3,
        1 - 2.5 * before**2 + 1.5 * before**3,
        -0.5 * before * after**2,
    )
    return pixel, weights
