"""Parts of an array on disk, such as one component of a vector, as arrays of their own."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.disk_array import DiskArray, as_tuple, ranges_of
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

    def _key(self, key: Any) -> tuple[Part, ...]:
        """Return the key of the whole array for a key of the part."""
        parts = as_tuple(key)
        parts += (slice(None),) * (len(self.shape) - len(parts))
        there = list(self.fixed)
        ranges = ranges_of(parts, self.shape, self.path)
        for (axis, own), part, items in zip(self.kept.items(), parts, ranges, strict=True):
            start = own.start + items.start
            there[axis] = start if isinstance(part, int) else slice(start, own.start + items.stop)
        return tuple(there)

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.array[self._key(key)]

    def copy_to(self, out: np.ndarray, key: Any) -> None:
        self.array.copy_to(out, self._key(key))

    def close(self) -> None:
        self.array.close()


class SharedArray(DiskArray):
    """Array that is read whole along some axes, since its parts are read one after the other.

    Args:
        array: Array.
        axes: Axes along which the parts have fixed indices.
    """

    def __init__(self, array: DiskArray, axes: Collection[int]) -> None:
        self.array, self.path, self.shape = array, array.path, array.shape
        self.axes = frozenset(axes)
        self.last: tuple[str, np.ndarray] | None = None

    def __getitem__(self, key: Any) -> np.ndarray:
        parts = list(enumerate(as_tuple(key)))
        whole = tuple(slice(None) if axis in self.axes else part for axis, part in parts)
        name, last = repr(whole), self.last
        if last is None or last[0] != name:
            self.last = last = name, self.array[whole]
        left = (part if axis in self.axes else slice(None) for axis, part in parts
                if axis in self.axes or isinstance(part, slice))  # fmt: skip
        return last[1][tuple(left)]

    def close(self) -> None:
        self.last = None
        self.array.close()


SHARED: WeakValueDictionary[Any, SharedArray] = WeakValueDictionary()


def open_part(path: Path, name: str, fixed: Sequence[Part]) -> DiskArray:
    """Return a part of a variable of an HDF5 file; parts of one variable share what they read."""
    axes = frozenset(axis for axis, part in enumerate(fixed) if isinstance(part, int))
    if all(part == slice(None) for part in fixed):
        return open_array(path, name)
    key = path, name, axes, file_stamp(path)
    array = SHARED.get(key)
    if array is None:
        SHARED[key] = array = SharedArray(open_array(path, name), axes)
    return PartArray(array, fixed)
