"""Interface of storages, which keep the snapshots of a split while it is used.

| storage | snapshots are | for splits |
|---|---|---|
| `Streamed` | in their files, read window by window | of any size |
| `InMemory` | one array in the memory of each process, or one file mapped by all processes of a node | smaller than the memory |
| `OnDevice` | one array on the accelerator, where windows are gathered | smaller than its memory |

All return the same numbers. A snapshot is (channel, *space), float32, in physical units; trajectory
`k` of the split has `lengths[k]` snapshots.
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
PIECE = 2**25  # largest piece [bytes]; working on it makes some copies
Place = tuple[int, int]  # number of a trajectory, and of the first snapshot of a window in it


class Storage(ABC):
    """Snapshots of the trajectories of a split.

    Attributes:
        lengths: Number of snapshots of each trajectory.
        shape: Shape of a snapshot, (channel, *space).
        device: Device of the windows.
    """

    lengths: list[int]
    shape: tuple[int, ...]
    device = torch.device("cpu")

    @abstractmethod
    def read(self, k: int, start: int, stop: int) -> Snapshots:
        """Return snapshots of one trajectory, on the CPU.

        Args:
            k: Number of the trajectory within the split.
            start: First snapshot.
            stop: Snapshot after the last one.
        """

    @abstractmethod
    def windows(self, places: Sequence[Place], length: int) -> Windows:
        """Return windows of `length` snapshots from the given places, on `device`."""

    def step(self, snapshots: int = 256) -> int:
        """Return the snapshots of a piece: `snapshots`, or as many as `PIECE` bytes hold."""
        size = 4 * math.prod(self.shape)
        return max(1, min(snapshots, PIECE // max(1, size)))

    def pieces(self, snapshots: int = 256) -> Iterator[Snapshots]:
        """Yield all snapshots in order, in pieces of one trajectory each.

        Args:
            snapshots: Largest number of snapshots in a piece; there are fewer if they are large.
        """
        for k in range(len(self.lengths)):
            yield from self.pieces_of(k, snapshots)

    def pieces_of(self, k: int, snapshots: int = 256) -> Iterator[Snapshots]:
        """Yield the snapshots of trajectory k in order, piece by piece."""
        step, length = self.step(snapshots), self.lengths[k]
        for start in range(0, length, step):
            yield self.read(k, start, min(start + step, length))


def empty(*shape: int) -> np.ndarray:
    """Return an uninitialised float32 array.

    NumPy allocates it, since NumPy requests huge pages: a batch of 40 MB from `torch.empty` takes
    five times as long to fill.
    """
    return np.empty(shape, np.float32)
