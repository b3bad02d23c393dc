"""Parts of an array on disk, such as one component of a vector, as arrays of their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.disk_array import DiskArray, as_tuple, ranges_of
from datamodules.files.open_files import state_of

Key = tuple[int | slice, ...]


class PartArray(DiskArray):
    """Part of an array at fixed indices along some of its axes.

    Args:
        array: Array, which several parts may share.
        fixed: For each axis of the array its fixed index, or the range of it that is kept.
    """

    def __init__(self, array: DiskArray, fixed: Key) -> None:
        self.array, self.path = array, array.path
        self.fixed = fixed + (slice(None),) * (len(array.shape) - len(fixed))
        self.kept = {
            axis: range(*part.indices(array.shape[axis]))
            for axis, part in enumerate(self.fixed)
            if isinstance(part, slice)
        }
        self.shape = tuple(len(part) for part in self.kept.values())

    def __getitem__(self, key: Any) -> np.ndarray:
        key = as_tuple(key)
        ranges = ranges_of(key, self.shape, self.path)
        there: list[Any] = [slice(None)] * len(self.fixed)
        for (axis, own), part in zip(self.kept.items(), ranges, strict=True):
            there[axis] = slice(own.start + part.start, own.start + part.stop)
        values = self.array[tuple(there)]  # whole along fixed axes: other parts read the same
        chosen = tuple(f if isinstance(f, int) else slice(None) for f in self.fixed)
        single = tuple(0 if isinstance(k, int) else slice(None) for k in key)
        return values[chosen][single]

    def close(self) -> None:
        self.array.close()


class SharedArray(DiskArray):
    """Array that keeps the values read last, since its parts are read one after the other.

    Args:
        array: Array.
    """

    def __init__(self, array: DiskArray) -> None:
        self.array, self.path, self.shape = array, array.path, array.shape
        self.last: tuple[str, np.ndarray] | None = None

    def __getitem__(self, key: Any) -> np.ndarray:
        name, last = repr(key), self.last
        if last is None or last[0] != name:
            self.last = last = name, self.array[key]
        return last[1]

    def close(self) -> None:
        self.last = None
        self.array.close()


SHARED: WeakValueDictionary[Any, SharedArray] = WeakValueDictionary()


def open_part(path: Path, name: str, fixed: Sequence[int | slice] = ()) -> DiskArray:
    """Return a part of a variable of an HDF5 file; parts of one variable share what they read."""
    if all(part == slice(None) for part in fixed):
        return open_array(path, name)
    key = path, name, state_of(path)
    array = SHARED.get(key)
    if array is None:
        SHARED[key] = array = SharedArray(open_array(path, name))
    return PartArray(array, tuple(fixed))
