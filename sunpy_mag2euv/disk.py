"""Disk: where an image has the Sun, by its header and by what can be seen in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import astropy.units as u
from astropy.coordinates import SkyCoord
from sunpy.map import GenericMap

from sunpy_mag2euv.grid import apparent_radius

__all__ = ["Disk", "Limb", "constant_share", "visible_limb"]

#: Rays along which the limb is looked for, and distances along them, in steps of half a per cent, in solar radii: few
#: enough for a millisecond, near enough to each other to find it to one per cent.
_RAYS, _STEP = 48, 0.005
_ANGLES = np.arange(_RAYS) * 2 * np.pi / _RAYS
_RADII = np.geomspace(0.2, 4, round(np.log(20) / np.log(1 + _STEP)))

#: By what part of their extent numbers may differ that stand for the same.
_SAME = 3e-5

#: A number that more than this part of an image has is none of the Sun.
_FREQUENT = 0.03

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
    def pixels(self) -> float:
        """Solar radius in pixels (geometric mean of the axes)."""
        return float(np.sqrt(abs(np.linalg.det(self.axes))))

    @classmethod
    def of(cls, image: GenericMap) -> "Disk":
        """Where a helioprojective Map has the Sun."""
        frame = image.coordinate_frame
        radius = apparent_radius(frame)
        cross = SkyCoord([1, -1, 0, 0] * radius, [0, 0, 1, -1] * radius, frame=frame)
        x, y = (axis.to_value(u.pix) for axis in image.wcs.world_to_pixel(cross) * u.pix)
        points = np.stack([x, y])
        axes = np.stack([points[:, 0] - points[:, 1], points[:, 2] - points[:, 3]], axis=1) / 2
        return cls(points.mean(axis=1), axes)

    def radius(self, shape: tuple[int, ...]) -> npt.NDArray:
        """Distance of every pixel from the disk's centre in solar radii, shape ``shape``."""
        (a, b), (c, d) = np.linalg.inv(self.axes).astype(np.float32)
        columns = np.arange(shape[1], dtype=np.float32) - np.float32(self.center[0])
        rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(self.center[1])
        # Of this many pixels, np.hypot takes twice as long.
        return np.sqrt((a * columns + b * rows) ** 2 + (c * columns + d * rows) ** 2)

    def meets(self, shape: tuple[int, ...]) -> bool:
        """Whether any of the disk lies in an image of that shape."""
        nearest = np.clip(self.center, -0.5, np.array(shape[::-1]) - 0.5)
        return bool(np.linalg.norm(np.linalg.solve(self.axes, nearest - self.center)) < 1)

    def inside(self, shape: tuple[int, ...]) -> bool:
        """Whether the whole disk lies in an image of that shape."""
        extent = np.linalg.norm(self.axes, axis=1)
        last = np.array(shape[::-1]) - 0.5
        return bool(np.all(self.center - extent >= -0.5) and np.all(self.center + extent <= last))


@dataclass(frozen=True)
class Limb:
    """
    The disk's edge as it can be seen in an image's own numbers, as seen from where its header has the disk.

    Attributes
    ----------
    radius : float
        Geometric mean of its semi-axes, in solar radii by the header.
    offset : float
        Distance of its centre from the disk's centre by the header, in solar radii.
    stretch : float
        Ratio of its semi-axes, at least 1; found only where nearly all of it can be seen, and otherwise 1.
    """

    radius: float
    offset: float
    stretch: float = 1.0

    def differs(self, tolerance: float) -> list[str]:
        """What is not as the header has it, in words; none if it agrees to a part of the radius."""
        words = []
        if abs(self.radius - 1) > tolerance:
            words.append(f"has {self.radius:.3f} times the radius")
        if self.offset > tolerance:
            words.append(f"is {self.offset:.3f} solar radii away from the place")
        if self.stretch - 1 > tolerance:
            words.append(f"is {self.stretch:.3f} times longer than wide instead of the circle")
        return words


def visible_limb(values: npt.NDArray, disk: Disk, known: Callable[[npt.NDArray], npt.NDArray]) -> Limb | None:
    """
    Find the disk's edge in an image's own numbers, where it stands out from what is beyond it.

    Along rays from where the disk's centre should be, it is where numbers of the Sun end. It is taken for the limb if
    these ends lie on a circle, or nearly all around on an ellipse.

    Parameters
    ----------
    values : `~numpy.ndarray`
        The image.
    disk : Disk
        Where its header has the Sun.
    known : callable
        Takes some of the values, and tells which of them are numbers of the Sun rather than what stands for none. A
        number that is much too frequent for the Sun is none anyway.

    Returns
    -------
    Limb or None
        None where no such curve can be seen, or less than a quarter of one.
    """
    rows, columns, inside = _rays(disk, values.shape)
    samples = values[rows, columns]
    numbers = known(samples) & inside
    numbers &= ~_filled(samples, numbers)

    # Where they end is where most of what is nearer is a number, and most of what is farther is none: holes and hot
    # pixels do not matter. The image has to go on for a while.
    missing = inside & ~numbers
    wrong = np.cumsum(missing, axis=0) + np.count_nonzero(numbers, axis=0) - np.cumsum(numbers, axis=0)
    last = np.argmin(np.where(inside, wrong, len(_RADII)), axis=0)
    beyond = np.count_nonzero(missing & (np.arange(len(_RADII))[:, None] > last), axis=0)
    ends = (beyond >= _BEYOND) & numbers[last, np.arange(_RAYS)]
    distance = _RADII[last] * (1 + _STEP / 2)
    x, y = distance * np.cos(_ANGLES), distance * np.sin(_ANGLES)
    for fit, least in ((_fit_circle, _RAYS / 4), (_fit_ellipse, 0.8 * _RAYS)):
        on_curve = ends.copy()
        while np.count_nonzero(on_curve) >= max(least, 0.7 * np.count_nonzero(ends)):
            limb, residual = fit(x[on_curve], y[on_curve], x, y)
            if limb is None or residual is None:
                break
            worst = residual[on_curve].max()
            if worst < 2 * _STEP + 0.75 / (disk.pixels * limb.radius):
                return limb
            # A hot pixel off the limb, or a hole at it, is no reason to see no limb at all.
            on_curve &= residual < 0.7 * worst
    return None


def constant_share(values: npt.NDArray, disk: Disk) -> float:
    """
    How much of a disk has the same number as its neighbours, as where numbers stand for missing ones.

    Parameters
    ----------
    values : `~numpy.ndarray`
        The image.
    disk : Disk

    Returns
    -------
    float
        Share of the pixels, at some thousand places on the disk, that are finite and equal to three of their
        neighbours. Of HMI's, MDI's and GONG's magnetograms it is below 1e-4, and 2.4e-3 where HMI's is rounded to a
        gauss.
    """
    rows, columns, inside = _rays(disk, (values.shape[0] - 1, values.shape[1] - 1))
    seen = inside & (_RADII[:, None] < 0.9)
    rows, columns = rows[seen], columns[seen]
    here = values[rows, columns]
    same = np.isfinite(here)
    number = max(int(np.count_nonzero(same)), 1)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        same &= values[rows + row, columns + column] == here
    return int(np.count_nonzero(same)) / number


def _rays(disk: Disk, shape: tuple[int, ...]) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Pixels along rays from a disk's centre, (distances, rays), 0 off the image; and which are on it."""
    radii = _RADII[:, None]
    x, y = disk.center[:, None, None] + np.einsum(
        "ij,jrk->irk", disk.axes, np.stack([radii * np.cos(_ANGLES), radii * np.sin(_ANGLES)])
    )
    inside = (y > -0.5) & (y < shape[0] - 0.5) & (x > -0.5) & (x < shape[1] - 0.5)
    return (*(np.where(inside, np.rint(axis), 0).astype(int) for axis in (y, x)), inside)


def _filled(samples: npt.NDArray, numbers: npt.NDArray) -> npt.NDArray:
    """Which of some numbers are more frequent than any on the Sun, even where fields are rounded to a gauss."""
    some = samples[numbers]
    if not some.size or not (extent := np.ptp(some)) > 0:
        return np.ones_like(numbers)
    # A number that has been interpolated is not quite what it was.
    steps = np.where(numbers, samples, some[0]) / (_SAME * extent)
    found, counts = np.unique(np.rint(steps[numbers]), return_counts=True)
    filled = np.zeros_like(numbers)
    # Beyond the limb and beyond the image that was turned there may be different ones.
    for most in np.argsort(counts)[-2:]:
        if counts[most] > _FREQUENT * some.size:
            filled |= np.abs(steps - found[most]) < 1.5
    return filled


def _fit_circle(
    x: npt.NDArray, y: npt.NDArray, all_x: npt.NDArray, all_y: npt.NDArray
) -> tuple[Limb, npt.NDArray] | tuple[None, None]:
    """Least squares (Kasa 1976, doi:10.1109/TIM.1976.6312298): a limb, and how far points are from it, over it."""
    (a, b, c), *_ = np.linalg.lstsq(np.column_stack([2 * x, 2 * y, np.ones_like(x)]), x**2 + y**2, rcond=None)
    if not c + a**2 + b**2 > 0:
        return None, None
    radius = np.sqrt(c + a**2 + b**2)
    residual = np.abs(np.hypot(all_x - a, all_y - b) / radius - 1)
    return Limb(float(radius), float(np.hypot(a, b))), residual


def _fit_ellipse(
    x: npt.NDArray, y: npt.NDArray, all_x: npt.NDArray, all_y: npt.NDArray
) -> tuple[Limb, npt.NDArray] | tuple[None, None]:
    """Least squares of a conic, as `_fit_circle`; None if it is no ellipse."""

    def terms(x: npt.NDArray, y: npt.NDArray) -> npt.NDArray:
        return np.column_stack([x**2, x * y, y**2, x, y])

    conic, *_ = np.linalg.lstsq(terms(x, y), np.ones_like(x), rcond=None)
    quadratic = np.array([[conic[0], conic[1] / 2], [conic[1] / 2, conic[2]]])
    if not np.linalg.det(quadratic) > 0:
        return None, None
    center = -np.linalg.solve(2 * quadratic, conic[3:])
    size = 1 + center @ quadratic @ center
    if not (axes := np.linalg.eigvalsh(quadratic) / size).min() > 0:
        return None, None
    long, short = axes**-0.5
    points = np.stack([all_x, all_y]) - center[:, None]
    residual = np.abs(np.sqrt(np.einsum("ik,ij,jk->k", points, quadratic / size, points)) - 1)
    return Limb(float(np.sqrt(long * short)), float(np.linalg.norm(center)), float(long / short)), residual
