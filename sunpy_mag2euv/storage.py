"""
Images on disk: a Map → a FITS file with its standard deviation and its mask, and back.

The image is the first HDU, as it is, for what looks at nothing else. ``UNCERT`` and ``MASK`` follow, named as
`astropy.nddata` and ccdproc name them, and compressed without loss. Their pixels are in one row, since sunpy takes
whatever has rows and columns for another Map.
"""

import copy
import functools
import gzip
import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import astropy.units as u
import sunpy.map
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from sunpy.map import GenericMap
from sunpy.util import MetaDict
from sunpy.util.exceptions import warn_metadata

from sunpy_mag2euv import files, inputs
from sunpy_mag2euv.aia import restore_plot
from sunpy_mag2euv.maps import check_map
from sunpy_mag2euv.notes import sentence

__all__ = ["read", "save", "write"]

#: What ``UTYPE`` says of an uncertainty.
_KINDS = {kind.__name__: kind for kind in (StdDevUncertainty, VarianceUncertainty, InverseVariance, UnknownUncertainty)}

#: Bits of ``MASK``: what the Map masks, and what is NaN.
_MASKED, _UNKNOWN = 1, 2

#: Pixels that are compressed together: fewer take more space, more take longer.
_TILE = 4096

#: What a header says of how a file held its pixels, and held them no more once they were read.
_LEFT_BEHIND = ("BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM")

#: Keywords of several lines or of none, and how others are spelt.
_COMMENTARY, _KEYWORD = ("", "COMMENT", "HV_COMMENT", "HISTORY", "KEYCOMMENTS"), re.compile("[A-Z0-9_-]{1,8}")

#: What the numbers of FITS images are.
_NUMBERS = ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]

#: Names of files that are written.
_FITS, _ASDF = (re.compile(rf"\.({ending})$", flags=re.IGNORECASE) for ending in (r"(fits?|fts)(\.gz)?", "asdf"))

#: Errors in reading that are told apart.
_ERRORS = (FileNotFoundError, IsADirectoryError, PermissionError, ConnectionError, OSError, ValueError)


def save(image: GenericMap, path: str | os.PathLike, *, overwrite: bool = False) -> None:
    """
    Save a Map to a file, with its uncertainty and its mask.

    sunpy's own `~sunpy.map.GenericMap.save` writes neither of them to FITS files.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        As `~sunpy_mag2euv.generate` and `~sunpy_mag2euv.translate` make it, or any other.
    path : path-like
        Ends in ``.fits`` or ``.asdf``. FITS files are packed as well if it ends in ``.fits.gz``.
    overwrite : bool, optional
        Whether to replace a file.

    Raises
    ------
    TypeError
        If ``image`` is no Map, or ``path`` no path.
    ValueError
        If files of this name cannot be written, or cannot hold the numbers of the image, or an uncertainty or a mask
        like this one.
    ImportError
        If asdf, which writes ASDF files, is not installed.
    OSError
        If there is such a file and it is not to be replaced, or the file cannot be written. What was there is there
        still then, and nothing else.

    Warns
    -----
    SunpyMetadataWarning
        Of keywords that FITS headers cannot hold, such as infinite numbers, which are left out.

    Notes
    -----
    All numbers are kept to the last bit, those of the header, too. `sunpy.map.Map` reads the image of the file,
    `~sunpy_mag2euv.read` all of it. What other programs find there is in :doc:`/howto/files`.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> synthetic = mag2euv.generate(sample_magnetogram(), passband=193, model="shared-browse")
    >>> directory = getfixture("tmp_path")
    >>> mag2euv.save(synthetic, directory / "synthetic.fits")
    >>> mag2euv.read(directory / "synthetic.fits").uncertainty.array.shape
    (256, 256)
    """
    check_map(image, "the image")
    path = Path(_checked(path, "save"))
    if _ASDF.search(path.name):
        writer = functools.partial(_write_asdf, image)
    elif _FITS.search(path.name):
        _check(image)
        writer = functools.partial(write, image)
    else:
        raise ValueError(f"the file's name must end in .fits or .asdf; got {path.name!r}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory where a file is to be written; give another name")
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(f"{path} exists already; give another name, or overwrite=True to replace it")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} must not be written to; change its permissions, or give another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {path.parent}; make it first, or give another")
    try:
        files.write(path.parent, {path.name: writer}, overwrite)
    except OSError as error:
        # What the system says is about a hidden file.
        raise type(error)(f"cannot write {path} ({error.strerror})" if error.strerror else str(error)) from error


def read(path: str | os.PathLike) -> GenericMap:
    """
    Read a Map from a file, with its uncertainty and its mask.

    sunpy's own `sunpy.map.Map` reads neither of them from FITS files.

    Parameters
    ----------
    path : path-like or str
        A file as `save` and the command line write it, or any other that `sunpy.map.Map` reads as one Map; or an
        address of one, such as ``https://…``.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Synthetic images have what plots of them had when they were made, too: their scale of brightness, black where
        nothing is known, and the model in their title. Files of others, such as observations, and our own of earlier
        versions, have no uncertainty; observations are as `sunpy.map.Map` reads them.

    Raises
    ------
    TypeError
        If ``path`` is no path.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a file with one image, or its uncertainty or mask is not one of that image; or if something is
        missing that reads such files.
    ConnectionError
        If it cannot be fetched.
    OSError
        If it cannot be read.
    """
    path = _checked(path, "read")
    try:
        return inputs.read(path, _read)
    except _ERRORS as error:
        kind = next(kind for kind in _ERRORS if isinstance(error, kind))
        raise kind(f"{path}: {sentence(error)}") from error


def write(image: GenericMap, path: Path) -> None:
    """
    Write a Map to a FITS file, as `save` does, but where it is: what is killed leaves part of a file behind.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
    path : `pathlib.Path`

    Raises
    ------
    ValueError
        If FITS files cannot hold the numbers of the image, or an uncertainty or a mask like this one.
    OSError
        If it cannot be written.

    Warns
    -----
    SunpyMetadataWarning
        Of keywords that FITS headers cannot hold, which are left out.
    """
    _check(image)
    uncertainty, data = image.uncertainty, np.asarray(image.data)
    units = fits.HDUList([fits.PrimaryHDU(data, _header(image))])
    if uncertainty is not None:
        unit = _extension("UNCERT", uncertainty.array, "GZIP_2")
        unit.header["UTYPE"] = type(uncertainty).__name__
        if uncertainty.unit is not None:
            unit.header["BUNIT"] = uncertainty.unit.to_string()
        units.append(unit)
    mask = np.where(np.isnan(data), _UNKNOWN, 0)
    if image.mask is not None:
        mask |= np.where(image.mask, _MASKED, 0)
    unit = _extension("MASK", mask.astype(np.uint8), "RICE_1")
    unit.header["MAPMASK"] = image.mask is not None, "whether the Map has a mask"
    unit.header.add_comment(f"{_MASKED} where the Map is masked, {_UNKNOWN} where it is NaN, or their sum")
    units.append(unit)
    units.writeto(path)


def _checked(path: str | os.PathLike, name: str) -> str:
    """A path, if it is one."""
    if not isinstance(path, str | os.PathLike):
        advice = ". Call it once for each" if isinstance(path, list | tuple) else ""
        raise TypeError(f"{name} must have the path of a file; got {type(path).__name__}{advice}")
    return os.path.expanduser(os.fspath(path))


def _write_asdf(image: GenericMap, path: Path) -> None:
    """Write a Map to an ASDF file, as sunpy does."""
    try:
        image.save(path)
    except (ImportError, OSError):
        raise
    except Exception as error:
        raise ValueError(f"ASDF files cannot hold something of this Map ({sentence(error)})") from error


def _check(image: GenericMap) -> None:
    """ValueError unless FITS files can hold a Map's numbers, its uncertainty and its mask."""
    if f"{image.data.dtype.kind}{image.data.dtype.itemsize}" not in _NUMBERS:
        raise ValueError(
            f"FITS files hold no numbers of the type {image.data.dtype}, which the image has; make a Map of "
            "image.data.astype(float)"
        )
    if image.mask is not None and np.shape(image.mask) not in ((), image.data.shape):
        raise ValueError(
            f"the image's mask must have a truth value for each of its pixels, {image.data.shape}; it has "
            f"{np.shape(image.mask)}"
        )
    uncertainty = image.uncertainty
    if uncertainty is None:
        return
    if type(uncertainty) not in _KINDS.values():
        raise ValueError(
            f"the image's uncertainty must be of one of astropy's own kinds, such as StdDevUncertainty; this one is "
            f"{type(uncertainty).__name__}"
        )
    array = np.asarray(uncertainty.array)
    if array.shape != image.data.shape or f"{array.dtype.kind}{array.dtype.itemsize}" not in ("f4", "f8"):
        raise ValueError(
            f"the image's uncertainty must have a floating-point number for each of its pixels, {image.data.shape}; it "
            f"has {array.shape} of type {array.dtype}"
        )


def _header(image: GenericMap) -> fits.Header:
    """The header of a Map. Numbers have all their digits, of which astropy writes no more than twenty."""
    header = fits.Header()
    for card in _without_unfit(image).fits_header.cards:
        if card.keyword in _LEFT_BEHIND:
            continue
        if isinstance(card.value, float) and fits.Card.fromstring(card.image).value != card.value:
            number = f"{card.keyword:8}= {float(card.value)!r:>20}".upper()
            comment = f" / {card.comment}" if card.comment else ""
            card = fits.Card.fromstring(f"{number}{comment}"[:80].ljust(80))
        header.append(card, end=True)
    return header


def _without_unfit(image: GenericMap) -> GenericMap:
    """A Map without the keywords that sunpy fails with; it leaves others out that FITS headers cannot hold."""
    unfit = [keyword for keyword, value in image.meta.items() if not _holds(keyword.upper(), value)]
    if not unfit:
        return image
    for keyword in unfit:
        warn_metadata(f"the keyword {keyword} is {image.meta[keyword]!r:.50}, which FITS headers cannot hold: left out")
    image = copy.copy(image)
    image.meta = MetaDict({keyword: value for keyword, value in image.meta.items() if keyword not in unfit})
    return image


def _holds(keyword: str, value: Any) -> bool:
    """Whether a card can be made of a keyword, as far as that is not sunpy's."""
    if keyword in _COMMENTARY or not _KEYWORD.fullmatch(keyword) or isinstance(value, list):
        return True
    try:
        fits.Card(keyword, value)
    except ValueError:
        return False
    return True


def _extension(name: str, array: np.ndarray, compression: str) -> fits.CompImageHDU:
    """An extension of all pixels in a row."""
    unit = fits.CompImageHDU(
        np.ravel(array),
        name=name,
        compression_type=compression,
        tile_shape=(min(_TILE, array.size),),
        quantize_level=0,
    )
    unit.header.add_comment("pixels of the first HDU, row by row in one row, since sunpy would take")
    unit.header.add_comment("what has rows and columns for another image")
    return unit


def _read(path: Path) -> GenericMap:
    """The Map in a file, with all that is there."""
    image = inputs.read(path)
    try:
        return _completed(image, path)
    except _ERRORS:
        raise
    except Exception as error:
        raise ValueError(f"the file is damaged, or holds what no image has ({sentence(error)})") from error


def _completed(image: GenericMap, path: Path) -> GenericMap:
    """The image of a file with all else that is there."""
    data = np.asarray(image.data)
    uncertainty, mask = image.uncertainty, image.mask
    units = _units(path)
    if "UNCERT" in units:
        array, header = units["UNCERT"]
        kind = _KINDS.get(header.get("UTYPE", "StdDevUncertainty"), UnknownUncertainty)
        unit = u.Unit(header["BUNIT"]) if "BUNIT" in header else None
        uncertainty = kind(_fitting(array, data, "UNCERT"), unit=unit)
    if "MASK" in units:
        array, header = units["MASK"]
        array = _fitting(array, data, "MASK")
        if "MAPMASK" not in header:
            mask = array != 0  # Of others
        elif header["MAPMASK"]:
            mask = array & _MASKED > 0
    # FITS has another order of bytes than most machines, and numbers in memory do not need the file any more.
    data = data.astype(data.dtype.newbyteorder("="))
    image = sunpy.map.Map(data, image.meta, uncertainty=uncertainty, mask=mask)
    restore_plot(image)
    return image


def _units(path: Path) -> dict:
    """Arrays and headers of ``UNCERT`` and ``MASK``, as far as a FITS file has them; nothing of other files."""
    try:
        units = fits.open(path)
    except OSError:
        return {}
    with units:
        _check_packing(path)
        kinds = fits.ImageHDU | fits.CompImageHDU
        found = [unit for unit in units[1:] if isinstance(unit, kinds) and unit.name in ("UNCERT", "MASK")]
        return {unit.name: (unit.data, unit.header) for unit in found}


def _check_packing(path: Path) -> None:
    """ValueError if a packed file is cut short: astropy takes it for one with fewer extensions."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
    try:
        with gzip.open(path) as file:
            while file.read(2**20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"the file is cut short, or damaged ({sentence(error)})") from error


def _fitting(array: Any, data: Any, name: str) -> Any:
    """An extension with the rows and columns of the image."""
    if array is None or np.size(array) != data.size:
        found = 0 if array is None else np.size(array)
        raise ValueError(f"{name} must have as many numbers as the image, {data.size}; it has {found}")
    return array.reshape(data.shape)
