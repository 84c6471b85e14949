"""
Where weights files come from: packaged copies, the cache, and addresses. The only module that knows pooch.

Whatever the source, a file is handed out only if its sha256 is the expected one.
"""

import hashlib
import os
import queue
import re
import sys
import threading
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sunpy import log

from sunpy_mag2euv.files import scratch

if TYPE_CHECKING:
    import requests

__all__ = ["cache_dir", "check", "download", "locate", "normalized", "packaged"]

#: Environment variables that move the cache, and that name a folder on the web where the published weights are.
_CACHE, _MIRROR = "SUNPY_MAG2EUV_CACHE", "SUNPY_MAG2EUV_WEIGHTS_URL"

#: Folder of the packaged weights.
_PACKAGED = resources.files("sunpy_mag2euv") / "weights"

#: The addresses that are fetched, as pooch spells them, and the file's name in them. A DOI must name a file as well.
_ADDRESS = re.compile(r"(?:https?://[^/?#]+|doi:10\.[^/]+/[^/]+)/(?:[^?#]*/)?(?P<name>[^/?#]+)")

#: Seconds without an answer, or between two pieces of a file, after which a server counts as down.
_TIMEOUT = 30

#: Seconds that a download may take in all, however slowly its pieces come.
_DEADLINE = 3600

#: Bytes of the largest file that is fetched; the largest networks have two hundred million.
_LARGEST = 512 * 2**20


def normalized(sha256: object) -> str:
    """
    Spell a hash in one way.

    Parameters
    ----------
    sha256 : str
        64 hexadecimal digits.

    Returns
    -------
    str
        In small letters.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"sha256 must be the 64 hexadecimal digits published with the weights file; got {sha256!r}")
    return sha256.lower()


def cache_dir() -> Path:
    """
    Folder in which downloaded weights are kept.

    ``$SUNPY_MAG2EUV_CACHE`` if that is set, or else the operating system's place for caches. It need not exist yet.

    Returns
    -------
    `pathlib.Path`
    """
    import pooch

    return Path(os.environ.get(_CACHE) or pooch.os_cache("sunpy_mag2euv")).expanduser()


def check(path: Any, sha256: str) -> Path:
    """
    Make sure that a local file is the expected one.

    Parameters
    ----------
    path : path-like
    sha256 : str
        64 hexadecimal digits.

    Returns
    -------
    `pathlib.Path`
        ``path``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If ``sha256`` is not a hash, or the file has another one.
    """
    path, expected = Path(path), normalized(sha256)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}; expected the path of an existing file")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise ValueError(
            f"{path} has sha256 {actual}, not the expected {expected}; "
            "replace it by an intact copy, or correct the sha256 if this file is the right one"
        )
    return path


def download(url: str, sha256: str | None) -> Path:
    """
    Fetch a file into the cache, unless it is there already.

    The file is written beside its final place, checked, and only then moved there, so whatever goes wrong nothing
    half-written is left behind, and processes that fetch the same file at once do not disturb each other. What a killed
    process left in the cache is removed by the next download.

    Parameters
    ----------
    url : str
        ``https://…``, ``http://…``, or ``doi:10.xxxx/yyy/filename`` for an archive that `pooch.DOIDownloader` knows.
    sha256 : str
        64 hexadecimal digits; there is no download without.

    Returns
    -------
    `pathlib.Path`
        Named after the hash and the file, so that the same file from elsewhere is not fetched again.

    Raises
    ------
    ValueError
        If ``url`` or ``sha256`` cannot be used (before the network is), or what came is not the expected file, or
        larger than 512 MB.
    ConnectionError
        If the server is down, does not have the file, or takes longer than an hour; if a web page comes instead of it;
        or if the archive of a DOI has no file of that name, or is none that pooch knows. The message says how to go on
        without it.
    OSError
        If the cache cannot be written to.
    """
    url, sha256 = str(url), normalized(sha256)
    address = _ADDRESS.match(url)
    if address is None:
        raise ValueError(
            f"cannot fetch {url!r}; expected https://…/filename, http://…/filename or doi:10.xxxx/yyy/filename"
        )

    # Late, because requests is slow to import
    import pooch
    from requests.exceptions import ChunkedEncodingError, RequestException

    name = re.sub("[^A-Za-z0-9._-]", "_", address["name"])[-100:]
    path = cache_dir() / f"{sha256[:16]}-{name}"
    log.debug(f"Looking for {path}, else fetching {url}")
    if _holds(path, sha256):
        return path
    pooch_log = pooch.get_logger()
    level = pooch_log.level
    pooch_log.setLevel("WARNING")  # it announces every download
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch(path.parent) as folder:
            _fetch(url, folder, path.name, sha256)
            _share(folder, path.name)
            os.replace(folder / path.name, path)
        return path
    except ChunkedEncodingError as error:
        raise ValueError(f"the transfer of {url} broke off before its end and nothing was kept; try again") from error
    except (RequestException, _NoFileError, _TooSlowError) as error:
        reason = getattr(error.args[0], "reason", error) if error.args else type(error).__name__
        raise ConnectionError(
            f"cannot fetch {url} ({reason}); {_advice(error)}to go on offline, copy the file by hand to {path}, or "
            f"give load_model the path of a local copy, or set {_MIRROR} to a mirror's address, or use the packaged "
            "default model"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"nothing was kept of {url}; try again, and if that fails compare sha256 with the published one: {error}"
        ) from error
    except OSError as error:
        raise OSError(
            f"cannot write to the cache {path.parent} ({error}); set {_CACHE} to a folder that can be written to"
        ) from error
    finally:
        pooch_log.setLevel(level)


class _TooSlowError(Exception):
    """A download took too long."""


class _NoFileError(Exception):
    """What was answered is no file, and leads to none."""


class _Watched:
    """A file to write to, until it is too large or nobody waits for it any more."""

    def __init__(self, file: Any, abandoned: threading.Event) -> None:
        self._file, self._abandoned = file, abandoned

    def write(self, piece: bytes) -> int:
        """Write a piece, or say why not."""
        if self._abandoned.is_set():
            raise _TooSlowError
        if self._file.tell() + len(piece) > _LARGEST:
            raise ValueError(f"the file is larger than {_LARGEST >> 20} MB, which no weights are")
        return self._file.write(piece)

    def flush(self) -> None:
        """As of a file."""
        self._file.flush()


def _fetch(url: str, folder: Path, name: str, sha256: str) -> None:
    """
    Fetch a file into a folder and check it, with all that takes time in a thread that need not be waited for.

    What a server can do slowly, down to the lines of its header, cannot be interrupted: every byte starts a new wait. A
    thread that is given up ends with the next piece that comes, or with the process.
    """
    import pooch

    abandoned, responses = threading.Event(), []
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    is_doi = url.startswith("doi:")
    downloader = (pooch.DOIDownloader if is_doi else pooch.HTTPDownloader)(
        progressbar=sys.stderr is not None and sys.stderr.isatty(),
        chunk_size=2**12,
        timeout=_TIMEOUT,
        hooks={"response": lambda response, **_: responses.append(response)},
    )

    def write(url: str, output_file: Any, pooch: Any) -> None:
        with open(output_file, "wb") as file:
            try:
                downloader(url, _Watched(file, abandoned), pooch)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                if is_doi and not file.tell():
                    _refuse(error, responses)
                raise

    def work() -> None:
        try:
            found = pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=write)
        except BaseException as error:
            found = error
        # Of what is not the expected file, for some servers call all that they have a page.
        if isinstance(found, ValueError) and responses and _is_page(responses[-1]):
            found = _NoFileError("a web page came instead of the file")
        for response in responses:
            response.close()  # pooch leaves the socket open if anything goes wrong
        outcome.put(found)

    threading.Thread(target=work, name="sunpy_mag2euv download", daemon=True).start()
    try:
        found = outcome.get(timeout=_DEADLINE)
    except queue.Empty:
        raise _TooSlowError(f"it took longer than {_DEADLINE:g} s") from None
    finally:
        abandoned.set()
    if isinstance(found, BaseException):
        raise found


def _refuse(error: Exception, responses: list) -> NoReturn:
    """Say why pooch did not find out where a DOI's file is."""
    from requests.exceptions import RequestException

    # What pooch says of its own accord: there is no such file, or it does not know the archive.
    if isinstance(error, ValueError) and not isinstance(error, RequestException):
        raise _NoFileError(str(error).rstrip(".")) from error
    # It takes refusals for answers, and fails over what is in them.
    for response in responses[-1:]:
        response.raise_for_status()
    raise _NoFileError("what its archive answered cannot be understood") from error


def _advice(error: Exception) -> str:
    """What to do first where somebody answered."""
    from requests.exceptions import HTTPError

    status = error.response.status_code if isinstance(error, HTTPError) and error.response is not None else 0
    if status >= 500 or status == 429:
        return "try again later, or, "
    return "correct the address, or, " if isinstance(error, (HTTPError, _NoFileError)) else ""


def _is_page(response: "requests.Response") -> bool:
    """Whether a server says that its answer is a web page."""
    return response.headers.get("Content-Type", "").lower().startswith("text/html")


def _share(folder: Path, name: str) -> None:
    """Give a file the permissions that new files have; those of pooch are for one user only."""
    new = folder / "new"
    new.touch()
    (folder / name).chmod(new.stat().st_mode & 0o777)


def _holds(path: Path, sha256: str) -> bool:
    """Whether a file is there and the expected one."""
    try:
        return check(path, sha256) == path
    except (FileNotFoundError, ValueError):
        return False


def packaged(filename: str) -> bool:
    """Whether a weights file comes with the package."""
    return (_PACKAGED / filename).is_file()


def locate(filename: str, sha256: str, url: str | None = None) -> Path:
    """
    Find a published weights file: the packaged copy if there is one, else the cache, else the network.

    Parameters
    ----------
    filename : str
    sha256 : str
        64 hexadecimal digits.
    url : str, optional
        Where it is published. The folder ``$SUNPY_MAG2EUV_WEIGHTS_URL``, if that is set, is asked instead.

    Returns
    -------
    `pathlib.Path`

    Raises
    ------
    FileNotFoundError
        If the file is not packaged and no address is known.
    ValueError, ConnectionError, OSError
        As in `check` and `download`.
    """
    if packaged(filename):
        return check(_PACKAGED / filename, sha256)
    if mirror := os.environ.get(_MIRROR):
        url = f"{mirror.rstrip('/')}/{filename}"
    if url is None:
        raise FileNotFoundError(
            f"{filename} is not packaged with sunpy_mag2euv and no address is known for it; "
            f"set {_MIRROR} to the address of a folder that holds it, or give load_model the path of a local copy"
        )
    return download(url, sha256)
