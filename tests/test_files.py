"""Files that appear together or not at all, and the traces of those that did not."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_mag2euv import files


def _writers(**contents):
    """For each name a function that writes its content, or fails with it."""

    def writer(content):
        def write(path):
            if isinstance(content, BaseException):
                path.write_text("half")
                raise content
            path.write_text(content)

        return write

    return {name: writer(content) for name, content in contents.items()}


def _contents(directory):
    """What is there, hidden files included."""
    return {path.name: path.read_text() if path.is_file() else None for path in directory.iterdir()}


def test_files_appear_together(tmp_path):
    files.write(tmp_path, _writers(a="1", b="2"))
    assert _contents(tmp_path) == {"a": "1", "b": "2"}
    # Names that the hidden directory has a use for are like any others.
    files.write(tmp_path, _writers(new="3", old="4"))
    assert _contents(tmp_path) == {"a": "1", "b": "2", "new": "3", "old": "4"}


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (OSError(28, "No space left on device", "/x/.mag2euv-0/b"), OSError, "/b (No space left on device)"),
        (OSError("not enough"), OSError, "/b (not enough)"),
        (KeyError("x"), KeyError, "'x'"),
        (KeyboardInterrupt(), KeyboardInterrupt, ""),
    ],
    ids=["system", "library", "bug", "Ctrl-C"],
)
def test_nothing_half_written_stays(tmp_path, error, raised, message):
    (tmp_path / "a").write_text("earlier")
    with pytest.raises(raised) as caught:
        files.write(tmp_path, _writers(a="1", b=error, c="3"), overwrite=True)
    assert str(caught.value).endswith(message)
    assert ".mag2euv" not in str(caught.value)
    assert _contents(tmp_path) == {"a": "earlier"}


@given(
    earlier=st.sets(st.sampled_from("abcd")),
    failing=st.integers(0, 3),
    links=st.booleans(),
    error=st.sampled_from([OSError(1, "Operation not permitted"), KeyboardInterrupt()]),
)
def test_files_are_replaced_all_or_none(tmp_path_factory, earlier, failing, links, error):
    directory = tmp_path_factory.mktemp("out")
    for name in earlier:
        (directory / name).write_text(f"earlier {name}")
    before = _contents(directory)
    writers = _writers(**dict(zip("abcd", "1234", strict=True)))
    moves, replace = [], os.replace

    def stumble(source, target):
        moves.append(target)
        if len(moves) == failing + 1:
            raise error
        replace(source, target)

    def no_link(*args, **kwargs):
        raise OSError(95, "Operation not supported")

    with pytest.MonkeyPatch.context() as patch:
        if not links:
            patch.setattr(os, "link", no_link)
        patch.setattr(os, "replace", stumble)
        with pytest.raises((OSError, KeyboardInterrupt)):
            files.write(directory, writers, overwrite=True)
        assert _contents(directory) == before

        patch.setattr(os, "replace", replace)
        files.write(directory, writers, overwrite=True)
    assert _contents(directory) == dict(zip("abcd", "1234", strict=True))


def test_a_link_is_replaced_and_brought_back(tmp_path, monkeypatch):
    (tmp_path / "target").write_text("elsewhere")
    (tmp_path / "a").symlink_to("target")
    (tmp_path / "b").symlink_to("nowhere")
    replace, moves = os.replace, []

    def stumble(source, target):
        moves.append(target)
        if len(moves) == 2:
            raise OSError(1, "Operation not permitted")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stumble)
        with pytest.raises(OSError, match=r"b \(Operation not permitted\)"):
            files.write(tmp_path, _writers(a="1", b="2"), overwrite=True)
    assert [os.readlink(tmp_path / name) for name in "ab"] == ["target", "nowhere"]

    files.write(tmp_path, _writers(a="1", b="2"), overwrite=True)
    assert _contents(tmp_path) == {"a": "1", "b": "2", "target": "elsewhere"}


def test_what_is_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to("nowhere")
    files.check(tmp_path, ["absent", "nothing"])
    files.check(tmp_path, ["absent", "file", "link"], overwrite=True)
    for name in ("file", "link"):
        with pytest.raises(FileExistsError, match=f"{name} exists already; use --overwrite"):
            files.check(tmp_path, ["absent", name])
    for overwrite in (False, True):
        with pytest.raises(IsADirectoryError, match="folder is a directory where a file is to be written"):
            files.check(tmp_path, ["file", "folder"][not overwrite :], overwrite)
    # The superuser may write to anything.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(PermissionError, match="file must not be written to; change its permissions"):
        files.check(tmp_path, ["absent", "file"], overwrite=True)


def test_what_came_in_the_way_meanwhile(tmp_path):
    def write(path):
        path.write_text("mine")
        (tmp_path / "a").write_text("another's")

    with pytest.raises(FileExistsError, match="a exists already"):
        files.write(tmp_path, {"a": write})
    assert _contents(tmp_path) == {"a": "another's"}


def test_permissions_are_the_usual_ones(tmp_path):
    before = os.umask(0o027)
    try:
        files.write(tmp_path, _writers(a="1"))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_directory_is_prepared(tmp_path):
    files.prepare(tmp_path / "a" / "b")
    files.prepare(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_directory_that_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        files.prepare(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        files.prepare(tmp_path / "file" / "out")

    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(OSError, match="Read-only file system"):
        files.prepare(tmp_path)


#: A process that writes a file, says so, and never comes to the next.
_WRITE = """
import sys, time
from pathlib import Path
from sunpy_mag2euv import files
from sunpy_mag2euv.console import prompt_end

def stay(path):
    print(path, flush=True)
    time.sleep(60)

directory = Path(sys.argv[1])
files.prepare(directory)
with prompt_end():
    files.write(directory, {"a": lambda path: path.write_text("whole"), "b": stay}, overwrite=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_stays_of_a_process_that_is_ended(tmp_path, number):
    (tmp_path / "a").write_text("earlier")
    command = [sys.executable, "-c", _WRITE, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with process:
        assert process.stdout.readline().endswith("/new/b\n")
        # While it is at work, what it does is nobody's business.
        files.prepare(tmp_path)
        assert len(_contents(tmp_path)) == 2
        process.send_signal(number)
    assert process.returncode != 0
    if number == signal.SIGKILL:
        files.prepare(tmp_path)
    assert _contents(tmp_path) == {"a": "earlier"}


@pytest.mark.parametrize("owner", ["", f"{'0' * 8}-1-"], ids=["no owner", "another host's"])
@pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
def test_strangers_leave_nothing_for_longer_than_a_day(tmp_path, owner, hours, stays):
    left = tmp_path / f".mag2euv-{owner}x"
    left.mkdir()
    (left / "half").write_text("half")
    (tmp_path / ".mag2euv").mkdir()
    for path in tmp_path.iterdir():
        os.utime(path, times=(time.time() - hours * 3600,) * 2)
    files.prepare(tmp_path)
    assert sorted(_contents(tmp_path)) == [".mag2euv", left.name][: 1 + stays]


def test_only_directories_are_removed(tmp_path):
    """A link to one leads to what somebody else keeps."""
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "image").write_text("precious")
    (tmp_path / ".mag2euv-link").symlink_to(keep)
    (tmp_path / ".mag2euv-file").write_text("precious")
    for path in tmp_path.iterdir():
        os.utime(path, times=(0, 0), follow_symlinks=False)
    files.prepare(tmp_path)
    assert (keep / "image").read_text() == (tmp_path / ".mag2euv-file").read_text() == "precious"
