"""
Headers: what a Map has to say of where, when and how it saw the Sun, and whether that can be.

What a header lacks, sunpy makes up: an arcsec for a pixel, solar north for up, Earth for the observer, now for the
time. An image with another scale is as plausible as one with the right one, so keywords are asked for here, before
anything is computed. The header is read rather than sunpy's warnings caught, since catching them is for whole processes
and would let other threads' Maps pass.
"""

import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

import astropy.units as u
from astropy.coordinates import Angle
from sunpy.map import GenericMap
from sunpy.map.sources import AIAMap, EITL1Map, EITMap, EUIMap, EUVIMap, KCorMap, MDIMap, RHESSIMap, XRTMap
from sunpy.time import is_time

from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.maps import brief, shown

__all__ = [
    "RESAMPLED",
    "SOLAR_RADIUS",
    "check_geometry",
    "describe",
    "has_own_scale",
    "missing_placement",
    "readable_unit",
]

#: Instruments whose files always say their scale, orientation and pointing: if a keyword is missing, it was lost. By a
#: word of the Map's instrument, observatory or detector.
_COMPLETE = ("HMI", "AIA")

#: Where the observer is, by keywords of which one set is needed: those that sunpy looks for in its order, in the files
#: of one source and in all.
_OBSERVER: dict[type, list[tuple[str, ...]]] = {
    AIAMap: [("HAEX_OBS", "HAEY_OBS", "HAEZ_OBS")],
    EITMap: [("HEC_X", "HEC_Y", "HEC_Z")],
    EITL1Map: [("HAEX_OBS", "HAEY_OBS", "HAEZ_OBS")],
    EUIMap: [("HCIX_OBS", "HCIY_OBS", "HCIZ_OBS")],
    MDIMap: [("OBS_L0", "OBS_B0", "OBS_DIST")],
    GenericMap: [("HGLN_OBS", "HGLT_OBS", "DSUN_OBS"), ("CRLN_OBS", "CRLT_OBS", "DSUN_OBS")],
    XRTMap: [("SOLAR_B0", "DSUN_OBS")],
    # On Earth, without saying so.
    KCorMap: [()],
}

_LATITUDES = ("HGLT_OBS", "CRLT_OBS", "OBS_B0", "SOLAR_B0")

#: When it was taken, by any of these keywords.
_TIME = ("DATE-OBS", "DATE_OBS", "DATE-BEG", "DATE-AVG", "DATE-END")

_POINTING = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2")
_CTYPE = ("CTYPE1", "CTYPE2")
_CUNIT = ("CUNIT1", "CUNIT2")
_PC = ("PC1_1", "PC1_2", "PC2_1", "PC2_2")
_CD = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")

#: Sources whose roll is in CROTA. Those of all others is in CROTA2; the other one is not read.
_ROLLED_BY_CROTA = (EUIMap, EUVIMap, RHESSIMap)

#: What axes are, by what their names begin with.
_FRAMES = {"HGLN": "heliographic stonyhurst coordinates", "CRLN": "heliographic carrington coordinates"}

#: Solar radii in metres that a header may take, from the photosphere's to that of the low corona. What is outside has
#: another unit.
SOLAR_RADIUS = (0.9 * 695.7e6, 1.2 * 695.7e6)

#: Where observers may be. Nobody has taken magnetograms from beyond Mars. In centimetres Earth would be at 100 au; in
#: kilometres, or in au, inside the Sun.
_NEAREST, _FARTHEST = 0.01 * u.au, 10 * u.au

#: How far from the disk's centre an image's reference point may be, in solar radii. Farther out, a tangential
#: projection is not the plane in which the Sun is taken to lie.
_REFERENCE = 5

#: How many times longer than wide a pixel may be.
_STRETCH = 10

#: Solar radii in pixels between which there is something to see. Below, no place on the Sun can be told from another;
#: the finest images that there are have a tenth of the upper limit.
_RADIUS_IN_PIXELS = (4, 1e6)

#: By how much two ways to say the same may differ, and by what angle if they are an orientation. HMI's and AIA's are
#: known to a hundredth of a degree.
_AGREEMENT = 0.02
_SAME_ROLL = 1

#: In days. What times one header has of an image are of its exposure, or of the minutes that it is an average of.
_ONE_TIME = 1

#: What goes wrong with images whose source has the scale in keywords of its own.
RESAMPLED = (
    "The scale of this source is in keywords (FNDLMBMI, FNDLMBMA) that resample and superpixel leave as they are: use "
    "the image as it was before"
)

_LACKS = (
    "{name} must say its {what}, since the Sun's place, size and orientation follow from it; this Map's header does "
    "not. Add {keywords} to map.meta, or use the file as its archive has it"
)
_CORRECT = "Correct it in map.meta, or use the file as its archive has it"


def describe(image: GenericMap) -> str:
    """A Map in a few words, for messages, whatever its header holds."""
    measurement, unit = _read(image, "measurement"), readable_unit(image)
    words = [
        brief(image.meta.get("instrume") or "").replace("_", " "),
        brief("image" if measurement is None else measurement),
    ]
    if unit == u.dimensionless_unscaled:
        words.append("without a unit")
    elif unit is not None:
        words.append(f"in {brief(unit)}")
    elif image.meta.get("bunit"):
        words.append(f"in {shown(image.meta['bunit'])}")
    return " ".join(filter(None, words))


def readable_unit(image: GenericMap) -> u.UnitBase | None:
    """Unit of a Map's numbers; None if the header has none, or none that can be a physical quantity's."""
    unit = _read(image, "unit")
    return unit if isinstance(unit, u.UnitBase) and not isinstance(unit, u.UnrecognizedUnit) else None


def _read(image: GenericMap, attribute: str) -> Any:
    """What sunpy makes of a header; None if it cannot, for which it raises whatever it comes across."""
    try:
        return getattr(image, attribute)
    except Exception:
        return None


def check_geometry(image: GenericMap, name: str, better: str) -> None:
    """
    Refuse a Map that does not say where and when it saw the Sun, or says what cannot be.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
    name : str
        What to call it, such as "the magnetogram".
    better : str
        What to use instead of a Map that does not show the Sun as its observer sees it.

    Raises
    ------
    ValueError
        If the Map is not helioprojective; if its header lacks the observer, the time, the scale or, of an instrument
        whose files always have them, the orientation or the pointing; if one of these is no number, or none that can
        be; if two of them contradict each other; or if the Sun is too small in it to be seen.
    """
    _check_projection(image, name, better)
    _check_time(image, name)
    _check_observer(image, name)
    _check_placement(image, name)
    _check_disk(image, name)


def has_own_scale(image: GenericMap) -> bool:
    """Whether its source has the scale in keywords of its own, which sunpy's resample leaves as they are."""
    return _has_own(image, "scale")


def missing_placement(image: GenericMap) -> dict[str, str]:
    """
    Find out what a header does not say of an image's place on the sky, for which sunpy takes the simplest.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`

    Returns
    -------
    dict
        The keywords to add for what is missing, by what that is: "scale", "orientation" or "pointing".
    """
    missing = {}
    # Some sources know theirs by other keywords, in their own way.
    if not (_has_own(image, "scale") or _has(image, "CDELT1", "CDELT2") or _scales_by_matrix(image)):
        missing["scale"] = "CDELT1 and CDELT2"
    if not (_has_own(image, "rotation_matrix") or any(_has(image, keyword) for keyword in _orientation(image))):
        missing["orientation"] = _orientation(image)[-1]
    pointing = (*_POINTING, *(() if _has_own(image, "coordinate_system") else _CTYPE))
    if lacking := [keyword for keyword in pointing if not _has(image, keyword)]:
        missing["pointing"] = " and ".join(lacking)
    return missing


def _has(image: GenericMap, *keywords: str) -> bool:
    """Whether the header has all of these."""
    return all(image.meta.get(keyword) is not None for keyword in keywords)


def _has_own(image: GenericMap, attribute: str) -> bool:
    """Whether a source of sunpy's reads something in its own way."""
    return getattr(type(image), attribute) is not getattr(GenericMap, attribute)


def _scales_by_matrix(image: GenericMap) -> bool:
    """Whether the scale follows from a CD matrix, as it does for sunpy where there is no CDELT at all."""
    return _has(image, "CD1_1", "CD2_2") and not (_has(image, "CDELT1") or _has(image, "CDELT2"))


def _orientation(image: GenericMap) -> tuple[str, ...]:
    """The keywords that say an image's orientation, of which sunpy reads the first kind that is there."""
    return (*_PC, *_CD, "CROTA" if isinstance(image, _ROLLED_BY_CROTA) else "CROTA2")


def _number(image: GenericMap, keyword: str, name: str) -> float:
    """What a header says, which has to be a number."""
    value = image.meta.get(keyword)
    if _is_number(value):
        return float(value)
    raise ValueError(f"{name} must have a number in {keyword}; its header says {shown(value)}. {_CORRECT}")


def _is_number(value: Any) -> bool:
    """Whether it is one, and a finite one."""
    try:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        # An integer that no other number is as large as
        return False


def _check_projection(image: GenericMap, name: str, better: str) -> None:
    """Only what its observer sees can be put on a grid."""
    for keyword in (*_CTYPE, *_CUNIT):
        if (said := image.meta.get(keyword)) is not None and not isinstance(said, str):
            raise ValueError(f"{name} must have words in {keyword}; its header says {shown(said)}. {_CORRECT}")
    if not (_has_own(image, "coordinate_system") or _has(image, *_CTYPE)):
        # Whether that will do depends on the instrument.
        return
    axes = image.coordinate_system
    kinds = axes.axis1[:4], axes.axis2[:4]
    if tuple(kind.upper() for kind in kinds) != ("HPLN", "HPLT"):
        kind = _FRAMES.get(kinds[0].upper(), f"the coordinates {brief(axes.axis1)} and {brief(axes.axis2)}")
        raise ValueError(
            f"{name} must be helioprojective (HPLN, HPLT), as seen by its observer; this one is in {kind}. Use {better}"
        )
    if kinds != ("HPLN", "HPLT"):
        raise ValueError(
            f"{name} must have CTYPE1 and CTYPE2 in capitals, such as HPLN-TAN and HPLT-TAN; its header says "
            f"{shown(axes.axis1)} and {shown(axes.axis2)}. {_CORRECT}"
        )


def _check_time(image: GenericMap, name: str) -> None:
    """Without one that can be read, sunpy takes now."""
    said = {keyword: image.meta[keyword] for keyword in _TIME if image.meta.get(keyword) is not None}
    said = {keyword: value for keyword, value in said.items() if not isinstance(value, str) or value.strip()}
    if not said:
        raise ValueError(_LACKS.format(name=name, what="observation time", keywords="DATE-OBS"))
    # Some sources take the time of their coordinates from T_OBS.
    others = ("TIMESYS", "T_OBS") if _has_own(image, "reference_date") else ("TIMESYS",)
    words = said | {keyword: image.meta[keyword] for keyword in others if keyword in image.meta}
    words = _listed(words)
    try:
        readable = any(isinstance(value, str) and is_time(value) for value in said.values())
        readable = readable and image.date.isscalar and image.reference_date.isscalar
    except Exception:
        # sunpy and astropy raise whatever they come across.
        readable = False
    if not readable:
        raise ValueError(
            f"{name} must say its observation time in a way that can be read; its header says {words}. Correct it, "
            "such as map.meta['date-obs'] = '2014-01-15T00:00:00' with map.meta['timesys'] = 'UTC'"
        )
    if not abs((image.date - image.reference_date).to_value(u.day)) <= _ONE_TIME:
        raise ValueError(
            f"{name} must be of one time; that of the image is {image.date.utc.isot}, and that of its coordinates "
            f"{image.reference_date.utc.isot} UTC; its header says {words}. {_CORRECT}"
        )


def _listed(said: Mapping[str, object]) -> str:
    """Keywords and what a header says in them."""
    return ", ".join(f"{keyword} = {shown(value)}" for keyword, value in said.items())


def _check_observer(image: GenericMap, name: str) -> None:
    """Without one, sunpy takes Earth."""
    used = _observer_keywords(image)
    if used is None:
        raise ValueError(_LACKS.format(name=name, what="observer", keywords="DSUN_OBS, HGLN_OBS and HGLT_OBS"))
    for keyword in used:
        value = _number(image, keyword, name)
        if keyword in _LATITUDES and abs(value) > 90:
            raise ValueError(
                f"{name} must have a latitude in {keyword}, at most 90 degrees; its header says {value:g}. {_CORRECT}"
            )
    if _has(image, "RSUN_REF"):
        radius = _number(image, "RSUN_REF", name)
        if not SOLAR_RADIUS[0] < radius < SOLAR_RADIUS[1]:
            raise ValueError(
                f"{name} must have the Sun's radius in metres, near 696e6, in RSUN_REF; its header says {radius:g}. "
                f"{_CORRECT}"
            )
    try:
        distance = image.observer_coordinate.radius
    except Exception as error:
        raise ValueError(
            f"{name} must say its observer in a way that can be read ({brief(error)}). {_CORRECT}"
        ) from None
    if not _NEAREST < distance < _FARTHEST:
        raise ValueError(
            f"{name} must be seen from {_NEAREST:g} to {_FARTHEST:g}; by {', '.join(used) or 'its header'}, it is seen "
            f"from {distance.to(u.m):.4g}. {_CORRECT}"
        )


def _observer_keywords(image: GenericMap) -> tuple[str, ...] | None:
    """Those that say where the observer is: none for sources that know it otherwise, None if they are missing."""
    if _has_own(image, "observer_coordinate"):
        return ()
    sets = [keywords for source, sets in _OBSERVER.items() if isinstance(image, source) for keywords in sets]
    return next((keywords for keywords in sets if all(keyword in image.meta for keyword in keywords)), None)


def _check_placement(image: GenericMap, name: str) -> None:
    """Scale, orientation and pointing: each there, and a number."""
    names = f"{image.instrument} {image.observatory} {image.detector}".upper()
    complete = any(word in names for word in _COMPLETE)
    for what, keywords in missing_placement(image).items():
        if what == "scale" or complete:
            raise ValueError(_LACKS.format(name=name, what=what, keywords=keywords))
    used = next(
        (kind for kind in (_PC, _CD) if any(_has(image, keyword) for keyword in kind)), _orientation(image)[-1:]
    )
    for keyword in (*_POINTING, "CDELT1", "CDELT2", *used, "LONPOLE", "LATPOLE", *_projection_parameters(image)):
        if keyword in image.meta:
            value = _number(image, keyword, name)
            if keyword.startswith("CDELT") and value == 0:
                raise ValueError(f"{name} must have pixels of some size; its header says {keyword} = 0. {_CORRECT}")
    _check_matrix(image, name)


@np.errstate(all="ignore")
def _check_matrix(image: GenericMap, name: str) -> None:
    """Keywords that were lost may make another matrix of a rotation, and of two orientations sunpy reads one."""
    scale = np.array([image.meta.get(f"CDELT{axis}", 1) for axis in (1, 2)], dtype=float)
    rolls = {}
    # What is missing of a PC matrix is that of the unit matrix, and of a CD matrix nought.
    for keywords, unsaid, scales in ((_PC, np.eye(2), scale), (_CD, np.zeros((2, 2)), np.ones(2))):
        said = {keyword: image.meta[keyword] for keyword in keywords if keyword in image.meta}
        if not said or not all(map(_is_number, said.values())):
            continue
        words = ", ".join(f"{keyword} = {value:.4g}" for keyword, value in said.items())
        entries = [float(said.get(keyword, none)) for keyword, none in zip(keywords, unsaid.flat, strict=True)]
        matrix = np.reshape(entries, (2, 2))
        if not abs(np.linalg.det(matrix)) > 0:
            raise ValueError(f"{name} must have a matrix that has two axes; its header says {words}. {_CORRECT}")
        # The roll turns axes that CDELT has scaled, and so given a direction; pixels need not be square.
        axes = matrix.T * scales * np.sign(scale)[:, None]
        west, north = axes / np.linalg.norm(axes, axis=1)[:, None]
        skew = abs(np.degrees(np.arcsin(np.clip(west @ north, -1, 1))))
        if skew > _SAME_ROLL and len(said) < len(keywords):
            raise ValueError(
                f"{name} must have all of {', '.join(keywords)}, unless what is missing is as without rotation; its "
                f"header says {words}, with which its axes would be skew by {skew:.3g} degrees. {_CORRECT}"
            )
        # Of mirrored axes nobody knows which one is to be turned back.
        if skew <= _SAME_ROLL and np.linalg.det([west, north]) > 0:
            rolls[words] = np.degrees(np.arctan2(west[1], west[0]))
    if _is_number(roll := image.meta.get("CROTA2")):
        rolls[f"CROTA2 = {roll:.4g}"] = roll
    first = next(iter(rolls.values()), None)
    if any(abs((roll - first + 180) % 360 - 180) > _SAME_ROLL for roll in rolls.values()):
        found = ", but ".join(f"by {words} it is turned by {roll:.4g} degrees" for words, roll in rolls.items())
        raise ValueError(
            f"{name} must have one orientation; {found}. Remove what is wrong from map.meta, or use the file as its "
            "archive has it"
        )


def _projection_parameters(image: GenericMap) -> list[str]:
    """Their keywords; most projections have none."""
    return [keyword.upper() for keyword in image.meta if re.fullmatch(r"pv\d+_\d+", keyword)]


def _check_disk(image: GenericMap, name: str) -> None:
    """What follows from the keywords together has to be an image of the Sun, and to be said once."""
    try:
        units, radius = image.spatial_units, image.rsun_meters / image.observer_coordinate.radius
        radius = np.arcsin(radius.to_value(u.one)) * u.rad
        pointing = [
            Angle(image.meta.get(keyword, 0) * unit).wrap_at(180 * u.deg)
            for keyword, unit in zip(("CRVAL1", "CRVAL2"), units, strict=True)
        ]
        near = np.hypot(*pointing) <= _REFERENCE * radius
        # Far off, there may be no projection.
        disk: Any = Disk.of(image) if near else None
        readable = not near or bool(np.isfinite([disk.center, *disk.axes]).all())
    except Exception:
        # What astropy says of it is for those who know its code.
        readable = False
    if not readable:
        keywords = (*_CTYPE, *_CUNIT, *_projection_parameters(image), *_PC, *_CD)
        said = _listed({keyword: image.meta[keyword] for keyword in keywords if keyword in image.meta})
        raise ValueError(
            f"{name} must have coordinates that can be read: a projection with its parameters (CTYPE, PV), units of "
            f"angle (CUNIT) and a matrix that has two axes (PC, CD); its header says {said or 'none'}. {_CORRECT}"
        )
    radius = radius.to(u.arcsec)
    if not near:
        raise ValueError(
            f"{name} must have its reference point near the Sun; CRVAL1 and CRVAL2 are {pointing[0].to(u.arcsec):.4g} "
            f"and {pointing[1].to(u.arcsec):.4g} from its centre, and its radius is {radius:.4g}. {_CORRECT}"
        )
    sizes = [abs(size * u.pix).to(u.arcsec) for size in image.scale]
    pixels = f"pixels of {sizes[0]:.3g} by {sizes[1]:.3g} (CDELT1, CDELT2)"
    long, short = np.linalg.svd(disk.axes, compute_uv=False)
    if not short > long / _STRETCH:
        raise ValueError(
            f"{name} must have pixels that are about as wide as high; its header says {pixels}, with the matrix "
            f"{np.round(image.rotation_matrix, 6).tolist()}. {_CORRECT}"
        )
    least, most = _RADIUS_IN_PIXELS
    if not disk.pixels > least:
        raise ValueError(
            f"{name} must show the Sun at least {2 * least} pixels wide; it has {2 * disk.pixels:.2g}, with {pixels}. "
            "Use an image that resolves more, or correct the keywords in map.meta"
        )
    if not disk.pixels < most:
        raise ValueError(f"{name} must have pixels that a telescope can have; its header says {pixels}. {_CORRECT}")
    if has_own_scale(image) and _has(image, "IMG_X0", "IMG_Y0") and not any(_has(image, keyword) for keyword in _PC):
        shifts = [
            _number(image, f"CRPIX{axis}", name) - _number(image, f"IMG_{x}0", name) for axis, x in ((1, "X"), (2, "Y"))
        ]
        if any(abs(shift - round(shift)) > 1e-3 for shift in shifts):
            raise ValueError(
                f"{name} must not be resampled: CRPIX1 and CRPIX2 are no whole pixels from GONG's IMG_X0 and IMG_Y0. "
                f"{RESAMPLED}"
            )
    for keyword, size, unit in zip(("CDELT1", "CDELT2"), sizes, units, strict=True):
        if _has(image, keyword) and not _agree(said := (abs(image.meta[keyword]) * unit).to(u.arcsec), size):
            raise ValueError(
                f"{name} must have one scale; {keyword} says {said:.4g} a pixel, but sunpy takes {size:.4g}. {_CORRECT}"
            )
    if _has(image, "RSUN_OBS") and not _has_own(image, "rsun_obs"):
        said = _number(image, "RSUN_OBS", name) * u.arcsec
        if not _agree(said, radius):
            raise ValueError(
                f"{name} must show a Sun of one size; RSUN_OBS says {said:.4g}, but by the header's observer and solar "
                f"radius it is {radius:.4g}. {_CORRECT}"
            )


def _agree(said: float, found: float) -> bool:
    return abs(said - found) <= _AGREEMENT * found
