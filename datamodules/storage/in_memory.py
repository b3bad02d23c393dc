"""Snapshots in one array: in the memory of a process, or mapped from one file by several."""

import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from datamodules.files.atomic import atomic_file, atomic_write, locked_folder
from datamodules.files.hashes import stamp_of
from datamodules.files.sizes import readable
from datamodules.notices import notify
from datamodules.storage.storage import Place, Snapshots, Storage, Windows, empty


class InMemory(Storage):
    """Snapshots of all trajectories, one after the other, in an array on the host.

    Args:
        values: Snapshots, float32 (snapshot, channel, *space).
        lengths: Number of snapshots of each trajectory.
    """

    def __init__(self, values: Snapshots, lengths: list[int]) -> None:
        self.values = values
        self.lengths = lengths
        self.shape = tuple(values.shape[1:])
        self.begins = np.cumsum([0, *lengths]).tolist()

    def read(self, k: int, start: int, stop: int) -> Snapshots:
        return self.values[self.begins[k] + start : self.begins[k] + stop]

    def windows(self, places: Sequence[Place], length: int) -> Windows:
        windows = torch.from_numpy(empty(len(places), length, *self.shape))
        for window, (k, start) in zip(windows, places, strict=True):
            window.copy_(self.read(k, start, start + length))
        return windows


def in_memory(storage: Storage) -> InMemory:
    """Return the snapshots of a storage, copied into the memory of this process.

    Args:
        storage: Storage to copy from, piece by piece.
    """
    values = torch.from_numpy(empty(sum(storage.lengths), *storage.shape))
    done = 0
    for piece in storage.pieces():
        values[done : done + len(piece)] = piece
        done += len(piece)
    return InMemory(values, storage.lengths)


def shared(storage: Storage, path: Path) -> InMemory:
    """Return the snapshots of a storage, in a file that all processes of a node map.

    The first process writes the file while the others wait. An existing file is reused unless it
    was changed after it was written, so its name must identify its contents. A file next to the
    data is simpler than a segment of shared memory: it is written atomically, need not be removed
    when a run is killed, and serves the next run. The operating system holds one copy of its pages
    per node, and drops them when memory is short. Writing to the mapped array changes a private
    copy.

    Args:
        storage: Storage to copy the snapshots from.
        path: File of the values alone, float32 (snapshot, channel, *space).

    Raises:
        OSError: The file cannot be written.
    """
    shape = (sum(storage.lengths), *storage.shape)
    size = 4 * math.prod(shape)
    if not _is_whole(path, size):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
            with locked_folder(path.parent):
                if not _is_whole(path, size):
                    if path.exists():
                        notify(
                            f"{path} is not as it was written, or its record of that is missing; "
                            "it is written again."
                        )
                    _write(storage, path)
        except OSError as error:
            reason = getattr(error.__cause__, "strerror", None) or error.strerror or error
            raise OSError(
                f"{path}: cannot write the {readable(size)} that processes "
                f"share ({reason}); make room there, or set data.storage to memory or "
                "stream."
            ) from None
    mapped = np.memmap(path, np.float32, "c", shape=shape)
    return InMemory(torch.from_numpy(mapped), storage.lengths)


def _write(storage: Storage, path: Path) -> None:
    """Write the snapshots; the caller holds the lock of the folder."""
    for unfinished in path.parent.glob("*.tmp"):
        unfinished.unlink()  # left by a process that was killed
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        for piece in storage.pieces():
            file.write(piece.contiguous().numpy().data)
    atomic_write(_note(path), json.dumps(stamp_of(path)))


def _note(path: Path) -> Path:
    """Return the path of the file with the stamp of a shared file."""
    return path.with_name(f"{path.name}.json")


def _is_whole(path: Path, size: int) -> bool:
    """Return whether a shared file exists, has its full size, and is unchanged since written."""
    try:
        stamp = stamp_of(path)
    except OSError:
        return False
    try:
        known = json.loads(_note(path).read_bytes())
    except (OSError, ValueError):  # the process that wrote it did not finish
        return False
    return stamp[0] == size and known == stamp
