"""
Parts of chunks: the bytes of a compressed chunk that some of its frames need, and how they are decompressed.

Blosc compresses a chunk in blocks of their own and says in front where each of them begins. So one frame of fifteen
needs a fifteenth of the chunk: some of its blocks, which are put together as if they were a chunk by themselves and
handed to Blosc. The format is that of https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst.
"""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np

__all__ = ["HEAD", "Blocks", "check_whole"]

#: Bytes from a chunk's beginning that hold where its blocks begin, if these are of 64 kB at least and it is of 64 MB at
#: most. SDOML's are of 256 kB and of 16 MB.
HEAD = 4096

_HEADER = struct.Struct("<BBBBIII")

#: Flag of chunks that could not be compressed, and have no blocks.
_COPIED = 2


def check_whole(content: bytes) -> None:
    """
    Make sure that a chunk is all there, before Blosc, which trusts its header, reads beyond its end.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    ValueError
        If it has not as many bytes as its header says.
    """
    stored = _HEADER.unpack_from(content)[-1] if len(content) >= _HEADER.size else _HEADER.size
    if len(content) != stored:
        raise ValueError(f"{len(content)} bytes of {stored}")


@dataclass(frozen=True)
class Blocks:
    """
    Where the blocks of a chunk are; made by `read`.

    Attributes
    ----------
    facts : tuple of int
        What the chunk's header begins with: versions, flags and the size of a number.
    size : int
        Bytes of the chunk, decompressed.
    block : int
        Bytes of a block, decompressed; the last may have less.
    stored : int
        Bytes of the chunk as it is stored.
    starts : `~numpy.ndarray`
        Where each of them begins in it.
    """

    facts: tuple[int, ...]
    size: int
    block: int
    stored: int
    starts: np.ndarray

    @classmethod
    def read(cls, head: bytes) -> Self | None:
        """
        Read where the blocks are.

        Parameters
        ----------
        head : bytes
            The chunk's first bytes, `HEAD` of them.

        Returns
        -------
        Blocks or None
            None of chunks that have none, or too many, or that are damaged.
        """
        if len(head) < _HEADER.size:
            return None
        *facts, size, block, stored = _HEADER.unpack_from(head)
        if facts[2] & _COPIED or not block or not size:
            return None
        number = -(-size // block)
        if len(head) < _HEADER.size + 4 * number:
            return None
        starts = np.frombuffer(head, "<u4", number, _HEADER.size).astype(np.int64)
        if not (_HEADER.size + 4 * number <= starts.min() and starts.max() < stored):
            return None
        return cls(tuple(facts), size, block, stored, starts)

    def around(self, first: int, last: int) -> tuple[int, int]:
        """
        Find the blocks that hold some bytes of the decompressed chunk.

        Parameters
        ----------
        first, last : int
            From a byte to before another.

        Returns
        -------
        tuple of int
            From a block to before another.
        """
        start, stop = first // self.block, min(-(-last // self.block), len(self.starts))
        # Blosc takes a shorter block for such only behind another.
        return (max(start - 1, 0) if start == len(self.starts) - 1 else start), stop

    def span(self, first: int, last: int) -> tuple[int, int]:
        """
        Where some blocks are in the stored chunk.

        They need not be in their order, since several threads write them, so that others may be in between.

        Parameters
        ----------
        first, last : int
            As `around` returns them.

        Returns
        -------
        tuple of int
            From a byte to before another.
        """
        return int(self.starts[first:last].min()), int(self._ends[first:last].max())

    def put_together(self, first: int, last: int, content: bytes) -> bytes:
        """
        Make a chunk of some blocks.

        Parameters
        ----------
        first, last : int
            As `around` returns them.
        content : bytes
            What is at `span`.

        Returns
        -------
        bytes
            As Blosc decompresses it.

        Raises
        ------
        ValueError
            If it is not all of that.
        """
        offset, end = self.span(first, last)
        if len(content) != end - offset:
            raise ValueError(f"{len(content)} bytes of {end - offset}")
        blocks = [content[start - offset : stop - offset] for start, stop in self._edges[first:last]]
        begin = _HEADER.size + 4 * len(blocks)
        lengths = np.array([len(block) for block in blocks])
        starts = begin + np.concatenate([[0], np.cumsum(lengths)[:-1]])
        size = min(last * self.block, self.size) - first * self.block
        header = _HEADER.pack(*self.facts, size, self.block, begin + int(lengths.sum()))
        return b"".join([header, starts.astype("<u4").tobytes(), *blocks])

    @property
    def _ends(self) -> np.ndarray:
        """Where each block ends: where the next one begins."""
        edges = np.append(np.sort(self.starts), self.stored)
        return edges[np.searchsorted(edges, self.starts, side="right")]

    @property
    def _edges(self) -> np.ndarray:
        return np.stack([self.starts, self._ends], axis=1)
