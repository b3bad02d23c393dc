"""Snapshots in one array on an accelerator, where windows are gathered by index."""

from collections.abc import Sequence

import numpy as np
import torch

from datamodules.storage.storage import Place, Snapshots, Storage, Windows


class OnDevice(Storage):
    """Snapshots of all trajectories, one after the other, in an array on a device.

    Windows are gathered on the device, so that training only copies their indices to it.

    Args:
        values: Snapshots on the device, float32 (snapshot, channel, *space).
        lengths: Number of snapshots of each trajectory.
    """

    def __init__(self, values: Snapshots, lengths: list[int]) -> None:
        self.values = values
        self.device = values.device
        self.lengths = lengths
        self.shape = tuple(values.shape[1:])
        self.begins = np.cumsum([0, *lengths])

    def read(self, k: int, start: int, stop: int) -> Snapshots:
        return self.values[self.begins[k] + start : self.begins[k] + stop].cpu()

    def windows(self, places: Sequence[Place], length: int) -> Windows:
        begins = [self.begins[k] + start for k, start in places]
        numbers = np.add.outer(begins, np.arange(length))
        return self.values[torch.from_numpy(numbers).to(self.device)]


def on_device(storage: Storage, device: torch.device) -> OnDevice:
    """Return the snapshots of a storage, copied to a device piece by piece."""
    shape = (sum(storage.lengths), *storage.shape)
    values = torch.empty(shape, dtype=torch.float32, device=device)
    done = 0
    for piece in storage.pieces():
        values[done : done + len(piece)] = piece.to(device)
        done += len(piece)
    return OnDevice(values, storage.lengths)
