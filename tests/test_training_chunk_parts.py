"""Parts of Blosc's chunks, of all its codecs, shuffles and sizes."""

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_mag2euv.training.data.chunk_parts import HEAD, Blocks, check_whole


def part(stored, blocks, first, last):
    """Some bytes of a decompressed chunk, from those blocks of the stored one that hold them."""
    around = blocks.around(first, last)
    start, stop = blocks.span(*around)
    content = numcodecs.Blosc().decode(blocks.put_together(*around, stored[start:stop]))
    return content[first - around[0] * blocks.block :][: last - first]


@given(
    st.integers(1, 10**6),
    st.sampled_from(["zstd", "lz4", "zlib", "blosclz"]),
    st.integers(0, 2),
    st.sampled_from([0, 2**16, 100_000, 2**18]),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_any_bytes_of_any_chunk(number, codec, shuffle, blocksize, ends):
    numbers = np.random.default_rng(number).normal(0, 20, number // 4).round().astype("f4")
    stored = numcodecs.Blosc(cname=codec, shuffle=shuffle, blocksize=blocksize).encode(numbers)
    blocks = Blocks.read(stored[:HEAD])
    if not len(numbers):
        assert blocks is None
        return
    if blocks is None:
        # It could not be compressed.
        assert len(stored) >= numbers.nbytes
        return
    assert blocks.size == numbers.nbytes
    first, last = sorted(int(end * numbers.nbytes) for end in ends)
    last = max(last, first + 1)
    if first < numbers.nbytes:
        assert part(stored, blocks, first, last) == numbers.tobytes()[first:last]


def test_a_frame_takes_its_share():
    """Of a chunk as SDOML's, with blocks in whatever order."""
    frames = np.random.default_rng(0).normal(size=(15, 512, 512)).astype("f4")
    stored = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.BITSHUFFLE).encode(frames)
    blocks = Blocks.read(stored[:HEAD])
    size = frames[0].nbytes
    assert part(stored, blocks, 7 * size, 8 * size) == frames[7].tobytes()
    start, stop = blocks.span(*blocks.around(7 * size, 8 * size))
    assert stop - start < len(stored) / 4


@pytest.mark.parametrize("start", [0, 3, 10**6, 2**32 - 1])
def test_blocks_that_cannot_be_there(start):
    stored = bytearray(numcodecs.Blosc().encode(np.arange(10**6, dtype="f4")))
    stored[20:24] = start.to_bytes(4, "little")
    assert Blocks.read(bytes(stored[:HEAD])) is None


@pytest.mark.parametrize("head", [b"", b"\x02\x01", bytes(HEAD), b"\x02\x01\x94\x04" + b"\xff" * 12])
def test_what_is_no_chunk_of_blocks(head):
    assert Blocks.read(head) is None


def test_what_is_not_all_there():
    """Blosc would read on in the memory behind it."""
    whole = numcodecs.Blosc().encode(np.arange(1000, dtype="f4"))
    check_whole(whole)
    for content in (b"", whole[:10], whole[:-1], whole + b"\0"):
        with pytest.raises(ValueError, match=f"{len(content)} bytes of"):
            check_whole(content)


def test_blocks_that_are_not_all_there():
    stored = numcodecs.Blosc().encode(np.arange(10**6, dtype="f4"))
    blocks = Blocks.read(stored[:HEAD])
    start, stop = blocks.span(0, 2)
    with pytest.raises(ValueError, match="bytes of"):
        blocks.put_together(0, 2, stored[start : stop - 1])
