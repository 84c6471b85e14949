"""Disk: where an image has the Sun, by its header and by what can be seen in it."""

from dataclasses import dataclass

import numpy as np

import astropy.units as u
from astropy.coordinates import SkyCoord

from sunpy_mag2euv.grid import apparent_radius

__all__ = ["Disk", "visible_limb"]

#: Rays along which the limb is looked for, and distances along them, in steps of half a per cent, in solar radii: few
#: enough for a millisecond, near enough to each other to find it to one per cent.
_RAYS, _STEP = 48, 0.005
_RADII = np.geomspace(0.2, 4, round(np.log(20) / np.log(1 + _STEP)))

#: So many steps without a number are the sky.
_BEYOND = 4


@dataclass(frozen=True)
class Disk:
    """
    Where the Sun is in an image: ``pixel = center + axes @ (x, y)``, x west and y north in solar radii.

    Over the disk, every projection in use is affine to 0.03 arcsec, so this is all the geometry there is.

    Attributes
    ----------
    center : `~numpy.ndarray`
        Pixel coordinates (x, y) of the disk's centre, counted from 0.
    axes : `~numpy.ndarray`
        Shape (2, 2): columns are one solar radius west, and north, in pixels.
    """

    center: np.ndarray
    axes: np.ndarray

    @property
    def pixels(self):
        """Solar radius in pixels (geometric mean of the axes)."""
        return float(np.sqrt(abs(np.linalg.det(self.axes))))

    @classmethod
    def of(cls, image):
        """Where a helioprojective Map has the Sun."""
        frame = image.coordinate_frame
        radius = apparent_radius(frame)
        cross = SkyCoord([1, -1, 0, 0] * radius, [0, 0, 1, -1] * radius, frame=frame)
        x, y = (axis.to_value(u.pix) for axis in image.wcs.world_to_pixel(cross) * u.pix)
        points = np.stack([x, y])
        axes = np.stack([points[:, 0] - points[:, 1], points[:, 2] - points[:, 3]], axis=1) / 2
        return cls(points.mean(axis=1), axes)

    def radius(self, shape):
        """Distance of every pixel from the disk's centre in solar radii, shape ``shape``."""
        (a, b), (c, d) = np.linalg.inv(self.axes).astype(np.float32)
        columns = np.arange(shape[1], dtype=np.float32) - np.float32(self.center[0])
        rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.center[1])
        # Of this many pixels, np.hypot takes twice as long.
        return np.sqrt((a * columns + b * rows) ** 2 + (c * columns + d * rows) ** 2)

    def meets(self, shape):
        """Whether any of the disk lies in an image of that shape."""
        nearest = np.clip(self.center, -0.5, np.array(shape[::-1]) - 0.5)
        return bool(np.linalg.norm(np.linalg.solve(self.axes, nearest - self.center)) < 1)

    def inside(self, shape):
        """Whether the whole disk lies in an image of that shape."""
        extent = np.linalg.norm(self.axes, axis=1)
        last = np.array(shape[::-1]) - 0.5
        return bool(np.all(self.center - extent >= -0.5) and np.all(self.center + extent <= last))


def visible_limb(values, disk, known):
    """
    Find the disk's edge in an image's own numbers, where it stands out from what is beyond it.

    Along rays from where the disk's centre should be, it is where known numbers end. It is taken for the limb if those
    ends lie on a circle.

    Parameters
    ----------
    values : `~numpy.ndarray`
        The image.
    disk : Disk
        Where its header has the Sun.
    known : callable
        Takes some of the values, and tells which of them are numbers of the Sun rather than what stands for none. The
        number that all four corners have is none anyway.

    Returns
    -------
    radius, offset : float or None
        Of the circle, its radius and how far its centre is from the disk's, in solar radii by the header. None where
        less than a quarter of a circle can be seen.
    """
    angles = np.arange(_RAYS) * 2 * np.pi / _RAYS
    radii = _RADII[:, None]
    x, y = disk.center[:, None, None] + np.einsum(
        "ij,jrk->irk", disk.axes, np.stack([radii * np.cos(angles), radii * np.sin(angles)])
    )
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    inside = (rows >= 0) & (rows < values.shape[0]) & (columns >= 0) & (columns < values.shape[1])
    samples = values[np.where(inside, rows, 0), np.where(inside, columns, 0)]
    numbers = known(samples) & inside
    corners = values[[0, 0, -1, -1], [0, -1, 0, -1]]
    if (corners == corners[0]).all():
        numbers &= samples != corners[0]

    # Numbers end for good, and the image goes on for a while.
    last = len(radii) - 1 - np.argmax(numbers[::-1], axis=0)
    after = np.minimum(last + _BEYOND, len(radii) - 1)
    ends = numbers.any(axis=0) & (after == last + _BEYOND) & inside[after, np.arange(_RAYS)]
    distance = _RADII[last] * (1 + _STEP / 2)
    for _ in range(2):
        if np.count_nonzero(ends) < _RAYS / 4:
            return None, None
        circle = np.column_stack([np.ones(_RAYS), np.cos(angles), np.sin(angles)])
        (radius, *offset), *_ = np.linalg.lstsq(circle[ends], distance[ends], rcond=None)
        residual = np.abs(distance - circle @ (radius, *offset))
        # A hot pixel off the limb, or a hole at it, is no reason to see no limb at all.
        rough = ends & (residual > 4 * radius * _STEP)
        if np.count_nonzero(rough) > np.count_nonzero(ends) / 5:
            return None, None
        ends &= ~rough
    return float(radius), float(np.hypot(*offset))
