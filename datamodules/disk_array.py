"""What every array on disk can do, however its values lie in the file."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class DiskArray(ABC):
    """Array in an open file, to be read by the process that opened it.

    Attributes:
        shape: Of the whole array.
    """

    shape: tuple[int, ...]

    @abstractmethod
    def __getitem__(self, key: Any) -> np.ndarray:
        """Return a copy of the values at a key of integers and slices."""

    def copy_to(self, out: np.ndarray, key: Any) -> int:
        """Write the values at a key into an array of their shape.

        Returns:
            How many bytes of the file are now part of this process's memory, at most.
        """
        out[...] = self[key]
        return 0

    def release(self) -> None:  # noqa: B027 - most have nothing to release
        """Let what was read of the file be no longer part of this process's memory."""

    @abstractmethod
    def close(self) -> None:
        """Give the file back."""
