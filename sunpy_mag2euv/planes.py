"""
Planes: what networks are given to see, by name, each an image of the grid's shape and of order one.

There are planes of the magnetic field and its surroundings, planes of AIA images, and planes that only say where on the
disk a pixel is.
"""

import functools

import numpy as np

__all__ = ["GEOMETRY", "check_field_planes", "check_image_planes", "field_planes", "image_planes", "is_odd"]

#: Where a pixel is.
GEOMETRY = {
    "mu": lambda grid: grid.mu,
    "radius": lambda grid: grid.radius - 1,
    "disk": lambda grid: grid.radius < 1,
}

_FIELD = {
    "signed": lambda scaled: scaled,
    "absolute": np.abs,
}

#: The same of the field's surroundings, by the first word of a plane such as "absolute 57 Mm": the field, or its
#: strength, averaged with a Gaussian of that standard deviation. What a wide average of the signed field keeps is
#: unbalanced flux, as where field lines are open; that of the strength says how active the Sun is there.
_SMOOTHED_FIELD = {
    "signed": lambda field, average: np.arcsinh(average(field) / 2) / 3,
    "absolute": lambda field, average: np.log1p(average(np.abs(field))) / 3,
}

#: Of every image that a network may be given: the image, 0 where it is not known, and where it is known.
_IMAGE = {
    "image": lambda scaled: np.nan_to_num(scaled, nan=0.0),
    "known": np.isfinite,
}

_SOLAR_RADIUS_MM = 696


def field_planes(names, field, scaling, grid):
    """
    Planes of a field.

    Parameters
    ----------
    names : sequence of str
        Out of "signed", "absolute", "mu", "radius" and "disk"; the first two also of the field averaged over its
        surroundings, such as "absolute 57 Mm" (standard deviation of the Gaussian, in the image's plane).
    field : `~numpy.ndarray`
        Line-of-sight field in gauss, shape ``grid.shape``.
    scaling : LinearScaling
        Of the field where it is not averaged.
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
    planes = []
    for name in names:
        kind, width = _parse_field_plane(name)
        if width is not None:
            sigma = width / _SOLAR_RADIUS_MM * grid.solar_radius
            rows, columns = (_gaussian(size, sigma) for size in field.shape)
            average = functools.partial(_averaged, rows=rows, columns=columns)
            planes.append(_SMOOTHED_FIELD[kind](field, average))
        elif kind in _FIELD:
            planes.append(_FIELD[kind](scaling.forward(field)))
        else:
            planes.append(GEOMETRY[kind](grid))
    return np.stack(planes).astype(np.float32)


def check_field_planes(names):
    """ValueError if there is no plane of the field of one of these names."""
    for name in names:
        _parse_field_plane(name)


def is_odd(name):
    """Whether a plane of the field changes its sign with the field."""
    return name.startswith("signed")


def image_planes(names, images, scalings, grid):
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


def check_image_planes(names):
    """ValueError if there is no plane of AIA images of one of these names."""
    for name in names:
        if name not in (*_IMAGE, *GEOMETRY):
            raise ValueError(f"unknown input plane {name!r}; expected one of {', '.join((*_IMAGE, *GEOMETRY))}")


def _parse_field_plane(name):
    """Name of a plane → its first word, and the width of the average in Mm or None; ValueError if there is no such."""
    kind, *scale = name.split() or [""]
    if not scale and kind in (*_FIELD, *GEOMETRY):
        return kind, None
    try:
        width, unit = scale
        if kind in _SMOOTHED_FIELD and unit == "Mm" and 0 < float(width) < np.inf:
            return kind, float(width)
    except ValueError:
        pass
    known = ", ".join((*_FIELD, *GEOMETRY))
    raise ValueError(f"unknown input plane {name!r}; expected one of {known}, or such as 'absolute 57 Mm'")


def _averaged(values, *, rows, columns):
    return rows @ values.astype(np.float32) @ columns


@functools.lru_cache(maxsize=32)
def _gaussian(size, sigma):
    """Matrix that averages along one axis; there is nothing beyond the edges. As a product it takes a millisecond."""
    kernel = np.exp(-((np.arange(-size, size + 1) / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return kernel[size + np.subtract.outer(np.arange(size), np.arange(size))]
