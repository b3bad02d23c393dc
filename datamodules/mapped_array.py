"""Arrays whose values lie plainly in a file, copied from a memory map."""

import math
import mmap
import sys
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.disk_array import DiskArray, assign

ADVICE = sys.platform != "win32"  # where a memory map takes it
LARGE = 2**20  # bytes from which on it pays to ask for all pages of a window together
AROUND = 2**16  # bytes that Linux maps around a page that is touched


class MappedArray(DiskArray):
    """Array whose values lie plainly in a file, copied from a memory map.

    The pages that a copy touches count as memory of this process until they are released. The
    operating system keeps them in its cache all the same while it has room.

    Args:
        path: File.
        dtype: Of the values.
        shape: Of the array.
        offset: Of the first value, in bytes.
        stride: From one item of the first axis to the next, in bytes; None where they adjoin.
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype,
        shape: tuple[int, ...],
        offset: int,
        stride: int | None = None,
    ) -> None:
        self.path, self.shape = path, tuple(shape)
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        strides = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        strides[0] = strides[0] if stride is None else stride
        self._values = np.ndarray(self.shape, dtype, self._map, offset, strides)
        self._begin = np.frombuffer(self._map, np.uint8, 1).ctypes.data

    def __getitem__(self, key: Any) -> np.ndarray:
        view = self._values[key]
        out = np.empty(view.shape, view.dtype)
        self.copy_to(out, key)
        self.release()
        return out

    def copy_to(self, out: np.ndarray, key: Any) -> int:
        view = self._values[key]
        if view.nbytes >= LARGE and ADVICE:
            begin = view.ctypes.data - self._begin
            page = begin % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, begin - page, page + view.nbytes)
        assign(out, view, self.path)
        return max(view.nbytes, view.shape[0] * view.strides[0]) + AROUND

    def release(self) -> None:
        if ADVICE:
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        del self._values, self._map
