"""Arrays that are read whole, and a limit to the memory that they take."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray
from datamodules.files.last_arrays import LastArrays
from datamodules.files.open_files import ReplacedError, file_stamp

MOST = 2**29  # bytes in memory of all files that are read whole


LOADED = LastArrays(MOST)


class LoadedArray(DiskArray):
    """Array of a file that can only be read whole, as compressed arrays of NumPy.

    It is read when a part of it is needed, and again if other arrays have taken its place in
    memory.

    Args:
        path: File.
        name: Name of the array.
        shape: Shape.
        load: Function that returns the whole array.
    """

    def __init__(
        self, path: Path, name: str, shape: tuple[int, ...], load: Callable[[], np.ndarray]
    ) -> None:
        self.path, self.name, self.shape = path, name, tuple(shape)
        self._load, self._stamp = load, file_stamp(path)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        return np.array(LOADED.get((self.path, self.name, self._stamp), self._read)[key])

    def _read(self) -> np.ndarray:
        if file_stamp(self.path) != self._stamp:
            raise ReplacedError(self.path)
        return self._load()

    def close(self) -> None:
        pass
