"""Memory-mapped arrays in files that NumPy or PyTorch wrote."""

from pathlib import Path

import numpy as np

from datamodules.files.classic import file_identity
from datamodules.files.disk_array import ArrayKey, DiskArray
from datamodules.files.open_files import ReplacedError

MOST = 2**23  # bytes of a file that are read before it is mapped again


class MappedArray(DiskArray):
    """Memory-mapped array with constant strides in a file.

    The file is mapped again after every 8 MiB that are read, because pages that were read count as
    memory of the process until the map is closed, and a batch system may kill the process for it.

    Args:
        path: File.
        offset: Place of the first number [bytes].
        shape: Shape.
        dtype: Type of the numbers.
        strides: Distance from one item to the next along each axis [bytes].

    Raises:
        ValueError: The file is shorter than the array.
    """

    def __init__(
        self,
        path: Path,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype,
        strides: tuple[int, ...],
    ) -> None:
        self.path, self.offset, self.shape = path, offset, shape
        self.dtype, self.strides = dtype, strides
        state = path.stat()
        self._file = file_identity(state)
        self._map: np.ndarray | None = None
        self._read = self._items = 0
        if all(shape):
            last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
            self._items = last // dtype.itemsize + 1
        size = self._items * dtype.itemsize
        if state.st_size < offset + size:
            raise ValueError(
                f"{path} has {state.st_size} bytes, expected at least {offset + size} for an "
                f"array of shape {shape}; it is truncated: restore it or remove it from "
                "data.SPLIT.files."
            )

    def _mapped(self) -> np.ndarray:
        """Return the memory map of the whole array."""
        if not self._items:
            return np.empty(self.shape, self.dtype)
        if file_identity(self.path.stat()) != self._file:
            raise ReplacedError(self.path)
        flat = np.memmap(self.path, self.dtype, "r", self.offset, (self._items,))
        return np.lib.stride_tricks.as_strided(flat, self.shape, self.strides)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        if self._map is None:
            self._map, self._read = self._mapped(), 0
        part = np.asarray(self._map[key])
        first, stop = np.lib.array_utils.byte_bounds(part)
        self._read += stop - first
        if self._read > MOST:
            self._map = None
        return np.array(part)

    def close(self) -> None:
        self._map = None
