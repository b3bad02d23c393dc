"""Arrays that are kept in memory up to a number of bytes, because they may be used again."""

from collections.abc import Callable, Hashable

import numpy as np


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
        self._kept: dict[Hashable, np.ndarray] = {}  # other threads may change it at any time

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
        values = self.find(key)
        if values is None:
            values = read()
            self.keep(key, values)
        return values

    def find(self, key: Hashable) -> np.ndarray | None:
        """Return an array if it is in memory."""
        values = self._kept.pop(key, None)
        if values is not None:
            self._kept[key] = values  # now the last one
        return values

    def keep(self, key: Hashable, values: np.ndarray) -> None:
        """Keep an array until others are used."""
        self._kept[key] = values
        size = self.bytes
        for first in list(self._kept)[:-1]:
            if size <= self.most:
                break
            dropped = self._kept.pop(first, None)
            size -= 0 if dropped is None else dropped.nbytes

    def drop(self, owner: object) -> None:
        """Drop all arrays whose keys are tuples that begin with an object."""
        for key in list(self._kept):
            if isinstance(key, tuple) and key[0] is owner:
                self._kept.pop(key, None)
