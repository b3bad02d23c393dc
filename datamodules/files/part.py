"""Parts of an array on disk, such as one component of a vector, as arrays of their own."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, ref

import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.disk_array import ArrayKey, DiskArray, as_tuple, assign, ranges_of
from datamodules.files.open_files import file_stamp

Part = int | slice


class PartArray(DiskArray):
    """Part of an array at fixed indices along some of its axes.

    Args:
        array: Array, which several parts may share.
        fixed: For each axis of the array its fixed index, or the range of it that is kept.
    """

    def __init__(self, array: DiskArray, fixed: Sequence[Part]) -> None:
        self.array, self.path, self.fixed = array, array.path, tuple(fixed)
        self.kept = {
            axis: range(*part.indices(array.shape[axis]))
            for axis, part in enumerate(self.fixed)
            if isinstance(part, slice)
        }
        self.shape = tuple(len(part) for part in self.kept.values())

    def _key(self, key: ArrayKey) -> tuple[Part, ...]:
        """Return the key of the whole array for a key of the part."""
        parts = as_tuple(key)
        parts += (slice(None),) * (len(self.shape) - len(parts))
        there = list(self.fixed)
        ranges = ranges_of(parts, self.shape, self.path)
        for (axis, own), part, items in zip(self.kept.items(), parts, ranges, strict=True):
            start = own.start + items.start
            there[axis] = start if isinstance(part, int) else slice(start, own.start + items.stop)
        return tuple(there)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        return self.array[self._key(key)]

    def copy_to(self, out: np.ndarray, key: ArrayKey) -> None:
        self.array.copy_to(out, self._key(key))

    def close(self) -> None:
        self.array.close()


class SharedArray(DiskArray):
    """Array whose parts are all read at once, because they are requested one after the other.

    Args:
        array: Array.
        spans: Range that holds the fixed indices of all parts, by their axis.
    """

    def __init__(self, array: DiskArray, spans: Mapping[int, slice]) -> None:
        self.array, self.path, self.shape = array, array.path, array.shape
        self.spans = dict(spans)
        self.last: tuple[Any, np.ndarray] | None = None

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        return self._part(key, None)

    def copy_to(self, out: np.ndarray, key: ArrayKey) -> None:
        assign(out, self._part(key, out.dtype), self.path)

    def _part(self, key: ArrayKey, dtype: np.dtype | None) -> np.ndarray:
        """Return the values at a key, converted to `dtype` if it is given."""
        parts = list(enumerate(as_tuple(key)))
        whole = tuple(self.spans.get(axis, part) for axis, part in parts)
        name, last = (repr(whole), dtype), self.last
        if last is None or last[0] != name:
            self.last = last = None  # free it before the next one is read
            self.last = last = name, self._read(whole, dtype)
        left: list[Part] = []
        for axis, part in parts:
            if isinstance(part, slice):
                left.append(slice(None))
            elif axis in self.spans:
                left.append(part - (self.spans[axis].start or 0))
        return last[1][(*left, ...)]

    def _read(self, key: tuple[Part, ...], dtype: np.dtype | None) -> np.ndarray:
        if dtype is None:
            return self.array[key]
        ranges = zip(ranges_of(key, self.shape, self.path), key, strict=False)
        out = np.empty([len(items) for items, part in ranges if isinstance(part, slice)], dtype)
        self.array.copy_to(out, key)
        return out

    def close(self) -> None:
        self.last = None
        self.array.close()


SHARED: WeakValueDictionary[Any, SharedArray] = WeakValueDictionary()


def open_part(path: Path, name: str, fixed: Sequence[Part]) -> DiskArray:
    """Return a part of a variable of an HDF5 file; parts of one variable share their reads."""
    axes = frozenset(axis for axis, part in enumerate(fixed) if isinstance(part, int))
    if all(part == slice(None) for part in fixed):
        return open_array(path, name)
    key = path, name, axes, file_stamp(path)
    array = SHARED.get(key)
    if array is None:
        spans = dict.fromkeys(axes, slice(None))
        SHARED[key] = array = SharedArray(open_array(path, name), spans)
    return PartArray(array, fixed)


class Parts:
    """Parts of one array, which are read together if they are in the same chunks.

    Args:
        open: Function that returns the array.
        indices: Fixed indices of all parts, by their axis.
    """

    def __init__(self, open: Callable[[], DiskArray], indices: Mapping[int, Sequence[int]]) -> None:
        self.open, self.indices = open, indices
        self._shared: Callable[[], DiskArray | None] = _nothing

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shared": _nothing}

    def part(self, fixed: Sequence[Part]) -> DiskArray:
        """Return the part at fixed indices along some axes."""
        array = self._shared()
        if array is None:
            array = self.open()
            if self._in_same_chunks(array.chunk):
                spans = {axis: slice(min(found), max(found) + 1)
                         for axis, found in self.indices.items()}  # fmt: skip
                array = SharedArray(array, spans)
                self._shared = ref(array)
        return PartArray(array, fixed)

    def _in_same_chunks(self, chunk: tuple[int, ...]) -> bool:
        """Return whether fewer chunks are read for all parts at once than for each of them."""
        if not chunk:
            return False
        spans = [max(found) // chunk[axis] - min(found) // chunk[axis] + 1
                 for axis, found in self.indices.items()]  # fmt: skip
        return prod(spans) < prod(map(len, self.indices.values()))


def _nothing() -> None:
    """Return None, in place of a weak reference to an array."""


class StackedArray(DiskArray):
    """Arrays of equal shapes, such as variables of an HDF5 file, stacked along a first axis.

    Args:
        path: File, for messages.
        opens: Functions that return the arrays.
        shape: Shape of each array.
    """

    def __init__(
        self, path: Path, opens: Sequence[Callable[[], DiskArray]], shape: tuple[int, ...]
    ) -> None:
        self.path, self.opens = path, opens
        self.shape = (len(opens), *shape)
        self.last: tuple[int, DiskArray] | None = None

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        key = as_tuple(key)
        first = ranges_of(key, self.shape, self.path)[0] if key else range(self.shape[0])
        parts = [self._array(number)[key[1:]] for number in first]
        return parts[0] if key and isinstance(key[0], int) else np.stack(parts)

    def _array(self, number: int) -> DiskArray:
        if self.last is None or self.last[0] != number:
            self.last = number, self.opens[number]()  # the file stays open for the next one
        return self.last[1]

    def close(self) -> None:
        if self.last is not None:
            self.last[1].close()
        self.last = None
