"""Arrays that are stored in chunks, the last decoded of which are kept in memory.

A chunk is decoded whole if any value of it is read. Reads that take a part of one at a time, such
as the truth of many rollouts state by state, would otherwise decode it for every part.
"""

from abc import abstractmethod
from itertools import product
from math import prod

import numpy as np

from datamodules.files.disk_array import DiskArray
from datamodules.files.last_arrays import LastArrays

MOST = 2**26  # bytes of decoded chunks that a process keeps

Number = tuple[int, ...]


CHUNKS = LastArrays(MOST)


class ChunkedArray(DiskArray):
    """Base class of arrays that are read chunk by chunk.

    Attributes:
        dtype: Type of the values.
    """

    dtype: np.dtype

    def __init__(self) -> None:
        self._owner = object()  # refers to no file, unlike the array

    @abstractmethod
    def _block(self, number: Number) -> np.ndarray:
        """Return the values of a chunk, by its number along each axis."""

    def _in_parts(self, ranges: list[range]) -> bool:
        """Return whether some chunk would be read in part."""
        axes = zip(ranges, self.chunk, self.shape, strict=True)
        return any(len(part) < min(chunk, size) for part, chunk, size in axes)

    def _of_chunks(self, key: tuple[int | slice, ...], ranges: list[range]) -> np.ndarray:
        """Return the values at a key, which selects a range along each axis."""
        out = np.empty([len(part) for part in ranges], self.dtype)
        self._fill(out, ranges)
        return out[(*(0 if isinstance(k, int) else slice(None) for k in key), ...)]

    def _fill(self, out: np.ndarray, ranges: list[range]) -> None:
        """Write the values in a range along each axis into an array of their shape."""
        axes = list(zip(ranges, self.chunk, self.shape, strict=True))
        touched = [range(r.start // c, -(-r.stop // c)) if len(r) else range(0) for r, c, _ in axes]
        for number in product(*touched):
            into, of, left = [], [], 1
            for (r, c, size), n in zip(axes, number, strict=True):
                start, stop = max(r.start, n * c), min(r.stop, n * c + c)
                into.append(slice(start - r.start, stop - r.start))
                of.append(slice(start - n * c, stop - n * c))
                left *= min(c, size - n * c)
            block = CHUNKS.find((self._owner, number))
            if block is None:
                block = self._block(number)
                if prod(part.stop - part.start for part in of) < left:  # the rest may be read next
                    CHUNKS.keep((self._owner, number), block)
            out[tuple(into)] = block[tuple(of)]

    def close(self) -> None:
        CHUNKS.drop(self._owner)

    def __del__(self) -> None:
        if hasattr(self, "_owner"):
            CHUNKS.drop(self._owner)
