"""
Parts of the Sun that are scored by themselves, since each can go wrong in its own way.

What is an active region, a coronal hole or quiet Sun is read from the observed image: it is what a synthetic image is
held to, and the only thing that is there whatever the other was made from.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

import astropy.units as u

from sunpy_mag2euv.passbands import get_passband

__all__ = ["REGIONS", "find_regions", "stonyhurst_longitude"]

#: Names and definitions of the regions, in the order of tables.
REGIONS = {
    "disk": "r < 1",
    "central": "r < 1, within 30° of the observer's central meridian",
    "active region": "r < 0.9, much brighter than the median in the smoothed observed image",
    "quiet Sun": "r < 0.9, neither active region nor coronal hole",
    "coronal hole": "r < 0.9, below 0.35 of the median in the smoothed observed image; only 193 and 211 Å",
    "limb": "0.9 ≤ r < 1",
    "off-limb": "1 ≤ r < 1.25",
}

#: Distance from the disk's centre, in solar radii, from which on a pixel counts as limb: the line of sight is inclined
#: by 64° there, and the corona's brightness is that of whatever is along it.
_LIMB = 0.9

#: AIA's field of view holds all around the disk up to 1.28.
_OUTER = 1.25

#: Full width at half maximum of the smoothing, in Mm: a supergranule, so that the network does not become regions.
_SMOOTHING = 30

#: From how many times the median on smoothed pixels are active. In 1600 and 1700 Å plage stands out little.
_ACTIVE = {1600: 1.25, 1700: 1.1}
_ACTIVE_CORONA = 2.0

#: Where coronal holes are dark against the quiet Sun, and below what part of the median: Hofmeister et al. 2017, ApJ
#: 835, 268, doi:10.3847/1538-4357/835/2/268, for 193 Å.
_HOLES = (193, 211)
_HOLE = 0.35

#: Photospheric and chromospheric continua darken towards the limb by more than plage brightens.
_DARKENED = (1600, 1700)

_SOLAR_RADIUS = 696  # Mm


@u.quantity_input
def stonyhurst_longitude(x: npt.ArrayLike, y: npt.ArrayLike, b0: u.deg) -> npt.NDArray:
    """
    Heliographic longitude from the observer's central meridian, which is Stonyhurst's for an observer at Earth.

    The Sun is taken to be seen from far away (orthographic projection), which is off by less than 0.3°.

    Parameters
    ----------
    x, y : array-like
        Places on the disk, in apparent solar radii to the west and to the north of its centre.
    b0 : `~astropy.units.Quantity`
        Heliographic latitude of the observer.

    Returns
    -------
    `~numpy.ndarray`
        In degrees, positive to the west; NaN off the disk.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_mag2euv.metrics import stonyhurst_longitude
    >>> stonyhurst_longitude([0.5, 0.0, 2.0], [0.0, 0.5, 0.0], 0 * u.deg)
    array([30.,  0., nan])
    """
    x, y, b0 = np.asarray(x, dtype=float), np.asarray(y, dtype=float), b0.to_value(u.rad)
    with np.errstate(invalid="ignore"):
        toward = np.sqrt(1 - x**2 - y**2)
    return np.degrees(np.arctan2(x, toward * np.cos(b0) - y * np.sin(b0)))


def find_regions(
    observed: npt.ArrayLike, passband: Any, radius: npt.NDArray, longitude: npt.NDArray, solar_radius: float
) -> dict[str, npt.NDArray]:
    """
    Find the regions of `REGIONS` in an image.

    The image is smoothed with a Gaussian of 30 Mm (full width at half maximum) that leaves unknown pixels out, and
    compared with its median at r < 0.9. Active regions are above twice the median; in 1600 and 1700 Å above 1.25 and
    1.1 times, after division by a limb darkening exp(a + b µ) that is fitted to the same pixels. These factors are a
    choice. Coronal holes are below 0.35 of the median (Hofmeister et al. 2017, ApJ 835, 268,
    doi:10.3847/1538-4357/835/2/268; others differ, see Heinemann et al. 2019, Sol. Phys. 294, 144,
    doi:10.1007/s11207-019-1539-y) in 193 and 211 Å; filaments as dark and as large are taken for them. In other
    passbands holes do not stand out and belong to the quiet Sun.

    Parameters
    ----------
    observed : array-like
        In DN/s, NaN where unknown, with solar north in any direction.
    passband : int, str, `~astropy.units.Quantity` or `.Passband`
    radius : `~numpy.ndarray`
        Distance of the pixels from the disk's centre in apparent solar radii, such as `.Grid.radius`.
    longitude : `~numpy.ndarray`
        In degrees from the central meridian, see `stonyhurst_longitude`; NaN off the disk.
    solar_radius : float
        In pixels.

    Returns
    -------
    dict
        For each of `REGIONS` a boolean array of the image's shape. A region may be empty. What is unknown in
        ``observed`` is in none.

    Raises
    ------
    ValueError
        If the shapes differ, or there is no such passband.
    """
    observed = np.asarray(observed, dtype=float)
    if not observed.shape == np.shape(radius) == np.shape(longitude):
        raise ValueError(
            "image, radius and longitude must have one shape; "
            f"got {observed.shape}, {np.shape(radius)} and {np.shape(longitude)}"
        )
    angstrom = get_passband(passband).angstrom
    known = np.isfinite(observed)
    inner = known & (radius < _LIMB)
    contrast = _contrast(observed, inner, radius, solar_radius, angstrom)
    active = inner & (contrast > _ACTIVE.get(angstrom, _ACTIVE_CORONA))
    hole = inner & (contrast < _HOLE) & (angstrom in _HOLES)
    masks = {
        "disk": radius < 1,
        "central": (radius < 1) & (np.abs(longitude) < 30),
        "active region": active,
        "quiet Sun": inner & ~active & ~hole,
        "coronal hole": hole,
        "limb": (radius >= _LIMB) & (radius < 1),
        "off-limb": (radius >= 1) & (radius < _OUTER),
    }
    return {name: masks[name] & known for name in REGIONS}


def _contrast(
    observed: npt.NDArray, inner: npt.NDArray, radius: npt.NDArray, solar_radius: float, angstrom: int
) -> npt.NDArray:
    """The smoothed image in units of its median; NaN where not ``inner``."""
    contrast = np.full(observed.shape, np.nan)
    if not inner.any():
        return contrast
    width = _SMOOTHING / _SOLAR_RADIUS * solar_radius / np.sqrt(8 * np.log(2))
    smoothed, weight = (gaussian_filter(plane, width) for plane in (np.where(inner, observed, 0), inner.astype(float)))
    values = smoothed[inner] / weight[inner]
    if angstrom in _DARKENED:
        mu = np.sqrt(1 - radius[inner] ** 2)
        features = np.stack([np.ones_like(mu), mu], axis=1)
        logarithm = np.log(np.maximum(values, 1))
        values = values / np.exp(features @ np.linalg.lstsq(features, logarithm, rcond=None)[0])
    median = np.median(values)
    if median > 0:
        contrast[inner] = values / median
    return contrast
