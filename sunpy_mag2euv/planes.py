"""
Planes: what networks are given to see, by name, each an image of the grid's shape and of order one.

There are planes of the magnetic field and its surroundings, planes of AIA images, and planes that only say where on the
disk a pixel is.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.scaling import LinearScaling

if TYPE_CHECKING:
    import torch

__all__ = [
    "GEOMETRY",
    "block_means",
    "block_of",
    "check_field_planes",
    "check_image_planes",
    "field_planes",
    "image_planes",
    "is_odd",
    "reach",
]

#: Where a pixel is.
GEOMETRY = {
    "mu": lambda grid: grid.mu,
    "radius": lambda grid: grid.radius - 1,
    "disk": lambda grid: grid.radius < 1,
}

_FIELD = {
    "signed": lambda scaled: scaled,
    "absolute": lambda scaled: scaled.abs(),
}

#: The same of the field's surroundings, by the first word of a plane such as "absolute 57 Mm": the field, or its
#: strength, averaged with a Gaussian of that standard deviation. What a wide average of the signed field keeps is
#: unbalanced flux, as where field lines are open; that of the strength says how active the Sun is there.
_SMOOTHED_FIELD = {
    "signed": lambda field, average: (average(field) / 2).arcsinh() / 3,
    "net": lambda field, average: (average(field).abs() / 2).arcsinh() / 3,
    "absolute": lambda field, average: average(field.abs()).log1p() / 3,
}

#: What a plane's name begins with if it is of a coarser grid, each pixel of which is a block: "4x4 absolute 57 Mm".
_BLOCK = re.compile(r"([0-9]{1,4})x\1 ")

#: Standard deviations of Gaussians, in Mm: wider than the Sun is, or finer than any image of it, they mean nothing.
_NARROWEST, _WIDEST = 0.01, 10_000

#: Of every image that a network may be given: the image, 0 where it is not known, and where it is known.
_IMAGE: dict[str, Callable[[Any], Any]] = {
    "image": lambda scaled: np.nan_to_num(scaled, nan=0.0),
    "known": np.isfinite,
}

_SOLAR_RADIUS_MM = 696

#: Standard deviations from which on a Gaussian adds nothing to sums in single precision: a part in ten million.
_REACH = 5.5

#: Rows of an image that are averaged at a time.
_STRIP = 128


def field_planes(
    names: Sequence[str], field: "torch.Tensor", scaling: LinearScaling, grid: Grid, *, saturation: float = np.inf
) -> "torch.Tensor":
    """
    Planes of a field.

    Parameters
    ----------
    names : sequence of str
        Out of "signed", "absolute", "mu", "radius" and "disk"; the first two also of the field averaged over its
        surroundings, such as "absolute 57 Mm" (standard deviation of the Gaussian, in the image's plane), and "net",
        the absolute value of the averaged "signed". Any of them also as it is on the coarser grid of which every pixel
        is a block of this one's, such as "4x4 absolute 57 Mm"; all pixels of a block have its value. "4x4 disk" is the
        share of a block that is on the disk.
    field : `torch.Tensor`
        Line-of-sight field in gauss, shape ``grid.shape``, of single precision, on any device.
    scaling : LinearScaling
        Of the field where it is not averaged.
    grid : Grid
    saturation : float, optional
        In gauss; beyond it, fields are not told apart by planes of the grid's own pixels. Those of blocks are of the
        field as it is.

    Returns
    -------
    `torch.Tensor`
        Shape (planes, rows, columns), on the same device.

    Raises
    ------
    ValueError
        If there is no plane of a name, or the grid is no whole number of blocks.
    """
    planes = field.new_empty((len(names), *grid.shape))
    scales = {1: (field.clip(-saturation, saturation), grid)}
    for plane, name in zip(planes, names, strict=True):
        block, kind, width = _parse_field_plane(name)
        if block not in scales:
            binned = grid.binned(block)
            scales[block] = block_means(field, block), binned
        seen, seen_grid = scales[block]
        if kind == "disk":
            # How much of a block is on it: otherwise the limb would be as rough as blocks are large.
            values = block_means(_geometry(kind, grid, field.device), block)
        else:
            values = _field_plane(kind, width, seen, scaling, seen_grid)
        _in_blocks(plane, seen_grid.shape)[...] = values[:, None, :, None]
    return planes


def _field_plane(
    kind: str, width: float | None, field: "torch.Tensor", scaling: LinearScaling, grid: Grid
) -> "torch.Tensor":
    """One plane; ``width`` is that of the average in Mm, or None."""
    if width is not None:
        sigma = width / _SOLAR_RADIUS_MM * grid.solar_radius
        return _SMOOTHED_FIELD[kind](field, functools.partial(_averaged, sigma=sigma))
    if kind in _FIELD:
        return _FIELD[kind](scaling.forward(field))
    return _geometry(kind, grid, field.device)


@functools.lru_cache(maxsize=16)
def _geometry(kind: str, grid: Grid, device: "torch.device") -> "torch.Tensor":
    """A plane that is the same for all fields."""
    import torch

    return torch.from_numpy(GEOMETRY[kind](grid).astype(np.float32)).to(device)


def block_means(values: Any, block: int) -> Any:
    """
    The mean over each block of pixels.

    Parameters
    ----------
    values : `~numpy.ndarray` or `torch.Tensor`
        Shape (H, W), whole numbers of blocks.
    block : int
        Pixels in each direction.

    Returns
    -------
    `~numpy.ndarray` or `torch.Tensor`
        Shape (H / block, W / block).
    """
    rows, columns = values.shape
    return _in_blocks(values, (rows // block, columns // block)).mean(axis=(1, 3))


def _in_blocks(array: npt.NDArray, shape: tuple[int, int]) -> npt.NDArray:
    """View of an array as (rows, rows of a block, columns, columns of a block)."""
    (rows, columns), (height, width) = shape, array.shape
    return array.reshape(rows, height // rows, columns, width // columns)


def check_field_planes(names: Sequence[str]) -> None:
    """ValueError if there is no plane of the field of one of these names."""
    for name in names:
        _parse_field_plane(name)


def block_of(name: str) -> int:
    """Pixels in each direction of the blocks that a plane of the field is of; 1 for those of single pixels."""
    return _parse_field_plane(name)[0]


def is_odd(name: str) -> bool:
    """Whether a plane of the field changes its sign with the field."""
    return _parse_field_plane(name)[1] == "signed"


def reach(names: Sequence[str]) -> float:
    """How far planes of the field look around a pixel: the widest average's standard deviation in Mm, 0 without any."""
    return max((width for _, _, width in map(_parse_field_plane, names) if width is not None), default=0.0)


def image_planes(
    names: Sequence[str], images: Mapping[int, npt.NDArray], scalings: Mapping[int, LinearScaling], grid: Grid
) -> npt.NDArray:
    """
    Planes of AIA images.

    Parameters
    ----------
    names : sequence of str
        Out of "image", which is a plane for each of ``scalings``, 0 where there is no data; "known", the same number of
        planes, 1 where there is; and "mu", "radius" and "disk".
    images : dict
        For some of the passbands, an image in DN/s, shape ``grid.shape``, NaN where there is no data.
    scalings : dict
        For every passband that the network has planes for, in their order, the scaling of its image.
    grid : Grid

    Returns
    -------
    `~numpy.ndarray`
        Shape (planes, rows, columns), float32.

    Raises
    ------
    ValueError
        If there is no plane of a name.
    """
    check_image_planes(names)
    missing = np.full(grid.shape, np.nan)
    planes = []
    for name in names:
        if name in GEOMETRY:
            planes.append(GEOMETRY[name](grid))
        else:
            planes += [_IMAGE[name](scaling.forward(images.get(band, missing))) for band, scaling in scalings.items()]
    return np.stack(planes).astype(np.float32)


def check_image_planes(names: Sequence[str]) -> None:
    """ValueError if there is no plane of AIA images of one of these names."""
    for name in names:
        if name not in (*_IMAGE, *GEOMETRY):
            raise ValueError(f"unknown input plane {name!r}; expected one of {', '.join((*_IMAGE, *GEOMETRY))}")


def _parse_field_plane(name: str) -> tuple[int, str, float | None]:
    """Name of a plane → size of its blocks, kind, and width of the average in Mm or None; ValueError if it is none."""
    blocks = _BLOCK.match(name)
    kind, *scale = (name[blocks.end() :] if blocks else name).split() or [""]
    block = int(blocks[1]) if blocks else 1
    if block and not scale and kind in (*_FIELD, *GEOMETRY):
        return block, kind, None
    try:
        width, unit = scale
        if block and kind in _SMOOTHED_FIELD and unit == "Mm" and _NARROWEST <= float(width) <= _WIDEST:
            return block, kind, float(width)
    except ValueError:
        pass
    known = ", ".join((*_FIELD, *GEOMETRY))
    raise ValueError(
        f"unknown input plane {name!r}; expected one of {known}, or such as 'absolute 57 Mm' or '4x4 absolute 57 Mm'"
    )


def _averaged(values: "torch.Tensor", sigma: float) -> "torch.Tensor":
    """
    Average with a Gaussian along both axes; beyond the edges there is nothing.

    As products with matrices, of which only the parts are used in which there is anything: of a large image and a
    narrow average that is a tenth.
    """
    for axis in (0, 1):
        size = values.shape[axis]
        kernel, reach = _gaussian(size, sigma, values.device)
        averaged = values.new_empty(values.shape)
        for start in range(0, size, _STRIP):
            strip = slice(start, min(start + _STRIP, size))
            near = slice(max(start - reach, 0), min(strip.stop + reach, size))
            if axis == 0:
                averaged[strip] = kernel[strip, near] @ values[near]
            else:
                averaged[:, strip] = values[:, near] @ kernel[near, strip]
        values = averaged
    return values


@functools.lru_cache(maxsize=32)
def _gaussian(size: int, sigma: float, device: "torch.device") -> "tuple[torch.Tensor, int]":
    """Matrix that averages along one axis, and how far from its diagonal there is anything in single precision."""
    import torch

    kernel = np.exp(-((np.arange(-size, size + 1) / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    matrix = kernel[size + np.subtract.outer(np.arange(size), np.arange(size))]
    return torch.from_numpy(matrix).to(device), min(size, math.ceil(_REACH * sigma))
