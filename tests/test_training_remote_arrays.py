"""Arrays of zarr's format 2 on a server on loopback."""

import json
import math
import tracemalloc

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from sdoml_store import Server

from sunpy_mag2euv.training.data import remote_arrays
from sunpy_mag2euv.training.data.remote_arrays import Archive, _entries

FRAMES = np.random.default_rng(0).normal(0, 50, (35, 60, 60)).round().astype("f4")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote_arrays, "_PAUSE", 0)
    monkeypatch.setattr(remote_arrays, "_ATTEMPTS", 3)


@pytest.fixture(params=["blosc", "zstd", "none"])
def folder(request, tmp_path):
    """A group with an array, as zarr writes it, of which the last chunk is not full."""
    compressors = {"blosc": numcodecs.Blosc(cname="zstd"), "zstd": numcodecs.Zstd(), "none": None}
    write(tmp_path, compressors=compressors[request.param])
    return tmp_path


def write(folder, frames=FRAMES, chunks=(15, 60, 60), **settings):
    group = zarr.create_group(folder, zarr_format=2, overwrite=True)
    array = group.create_array("a", shape=frames.shape, chunks=chunks, dtype=frames.dtype, **settings)
    array[:] = frames
    array.attrs["T_OBS"] = list(range(len(frames)))


def frame(array, number):
    part = array.fetch(number // array.frames, [number % array.frames])
    return array.decode(part)[number % array.frames - part.first]


@pytest.mark.parametrize("ranges", [True, False])
def test_frames_are_those_that_zarr_reads(folder, ranges):
    with Server(folder) as server:
        server.ranges = ranges
        array = Archive(server.root).array("a")
        assert (array.shape, array.frames) == (FRAMES.shape, 15)
        for number in (7, 15, 34):
            np.testing.assert_array_equal(frame(array, number), FRAMES[number])
        # Nothing is asked for twice, and attributes are left alone.
        assert max(server.gets.values()) == 1
        assert not any(name.endswith("attrs") for name, _ in server.gets)
    np.testing.assert_array_equal(frame(Archive(str(folder)).array("a"), 20), FRAMES[20])


def test_a_frame_is_a_small_part_of_its_chunk(tmp_path):
    frames = np.random.default_rng(0).normal(0, 50, (30, 256, 256)).astype("f4")
    write(tmp_path, frames, (15, 256, 256), compressors=numcodecs.Blosc(cname="zstd"))
    with Server(tmp_path) as server:
        array = Archive(server.root).array("a")
        np.testing.assert_array_equal(frame(array, 19), frames[19])
        assert server.sent[array.key(1)] < (tmp_path / array.key(1)).stat().st_size / 3
        part = array.fetch(0, range(0, 15, 2))
        np.testing.assert_array_equal(array.decode(part), frames[:15])
        assert server.sent[array.key(0)] == (tmp_path / array.key(0)).stat().st_size


def test_chunks_that_are_not_there_are_blank(tmp_path):
    write(tmp_path, fill_value=3.0, compressors=numcodecs.Blosc())
    (tmp_path / "a" / "1.0.0").unlink()
    array = Archive(str(tmp_path)).array("a")
    np.testing.assert_array_equal(frame(array, 20), np.full((60, 60), 3))


@pytest.mark.parametrize("fault", [503, 429, "cut"])
def test_what_passes_is_waited_for(folder, fault):
    with Server(folder) as server:
        array = Archive(server.root).array("a")
        server.faults = {array.key(0): [fault, fault]}
        np.testing.assert_array_equal(frame(array, 3), FRAMES[3])
        assert not server.faults[array.key(0)]


@pytest.mark.parametrize("fault", [503, 403])
def test_what_does_not_pass_is_said(folder, fault):
    with Server(folder) as server:
        array = Archive(server.root).array("a")
        server.faults = {array.key(0): [fault] * 9}
        with pytest.raises(ConnectionError, match=rf"cannot read a/0.0.0 of http://127.0.0.1:\d+ \(.*{fault}"):
            frame(array, 3)
        # There is no use in asking again for what is forbidden.
        assert len(server.faults[array.key(0)]) == (6 if fault == 503 else 8)


def test_nobody_there():
    with Server(".") as server:
        pass
    with pytest.raises(ConnectionError, match=r"cannot read a/\.zarray of"):
        Archive(server.root).array("a")


@pytest.mark.parametrize("size", [0, 10, 3000, 5000, 200_000])
@pytest.mark.parametrize("number", [0, 14])
def test_truncated_chunks_are_damaged(tmp_path, size, number):
    """Whether or not the blocks that are wanted begin before the end."""
    frames = np.random.default_rng(0).normal(0, 50, (15, 256, 256)).astype("f4")
    write(tmp_path, frames, (15, 256, 256), compressors=numcodecs.Blosc())
    path = tmp_path / "a" / "0.0.0"
    path.write_bytes(path.read_bytes()[:size])
    with Server(tmp_path) as server:
        for root in (server.root, str(tmp_path)):
            array = Archive(root).array("a")
            with pytest.raises(ValueError, match="the chunk is damaged"):
                frame(array, number)


@settings(max_examples=30)
@given(st.binary(min_size=0, max_size=200))
def test_no_content_does_harm(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("harm")
    write(folder, FRAMES[:4], (4, 60, 60), compressors=numcodecs.Blosc())
    path = folder / "a" / "0.0.0"
    whole = path.read_bytes()
    path.write_bytes((content + whole[len(content) :])[: max(len(content), len(whole) // 2)])
    array = Archive(str(folder)).array("a")
    with pytest.raises(ValueError, match="the chunk is damaged"):
        array.decode(array.fetch(0, [1]))


@pytest.mark.parametrize("frames", [7, 16])
@pytest.mark.parametrize("wanted", [[0], range(7)])
def test_chunks_of_another_number_of_frames_are_damaged(folder, frames, wanted):
    """Others would be taken than those that are wanted."""
    path = folder / "a" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chunks": [frames, 60, 60]}))
    array = Archive(str(folder)).array("a")
    with pytest.raises(ValueError, match="the chunk is damaged"):
        array.decode(array.fetch(1, wanted))


def test_what_is_not_there(folder):
    with Server(folder) as server, pytest.raises(FileNotFoundError, match=r"http://.* has no b/.zarray"):
        Archive(server.root).array("b")
    with pytest.raises(ValueError, match="nothing"):
        Archive("nothing://there")


@pytest.mark.parametrize(
    "change",
    [
        {"zarr_format": 3},
        {"order": "F"},
        {"chunks": [15, 30, 60]},
        {"shape": [35, 60]},
        {"compressor": {"id": "unheard-of"}},
        {"dtype": "what"},
        {"filters": [{"id": "delta", "dtype": "<f4"}]},
    ],
)
def test_other_layouts_are_refused(tmp_path, change):
    write(tmp_path)
    path = tmp_path / "a" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="a must be an array of zarr's format 2, of frames in chunks of whole ones"):
        Archive(str(tmp_path)).array("a")


def test_attributes(folder):
    array = Archive(str(folder)).array("a")
    assert array.attributes(("T_OBS", "QUALITY")) == {"T_OBS": list(range(35))}
    for wrong in (b"", b"<html>", b'{"T_OBS": [1, 2', b'{"T_OBS": ["\xe9"]}', b'{"T_OBS": ' + b"[" * 10**5):
        (folder / "a" / ".zattrs").write_bytes(wrong)
        with pytest.raises(ValueError, match="the attributes of a must be JSON"):
            Archive(str(folder)).array("a").attributes(("T_OBS",))


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=9),
    ),
    st.sampled_from([None, 0, 4]),
)
def test_entries_are_those_of_json(values, indent):
    """NaN and infinities included, which Python writes."""
    text = json.dumps(values, indent=indent)
    assert repr(dict(_entries(text))) == repr(json.loads(text))


def test_no_more_than_one_attribute_is_in_memory():
    """Python's own numbers and texts take ten times the memory of the file, as a whole."""
    count = 20_000
    column = json.dumps([f"2011-01-01T00:00:{number % 60:05.2f}Z" for number in range(count)], indent=4)
    text = "{" + ", ".join(f'"KEY{number}": {column}' for number in range(30)) + "}"
    tracemalloc.start()
    try:
        kept = {key: value for key, value in _entries(text) if key == "KEY7"}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept["KEY7"]) == count
    assert peak < 0.3 * len(text)
    assert not math.isnan(peak)
