"""
Intensity: AIA-like Maps → DN/s, and what has to be true of Maps that are looked at side by side.

Scores and translations need the same of an image, so both ask here.
"""

import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
from sunpy.map import GenericMap

from sunpy_mag2euv.aia import is_aia, is_observation, level_of
from sunpy_mag2euv.charts import is_chart
from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.headers import check_geometry, describe
from sunpy_mag2euv.maps import check_pixels, known_pixels, shown
from sunpy_mag2euv.passbands import get_passband
from sunpy_mag2euv.sensitivity import divided_out, epoch_of

__all__ = [
    "LEVELS",
    "SATURATION",
    "Reading",
    "check_image",
    "check_light",
    "check_together",
    "filled_share",
    "intensity",
    "read_intensity",
    "unit_in_header",
    "unit_of",
    "unit_written",
]

#: Levels of calibrated AIA images; those of level 1.5 have been turned and brought to one scale.
LEVELS = (1, 1.5)

#: AIA's analogue-to-digital converters have 14 bits; from here on a pixel holds more than it says.
SATURATION = (2**14 - 1) * u.DN

#: The longest that AIA exposes: whatever was done to an image, nothing saturates at less than `SATURATION` in it.
_LONGEST = 3 * u.s

#: So many pixels at the very maximum, each beside another one, are no Sun but the end of a scale.
_PLATEAU = 4

#: Below this, DN are none that were recorded: the dark level that is subtracted is a hundred or two, the noise a few,
#: and interpolation beside a saturated pixel overshoots by a fifth of the step. Files say so of pixels that are missing
#: (BLANK is -32768 or -2147483648), and not all readers know.
_LOWEST = -SATURATION / 4

#: Above this, there is no such light: saturation in a hundredth of a second, with all the loss of sensitivity that
#: there is divided out.
_HIGHEST = 1e8 * u.DN / u.s

#: When the shutter opened and closed at four places, in ms. The mean of the differences is what EXPTIME was at first,
#: to 1e-7, and stays where EXPTIME is set to 1 as the image is divided by it.
_SHUTTER = [(f"AIMSHO{place}", f"AIMSHC{place}") for place in ("BC", "BE", "TC", "TE")]

#: So many pixels are not all the same by chance, not even where there are few counts.
_SAME = 16

#: Pixels a side of blocks that are the same by chance only in one of a million, even in images of few whole DN: in 335
#: angstrom of 2025, of blocks of 4 pixels 5 in a thousand are.
_BLOCK = 8

#: From this share of the disk's blocks on, they are told.
_SOME_BLOCKS = 0.005

#: A number of this share of the disk's pixels stands for none if no other is nearly as frequent. Of AIA's channels with
#: few whole DN, a third may have one number and a fifth the next.
_FREQUENT, _OTHERS = 0.05, 10

#: In units of an image's mean, by how much numbers may differ that were the same before they were interpolated.
_ALIKE = 1e-6

#: By how much the directions from which the Sun is seen may differ: SOHO's, Earth's and SDO's do by less.
_SAME_OBSERVER = 1 * u.deg


@dataclass(frozen=True)
class Reading:
    """
    What an image holds.

    Attributes
    ----------
    values : `~numpy.ndarray`
        In DN/s, NaN where the image is not finite or masked, and where one of the following is true.
    saturated : `~numpy.ndarray`
        Boolean: pixels that are brighter than they say.
    impossible : `~numpy.ndarray`
        Boolean: pixels whose numbers cannot have been recorded.
    """

    values: np.ndarray
    saturated: np.ndarray
    impossible: np.ndarray


def read_intensity(image: GenericMap) -> Reading:
    """
    Read an image in DN/s.

    Saturated are pixels of `SATURATION` and more as they were taken: by the exposure time in the header, or where that
    was set to 1 as the image was divided by it, by the times of the shutter. Images that say neither, or were scaled
    without a word, still have a plateau: four or more pixels side by side at the very maximum, as bright as saturation
    in AIA's longest exposure or brighter.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        One that `check_image` has nothing against.

    Returns
    -------
    Reading
    """
    exposure: Any = _exposure(image.meta)
    unit: Any = unit_of(image)
    per_second = unit / exposure.unit if unit.is_equivalent(u.DN) else unit
    factor = per_second.to(u.DN / u.s) / (exposure.value if unit.is_equivalent(u.DN) else 1)
    known = known_pixels(image)
    values = np.asarray(image.data).astype(float) * factor
    # What was done to the level of the image was done to saturated pixels as well.
    level = 1 / divided_out(image)
    taken = _shutter_time(image.meta)
    taken = exposure if taken is None else taken
    saturated = np.zeros(values.shape, dtype=bool)
    if taken is not None:
        # A digit that is lost in a division is no light.
        saturated = known & (values >= (SATURATION / taken).to_value(u.DN / u.s) * level * (1 - 1e-6))
    if is_observation(image.meta):
        saturated |= _plateau(np.where(known, values, -np.inf), (SATURATION / _LONGEST).to_value(u.DN / u.s) * level)
    lowest = (_LOWEST / (1 * u.s if taken is None else taken)).to_value(u.DN / u.s) * level
    impossible = known & ((values < lowest) | (values > _HIGHEST.to_value(u.DN / u.s)))
    return Reading(np.where(known & ~saturated & ~impossible, values, np.nan), saturated, impossible)


def intensity(image: GenericMap) -> npt.NDArray:
    """
    Intensity per second: the ``values`` of `read_intensity`.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        One that `check_image` has nothing against.

    Returns
    -------
    `~numpy.ndarray`
        In DN/s, NaN where the image is not known.
    """
    return read_intensity(image).values


def _plateau(values: npt.NDArray, lowest: float) -> npt.NDArray:
    """Pixels at the maximum, if they are a plateau that is at least ``lowest``."""
    highest = values.max()
    if not highest >= lowest:
        return np.zeros(values.shape, dtype=bool)
    # What was done to an image was done to all of them alike, so that they are still the same.
    top = values == highest
    beside = np.zeros(values.shape, dtype=bool)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        both = top[here] & top[there]
        beside[here] |= both
        beside[there] |= both
    return top if np.count_nonzero(beside) >= _PLATEAU else np.zeros(values.shape, dtype=bool)


def _exposure(header: Mapping[str, Any]) -> u.Quantity | None:
    """Exposure time; None if the header does not have it, or has nonsense."""
    value: Any = header.get(_exposure_keyword(header))
    if not _is_number(value) or not 0 < value < math.inf:
        return None
    try:
        unit = u.Unit(header.get("TIMEUNIT") or "s")
        return (value * unit).to(u.s)
    except (TypeError, ValueError):
        return None


def _exposure_keyword(header: Mapping[str, Any]) -> str:
    """The keyword that says the exposure time; sunpy looks for them in this order."""
    said = header.get("XPOSURE")
    return "EXPTIME" if said is None or (np.isscalar(said) and not said) else "XPOSURE"


def _shutter_time(header: Mapping[str, Any]) -> u.Quantity | None:
    """How long AIA's shutter was open; None if the header does not say it."""
    times: list[list[Any]] = [[header.get(keyword) for keyword in pair] for pair in _SHUTTER]
    if not all(_is_number(time) for pair in times for time in pair):
        return None
    open_for = np.mean([closed - opened for opened, closed in times])
    return open_for * u.ms if 0 < open_for < math.inf else None


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def unit_of(image: GenericMap) -> u.UnitBase | None:
    """
    Unit of a Map's numbers.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.units.UnitBase` or None
        As `unit_in_header` reads it for AIA's images, and as the Map has it for others.
    """
    return unit_in_header(image.meta) if is_aia(image.meta) else image.unit


def unit_in_header(header: Mapping[str, Any]) -> u.UnitBase | None:
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


def _powers(unit: u.UnitBase) -> dict[Any, Any]:
    return dict(zip(unit.bases, unit.powers, strict=True))


def unit_written(header: Mapping[str, Any]) -> str | None:
    """What a header says of the unit, in ``BUNIT`` or else ``PIXLUNIT``; None if nothing."""
    said = (header.get(keyword) for keyword in ("BUNIT", "PIXLUNIT"))
    return next((text.strip() for text in said if isinstance(text, str) and text.strip()), None)


def _is_positive(value: Any) -> bool:
    try:
        return 0 < float(value) < np.inf
    except (TypeError, ValueError):
        return False


def check_image(image: Any, name: str) -> None:
    """
    Refuse a Map that is no AIA-like image with coordinates.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        One that `~sunpy_mag2euv.maps.check_map` has nothing against.
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If it is not a helioprojective image in one of the passbands, by AIA or synthetic, in DN with an exposure time
        or in DN/s; if it is an observation of level 0; if its data or mask are no image's; if what its header says of
        where and when it was taken cannot be; or if what it says of its epoch cannot be read.
    """
    _check_instrument(image, name)
    # JPEG 2000 files come with the header of the observation, but hold what a picture needs.
    if image.data.dtype.kind in "bu" and image.data.dtype.itemsize == 1:
        raise ValueError(
            f"{name} must hold intensities; this one holds {image.data.dtype.name} numbers, as pictures do. "
            "Use the FITS file, or convert the numbers to DN/s"
        )
    check_pixels(image, name)
    unit = unit_of(image)
    if unit is None or not any(unit.is_equivalent(accepted) for accepted in (u.DN, u.DN / u.s)):
        raise ValueError(f"{name} must be an AIA image in DN or DN/s; this one is {_unusable_unit(image, unit)}")
    _check_passband(image, name)
    better = "the image before it was remapped"
    if is_chart(image):
        better = "what generate makes of the field's chart for one observer, such as aia_map.observer_coordinate"
    check_geometry(image, name, better)
    if unit.is_equivalent(u.DN) and _exposure(image.meta) is None:
        keyword = _exposure_keyword(image.meta)
        said = {key: image.meta.get(key) for key in (keyword, "TIMEUNIT") if image.meta.get(key) is not None}
        says = "says " + " and ".join(f"{key} = {shown(value)}" for key, value in said.items()) if said else "does not"
        unit = "map.meta['timeunit'] = 's' and " if "TIMEUNIT" in said else ""
        raise ValueError(
            f"{name} is in DN, so it must have its exposure time; its header {says}. Set {unit}"
            f"map.meta[{keyword.lower()!r}] to the number of seconds, or divide by it and say so with "
            "map.meta['bunit'] = 'DN / s'"
        )
    epoch_of(image, name)


def _check_instrument(image: GenericMap, name: str) -> None:
    """Refuse what is not AIA's, or not calibrated: the numbers of other telescopes are none of its."""
    if not is_aia(image.meta):
        unit = unit_in_header(image.meta)
        like = unit is not None and (unit.is_equivalent(u.DN) or unit.is_equivalent(u.DN / u.s))
        advice = "If a model made it in AIA's DN/s, say so with map.meta['instrume'] = 'AIA_SYNTHETIC'"
        raise ValueError(
            f"{name} must be an AIA image, observed or synthetic; this one is {describe(image)}. "
            f"{advice if like else 'Use an AIA image'}"
        )
    level = level_of(image.meta)
    if is_observation(image.meta) and level is not None and level < min(LEVELS):
        raise ValueError(f"{name} must be of level 1 or 1.5; this one is of level {level:g}. Use the level 1 file")


def _check_passband(image: GenericMap, name: str) -> None:
    """Refuse an image that does not say its passband, or one that AIA does not have."""
    said = {keyword: image.meta.get(keyword) for keyword in ("WAVELNTH", "WAVEUNIT")}
    try:
        wavelength = image.wavelength
        readable = wavelength is not None and wavelength.isscalar and wavelength.unit.is_equivalent(u.angstrom)
    except (TypeError, ValueError, AttributeError):
        readable = False
    if not readable:
        words = " and ".join(f"{keyword} = {shown(value)}" for keyword, value in said.items() if value is not None)
        raise ValueError(
            f"{name} must say its passband, such as WAVELNTH = 193 and WAVEUNIT = 'angstrom'; its header says "
            f"{words or 'neither'}. Correct it in map.meta"
        )
    get_passband(wavelength)


def _unusable_unit(image: GenericMap, unit: u.UnitBase | None) -> str:
    """What a Map has instead of a unit that can be used, and what would be one."""
    written = unit_written(image.meta)
    found = "without a unit" if written is None else f"in {shown(written)}"
    if written is not None and unit is None:
        found += ", which is no unit"
    powers = {} if unit is None else _powers(unit)
    advice = "'DN / s' if they are DN per second"
    if not any(base.is_equivalent(u.s) and power < 0 for base, power in powers.items()):
        advice = f"'DN' if they are DN, or {advice}"
    return f"{found}. Say what its numbers are with map.meta['bunit'] = {advice}"


def check_light(reading: Reading, name: str, constant: bool = False) -> None:
    """
    Refuse an image in which there is nothing to see.

    Parameters
    ----------
    reading : Reading
    name : str
        What to call it.
    constant : bool, optional
        Whether all values may be the same, as in an image that somebody made up to compare with.

    Raises
    ------
    ValueError
        If no value is known or none is positive, such as where all are saturated, or if all of them are the same and
        may not be.
    """
    known = reading.values[np.isfinite(reading.values)]
    if reading.saturated.any() and not (known > 0).any():
        raise ValueError(
            f"{name} must have pixels that are not saturated; in this one all that have light are, by what its header "
            "says. Check its unit, its exposure time and DEG_COR"
        )
    if not known.size:
        raise ValueError(
            f"{name} must have pixels that are known; in this one all are masked, not finite or below what AIA can "
            "record"
        )
    lowest, highest = known.min(), known.max()
    if highest <= 0 or (lowest == highest and known.size >= _SAME and not constant):
        found = f"all its numbers are {highest:g}" if lowest == highest else "none of its numbers is positive"
        raise ValueError(
            f"{name} must show the Sun; {found} in DN/s. Check how it was read, and its unit and scale (BSCALE, BZERO)"
        )


def filled_share(values: npt.NDArray, disk: Disk) -> float:
    """
    Find out how much of the disk holds a number that stands for none.

    No light is the same everywhere in a block of pixels, and no number is much more frequent than all others.

    Parameters
    ----------
    values : `~numpy.ndarray`
        In DN/s, NaN where unknown.
    disk : `~sunpy_mag2euv.disk.Disk`

    Returns
    -------
    float
        Share of the disk's known pixels, from a sample of them; 0 where it could be chance.
    """
    rows, columns = (size // _BLOCK for size in values.shape)
    # Some ten thousand blocks are enough.
    step = max(1, int(disk.pixels) // 512)
    blocks = values[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)[::step, :, ::step]
    middles = disk.radius((rows * _BLOCK, columns * _BLOCK))[_BLOCK // 2 :: _BLOCK * step, _BLOCK // 2 :: _BLOCK * step]
    blocks = blocks.swapaxes(1, 2)[middles < 1].reshape(-1, _BLOCK**2)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    if not blocks.size or not (level := np.abs(blocks).mean()) > 0:
        return 0.0
    filled = np.mean(np.ptp(blocks, axis=1) <= _ALIKE * level)
    # Pixels of all rows and columns of the blocks, about as many of each.
    _, counts = np.unique(np.rint(blocks[:, ::3] / (_ALIKE * level)), return_counts=True)
    *_, second, first = np.sort([0, *counts]) / counts.sum()
    frequent = first > _FREQUENT and first > _OTHERS * second
    return float(max(filled if filled > _SOME_BLOCKS else 0, first if frequent else 0))


def check_together(images: Sequence[GenericMap], max_time_difference: u.Quantity) -> None:
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
    if not (max_time_difference.isscalar and max_time_difference >= 0 * u.s):
        raise ValueError(
            f"max_time_difference must be one span of time, not negative, such as 12 * u.min; got {max_time_difference}"
        )
    for first, second in combinations(images, 2):
        apart = abs(first.date - second.date).to(u.min)
        # What is exactly at the limit comes out a rounding error beyond it.
        if not apart <= max_time_difference + 1 * u.ms:
            apart = apart.to(u.day) if apart > 2 * u.day else apart
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
