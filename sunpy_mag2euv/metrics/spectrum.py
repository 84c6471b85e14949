"""How much structure an image has at each spatial scale, in comparison with another."""

import numpy as np
import numpy.typing as npt

import astropy.units as u

from sunpy_mag2euv.metrics.scores import check_shapes, clip

__all__ = [
    "FINEST_SCALES",
    "FINE_SCALES",
    "fine_scales",
    "spectrum_ratio",
    "spectrum_window",
    "structure_ratio",
    "wave_numbers",
]

#: The scales of `structure_ratio`: structures of supergranular size, still resolved on a grid of 256² pixels.
FINE_SCALES = (20, 60) * u.Mm

#: Finer ones, which a grid of 1024² pixels resolves and one of 256² does not.
FINEST_SCALES = (10, 20) * u.Mm

#: The window falls to zero at this distance from the disk's centre in solar radii: the limb is no structure.
_EDGE = 0.9

_SOLAR_RADIUS = 696 * u.Mm


def spectrum_window(radius: npt.NDArray) -> npt.NDArray:
    """Factor of each pixel before the transform, from 1 at the disk's centre to 0; ``radius`` in solar radii."""
    return np.cos(np.pi / 2 * np.minimum(radius / _EDGE, 1)) ** 2


def fine_scales(shape: tuple[int, ...], solar_radius: float, scales: u.Quantity = FINE_SCALES) -> npt.NDArray:
    """
    Which elements of an image's Fourier transform are at some scales.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    solar_radius : float
        In pixels.
    scales : `~astropy.units.Quantity`, optional
        Shortest and longest wavelength, in Mm on the Sun at the centre of the disk.

    Returns
    -------
    `~numpy.ndarray` of bool
        Shape ``shape``; nothing is true if the pixels are too large for these scales.
    """
    low, high = np.sort(1 / scales.to_value(u.Mm))
    waves = wave_numbers(shape, solar_radius)
    resolved = high <= solar_radius / _SOLAR_RADIUS.to_value(u.Mm) / 2
    return (waves >= low) & (waves <= high) & resolved


def _powers(synthetic: npt.ArrayLike, observed: npt.ArrayLike, radius: npt.NDArray) -> npt.NDArray:
    """Power of both images under one window; shape (2, rows, columns)."""
    synthetic, observed = check_shapes(synthetic, observed)
    both = np.isfinite(synthetic) & np.isfinite(observed)
    window = np.where(both, spectrum_window(radius), 0)
    powers = []
    for image in (synthetic, observed):
        values = np.log2(clip(np.where(both, image, 0)))
        values -= (values * window).sum() / max(window.sum(), np.finfo(float).tiny)
        powers.append(np.abs(np.fft.fft2(values * window)) ** 2)
    return np.stack(powers)


def wave_numbers(shape: tuple[int, ...], solar_radius: float) -> npt.NDArray:
    """
    Wave number of every element of an image's Fourier transform.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    solar_radius : float
        In pixels.

    Returns
    -------
    `~numpy.ndarray`
        Shape ``shape``, in cycles per Mm at the centre of the disk, in the order of `numpy.fft.fft2`.
    """
    rows, columns = (np.fft.fftfreq(number) for number in shape)
    return np.hypot(rows[:, None], columns) * solar_radius / _SOLAR_RADIUS.to_value(u.Mm)


def spectrum_ratio(
    synthetic: npt.ArrayLike, observed: npt.ArrayLike, radius: npt.NDArray, solar_radius: float
) -> tuple[u.Quantity, npt.NDArray]:
    """
    Ratio of the radially averaged power spectra, synthetic to observed.

    The values are ``log2(clip(DN/s + 1, 1, 2**14))``, so that faint structure counts as well. Of each image its mean is
    subtracted, then it is multiplied by cos²(π/2 · r/0.9), r in solar radii, and 0 beyond and where either image is not
    known; the power is the squared modulus of the Fourier transform. It is summed over rings of wave number that are
    one element of the transform wide.

    Parameters
    ----------
    synthetic, observed : array-like
        In DN/s, of one shape (rows, columns).
    radius : `~numpy.ndarray`
        Distance of the pixels from the disk's centre in solar radii, such as `.Grid.radius`.
    solar_radius : float
        In pixels.

    Returns
    -------
    scale : `~astropy.units.Quantity`
        Wavelengths in Mm on the Sun at the centre of the disk, for 696 Mm in the Sun's radius, from large to small; the
        last is two pixels.
    ratio : `~numpy.ndarray`
        1 where the synthetic image has as much structure, less where it is smoother; NaN where the observed has none,
        and if no pixel within 0.9 solar radii is known in both.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    powers = _powers(synthetic, observed, radius)
    shape = powers.shape[1:]
    waves = wave_numbers(shape, solar_radius)
    step = waves.ravel()[1:].min() if waves.size > 1 else np.inf
    rings = np.rint(waves / step).astype(int)
    last = min(shape) // 2
    sums = np.stack([np.bincount(rings.ravel(), power.ravel())[1 : last + 1] for power in powers])
    ratio = np.divide(sums[0], sums[1], out=np.full_like(sums[0], np.nan), where=sums[1] > 0)
    return u.Mm / (step * np.arange(1, sums.shape[1] + 1)), ratio


def structure_ratio(
    synthetic: npt.ArrayLike,
    observed: npt.ArrayLike,
    radius: npt.NDArray,
    solar_radius: float,
    scales: u.Quantity = FINE_SCALES,
) -> float:
    """
    Ratio of the power at fine scales, synthetic to observed: one number for how sharp an image is.

    Errors and definition are those of `spectrum_ratio`.

    Parameters
    ----------
    synthetic, observed, radius, solar_radius
        As `spectrum_ratio` takes them.
    scales : `~astropy.units.Quantity`, optional
        Shortest and longest wavelength, in Mm on the Sun at the centre of the disk, such as `FINEST_SCALES`.

    Returns
    -------
    float
        NaN if the pixels are too large for these scales, or nothing is known of the observed image's structure.
    """
    synthetic, observed = check_shapes(synthetic, observed)
    chosen = fine_scales(synthetic.shape, solar_radius, scales)
    if not chosen.any():
        return float("nan")
    synthetic, observed = _powers(synthetic, observed, radius)[:, chosen].sum(axis=1)
    return float(synthetic / observed) if observed > 0 else float("nan")
