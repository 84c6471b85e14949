"""
Arrays of zarr's format 2 in archives that fsspec can read: their attributes, and the frames in their chunks.

zarr itself reads an array's attributes whenever it opens it, and as a whole. Those of SDOML are the headers of a year
of images, 200 MB as text and ten times that once they are Python's, so here they are asked for when they are needed and
gone through one after the other. The format is that of https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html.
"""

import functools
import json
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sunpy_mag2euv.training.data.chunk_parts import HEAD, Blocks, check_whole

__all__ = ["Archive", "Part", "RemoteArray"]

#: Times that something is asked for before it counts as not to be had, with pauses that begin at a second and double.
_ATTEMPTS = 6
_PAUSE = 1.0

#: Status of answers that another attempt may change, beside those from 500 on: too slow, too early, too many.
_PASSING = (408, 425, 429)

#: Status of answers to those who ask for what is beyond the end of a file.
_BEYOND = 416

#: Seconds without a connection or a byte. How long all of a file takes is the network's affair.
_PATIENCE = 60

#: A chunk is fetched as a whole if one in so many of its frames is wanted.
_WHOLE = 3


class Archive:
    """
    A folder of zarr groups, here or elsewhere.

    Parameters
    ----------
    root : str
        A directory, or an address that fsspec can open, such as ``https://…`` or ``s3://…``, which is asked without an
        account.

    Raises
    ------
    ImportError
        If the package that reads such addresses is not installed.
    ValueError
        If fsspec knows no such addresses.
    """

    def __init__(self, root: str) -> None:
        import fsspec

        protocol = root.partition("://")[0] if "://" in root else "file"
        options: dict[str, Any] = {}
        try:
            if protocol in ("http", "https"):
                import aiohttp

                wait = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
                options = {"client_kwargs": {"timeout": wait}}
            elif protocol == "s3":
                options = {"anon": True}
            self._files, path = fsspec.core.url_to_fs(root, **options)
        except ImportError as error:
            raise ImportError(f"to read {protocol}:// addresses, install sunpy_mag2euv[cloud] ({error})") from error
        self._path = path.rstrip("/")
        # Of a directory, the whole path.
        self.root = root.rstrip("/") if "://" in root else self._path

    def array(self, name: str) -> "RemoteArray":
        """
        Open an array.

        Parameters
        ----------
        name : str
            Where it is under the root, such as ``sdomlv2.zarr/2011/171A``.

        Returns
        -------
        RemoteArray

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If it is not an array of format 2 whose chunks go along its first axis.
        ConnectionError
            If the archive does not answer.
        """
        return RemoteArray(self, name, _layout(name, self.read(f"{name}/.zarray")))

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """
        Read a file.

        Parameters
        ----------
        name : str
            Where it is under the root.
        start, end : int, optional
            From a byte to before another; all of it unless given. Nothing is beyond its end.

        Returns
        -------
        bytes

        Raises
        ------
        FileNotFoundError
            If there is none.
        ConnectionError
            If the archive does not answer, again and again.
        """
        return self._ask(name, functools.partial(self._files.cat_file, start=start, end=end))

    def facts(self, name: str) -> dict[str, Any]:
        """What the archive says of a file: ``size``, and maybe an ``ETag`` and the like; raises as `read`."""
        return self._ask(name, self._files.info)

    def _ask(self, name: str, question: Callable[[str], Any]) -> Any:
        """What a file system answers, at last."""
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

        attempts = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=_PAUSE, max=30),
            reraise=True,
        )
        try:
            return attempts(question, f"{self._path}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(f"{self.root} has no {name}") from None
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            if getattr(error, "status", None) == _BEYOND or "range is not satisfiable" in reason.lower():
                return b""
            raise ConnectionError(f"cannot read {name} of {self.root} ({reason})") from error


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may go better."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError | ImportError):
        return False
    status = getattr(error, "status", None)
    return isinstance(error, Exception) and (status is None or status >= 500 or status in _PASSING)


@dataclass(frozen=True)
class _Layout:
    """What ``.zarray`` says, as far as it is needed here."""

    shape: tuple[int, ...]
    frames: int
    dtype: np.dtype
    compressor: Any
    fill: float
    separator: str

    @property
    def is_blosc(self) -> bool:
        """Whether chunks are of Blosc's blocks."""
        return getattr(self.compressor, "codec_id", None) == "blosc"


def _layout(name: str, text: bytes) -> _Layout:
    """Parse ``.zarray``."""
    import numcodecs

    try:
        facts = json.loads(text)
        shape, chunks = tuple(facts["shape"]), tuple(facts["chunks"])
        # Layouts that SDOML does not have would be read wrongly rather than not at all.
        known = facts["zarr_format"] == 2 and facts["order"] == "C" and not facts.get("filters")
        if not known or len(shape) != 3 or chunks[1:] != shape[1:] or chunks[0] < 1:
            raise ValueError("its layout is another")
        compressor = None if facts["compressor"] is None else numcodecs.get_codec(facts["compressor"])
        fill = math.nan if facts["fill_value"] == "NaN" else float(facts["fill_value"] or 0)
        separator = facts.get("dimension_separator", ".")
        return _Layout(shape, chunks[0], np.dtype(facts["dtype"]), compressor, fill, separator)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be an array of zarr's format 2, of frames in chunks of whole ones; it is not ({error})"
        ) from error


@dataclass(frozen=True)
class Part:
    """
    Some frames of a chunk as they are stored.

    Attributes
    ----------
    first, last : int
        From a frame of the chunk to before another.
    content : bytes or None
        What decompresses to them; None where there is no such chunk, whose frames are all blank.
    skipped : int
        Bytes before the first of them, decompressed.
    problem : str
        Why they cannot be had, if so.
    """

    first: int
    last: int
    content: bytes | None
    skipped: int = 0
    problem: str = ""


@dataclass(frozen=True)
class RemoteArray:
    """
    An array of frames; made by `Archive.array`.

    Attributes
    ----------
    archive : Archive
    name : str
        Where it is in the archive.
    """

    archive: Archive
    name: str
    _layout: _Layout = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, rows, columns."""
        return self._layout.shape

    @property
    def frames(self) -> int:
        """How many frames a chunk has."""
        return self._layout.frames

    def key(self, chunk: int) -> str:
        """The file of a chunk, under the archive's root."""
        return f"{self.name}/{self._layout.separator.join((str(chunk), '0', '0'))}"

    def fetch(self, chunk: int, wanted: Collection[int]) -> "Part":
        """
        Fetch of a chunk what some of its frames need.

        Parameters
        ----------
        chunk : int
        wanted : collection of int
            Frames, counted from the chunk's first.

        Returns
        -------
        Part

        Raises
        ------
        ConnectionError
            If the archive does not answer.
        """
        first, last = min(wanted), max(wanted) + 1
        try:
            if self._layout.is_blosc and (last - first) * _WHOLE < self.frames:
                return self._fetch_part(chunk, first, last)
            return Part(0, self.frames, self.archive.read(self.key(chunk)))
        except FileNotFoundError:
            return Part(0, self.frames, None)

    def _fetch_part(self, chunk: int, first: int, last: int) -> "Part":
        """The frames from one to before another, in two requests."""
        name = self.key(chunk)
        head = self.archive.read(name, 0, HEAD)
        if len(head) != HEAD:
            # Shorter than that, or from a server that has sent all of it.
            return Part(0, self.frames, head)
        if (blocks := Blocks.read(head)) is None or blocks.size != self.frames * self._bytes:
            return Part(0, self.frames, self.archive.read(name))
        around = blocks.around(first * self._bytes, last * self._bytes)
        content = self.archive.read(name, *blocks.span(*around))
        try:
            content = blocks.put_together(*around, content)
        except ValueError as error:
            return Part(first, last, None, problem=str(error))
        return Part(first, last, content, skipped=first * self._bytes - around[0] * blocks.block)

    @property
    def _bytes(self) -> int:
        """Of a frame."""
        return math.prod(self.shape[1:]) * self._layout.dtype.itemsize

    def decode(self, part: "Part") -> np.ndarray:
        """
        Decompress frames.

        Parameters
        ----------
        part : Part
            As `fetch` returns it.

        Returns
        -------
        `~numpy.ndarray`
            Shape (frames, rows, columns), of those from ``part.first`` to before ``part.last``.

        Raises
        ------
        ValueError
            If the chunk is damaged: it does not decompress, or to another number of bytes.
        """
        layout = self._layout
        shape = (part.last - part.first, *layout.shape[1:])
        if part.problem:
            raise ValueError(f"the chunk is damaged ({part.problem})")
        if part.content is None:
            return np.full(shape, layout.fill, dtype=layout.dtype)
        try:
            if layout.is_blosc:
                check_whole(part.content)
            content = part.content if layout.compressor is None else layout.compressor.decode(part.content)
            # Of more frames than it should have, others would be taken.
            if part.last - part.first == self.frames and len(content) != self.frames * self._bytes:
                raise ValueError(f"{len(content)} bytes of {self.frames * self._bytes}, decompressed")
            return np.frombuffer(content, layout.dtype, math.prod(shape), part.skipped).reshape(shape)
        except Exception as error:
            # Whatever a damaged chunk makes its codec raise.
            raise ValueError(f"the chunk is damaged ({error})") from error

    def attributes(self, names: tuple[str, ...]) -> dict[str, list]:
        """
        Read some of the attributes.

        Parameters
        ----------
        names : tuple of str

        Returns
        -------
        dict of list
            Those that there are.

        Raises
        ------
        FileNotFoundError
            If the array has no attributes.
        ValueError
            If they are not JSON.
        ConnectionError
            If the archive does not answer.
        """
        try:
            # FITS headers are ASCII, which Python keeps in a byte for each character.
            text = self.archive.read(f"{self.name}/.zattrs").decode("utf-8")
            return {key: value for key, value in _entries(text) if key in names}
        except (IndexError, RecursionError, ValueError) as error:
            raise ValueError(f"the attributes of {self.name} must be JSON; they are not ({error})") from None

    @functools.cached_property
    def attributes_facts(self) -> dict[str, Any]:
        """What the archive says of the file of the attributes, see `Archive.facts`."""
        return self.archive.facts(f"{self.name}/.zattrs")


def _entries(text: str) -> Iterator[tuple[str, Any]]:
    """
    Keys and values of a JSON object, of which one at a time is in memory.

    Such libraries as ijson refuse NaN, which Python writes and FITS headers have.
    """
    decoder = json.JSONDecoder()
    position = _expect(text, 0, "{")
    while text[_skipped(text, position)] != "}":
        key, position = decoder.raw_decode(text, _skipped(text, position))
        position = _skipped(text, _expect(text, position, ":"))
        value, position = decoder.raw_decode(text, position)
        yield key, value
        position = _skipped(text, position)
        if text[position] != "}":
            position = _expect(text, position, ",")


def _skipped(text: str, position: int) -> int:
    """The first place from there on that is no white space."""
    while text[position] in " \t\r\n":
        position += 1
    return position


def _expect(text: str, position: int, character: str) -> int:
    """The place after a character that has to come next."""
    position = _skipped(text, position)
    if text[position] != character:
        raise ValueError(f"expected {character!r} at character {position}, found {text[position]!r}")
    return position + 1
