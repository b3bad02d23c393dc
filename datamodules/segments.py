"""A simulation in progress, on disk: segments of snapshots, each with the state that follows it.

A segment appears whole or not at all, so that a killed run starts from the last of them.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.netcdf import write_whole, written_whole
from datamodules.provenance import canonical


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine is in the folder; it is made if missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise OSError(
            f"{folder}: cannot write here ({error.strerror}); set data.root to a folder that can "
            "be written."
        ) from None
    try:
        try:
            import fcntl
        except ImportError:  # not on Windows: two processes may then do the same work twice
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Segments:
    """Consecutive segments of one simulation in a folder.

    Args:
        folder: Made by `alone_in`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npz"

    def belong_to(self, settings: dict[str, Any]) -> None:
        """Start anew where the segments in the folder were made with other settings."""
        note, text = self.folder / "settings.json", canonical(settings)
        if note.exists() and note.read_text() == text:
            return
        for segment in self.folder.glob("*.npz"):
            segment.unlink()
        write_whole(note, text)

    def count(self) -> int:
        """Return how many segments, from the first on, are complete."""
        number = 0
        while self._path(number).exists():
            number += 1
        return number

    def store(self, number: int, fields: Sequence[Tensor], state: Tensor) -> None:
        """Write a segment: fields (trajectory, channel, *space) in time, and the state after."""
        stacked = torch.stack(list(fields), dim=1).numpy() if fields else np.empty(0, np.float32)
        with written_whole(self._path(number)) as temporary, open(temporary, "wb") as file:
            np.savez(file, fields=stacked, state=state.cpu().numpy())

    def last_state(self) -> Tensor:
        """Return the state that follows the last segment."""
        with np.load(self._path(self.count() - 1)) as stored:
            return torch.from_numpy(stored["state"])

    def fields(self) -> Iterator[np.ndarray]:
        """Yield the fields of all segments that have any, (trajectory, time, channel, *space)."""
        for number in range(self.count()):
            with np.load(self._path(number)) as stored:
                if stored["fields"].size:
                    yield stored["fields"]

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
