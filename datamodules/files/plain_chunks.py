"""Arrays in plain chunks: what is wanted of each is read straight into its place."""

import math
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.disk_array import (
    DiskArray,
    as_tuple,
    assign,
    check_shape,
    ranges_of,
    with_all_axes,
)
from datamodules.files.open_files import Access, DescribedFile


class PlainChunks(DiskArray):
    """Array in chunks of equal shape, read by the operating system's `preadv`.

    Any number of threads may read, and nothing of the file becomes part of this process's memory.

    Args:
        path: File.
        dtype: Of the values.
        shape: Of the array.
        chunk: Shape of a chunk; those at the far edges reach beyond the array.
        places: Offset of each chunk in bytes, by its number along every axis.
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype,
        shape: tuple[int, ...],
        chunk: tuple[int, ...],
        places: np.ndarray,
    ) -> None:
        self.path, self.shape, self.dtype = path, tuple(shape), dtype
        self._chunk, self._places = tuple(chunk), places
        self._axis = next((n for n, size in enumerate(chunk) if size > 1), len(chunk) - 1)
        if self._axis and chunk[self._axis :] == self.shape[self._axis :]:
            self._axis -= 1  # chunks of one item of this axis
        self._file = Access(DescribedFile, path)

    def __getitem__(self, key: Any) -> np.ndarray:
        key = as_tuple(key)
        out = np.empty([len(part) for part in ranges_of(key, self.shape, self.path)], self.dtype)
        out = out[tuple(0 if isinstance(k, int) else slice(None) for k in key)]
        self.copy_to(out, key)
        return out

    def copy_to(self, out: np.ndarray, key: Any) -> None:
        key = as_tuple(key)
        out = with_all_axes(out, key)
        ranges = ranges_of(key, self.shape, self.path)
        check_shape(out, [len(part) for part in ranges], self.path)
        numbers = [
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(ranges, self._chunk, strict=True)
        ]
        if self._is_run(ranges):
            self._read_run(out, numbers, ranges)
            return
        for number in product(*numbers):
            there, here = [], []
            for n, size, part in zip(number, self._chunk, ranges, strict=True):
                first, last = max(part.start, n * size), min(part.stop, (n + 1) * size)
                there.append(slice(first - n * size, last - n * size))
                here.append(slice(first - part.start, last - part.start))
            values = np.empty(self._chunk, self.dtype)
            self._read(values, int(self._places[number]))
            assign(out[tuple(here)], values[tuple(there)], self.path)

    def _is_run(self, ranges: Sequence[range]) -> bool:
        """Return whether a key asks for single items, then a range, then whole axes."""
        after = slice(self._axis + 1, None)
        return (
            self._chunk[after] == self.shape[after]
            and [*ranges[after]] == [range(size) for size in self.shape[after]]
            and all(len(part) == 1 for part in ranges[: self._axis])
        )

    def _read_run(self, out: np.ndarray, numbers: Sequence[range], ranges: Sequence[range]) -> None:
        """Write what is wanted, by one read where chunks lie next to each other in the file."""
        axis, size = self._axis, self._chunk[self._axis]
        places = self._places[tuple(n[0] for n in numbers[:axis])].reshape(-1)
        first, last = ranges[axis].start, ranges[axis].stop
        item = math.prod(self._chunk[axis + 1 :]) * self.dtype.itemsize
        chunks = numbers[axis]
        apart = np.flatnonzero(np.diff(places[chunks.start : chunks.stop]) != size * item)
        ends = [*(chunks.start + 1 + apart).tolist(), chunks.stop]
        for begin, end in zip([chunks.start, *ends], ends, strict=False):
            low, high = max(first, begin * size), min(last, end * size)
            rows = out[(0,) * axis][low - first : high - first]
            direct = rows.flags.c_contiguous and rows.dtype == self.dtype
            values = rows if direct else np.empty(rows.shape, self.dtype)
            self._read(values, int(places[begin]) + (low - begin * size) * item)
            if not direct:
                assign(rows, values, self.path)

    def _read(self, out: np.ndarray, place: int) -> None:
        """Fill an array of this dtype, whose values adjoin, from a byte of the file on."""
        rest = out.reshape(-1).view(np.uint8)
        file = self._file.get()
        while len(rest):  # Linux reads at most 2 GiB at a time
            count = os.preadv(file.number, [rest], place)
            if count == 0:
                raise OSError(
                    f"{self.path} ends within its data, at byte {place}: it is truncated or being "
                    "written; restore it or remove it from the folder."
                )
            rest, place = rest[count:], place + count

    def close(self) -> None:
        self._file.close()
