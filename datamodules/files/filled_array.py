"""Arrays of which a part was never written, with NaN for its values."""

from itertools import product

import numpy as np

from datamodules.files.disk_array import (
    ArrayKey,
    DiskArray,
    as_tuple,
    check_shape,
    ranges_of,
    with_all_axes,
)


class FilledArray(DiskArray):
    """Array with the shape of its dimensions, and NaN for values that are not in the file.

    An HDF5 data set is shorter than its dimension if only other variables were written in the last
    records. Chunks that were never written are not in the file.

    Args:
        array: Array in the file, of floats, or of integers that are read into floats.
        shape: Shape by the dimensions, at least as large along each axis.
        chunk: Shape of a chunk.
        unwritten: Mask of the chunks that were never written, by their index along each axis; None
            if all were written.
    """

    def __init__(
        self,
        array: DiskArray,
        shape: tuple[int, ...],
        chunk: tuple[int, ...] = (),
        unwritten: np.ndarray | None = None,
    ) -> None:
        self.array = array
        self.path = array.path
        self.shape = tuple(shape)
        self.chunk = array.chunk
        self._chunk, self._unwritten = chunk, unwritten

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        key = as_tuple(key)
        ranges = ranges_of(key, self.shape, self.path)
        full = np.empty([len(part) for part in ranges])
        out = full[(*(0 if isinstance(k, int) else slice(None) for k in key), ...)]
        self.copy_to(out, key)
        return out

    def copy_to(self, out: np.ndarray, key: ArrayKey) -> None:
        key = as_tuple(key)
        out = with_all_axes(out, key)
        ranges = ranges_of(key, self.shape, self.path)
        check_shape(out, [len(part) for part in ranges], self.path)
        held = [
            range(part.start, max(part.start, min(part.stop, size)))
            for part, size in zip(ranges, self.array.shape, strict=True)
        ]
        if held != ranges:
            out[...] = np.nan
        if not all(held):
            return
        inside = tuple(slice(len(part)) for part in held)
        self.array.copy_to(out[inside], tuple(slice(p.start, p.stop) for p in held))
        if self._unwritten is not None:
            self._fill_chunks(out[inside], held, self._unwritten)

    def _fill_chunks(self, out: np.ndarray, held: list[range], unwritten: np.ndarray) -> None:
        """Write NaN into the chunks that were never written."""
        numbers = [
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(held, self._chunk, strict=True)
        ]
        if not unwritten[tuple(slice(n.start, n.stop) for n in numbers)].any():
            return
        for number in product(*numbers):
            if unwritten[number]:
                here = tuple(
                    slice(max(0, n * size - part.start), max(0, (n + 1) * size - part.start))
                    for n, size, part in zip(number, self._chunk, held, strict=True)
                )
                out[here] = np.nan

    def close(self) -> None:
        self.array.close()
