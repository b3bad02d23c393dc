"""Arrays that are read whole, and a limit to the memory that they take."""

from collections.abc import Callable, Hashable
from pathlib import Path

import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray
from datamodules.files.open_files import ReplacedError, file_stamp

MOST = 2**29  # bytes in memory of all files that are read whole


class LastArrays:
    """Arrays that were used last, up to a number of bytes in all; at least the last one.

    Args:
        most: Largest number of bytes.

    Example:
        >>> last = LastArrays(most=100)
        >>> for name in "abca":
        ...     _ = last.get(name, lambda name=name: print("read", name) or np.zeros(6))
        read a
        read b
        read c
        read a
        >>> last.bytes
        96
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: dict[Hashable, np.ndarray] = {}

    @property
    def bytes(self) -> int:
        """Size of the arrays in memory."""
        return sum(values.nbytes for values in list(self._kept.values()))

    def get(self, key: Hashable, read: Callable[[], np.ndarray]) -> np.ndarray:
        """Return an array, which is read unless it is in memory.

        Args:
            key: Key that identifies the contents of the array.
            read: Function that reads it.
        """
        values = self._kept.pop(key, None)
        if values is None:
            values = read()
        self._kept[key] = values  # now the last one; other threads may change the dictionary, too
        for first in list(self._kept)[:-1]:
            if self.bytes <= self.most:
                break
            self._kept.pop(first, None)
        return values


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
