"""Choice of the storage of a split: as asked for, or the fastest that its size leaves room for."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from datamodules.storage.free_memory import free_memory, free_on
from datamodules.storage.in_memory import in_memory, shared
from datamodules.storage.on_device import on_device
from datamodules.storage.storage import Storage

StorageChoice = Literal["auto", "memory", "shared", "device", "stream"]
Host = Literal["memory", "shared", "stream"]
HOST_SHARE = 2  # a split takes at most one part in so many of the free memory by itself
DEVICE_SHARE = 4  # the rest is for the training, whose needs are not known before


@dataclass(frozen=True)
class StorageRequest:
    """Request for a storage: which split, and who shares the memory.

    Args:
        split: Name of the split.
        root: Folder of the data set.
        key: Returns a name of what the split holds, to call a shared file by.
        processes: Processes that train or test together on this node.
    """

    split: str
    root: Path
    key: Callable[[], str]
    processes: int = 1


def choose(size: int, free: int, processes: int = 1, writable: bool = True) -> tuple[Host, str]:
    """Return where on the host a split goes by itself, and why.

    Args:
        size: Size of the split as float32 [bytes].
        free: Free memory of the node [bytes].
        processes: Processes that use the split on this node.
        writable: Whether the data set's folder can be written.
    """
    room = f"half of the {gib(free)} that are free"
    if processes * size * HOST_SHARE <= free:
        return "memory", f"{counted(processes, size)} are at most {room}"
    if processes > 1 and size * HOST_SHARE <= free and writable:
        return "shared", f"{counted(processes, size)} are more than {room}, {gib(size)} are not"
    return "stream", f"{counted(processes, size)} are more than {room}"


def choose_storage(
    storage: Storage, choice: StorageChoice, request: StorageRequest
) -> tuple[Storage, str]:
    """Return a split in the storage that is asked for or that `choose` says, and in words why.

    A device is for training windows alone; `to_device` takes them there.

    Raises:
        ValueError: The memory has no room for it.
        OSError: It is to be shared, and the file cannot be written.
    """
    size, free = size_of(storage), free_memory()
    kind, reason = choice, f"as data.storage says ({gib(size)})"
    if kind in ("auto", "device"):
        kind, reason = choose(size, free, request.processes, os.access(request.root, os.W_OK))
    if kind == "memory":
        if request.processes * size > free:
            raise ValueError(
                f"{request.root}: the {request.split} split takes "
                f"{counted(request.processes, size)} of memory, {gib(free)} are free; "
                f"set data.storage to {'shared or ' if request.processes > 1 else ''}stream, or "
                "use less of it."
            )
        return in_memory(storage), f"in memory: {reason}"
    if kind == "shared":
        path = request.root / "shared" / f"{request.split}-{request.key()}.float32"
        return shared(storage, path), f"in memory once per node, mapped from {path}: {reason}"
    return storage, f"streamed from the files: {reason}"


def to_device(
    storage: Storage, choice: StorageChoice, request: StorageRequest, device: torch.device
) -> tuple[Storage, str]:
    """Return the training split on a device if asked for or if it fits well, and words or "".

    Raises:
        ValueError: The device has no room for it.
    """
    if choice not in ("auto", "device") or (choice == "auto" and device.type != "cuda"):
        return storage, ""
    size, free = size_of(storage), free_on(device)
    if choice == "auto" and size * DEVICE_SHARE > free:
        return storage, ""
    if size > free:
        raise ValueError(
            f"{request.root}: the {request.split} split takes {gib(size)}, {gib(free)} are free "
            f"on {device}; set data.storage to auto, or use less of it."
        )
    return on_device(storage, device), f"on {device}: {gib(size)} of the {gib(free)} free there"


def size_of(storage: Storage) -> int:
    """Return the bytes of a split as float32."""
    return sum(storage.lengths) * torch.Size(storage.shape).numel() * 4


def gib(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size / 2**30:.3g} GiB"


def counted(processes: int, size: int) -> str:
    """Return the bytes that every process takes, in words."""
    return f"{processes} x {gib(size)}" if processes > 1 else gib(size)
