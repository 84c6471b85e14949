"""
Baselines: what can be had without a network.

Each is fitted to prepared fields in gauss and images of one passband, and predicts an image from a field. They work in
the scaled values that the networks work in, on the disk only: a zero background would flatter any of them.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

__all__ = ["Climatology", "LeastSquares", "PowerLaw"]


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
