"""Arrays whose values lie plainly in a file, copied from a memory map."""

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.disk_array import DiskArray, assign
from datamodules.files.open_files import ADVICE, FILES, Access, MappedFile

LARGE = 2**20  # bytes from which on it pays to ask for all pages of a window together
AROUND = 2**16  # bytes that Linux maps around a page that is touched


class MappedArray(DiskArray):
    """Array whose values lie plainly in a file, copied from a memory map.

    Args:
        path: File.
        dtype: Type of the values.
        shape: Shape of the array.
        offset: Place of the first value, in bytes.
        stride: Bytes from one item of the first axis to the next; None where they adjoin.

    Raises:
        ValueError: The file ends before the last value.
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
        strides = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        item = strides[0] if shape else dtype.itemsize
        if shape and stride is not None:
            strides[0] = stride
        self._layout = dtype, offset, tuple(strides)
        self._own = object()  # names what is made of the file, which must not keep this array
        rows = shape[0] if shape else 1
        self._end = offset + (rows - 1) * (strides[0] if shape else 0) + item if rows else offset
        self._file = Access(MappedFile, path)
        self._check(self._file.size)

    def _check(self, size: int) -> None:
        """Refuse a file that ends before the array: reading beyond it would kill the process."""
        if size < self._end:
            raise ValueError(
                f"{self.path} is truncated or being written: its data end at byte {self._end}, the "
                f"file at byte {size}; restore it or remove it from the folder."
            )

    def _values(self) -> np.ndarray:
        """Return the mapped array.

        Raises:
            ValueError: The file has become shorter.
        """
        file = self._file.get()
        if file.map.size() < self._end:
            self._check(file.map.size())
        values = file.parts.get(self._own)
        if values is None:
            dtype, offset, strides = self._layout
            if len(file.map) < self._end:  # it has grown since it was mapped
                self._file.close()
                file = self._file.get()
            values = np.ndarray(self.shape, dtype, file.map, offset, strides)
            file.parts[self._own] = values
        return values

    def __getitem__(self, key: Any) -> np.ndarray:
        view = self._values()[key]
        out = np.empty(view.shape, view.dtype)
        self.copy_to(out, key)
        return out

    def copy_to(self, out: np.ndarray, key: Any) -> None:
        view = self._values()[key]
        size = view.nbytes
        if size >= LARGE and ADVICE:
            self._read_ahead(view)
        if out.shape == view.shape and out.dtype == view.dtype:
            out[...] = view
        else:
            assign(out, view, self.path)
        FILES.count(max(size, view.shape[0] * view.strides[0] if view.ndim else 0) + AROUND)

    def _read_ahead(self, view: np.ndarray) -> None:
        """Ask for all pages of a window together."""
        file = self._file.get()
        first = view.ctypes.data - np.frombuffer(file.map, np.uint8, 1).ctypes.data
        page = first % mmap.PAGESIZE
        file.map.madvise(mmap.MADV_WILLNEED, first - page, page + view.nbytes)

    def close(self) -> None:
        self._file.close()
