"""Choice of the storage of a split: the requested one, or the fastest with room for it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from datamodules.files.sizes import readable
from datamodules.storage.free_memory import free_memory, free_on
from datamodules.storage.in_memory import in_memory, shared
from datamodules.storage.on_device import on_device
from datamodules.storage.storage import Storage

StorageChoice = Literal["auto", "memory", "shared", "device", "stream"]
Host = Literal["memory", "shared", "stream"]
# `auto` uses at most 1/2 of the free memory of a node and 1/4 of the free memory of a device; the
# rest is left for the training, whose needs are not known in advance
HOST_SHARE = 2
DEVICE_SHARE = 4


@dataclass(frozen=True)
class StorageRequest:
    """Split to be stored, and the processes of this node that use it.

    Args:
        split: Name of the split.
        root: Folder of the data set.
        key: Function that returns a name of the contents of the split, for its shared file.
        processes: Number of processes that train or test together on this node.
    """

    split: str
    root: Path
    key: Callable[[], str]
    processes: int = 1


def choose(size: int, free: int, processes: int = 1, writable: bool = True) -> tuple[Host, str]:
    """Return the storage on the host for a split, and the reason for the choice.

    Args:
        size: Size of the split as float32 [bytes].
        free: Free memory of the node [bytes].
        processes: Number of processes that use the split on this node.
        writable: Whether the folder of the data set can be written.
    """
    if processes * size * HOST_SHARE <= free:
        return "memory", f"{readable(free)} free"
    reason = f"{counted(processes, size)} exceed half of the {readable(free)} free"
    if processes > 1 and size * HOST_SHARE <= free and writable:
        return "shared", reason
    return "stream", reason


def choose_storage(
    storage: Storage, choice: StorageChoice, request: StorageRequest
) -> tuple[Storage, str]:
    """Return a split in the requested storage, or in the one that `choose` returns.

    Only training windows are kept on a device; `to_device` copies them there.

    Returns:
        The storage, and a line for the terminal: size, place and reason.

    Raises:
        ValueError: The split does not fit into memory, as `data.storage` requests.
        OSError: The file of a shared split cannot be written.
    """
    size, free = size_of(storage), free_memory()
    kind, reason = choice, f"data.storage: {choice}"
    if kind in ("auto", "device"):
        kind, reason = choose(size, free, request.processes, os.access(request.root, os.W_OK))
    if kind == "memory":
        if request.processes * size > free:
            raise ValueError(
                f"{request.root}: the {request.split} split takes "
                f"{counted(request.processes, size)} of memory, {readable(free)} are free; "
                f"set data.storage to {'shared or ' if request.processes > 1 else ''}stream, or "
                "use less of it."
            )
        words = f"{counted(request.processes, size)}, loaded into memory ({reason})"
        return in_memory(storage), words
    if kind == "shared":
        path = request.root / "shared" / f"{request.split}-{request.key()}.float32"
        words = f"{readable(size)}, in memory once per node, mapped from {path} ({reason})"
        return shared(storage, path), words
    return storage, f"{readable(size)}, streamed from the files ({reason})"


def to_device(
    storage: Storage, choice: StorageChoice, request: StorageRequest, device: torch.device
) -> tuple[Storage, str]:
    """Return the training split on a device if requested, or if it fits with `auto`.

    Returns:
        The storage, and a line for the terminal, which is empty if the split stays where it is.

    Raises:
        ValueError: The split does not fit on the device, as `data.storage` requests.
    """
    if choice not in ("auto", "device") or (choice == "auto" and device.type != "cuda"):
        return storage, ""
    size, free = size_of(storage), free_on(device)
    if choice == "auto" and size * DEVICE_SHARE > free:
        return storage, ""
    if size > free:
        raise ValueError(
            f"{request.root}: the {request.split} split takes {readable(size)}, "
            f"{readable(free)} are free on {device}; set data.storage to auto, or use less of it."
        )
    words = f"{readable(size)}, loaded onto {device} ({readable(free)} free there)"
    return on_device(storage, device), words


def size_of(storage: Storage) -> int:
    """Return the size of a split as float32 [bytes]."""
    return sum(storage.lengths) * torch.Size(storage.shape).numel() * 4


def counted(processes: int, size: int) -> str:
    """Return a size as text, such as `4 x 2 GiB` for four processes."""
    return f"{processes} x {readable(size)}" if processes > 1 else readable(size)
