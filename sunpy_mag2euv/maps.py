"""
Maps: what has to be true of any of them before it is asked what it shows.

sunpy makes Maps of whatever it is given: of numbers that have no order, of masks of another shape, and of headers that
say numbers where words belong. Most of that would end much later, in somebody else's words.
"""

import numbers

import numpy as np
import numpy.typing as npt

import astropy.units as u
import sunpy.map
from sunpy.sun import constants

__all__ = ["brief", "check_map", "check_pixels", "in_known_time", "known_pixels", "shown", "solar_radius"]

#: Keywords that sunpy reads as words, and of these the ones that must not be there without any.
_WORDS = (
    "INSTRUME",
    "TELESCOP",
    "OBSRVTRY",
    "DETECTOR",
    "BUNIT",
    "PIXLUNIT",
    "WAVEUNIT",
    "CONTENT",
    "BTYPE",
    "SERIES",
    "IMG_TYPE",
)
_SOME_WORDS = ("INSTRUME", "TELESCOP", "OBSRVTRY")

#: Keywords by which sunpy knows the Sun's radius, in metres and in arcsec.
_SOLAR_RADIUS = ("RSUN_REF", "RSUN_OBS", "SOLAR_R", "RADIUS")

#: What other pipelines call UTC, and how files say that they say nothing; FITS files without ``TIMESYS`` are in UTC.
_UTC = ("", "UT", "GMT", "Z")

#: How files are read, by what they are to hold.
_READERS = {
    "the chart": "mag2euv.read_chart(path)",
    "the magnetogram": "sunpy.map.Map(path), and those of charts with mag2euv.read_chart(path)",
}

#: So many characters of what a header says are enough to find it there.
_SHOWN = 60


def shown(value: object) -> str:
    """
    What a header says, for messages: headers of Maps hold any objects, of any length and on any number of lines.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        As Python writes it, in one line of at most 60 characters.

    Examples
    --------
    >>> from sunpy_mag2euv.maps import shown
    >>> shown("arcsec"), shown(float("nan"))
    ("'arcsec'", 'nan')
    """
    try:
        text = repr(value)
    except Exception:
        # Such as that of an integer of 5000 digits
        text = f"something ({type(value).__name__})"
    return brief(text)


def brief(text: object) -> str:
    r"""
    Put words that others wrote in one line, for messages.

    Parameters
    ----------
    text : object

    Returns
    -------
    str
        At most 60 characters.

    Examples
    --------
    >>> from sunpy_mag2euv.maps import brief
    >>> brief("AIA\n 3"), len(brief("x" * 5000))
    ('AIA 3', 60)
    """
    words = "".join(character if character.isprintable() else " " for character in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def check_map(image: object, name: str) -> None:
    """
    Refuse what is no Map, or one that cannot even be described.

    Parameters
    ----------
    image : object
    name : str
        What to call it.

    Raises
    ------
    TypeError
        If it is no Map.
    ValueError
        If its header says numbers where words belong, on which sunpy's own attributes fail.
    """
    if not isinstance(image, sunpy.map.GenericMap):
        raise TypeError(
            f"{name} must be a sunpy.map.Map; got {type(image).__name__}. Read files with "
            f"{_READERS.get(name, 'sunpy.map.Map(path)')}"
        )
    for keyword in _WORDS:
        value = image.meta.get(keyword, "")
        if not (isinstance(value, str) or (value is None and keyword not in _SOME_WORDS)):
            raise ValueError(
                f"{name} must have words in {keyword}; its header says {shown(value)}. Correct it in map.meta"
            )


def in_known_time(image: sunpy.map.GenericMap) -> sunpy.map.GenericMap:
    """
    Put the name of a time scale that means UTC into words that sunpy knows.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`

    Returns
    -------
    `~sunpy.map.GenericMap`
        The same Map, unless its ``TIMESYS`` is empty, "UT", "GMT" or "Z": then one of the same data that says UTC.
    """
    said = image.meta.get("timesys", "UTC")
    if said is not None and not (isinstance(said, str) and said.strip().upper() in _UTC):
        return image
    meta = {**image.meta, "timesys": "UTC"}
    return sunpy.map.Map(image.data, meta, mask=image.mask, uncertainty=image.uncertainty)


def solar_radius(image: sunpy.map.GenericMap) -> u.Quantity:
    """
    Find the Sun's radius, for which sunpy takes the photosphere's where a header says none, and logs that.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.units.Quantity`
        Its ``rsun_meters``.
    """
    said = any(image.meta.get(keyword) is not None for keyword in _SOLAR_RADIUS)
    return image.rsun_meters if said else constants.radius


def check_pixels(image: sunpy.map.GenericMap, name: str) -> None:
    """
    Refuse a Map whose data are no image, or whose mask is none of that image.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
    name : str
        What to call it.

    Raises
    ------
    ValueError
        If the data are not real numbers, have not two dimensions of at least two pixels or were made from more, or if
        the mask neither has their shape nor is one value for all.
    """
    shape, dtype = image.data.shape, image.data.dtype
    naxis = image.meta.get("naxis", 2)
    if isinstance(naxis, numbers.Real) and naxis > 2:  # type: ignore[operator]
        raise ValueError(
            f"{name} must be one image with two dimensions; this Map was made from {naxis:g}. Choose one image, and "
            "make a Map of that"
        )
    if dtype.kind not in "fiu":
        raise ValueError(f"{name} must hold real numbers; this one holds {_kind(dtype)}. Convert them first")
    if len(shape) != 2 or min(shape) < 2:
        raise ValueError(f"{name} must have two dimensions of at least 2 pixels; its shape is {shape}")
    if image.mask is None:
        return
    try:
        mask = np.asarray(image.mask)
    except ValueError:
        mask = np.asarray(None)
    if mask.shape not in ((), shape) or mask.dtype.kind not in "bfiu":
        raise ValueError(
            f"{name} must have a mask of truth values, True where a pixel does not count, in the shape {shape} of its "
            f"data; this one has {_kind(mask.dtype)} in the shape {mask.shape}"
        )


def _kind(dtype: np.dtype) -> str:
    """What an array holds, in a word."""
    return {"O": "objects", "S": "bytes", "U": "text", "V": "records"}.get(dtype.kind, f"{dtype.name} numbers")


def known_pixels(image: sunpy.map.GenericMap) -> npt.NDArray:
    """
    Which pixels of a Map are known.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        One that `check_pixels` has nothing against.

    Returns
    -------
    `~numpy.ndarray`
        Boolean, shape of the data: finite and not masked.
    """
    known = np.isfinite(np.asarray(image.data))
    return known if image.mask is None else known & ~np.asarray(image.mask, dtype=bool)
