"""
Files that appear together, complete, or not at all: what the command line writes, weights, and downloads.

They are written to a hidden directory beside their final place and moved when the last of them is complete. A process
that is killed leaves its directory behind; the next one that writes there removes it.
"""

import contextlib
import os
import platform
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sunpy_mag2euv.console import tidying

__all__ = ["check", "prepare", "scratch", "write"]

#: What the names of the hidden directories begin with; host and process follow.
_PREFIX = ".mag2euv-"

#: Seconds after which nobody is at work any more in the directory of a process that cannot be asked after.
_DAY = 86400

#: Directories in which this process has looked for what killed ones left.
_tidied: set[Path] = set()


def prepare(directory: Path) -> None:
    """
    Make a directory ready to be written to, and remove what killed processes left in it.

    Parameters
    ----------
    directory : `pathlib.Path`
        Made, with its parents, if it is not there.

    Raises
    ------
    OSError
        If it cannot be made or written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _tidied.discard(directory.absolute())
    with scratch(directory):
        pass


def check(
    directory: Path, names: Iterable[str], overwrite: bool = False, advice: str = "use --overwrite to replace it,"
) -> None:
    """
    Make sure that files can be written, before they are made.

    Parameters
    ----------
    directory : `pathlib.Path`
    names : iterable of str
    overwrite : bool, optional
        Whether files of these names may be there.
    advice : str, optional
        What to do about one that may not, other than to write elsewhere.

    Raises
    ------
    OSError
        If something is in the way.
    """
    for path in (directory / name for name in names):
        if path.is_dir():
            raise IsADirectoryError(
                f"{path} is a directory where a file is to be written; remove it, or give another -o"
            )
        if os.path.lexists(path) and not overwrite:
            raise FileExistsError(f"{path} exists already; {advice} or another -o DIR")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} must not be written to; change its permissions, or give another -o")


def write(directory: Path, writers: Mapping[str, Callable[[Path], object]], overwrite: bool = False) -> None:
    """
    Write all files or none.

    Parameters
    ----------
    directory : `pathlib.Path`
    writers : dict
        For every file's name a function that takes the path to write to.
    overwrite : bool, optional
        Whether to replace files. They are replaced by complete ones, and all of them or none.

    Raises
    ------
    OSError
        If one cannot be written or moved to its place. All is as it was then.
    """
    with scratch(directory) as hidden:
        new, old = hidden / "new", hidden / "old"
        new.mkdir()
        old.mkdir()
        for name, write in writers.items():
            with _named(directory / name):
                write(new / name)
        check(directory, writers, overwrite)
        for name in writers:
            if os.path.lexists(directory / name):
                with _named(directory / name):
                    _keep(directory / name, old / name)
        try:
            for name in writers:
                with _named(directory / name):
                    os.replace(new / name, directory / name)
        except BaseException:
            for name in writers:
                if not (new / name).exists():
                    _bring_back(old / name, directory / name)
            raise


@contextlib.contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """
    Have a hidden directory for files that will be moved from there.

    What killed processes left of theirs is removed when a process does this in a directory for the first time: to look
    for it takes the longer, the more files there are.

    Parameters
    ----------
    directory : `pathlib.Path`
        In which it is made.

    Yields
    ------
    `pathlib.Path`
        Removed in the end, with what is still in it. Its name says whose it is.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if directory.absolute() not in _tidied:
        _tidied.add(directory.absolute())
        _remove_stale(directory)
    prefix = f"{_PREFIX}{_host()}-{os.getpid()}-"
    # What cannot be removed now, such as a file that somebody else looks at, is not worth failing for.
    with tidying(), tempfile.TemporaryDirectory(prefix=prefix, dir=directory, ignore_cleanup_errors=True) as path:
        yield Path(path)


def _remove_stale(directory: Path) -> None:
    """Remove what killed processes left."""
    for path in directory.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # Another process may be at it as well.
            if _stale(path):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have errors name the file that is meant rather than the one that is written for it."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write {path} ({error.strerror or error})") from error


def _keep(path: Path, place: Path) -> None:
    """Give a file a second name; a copy where the file system has no such thing."""
    try:
        os.link(path, place, follow_symlinks=False)
    except (NotImplementedError, OSError):
        shutil.copy2(path, place, follow_symlinks=False)


def _bring_back(place: Path, path: Path) -> None:
    """Undo a move."""
    if os.path.lexists(place):
        os.replace(place, path)
    else:
        path.unlink()


def _host() -> str:
    """
    Where process numbers have one meaning: this machine, or this container on it.

    A checksum, since a machine's name may hold any character.
    """
    space = ""
    with contextlib.suppress(OSError):  # There is none but on Linux.
        space = os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(f'{platform.node()} {space}'.encode()):08x}"


def _stale(path: Path) -> bool:
    """Whether a hidden directory's process is gone for certain."""
    owner = re.match(rf"{re.escape(_PREFIX)}(?P<host>[0-9a-f]{{8}})-(?P<process>[0-9]{{1,9}})-", path.name)
    # On Windows, to ask after a process like this would end it.
    if owner is None or owner["host"] != _host() or os.name != "posix":
        return time.time() - path.lstat().st_mtime > _DAY
    try:
        os.kill(int(owner["process"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # Somebody else's
    return False
