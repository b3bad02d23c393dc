"""Storage of an unfinished simulation: segments of snapshots, each with the next state.

A segment appears whole or not at all, so that an interrupted simulation resumes after the last one.
A damaged segment is simulated again, with all that follow.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.files.atomic import atomic_write
from datamodules.files.atomic import (
    locked_folder as locked_folder,  # held while segments are made
)
from datamodules.files.provenance import canonical
from datamodules.files.sealed import load, save
from datamodules.notices import notify


class SegmentStore:
    """Consecutive segments of one simulation in a folder.

    Args:
        folder: Folder of the segments, made by `locked_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = ""

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npz"

    def _label(self, number: int) -> str:
        """Return the label under which a segment is saved: its number and the settings."""
        return f"{number} {self.settings}"

    def belong_to(self, settings: dict[str, Any]) -> None:
        """Delete the segments in the folder if they were made with other settings."""
        note, self.settings = self.folder / "settings.json", canonical(settings)
        if not _holds(note, self.settings):
            self._forget(0)
            atomic_write(note, self.settings)
        for number in range(self.count()):
            if load(self._path(number), self._label(number)) is None:
                notify(f"{self._path(number)} is not as it was written; it is simulated again.")
                self._forget(number)
                return

    def _forget(self, first: int) -> None:
        """Remove the segments from number `first` on."""
        for segment in self.folder.glob("*.npz"):
            if not segment.stem.isdecimal() or int(segment.stem) >= first:
                segment.unlink()

    def count(self) -> int:
        """Return the number of consecutive segments that exist, counted from the first."""
        number = 0
        while self._path(number).exists():
            number += 1
        return number

    def store(self, number: int, fields: Sequence[Tensor], state: Tensor) -> None:
        """Write a segment.

        Args:
            number: Number of the segment.
            fields: Snapshots, each (trajectory, channel, *space); none during the spin-up.
            state: State of the solver after the last of them.
        """
        stacked = torch.stack(list(fields), dim=1).numpy() if fields else np.empty(0, np.float32)
        arrays = {"fields": stacked, "state": state.cpu().numpy()}
        save(self._path(number), self._label(number), arrays)

    def _arrays(self, number: int) -> dict[str, np.ndarray]:
        arrays = load(self._path(number), self._label(number))
        if arrays is None:
            raise OSError(
                f"{self._path(number)} was changed while it was in use; run the command again, "
                "and what is missing is simulated."
            )
        return arrays

    def last_state(self) -> Tensor:
        """Return the state that follows the last segment."""
        return torch.from_numpy(self._arrays(self.count() - 1)["state"])

    def fields(self) -> Iterator[np.ndarray]:
        """Yield the fields of all segments that have any, (trajectory, time, channel, *space)."""
        for number in range(self.count()):
            fields = self._arrays(number)["fields"]
            if fields.size:
                yield fields

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _holds(note: Path, text: str) -> bool:
    """Return whether a file exists and its contents are a text."""
    try:
        return note.read_bytes() == text.encode()
    except OSError:
        return False
