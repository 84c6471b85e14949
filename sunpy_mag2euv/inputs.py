"""From what is given to a command to files, and from a file, wherever it is, to a Map."""

import contextlib
import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sunpy_mag2euv.files import scratch
from sunpy_mag2euv.notes import sentence

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["expand", "is_address", "is_image_name", "read", "stem"]

#: What the names of images end in, and what packing adds.
_ENDING = r"\.(fits?|fts|fz|asdf|jp2|j2k|jpc|jpt)"
_ENDINGS = re.compile(_ENDING + r"(\.\w+)?$", flags=re.IGNORECASE)
_IMAGE = re.compile(_ENDING + r"(\.(gz|bz2|xz|lzma|z|zip|fz))?$", flags=re.IGNORECASE)

#: What the names of our own images end in. They lie beside the magnetograms if nobody says where else.
_OWN = re.compile(r"_aia_\d{4}\.fits$")

#: What an address begins with. On Windows, a drive is one letter.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

#: What has to be installed for files that not everybody has, by the module that is found missing.
_READERS = {"asdf": "sunpy[asdf]", "glymur": "sunpy_mag2euv[jp2]", "lxml": "sunpy_mag2euv[jp2]"}


def expand(words: Iterable[str]) -> list[str]:
    """
    Find the files that are meant.

    Parameters
    ----------
    words : iterable of str
        Each a file; a directory, which means the images in it; a pattern such as ``2014/*.fits``, in which ``**``
        stands for directories in directories; ``@LIST``, a text file with one of these in each line, where lines that
        are empty or begin with ``#`` do not count, and ``@-`` is standard input; or an address that fsspec can open,
        such as ``https://…`` or ``s3://…``.

    Returns
    -------
    list of str
        In the order given, those of a directory or pattern sorted, each once. Images that are named as ours are, such
        as ``hmi_aia_0193.fits``, are not looked for. Files that are named need not be there.

    Raises
    ------
    ValueError
        If nothing is found, an address cannot be opened by what is installed, or a file is a list and has no ``@``.
    OSError
        If a directory or a list cannot be read.
    """
    found: dict[str, str] = {}
    for word in words:
        for source in _listed(word[1:]) if word.startswith("@") else _found(word):
            found.setdefault(source if is_address(source) else os.path.abspath(source), source)
    return list(found.values())


def _listed(name: str) -> Iterator[str]:
    """What the lines of a list mean."""
    shown = "standard input" if name == "-" else f"the list {name}"
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, AttributeError) as error:
        raise OSError(f"{shown} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if b"\0" in data:
        raise ValueError(f"{shown} must be a text with one input in each line; this is none")
    lines = [os.fsdecode(line.strip()) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise ValueError(f"{shown} names no inputs; it must have one in each line")
    if nested := next((line for line in lines if line.startswith("@")), None):
        raise ValueError(f"{shown} must not name other lists; it names {nested}. Give each list by itself")
    for line in lines:
        yield from _found(line)


def _found(word: str) -> list[str]:
    """What anything but a list means."""
    if is_address(word):
        _check_address(word)
        return [word]
    if os.path.isdir(word):
        found = sorted(_images(word))
        if not found:
            raise ValueError(
                f"there are no images in the directory {word}; give another, or a pattern such as "
                f"'{os.path.join(glob.escape(word), '**', '*.fits')}'"
            )
    elif glob.has_magic(word) and not os.path.lexists(word):
        found = sorted(path for path in glob.iglob(word, recursive=True) if not os.path.isdir(path))
        if not found:
            raise ValueError(f"there is no file that the pattern {word} stands for")
    elif _is_list(word):
        raise ValueError(f"{word} is a list of inputs, it seems; give it as '@{word}'")
    else:
        return [word]
    others = [path for path in found if not _OWN.search(path)]
    if not others:
        raise ValueError(f"{word} holds nothing but images that were generated; give magnetograms")
    return [os.path.normpath(path) for path in others]


def _is_list(path: str) -> bool:
    """Whether what is named as an input is a text whose first line names another."""
    if is_image_name(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return False  # What reads it says why.
    lines = (os.fsdecode(line.strip()) for line in start.split(b"\n"))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return b"\0" not in start and (is_image_name(first) or is_address(first) or os.path.exists(first))


def _images(directory: str) -> list[str]:
    """Paths of the images in a directory; of links that lead nowhere, too, since what is missing is to be noticed."""
    try:
        with os.scandir(directory) as entries:
            return [
                entry.path
                for entry in entries
                if is_image_name(entry.name) and not entry.name.startswith(".") and not os.path.isdir(entry.path)
            ]
    except OSError as error:
        raise OSError(f"the directory {directory} cannot be read ({error.strerror or error})") from error


def is_address(source: str) -> bool:
    """
    Tell addresses from files.

    Parameters
    ----------
    source : str

    Returns
    -------
    bool
    """
    return _SCHEME.match(source) is not None and not os.path.exists(source)


def is_image_name(name: str) -> bool:
    """
    Tell names of images.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return _IMAGE.search(name) is not None


def stem(source: str) -> str:
    """
    Name what is made of an input.

    Parameters
    ----------
    source : str
        A path, or an address.

    Returns
    -------
    str
        The file's name without what says that it is an image.
    """
    return _ENDINGS.sub("", _name(source) if is_address(source) else Path(source).name)


def _name(address: str) -> str:
    """The file's name in an address; in an archive file, that of its member."""
    inner = address.partition("://")[2].partition("::")[0]
    return unquote(re.split("[?#]", inner)[0]).rpartition("/")[2]


def read(source: Any, reader: Callable[[Any], Any] | None = None) -> "GenericMap":
    """
    Read the one Map in a file.

    Parameters
    ----------
    source : path-like or str
        A path; or an address, of which there is a copy until it is read.
    reader : callable, optional
        What makes a Map of a path. `sunpy.map.Map`, unless given.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    ValueError
        If it is not a file with one image, or something is missing that reads such files.
    FileNotFoundError
        If there is no such file.
    ConnectionError
        If it cannot be fetched.
    """
    if is_address(str(source)):
        with _fetched(str(source)) as path:
            return read(path, reader)
    return (reader or _read)(Path(source))


def _read(path: Any) -> "GenericMap":
    """A file as sunpy reads it."""
    import sunpy.map

    if path.is_dir():
        raise IsADirectoryError(f"this is a directory; give the files in it, such as {path / '*.fits'}")
    if not path.exists():
        raise FileNotFoundError("there is no such file")
    if not path.is_file():
        raise ValueError("this is a pipe or a device; give a file")
    try:
        image = sunpy.map.Map(path)
    except Exception as error:
        reason = error.__cause__ or error
        if isinstance(reason, ImportError):
            needed = _READERS.get(reason.name or "", "sunpy[all]")
            raise ValueError(f"to read a file of this kind, install {needed} ({reason})") from error
        raise ValueError(f"cannot be read as an image with solar coordinates ({sentence(reason)})") from error
    if isinstance(image, list):
        raise ValueError(f"the file must hold one image; it holds {len(image)}. Save one to a file of its own")
    return image


def _check_address(address: str) -> None:
    """ValueError unless it is the address of a file, and something is installed that opens such addresses."""
    import fsspec

    if not _name(address):
        raise ValueError(f"an address must name a file; {address} does not")
    protocol = address.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise ValueError(f"to read {protocol}:// addresses, install sunpy_mag2euv[cloud] ({error})") from error
    except ValueError as error:
        raise ValueError(f"{address} cannot be opened ({error}); give a file, or another address") from error


@contextlib.contextmanager
def _fetched(address: str) -> Iterator[Path]:
    """A copy of what is at an address."""
    import fsspec

    with scratch(Path(tempfile.gettempdir())) as folder:
        path = folder / _name(address)
        try:
            with fsspec.open(address, "rb") as there, path.open("wb") as here:
                shutil.copyfileobj(there, here, 2**20)
        except FileNotFoundError as error:
            raise FileNotFoundError("there is no file at this address") from error
        except Exception as error:
            raise ConnectionError(f"cannot be fetched ({sentence(error)})") from error
        yield path
