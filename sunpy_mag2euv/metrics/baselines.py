"""
Baselines: what can be had without a network.

Most are fitted to prepared fields in gauss and images of one passband, and predict an image from a field. They work in
the scaled values that the networks work in, on the disk only: a zero background would flatter any of them. The last two
need no field: one is the image of the same side of the Sun one rotation away, the other shows every place as it was at
the central meridian, and is a reference rather than a baseline.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

import astropy.units as u
import sunpy.map
from astropy.time import Time
from sunpy.coordinates import Helioprojective, get_earth, propagate_with_solar_surface
from sunpy.coordinates.sun import B0
from sunpy.sun.models import differential_rotation

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics.regions import stonyhurst_longitude
from sunpy_mag2euv.metrics.scores import PAPER_RADIUS, bin_image, paper_binning

__all__ = ["Climatology", "LastRotation", "LeastSquares", "PowerLaw", "SameAge", "skill_score"]


class _Linear:
    """Least squares of images on features of the field; subclasses say which features."""

    def __init__(self, grid: Grid) -> None:
        self.disk = grid.radius < 1
        self.radius = grid.radius[self.disk]
        self.mu = grid.mu[self.disk]
        self.coefficients: Any = None

    def _features(self, field: npt.NDArray) -> npt.NDArray:
        """Features of a field's pixels on the disk; shape (features, pixels)."""
        raise NotImplementedError

    def _products(self, field: npt.NDArray, share: npt.NDArray, values: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """Sums over the pixels of one frame: products of features, and of features and values."""
        features = self._features(field)
        weighted = features * share
        return weighted @ features.T, weighted @ values

    def _values(self, field: npt.NDArray) -> npt.NDArray:
        """What is predicted for the pixels on the disk."""
        return self.coefficients @ self._features(field)

    def fit(
        self, fields: Iterable[npt.NDArray], images: Iterable[npt.NDArray], weight: npt.NDArray | None = None
    ) -> Self:
        """
        Fit the coefficients.

        Parameters
        ----------
        fields : iterable of `~numpy.ndarray`
            In gauss, 0 off the limb, on the grid.
        images : iterable of `~numpy.ndarray`
            Scaled images of one passband, NaN where there is no data.
        weight : `~numpy.ndarray`, optional
            Of each pixel of the grid; 1 unless given.

        Returns
        -------
        self
        """
        weight = np.ones(self.radius.size) if weight is None else weight[self.disk]
        normal = moment = 0
        for field, image in zip(fields, images, strict=True):
            values = np.asarray(image, dtype=float)[self.disk]
            share = np.where(np.isfinite(values), weight, 0)
            products = self._products(field, share, np.nan_to_num(values))
            normal, moment = normal + products[0], moment + products[1]
        self.coefficients = np.linalg.lstsq(normal, moment, rcond=None)[0]
        return self

    def predict(self, field: npt.NDArray) -> npt.NDArray:
        """
        Predict a scaled image.

        Parameters
        ----------
        field : `~numpy.ndarray`
            In gauss, on the grid.

        Returns
        -------
        `~numpy.ndarray`
            Shape of the grid, NaN off the disk.

        Raises
        ------
        ValueError
            If it has not been fitted.
        """
        if self.coefficients is None:
            raise ValueError(f"{type(self).__name__} must be fitted before it predicts; call fit(fields, images)")
        image = np.full(self.disk.shape, np.nan)
        image[self.disk] = self._values(field)
        return image


class Climatology(_Linear):
    """The mean image by distance from the disk's centre, whatever the field."""

    #: Rings of equal width.
    rings = 50

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid)
        self._ring = np.floor(self.radius * self.rings).astype(int)

    # The features say which ring a pixel is in. Written out, they would be 50 numbers for each.

    def _products(self, field: npt.NDArray, share: npt.NDArray, values: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        pixels, total = (np.bincount(self._ring, sums, minlength=self.rings) for sums in (share, share * values))
        return np.diag(pixels), total

    def _values(self, field: npt.NDArray) -> npt.NDArray:
        return self.coefficients[self._ring]


class PowerLaw(_Linear):
    """
    A power of the field strength with a correction for the limb: the scaled image is linear in ``log(|B| + 1 G)``.

    For passbands whose scaling is logarithmic this is ``I ∝ (|B| + 1 G)^p f(µ)`` (compare Fludra & Ireland 2008,
    A&A 483, 609, doi:10.1051/0004-6361:20078183); for the others it is that in their stretch.
    """

    def _features(self, field: npt.NDArray) -> npt.NDArray:
        strength = np.log1p(np.abs(field[self.disk]))
        return np.stack([np.ones_like(self.mu), self.mu, self.mu**2, strength])


class LeastSquares(_Linear):
    """
    Linear in the log of the field strength smoothed over several widths, with a correction for the limb.

    Attributes
    ----------
    widths : tuple of int
        Standard deviations of the smoothing, in pixels: 0 and the powers of two up to a third of the solar radius. It
        sees as far on every grid, and as fine as the grid is: up to 32 where the solar radius is 98, and up to 128
        where it is 392.
    """

    #: How many blocks wide the smoothing has to be for the field to be averaged over blocks first.
    _blocks = 16

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid)
        self.widths = (0, *(2**power for power in range(math.floor(math.log2(grid.solar_radius / 3)) + 1)))
        # On grids up to about the paper's, smoothing takes no time that would have to be saved.
        self._block = paper_binning(grid.solar_radius)

    def _features(self, field: npt.NDArray) -> npt.NDArray:
        strength = np.abs(field.astype(np.float32))
        binned = _bin_mirrored(strength, self._block)
        smoothed = [np.log1p(self._smooth(strength, binned, width)[self.disk]) for width in self.widths]
        return np.stack([np.ones_like(self.mu), self.mu, self.mu**2, *smoothed])

    def _smooth(self, strength: npt.NDArray, binned: Any, width: float) -> npt.NDArray:
        """The strength smoothed; of wide smoothing, which takes long, the blocks between which it is interpolated."""
        if not width:
            return strength
        if self._block == 1 or width < self._blocks * self._block:
            return gaussian_filter(strength, width)
        # Pixels in the middle of blocks are where the blocks are, which is what ``grid_mode`` means.
        smoothed = gaussian_filter(binned, width / self._block)
        enlarged = zoom(smoothed, self._block, order=1, mode="nearest", grid_mode=True)
        return enlarged[: strength.shape[0], : strength.shape[1]]


def _bin_mirrored(image: npt.NDArray, block: int) -> npt.NDArray:
    """Means over blocks, of which those that stick out are filled as `scipy.ndimage.gaussian_filter` fills."""
    image = np.pad(image, [(0, -size % block) for size in image.shape], mode="symmetric")
    return bin_image(image, block).astype(image.dtype)


class _OfOtherTimes:
    """Images of other times that an image is predicted from; subclasses say how."""

    @u.quantity_input
    def __init__(self, grid: Grid, times: Time, images: Sequence[npt.NDArray], tolerance: u.day = 1 * u.day) -> None:
        if not len(images):
            raise ValueError("there must be at least one image to predict others from; there is none")
        self.times = Time(times)
        if self.times.shape != (len(images),):
            raise ValueError(
                f"there must be one time for each image; got times of shape {self.times.shape} and {len(images)} images"
            )
        self.grid, self.images, self.tolerance = grid, images, tolerance


class LastRotation(_OfOtherTimes):
    """
    The image that was taken one rotation before, with differential rotation since then.

    Where there is none, because an archive starts with the rotation that is scored, it is the image taken one rotation
    later, turned back. That knows what has emerged in the meantime instead of what has decayed, and is a baseline of
    the same strength, but no forecast; `source` tells which of the two it was.

    Parameters
    ----------
    grid : Grid
        The pixels of all images, seen from Earth.
    times : `~astropy.time.Time` or sequence of `~datetime.datetime`
        Of the images, in any order.
    images : sequence of `~numpy.ndarray`
        Shape ``grid.shape``, in any units. Only those needed are read.
    tolerance : `~astropy.units.Quantity`, optional
        By how much the time between two images may differ from a synodic rotation of 27.2753 days. In one day, 13° of
        the Sun come into view at one limb of which the older image shows nothing.

    Raises
    ------
    ValueError
        If there are no images, or not as many as times.

    Notes
    -----
    Surface features rotate as in `sunpy.coordinates.propagate_with_solar_surface` (Howard et al. 1990, Sol. Phys. 130,
    295, doi:10.1007/BF00156795); the Sun's radius is 696 Mm, as in the headers of SDO.
    """

    #: Mean synodic rotation (Carrington).
    period = 27.2753 * u.day

    def source(self, time: Any) -> int | None:
        """
        Choose the image that the prediction is made from.

        Parameters
        ----------
        time : `~astropy.time.Time` or `~datetime.datetime`
            Of the image to predict.

        Returns
        -------
        int or None
            Index of the image nearest to one rotation before; if none is within the tolerance, of that nearest to one
            rotation later; None if there is none either. ``times[index] > time`` if it is the later one.
        """
        since = (Time(time) - self.times).to(u.day)
        for period in (self.period, -self.period):
            miss = np.abs(since - period)
            nearest = int(np.argmin(miss))
            if miss[nearest] <= self.tolerance:
                return nearest
        return None

    def predict(self, time: Any) -> npt.NDArray | None:
        """
        Turn the chosen image to a time.

        Parameters
        ----------
        time : `~astropy.time.Time` or `~datetime.datetime`

        Returns
        -------
        `~numpy.ndarray` or None
            Shape of the grid, in the units of the images; NaN off the disk and where the chosen image shows nothing.
            None if `source` has found none.
        """
        index = self.source(time)
        if index is None:
            return None
        image = sunpy.map.Map(np.asarray(self.images[index], dtype=float), self._header(self.times[index]))
        with propagate_with_solar_surface():
            turned = image.reproject_to(self._header(Time(time))).data
        return np.where(self.grid.radius < 1, turned, np.nan)

    def _header(self, time: Any) -> Any:
        return self.grid.header(Helioprojective(observer=get_earth(time), obstime=time, rsun=696 * u.Mm))


class SameAge(_OfOtherTimes):
    """
    Every place on the Sun as it looked when it was at the central meridian.

    A synoptic chart shows the field in this manner: at longitude L from the central meridian it was observed about
    L/13.2 days before the image to predict, or after it in the east. So this is an observation of the passband itself
    that is as old as such a field, and says how much of an image data of that age tell.

    It is a reference and not a competitor. It knows the answer near the central meridian, where it shows the image to
    predict if that is among the images, and it looks ahead in the east: nobody could forecast with it. Nor is it the
    most that can be reached: places near the limb are shown as if seen from above, which a network has learnt to
    correct.

    Parameters
    ----------
    grid : Grid
        The pixels of all images, seen from Earth.
    times : `~astropy.time.Time` or sequence of `~datetime.datetime`
        Of the images, in any order.
    images : sequence of `~numpy.ndarray`
        Shape ``grid.shape``, in any units, NaN where there is no data. Only those needed are read.
    tolerance : `~astropy.units.Quantity`, optional
        By how much the time of an image may differ from that at which a place was at the central meridian. In one day,
        it is 13° from there, and is taken from where it was.

    Raises
    ------
    ValueError
        If there are no images, or not as many as times.

    Notes
    -----
    Surface features rotate as in `sunpy.sun.models.differential_rotation` (Howard et al. 1990, Sol. Phys. 130, 295,
    doi:10.1007/BF00156795), as seen from an Earth of constant speed. The Sun is taken to be seen from far away, as in
    `stonyhurst_longitude`. Each is off by less than 0.3°.
    """

    #: Standard deviation of the smoothing, in pixels; on grids finer than the paper's, in pixels of that grid. What is
    #: smaller than that does not last for days, and correlates better as an average.
    width = 2

    #: Of what is seen, in solar radii above the photosphere: towards the limb, what is higher appears further out. Of
    #: 0, 0.01, 0.02 and 0.03 the best in 304 Å, and within 0.01 in CC of the best in 94 to 193 Å, on frames not scored.
    height = 0.02

    def __init__(
        self, grid: Grid, times: Time, images: Sequence[npt.NDArray], tolerance: u.Quantity = 1 * u.day
    ) -> None:
        super().__init__(grid, times, images, tolerance)
        self._radius = grid.solar_radius * (1 + self.height)
        rows, columns = np.nonzero(grid.radius < 1)
        self._x, self._y = (columns - grid.center[0]) / self._radius, (rows - grid.center[1]) / self._radius
        self._toward = np.sqrt(1 - self._x**2 - self._y**2)
        self._order = np.argsort(self.times)
        self._days = self._since_first(self.times[self._order])
        self._b0 = B0(self.times[self._order])

    def predict(self, time: Any) -> npt.NDArray:
        """
        Put together what was seen at the central meridian.

        Parameters
        ----------
        time : `~astropy.time.Time` or `~datetime.datetime`
            Of the image to predict.

        Returns
        -------
        `~numpy.ndarray`
            Shape of the grid, in the units of the images; NaN off the disk, where no image is within the tolerance, and
            where the nearest one shows nothing.
        """
        now, b0 = self._since_first(Time(time)), B0(Time(time))
        longitude = stonyhurst_longitude(self._x, self._y, b0) * u.deg
        # Beyond 1 by rounding only.
        latitude = np.arcsin(np.clip(self._y * np.cos(b0) + self._toward * np.sin(b0), -1, 1))
        speed = differential_rotation(1 * u.day, latitude, frame_time="synodic") / u.day
        crossing = now - longitude / speed
        nearest = np.searchsorted((self._days[1:] + self._days[:-1]) / 2, crossing)
        near = np.abs(self._days[nearest] - crossing) <= self.tolerance
        values = np.full(longitude.shape, np.nan)
        for number in np.unique(nearest[near]):
            chosen = near & (nearest == number)
            turned = longitude[chosen] + speed[chosen] * (self._days[number] - now)
            values[chosen] = self._seen(number, turned, latitude[chosen])
        image = np.full(self.grid.shape, np.nan)
        image[self.grid.radius < 1] = values
        return self._smooth(image)

    def _since_first(self, time: Any) -> u.Quantity:
        """Time since the first of the images as they were given."""
        return (time - self.times[0]).to(u.day)

    def _seen(self, number: int, longitude: npt.NDArray, latitude: npt.NDArray) -> npt.NDArray:
        """What an image, counted in the order of time, shows at places on the Sun; NaN if they are behind the limb."""
        b0 = self._b0[number]
        north, outward = np.sin(latitude), np.cos(latitude) * np.cos(longitude)
        x, y = np.cos(latitude) * np.sin(longitude), north * np.cos(b0) - outward * np.sin(b0)
        pixels = [
            axis.to_value(u.one) * self._radius + center  # type: ignore[union-attr]
            for axis, center in ((y, self.grid.center[1]), (x, self.grid.center[0]))
        ]
        image = np.asarray(self.images[self._order[number]], dtype=float)
        # To the nearest pixels linearly, so that what is not known spreads no further than to them.
        seen = map_coordinates(image, pixels, order=1, cval=np.nan)
        return np.where(outward * np.cos(b0) + north * np.sin(b0) > 0, seen, np.nan)

    def _smooth(self, image: npt.NDArray) -> npt.NDArray:
        """The mean of what is known around each pixel that is known."""
        known = np.isfinite(image)
        planes = np.where(known, image, 0), known.astype(float)
        width = self.width * max(1, self.grid.solar_radius / PAPER_RADIUS)
        total, weight = (gaussian_filter(plane, width) for plane in planes)
        return np.divide(total, weight, out=np.full(image.shape, np.nan), where=known)


def skill_score(score: npt.ArrayLike, reference: npt.ArrayLike, perfect: float = 1.0) -> Any:
    """
    How much of the way from a baseline to perfection a score has come.

    Parameters
    ----------
    score : array-like
        Of a model.
    reference : array-like
        Of the best baseline.
    perfect : float, optional
        What a perfect image scores: 1 for correlations, shares and SSIM; 0 for RE, for which the other two must be
        absolute values, and RMSE.

    Returns
    -------
    float or `~numpy.ndarray`
        ``(score - reference) / (perfect - reference)``: 1 is perfect, 0 no better than the baseline, less is worse.
        NaN where the baseline is perfect.

    Examples
    --------
    >>> from sunpy_mag2euv.metrics import skill_score
    >>> skill_score(0.9, 0.8)
    0.5
    """
    score, reference = np.asarray(score, dtype=float), np.asarray(reference, dtype=float)
    way = np.where(reference == perfect, np.nan, perfect - reference)
    skill = (score - reference) / way
    return float(skill) if skill.ndim == 0 else skill
