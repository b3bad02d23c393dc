"""Where the snapshots of a split are kept while it is used.

| storage | snapshots are | for splits |
|---|---|---|
| `Streamed` | in their files, read window by window | of any size |
| `InMemory` | one array in the memory of each process, or one file mapped by all processes of a node | smaller than the memory |
| `OnDevice` | one array on the accelerator, where windows are gathered | smaller than its memory |

All give the same numbers. A snapshot is (channel, *space), float32, in physical units; trajectory
`k` of the split has `lengths[k]` of them.
"""  # noqa: E501 - a table

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Snapshots = Float[Tensor, "snapshot channel *space"]
Windows = Float[Tensor, "batch time channel *space"]
PIECE = 2**25  # bytes of a piece, of which those who work on it make some copies
Place = tuple[int, int]  # a trajectory and its snapshot with which a window begins


class Storage(ABC):
    """Snapshots of the trajectories of a split.

    Attributes:
        lengths: Snapshots of each trajectory.
        shape: Of a snapshot, (channel, *space).
        device: Of the windows.
    """

    lengths: list[int]
    shape: tuple[int, ...]
    device = torch.device("cpu")

    @abstractmethod
    def read(self, k: int, start: int, stop: int) -> Snapshots:
        """Return snapshots [start, stop) of trajectory k, in the memory of the process."""

    @abstractmethod
    def windows(self, places: Sequence[Place], length: int) -> Windows:
        """Return windows of so many snapshots, where training wants them."""

    def step(self, snapshots: int = 256) -> int:
        """Return how many snapshots a piece has: at most so many, and so many bytes, but one."""
        size = 4 * math.prod(self.shape)
        return max(1, min(snapshots, PIECE // max(1, size)))

    def pieces(self, snapshots: int = 256) -> Iterator[Snapshots]:
        """Yield all snapshots in their order, some of a trajectory at a time.

        Args:
            snapshots: Most snapshots of a piece; large ones come in smaller pieces.
        """
        for k in range(len(self.lengths)):
            yield from self.pieces_of(k, snapshots)

    def pieces_of(self, k: int, snapshots: int = 256) -> Iterator[Snapshots]:
        """Yield the snapshots of trajectory k in their order, some at a time."""
        step, length = self.step(snapshots), self.lengths[k]
        for start in range(0, length, step):
            yield self.read(k, start, min(start + step, length))


def empty(*shape: int) -> np.ndarray:
    """Return a float32 array to be filled.

    It is NumPy's, which asks for huge pages: a batch of 40 MB from `torch.empty` takes five times
    as long to fill.
    """
    return np.empty(shape, np.float32)
