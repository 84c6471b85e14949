"""From what is given to a command to files and Maps."""

import io
import os
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_mag2euv import inputs


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with images and other files, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "2014/b.fits",
        "2014/a.FITS.gz",
        "2014/c.fts",
        "2014/d.jp2",
        "2014/notes.txt",
        "2014/a.fits.part",
        "2014/.hidden.fits",
        "2014/b_aia_0193.fits",
        "2014/07/deep.fits",
        "2014/.mag2euv-x/new/half.fits",
        "[odd].fits",
        "empty/notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "2014" / "folder.fits").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["2014"], ["2014/a.FITS.gz", "2014/b.fits", "2014/c.fts", "2014/d.jp2"]),
        (["2014/"], ["2014/a.FITS.gz", "2014/b.fits", "2014/c.fts", "2014/d.jp2"]),
        (["2014/*.fits"], ["2014/b.fits"]),
        (["**/*.fits"], ["2014/07/deep.fits", "2014/b.fits", "[odd].fits"]),
        (["2014/?.ft?"], ["2014/c.fts"]),
        (["[odd].fits"], ["[odd].fits"]),
        (["missing.fits"], ["missing.fits"]),
        (
            ["z.fits", "2014/c.fts", "2014/*.f*", "./z.fits"],
            ["z.fits", "2014/c.fts", "2014/a.fits.part", "2014/b.fits"],
        ),
        (["2014/b_aia_0193.fits"], ["2014/b_aia_0193.fits"]),
        (["file:///x/a.fits", "memory://x.fits"], ["file:///x/a.fits", "memory://x.fits"]),
    ],
    ids=str,
)
def test_inputs_are_found(tree, words, found):
    assert inputs.expand(words) == found


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        (
            "empty",
            ValueError,
            r"there are no images in the directory empty; give another, or a pattern such as 'empty/\*\*/\*.fits'",
        ),
        ("2015/*.fits", ValueError, r"there is no file that the pattern 2015/\*.fits stands for"),
        ("2014/*_aia_*.fits", ValueError, "holds nothing but images that were generated; give magnetograms"),
        ("@missing", OSError, r"the list missing cannot be read \(No such file or directory\)"),
        ("@2014", OSError, "the list 2014 cannot be read"),
        ("@comments", ValueError, "the list comments names no inputs; it must have one in each line"),
        ("@nested", ValueError, "the list nested must not name other lists; it names @more"),
        ("@binary", ValueError, "the list binary must be a text with one input in each line"),
        ("nonsense://x.fits", ValueError, r"nonsense://x.fits cannot be opened \(.*nonsense.*\); give a file"),
        ("https://example.org/", ValueError, "an address must name a file; https://example.org/ does not"),
    ],
)
def test_inputs_that_are_none(tree, word, error, message):
    Path("comments").write_text("# nothing\n\n   \n")
    Path("nested").write_text("a.fits\n@more\n")
    Path("binary").write_bytes(b"SIMPLE\0")
    with pytest.raises(error, match=message):
        inputs.expand([word])


def test_a_directory_that_cannot_be_read(tree, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    # The superuser may read anything.
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=r"the directory 2014 cannot be read \(Permission denied\)"):
        inputs.expand(["2014"])


def test_lists(tree, monkeypatch):
    lines = "\ufeff# of 2014\r\n2014/07\r\n\n  2014/c.fts  \nmemory://x y.fits\n2014/*.fts\nfile#1.fits"
    Path("list.txt").write_text(lines, encoding="utf-8")
    found = ["2014/07/deep.fits", "2014/c.fts", "memory://x y.fits", "file#1.fits"]
    assert inputs.expand(["@list.txt"]) == found
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("list.txt").read_bytes())))
    assert inputs.expand(["@-", "@list.txt"]) == found
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match="standard input cannot be read"):
        inputs.expand(["@-"])


@pytest.mark.parametrize("line", ["hmi.fits", "# all\n\n2014", "s3://a/b", "\ufeff2014/*.fits"])
def test_lists_that_are_not_said_to_be_lists(tree, line):
    Path("list.txt").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.txt is a list of inputs, it seems; give it as '@list\.txt'"):
        inputs.expand(["list.txt"])


@pytest.mark.parametrize("contents", [b"SIMPLE  =", b"", b"\0hmi.fits", b"what is this\nhmi.fits"])
def test_files_that_are_no_lists(tree, contents):
    Path("list.txt").write_bytes(contents)
    assert inputs.expand(["list.txt"]) == ["list.txt"]


@given(names=st.lists(st.text("ab é_#", min_size=1).map(lambda name: f"{name.strip()}.fits"), min_size=1))
def test_lists_name_each_input_once(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("lists") / "list"
    path.write_bytes("\n".join(f"./{name}" for name in names).encode())
    assert inputs.expand([f"@{path}"]) == [f"./{name}" for name in dict.fromkeys(names)]


def test_names_that_are_no_text(tree):
    Path(os.fsdecode(b"2014/\xe9.fits")).touch()
    Path("list").write_bytes(b"2014/\xe9.fits\n")
    (name,) = inputs.expand(["@list"])
    assert name in inputs.expand(["2014"])
    assert inputs.stem(name) == os.fsdecode(b"\xe9")


def test_addresses_without_what_opens_them(monkeypatch):
    def lack(protocol):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", lack)
    message = r"to read s3:// addresses, install sunpy_mag2euv\[cloud\] \(Install s3fs to access S3\)"
    with pytest.raises(ValueError, match=message):
        inputs.expand(["s3://archive/hmi.fits"])


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("a/hmi.1.fits.gz", "hmi.1"),
        ("https://example.org/2014/hmi.1.fits?token=a/b.fits#x", "hmi.1"),
        ("https://example.org/hmi%201.fits", "hmi 1"),
        ("s3://archive/2014/hmi.1.fits", "hmi.1"),
        ("zip://in/hmi.1.fits::https://example.org/a.zip", "hmi.1"),
        ("memory://hmi.1.fits", "hmi.1"),
    ],
)
def test_outputs_are_named_after_the_file(source, stem):
    assert inputs.stem(source) == stem


def test_maps_are_read_from_addresses(make_magnetogram, tmp_path):
    magnetogram = make_magnetogram(size=64)
    magnetogram.save(tmp_path / "hmi.fits")
    fsspec.filesystem("memory").pipe("/here/hmi.fits", (tmp_path / "hmi.fits").read_bytes())
    names = []
    image = inputs.read("memory://here/hmi.fits")
    np.testing.assert_array_equal(image.data, magnetogram.data)
    inputs.read("memory://here/hmi.fits", lambda path: names.append(path))
    assert names[0].name == "hmi.fits"
    assert not names[0].exists()
    with pytest.raises(FileNotFoundError, match="there is no file at this address"):
        inputs.read("memory://here/none.fits")


def test_addresses_that_do_not_answer(monkeypatch):
    def fail(*args):
        raise RuntimeError("no answer")

    monkeypatch.setattr(fsspec, "open", fail)
    with pytest.raises(ConnectionError, match=r"cannot be fetched \(RuntimeError: no answer\)"):
        inputs.read("memory://here/hmi.fits")


def test_links_that_lead_nowhere_are_not_lost(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"")
    (tmp_path / "gone.fits").symlink_to(tmp_path / "nowhere" / "gone.fits")
    (tmp_path / "loop.fits").symlink_to("loop.fits")
    (tmp_path / "folder.fits").mkdir()
    for word in (str(tmp_path), str(tmp_path / "*.fits")):
        assert [os.path.basename(path) for path in inputs.expand([word])] == ["a.fits", "gone.fits", "loop.fits"]
