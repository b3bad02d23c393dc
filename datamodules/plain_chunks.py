"""Arrays in plain chunks: what is wanted of each is read straight into its place."""

import math
import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from operator import index
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datamodules.disk_array import DiskArray

SMALL = 2**12  # bytes of a chunk below which HDF5 puts chunks together faster than we


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
        self._file = os.open(path, os.O_RDONLY)

    def __getitem__(self, key: Any) -> np.ndarray:
        key = as_tuple(key)
        out = np.empty([len(part) for part in self._ranges(key)], self.dtype)
        out = out[tuple(0 if isinstance(k, int) else slice(None) for k in key)]
        self.copy_to(out, key)
        return out

    def copy_to(self, out: np.ndarray, key: Any) -> int:
        key = as_tuple(key)
        out = out[tuple(None if isinstance(k, int) else slice(None) for k in key)]
        ranges = self._ranges(key)
        numbers = [
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(ranges, self._chunk, strict=True)
        ]
        if self._is_run(ranges):
            self._read_run(out, numbers, ranges)
            return 0
        for number in product(*numbers):
            there, here = [], []
            for n, size, part in zip(number, self._chunk, ranges, strict=True):
                first, last = max(part.start, n * size), min(part.stop, (n + 1) * size)
                there.append(slice(first - n * size, last - n * size))
                here.append(slice(first - part.start, last - part.start))
            values = np.empty(self._chunk, self.dtype)
            self._read(values, int(self._places[number]))
            out[tuple(here)] = values[tuple(there)]
        return 0

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
                rows[...] = values

    def _read(self, out: np.ndarray, place: int) -> None:
        """Fill an array of this dtype, whose values adjoin, from a byte of the file on."""
        rest = out.reshape(-1).view(np.uint8)
        while len(rest):  # Linux reads at most 2 GiB at a time
            count = os.preadv(self._file, [rest], place)
            if count == 0:
                raise OSError(
                    f"{self.path} ends within its data, at byte {place}: it is truncated or being "
                    "written; restore it or remove it from the folder."
                )
            rest, place = rest[count:], place + count

    def _ranges(self, key: tuple[int | slice, ...]) -> list[range]:
        """Return which items of every axis a key of integers and slices means.

        Raises:
            IndexError: A number or a step of a slice is not one that can be read.
        """
        key += (slice(None),) * (len(self.shape) - len(key))
        ranges = []
        for k, size in zip(key, self.shape, strict=True):
            part = range(k, k + 1) if isinstance(k, int) else range(*k.indices(size))
            if part.step != 1 or (isinstance(k, int) and not 0 <= k < size):
                raise IndexError(f"{self.path}: {k} cannot be read of an axis of {size} items.")
            ranges.append(part)
        return ranges

    def close(self) -> None:
        os.close(self._file)


def as_tuple(key: Any) -> tuple[int | slice, ...]:
    """Return a key as one part per axis, those that it leaves out excepted."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(part if isinstance(part, slice) else index(part) for part in parts)


def chunks_in(path: Path, name: str) -> np.ndarray | None:
    """Return the offset of every chunk of a variable in bytes, or None where HDF5 has to read them.

    That is where they are compressed or small, or some were never written. It is remembered while
    the file stays as it is: files are opened again and again where there are many.
    """
    state = path.stat()
    return find_chunks(path, name, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1024)
def find_chunks(path: Path, name: str, *state: int) -> np.ndarray | None:
    """Return what `chunks_in` does, of a file in some state."""
    with h5py.File(path, "r", locking=False) as file:
        return offsets(file[name])


def offsets(dataset: h5py.Dataset) -> np.ndarray | None:
    """Return the offset of every chunk in bytes, or None where HDF5 has to read them."""
    chunk = dataset.chunks
    if chunk is None or dataset.id.get_create_plist().get_nfilters() or sys.platform == "win32":
        return None
    if math.prod(chunk) * dataset.dtype.itemsize < SMALL or dataset.file.userblock_size:
        return None
    counts = [-(-size // part) for size, part in zip(dataset.shape, chunk, strict=True)]
    places = np.full(counts, -1, dtype=np.int64)

    def note(found: Any) -> None:
        number = tuple(at // part for at, part in zip(found.chunk_offset, chunk, strict=True))
        places[number] = found.byte_offset

    dataset.id.chunk_iter(note)
    return places if places.size and places.min() >= 0 else None
