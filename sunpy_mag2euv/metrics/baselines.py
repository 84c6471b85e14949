"""
Baselines: what can be had without a network.

Most are fitted to prepared fields in gauss and images of one passband, and predict an image from a field. They work in
the scaled values that the networks work in, on the disk only: a zero background would flatter any of them. The last one
needs no field: it is the image of the same side of the Sun one rotation away.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

import astropy.units as u
import sunpy.map
from astropy.time import Time
from sunpy.coordinates import Helioprojective, get_earth, propagate_with_solar_surface

__all__ = ["Climatology", "LastRotation", "LeastSquares", "PowerLaw", "skill_score"]


class _Linear:
    """Least squares of images on features of the field; subclasses say which features."""

    def __init__(self, grid):
        self.disk = grid.radius < 1
        self.radius = grid.radius[self.disk]
        self.mu = grid.mu[self.disk]
        self.coefficients = None

    def _features(self, field):
        """Features of a field's pixels on the disk; shape (features, pixels)."""
        raise NotImplementedError

    def fit(self, fields, images, weight=None):
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
            features, values = self._features(field), np.asarray(image, dtype=float)[self.disk]
            share = np.where(np.isfinite(values), weight, 0)
            normal = normal + (features * share) @ features.T
            moment = moment + (features * share) @ np.nan_to_num(values)
        self.coefficients = np.linalg.lstsq(normal, moment, rcond=None)[0]
        return self

    def predict(self, field):
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
        image[self.disk] = self.coefficients @ self._features(field)
        return image


class Climatology(_Linear):
    """The mean image by distance from the disk's centre, whatever the field."""

    #: Rings of equal width.
    rings = 50

    def _features(self, field):
        return (np.arange(self.rings)[:, None] == np.floor(self.radius * self.rings)).astype(float)


class PowerLaw(_Linear):
    """
    A power of the field strength with a correction for the limb: the scaled image is linear in ``log(|B| + 1 G)``.

    For passbands whose scaling is logarithmic this is ``I ∝ (|B| + 1 G)^p f(µ)`` (compare Fludra & Ireland 2008,
    A&A 483, 609, doi:10.1051/0004-6361:20078183); for the others it is that in their stretch.
    """

    def _features(self, field):
        strength = np.log1p(np.abs(field[self.disk]))
        return np.stack([np.ones_like(self.mu), self.mu, self.mu**2, strength])


class LeastSquares(_Linear):
    """Linear in the log of the field strength smoothed over 0 to 32 pixels, with a correction for the limb."""

    #: Standard deviations of the smoothing, in pixels.
    widths = (0, 1, 2, 4, 8, 16, 32)

    def _features(self, field):
        strength = np.abs(field.astype(np.float32))
        smoothed = [
            np.log1p(gaussian_filter(strength, width)[self.disk] if width else strength[self.disk])
            for width in self.widths
        ]
        return np.stack([np.ones_like(self.mu), self.mu, self.mu**2, *smoothed])


class LastRotation:
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

    @u.quantity_input
    def __init__(self, grid, times, images, tolerance: u.day = 1 * u.day):
        if not len(images):
            raise ValueError("there must be at least one image to predict others from; there is none")
        self.times = Time(times)
        if self.times.shape != (len(images),):
            raise ValueError(
                f"there must be one time for each image; got times of shape {self.times.shape} and {len(images)} images"
            )
        self.grid, self.images, self.tolerance = grid, images, tolerance

    def source(self, time):
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

    def predict(self, time):
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

    def _header(self, time):
        return self.grid.header(Helioprojective(observer=get_earth(time), obstime=time, rsun=696 * u.Mm))


def skill_score(score, reference, perfect=1.0):
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
