"""
Intensity: AIA-like Maps → DN/s, and what has to be true of Maps that are looked at side by side.

Scores and translations need the same of an image, so both ask here.
"""

import re
from itertools import combinations

import numpy as np

import astropy.units as u
import sunpy.map

from sunpy_mag2euv.aia import is_observation, level_of
from sunpy_mag2euv.passbands import get_passband
from sunpy_mag2euv.preparation import check_helioprojective
from sunpy_mag2euv.sensitivity import divided_out, epoch_of

__all__ = [
    "LEVELS",
    "SATURATION",
    "check_image",
    "check_map",
    "check_together",
    "intensity",
    "unit_in_header",
    "unit_of",
    "unit_written",
]

#: Levels of calibrated AIA images; those of level 1.5 have been turned and brought to one scale.
LEVELS = (1, 1.5)

#: AIA's analogue-to-digital converters have 14 bits; from here on a pixel holds more than it says.
SATURATION = (2**14 - 1) * u.DN

#: By how much the directions from which the Sun is seen may differ: SOHO's, Earth's and SDO's do by less.
_SAME_OBSERVER = 1 * u.deg


def intensity(image):
    """
    Intensity per second.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        One that `check_image` has nothing against.

    Returns
    -------
    `~numpy.ndarray`
        In DN/s, NaN where the image is not finite, masked or saturated: `SATURATION` and more as it was taken, which
        images in DN/s tell if their header has the exposure time.
    """
    exposure, unit = _exposure(image), unit_of(image)
    values = np.array(image.data, dtype=float)
    if unit.is_equivalent(u.DN):
        values = values * (unit / exposure.unit).to(u.DN / u.s) / exposure.value
    else:
        values = values * unit.to(u.DN / u.s)
    known = np.isfinite(values)
    if exposure is not None:
        # What was done to the level of the image was done to saturated pixels as well. A digit that is lost in a
        # division is no light.
        limit = (SATURATION / exposure).to_value(u.DN / u.s) / divided_out(image)
        known &= values < limit * (1 - 1e-6)
    if image.mask is not None:
        known &= ~np.asarray(image.mask, dtype=bool)
    return np.where(known, values, np.nan)


def _exposure(image):
    """Exposure time; None if the header does not have it, or has nonsense."""
    if any(isinstance(image.meta.get(keyword), str) for keyword in ("exptime", "xposure")):
        # sunpy would take text for a unit.
        return None
    time = image.exposure_time
    return time if time is not None and 0 < time.to_value(u.s) < np.inf else None


def unit_of(image):
    """
    Unit of a Map's numbers.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.units.UnitBase` or None
        As `unit_in_header` reads it for observations by AIA, and as the Map has it for others.
    """
    return unit_in_header(image.meta) if is_observation(image.meta) else image.unit


def unit_in_header(header):
    """
    Unit of an image's numbers, by its header.

    Observations by AIA say the same in three ways: files of level 1 have DN, others from the JSOC have ct, and those of
    the synoptic archive have no unit at all.

    Parameters
    ----------
    header : mapping
        Of a FITS file or a Map, whose keywords may be asked for in capitals.

    Returns
    -------
    `~astropy.units.UnitBase` or None
        None if the header says none, or what is no unit. In observations by AIA counts are DN, and so is what has no
        unit, if the image is of level 1 or 1.5 and says its exposure time.
    """
    written = unit_written(header)
    if written is None:
        calibrated = level_of(header) in LEVELS and _is_positive(header.get("EXPTIME"))
        return u.DN if is_observation(header) and calibrated else None
    ours = is_observation(header)
    try:
        unit = u.Unit(re.sub("counts?", "ct", written, flags=re.IGNORECASE) if ours else written)
    except ValueError:
        return None
    if not isinstance(unit, u.UnitBase):
        # Magnitudes and the like
        return None
    # Elsewhere counts are not DN.
    return unit * (u.DN / u.ct) ** _powers(unit).get(u.ct, 0) if ours else unit


def _powers(unit):
    return dict(zip(unit.bases, unit.powers, strict=True))


def unit_written(header):
    """What a header says of the unit, in ``BUNIT`` or else ``PIXLUNIT``; None if nothing."""
    said = (header.get(keyword) for keyword in ("BUNIT", "PIXLUNIT"))
    return next((text.strip() for text in said if isinstance(text, str) and text.strip()), None)


def _is_positive(value):
    try:
        return 0 < float(value) < np.inf
    except (TypeError, ValueError):
        return False


def check_map(image, name):
    """
    Refuse what is no Map.

    Parameters
    ----------
    image : object
    name : str
        What to call it.

    Raises
    ------
    TypeError
    """
    if not isinstance(image, sunpy.map.GenericMap):
        raise TypeError(
            f"{name} must be a sunpy.map.Map; got {type(image).__name__}. Read files with sunpy.map.Map(path)"
        )


def check_image(image, name):
    """
    Refuse a Map that is no AIA-like image with coordinates.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If it is not a helioprojective image of one of the passbands in DN with an exposure time or in DN/s, or if what
        it says of its epoch cannot be read.
    """
    # JPEG 2000 files come with the header of the observation, but hold what a picture needs.
    if image.data.dtype.kind in "bu" and image.data.dtype.itemsize == 1:
        raise ValueError(
            f"{name} must hold intensities; this one holds {image.data.dtype.name} numbers, as pictures do. "
            "Use the FITS file, or convert the numbers to DN/s"
        )
    unit = unit_of(image)
    if unit is None or not any(unit.is_equivalent(accepted) for accepted in (u.DN, u.DN / u.s)):
        raise ValueError(
            f"{name} must be an AIA image in DN or DN/s; this Map is {image.instrument or 'an image'} "
            f"{_unusable_unit(image, unit)}"
        )
    if image.data.ndim != 2 or min(image.data.shape) < 2:
        raise ValueError(f"{name} must have two dimensions of at least 2 pixels; its shape is {image.data.shape}")
    if image.wavelength is None:
        raise ValueError(f"{name} must say its passband; its header does not. Add the keywords WAVELNTH and WAVEUNIT")
    get_passband(image.wavelength)
    check_helioprojective(image.coordinate_frame, name, "the image before it was remapped")
    if unit.is_equivalent(u.DN) and _exposure(image) is None:
        raise ValueError(
            f"{name} is in DN, so it must have its exposure time; its header does not. Add EXPTIME in "
            "seconds, or divide by it and say so with map.meta['bunit'] = 'DN / s'"
        )
    epoch_of(image, name)


def _unusable_unit(image, unit):
    """What a Map has instead of a unit that can be used, and what would be one."""
    written = unit_written(image.meta)
    if unit is None:
        found = "without a unit" if written is None else f"in {written!r}, which is no unit"
        advice = "'DN', or 'DN / s' if it is per second"
    else:
        per_second = any(base.is_equivalent(u.s) and power < 0 for base, power in _powers(unit).items())
        found, advice = f"in {unit}", "'DN / s'" if per_second else "'DN', or 'DN / s' if it is per second"
    return f"{found}. If it is one, say so with map.meta['bunit'] = {advice}"


def check_together(images, max_time_difference):
    """
    Refuse images that do not show the Sun at one time and from one direction.

    Parameters
    ----------
    images : sequence of `~sunpy.map.GenericMap`
    max_time_difference : `~astropy.units.Quantity`
        Between any two of them.

    Raises
    ------
    ValueError
    """
    for first, second in combinations(images, 2):
        apart = abs(first.date - second.date).to(u.min)
        # What is exactly at the limit comes out a rounding error beyond it.
        if not apart <= max_time_difference + 1 * u.ms:
            raise ValueError(
                f"the images must be at most {max_time_difference:g} apart; these are {apart:.4g} apart "
                f"({first.date.utc.isot} and {second.date.utc.isot} UTC). Take the image nearest in time, or say "
                "with max_time_difference what difference is acceptable"
            )
        # Stonyhurst's coordinates turn with the Earth's place, so that minutes between the images do not matter.
        views = [image.observer_coordinate.cartesian.xyz.to_value(u.m) for image in (first, second)]
        angle = np.arctan2(np.linalg.norm(np.cross(*views)), np.dot(*views)) * u.rad
        if angle > _SAME_OBSERVER:
            raise ValueError(
                f"the images must be seen from one direction, to within {_SAME_OBSERVER:g}; the observers of these are "
                f"{angle.to(u.deg):.3g} apart. Take an image by the first one's observer"
            )
