"""Which storage a split is kept in: as asked for, or the fastest that its size leaves room for."""

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

Wish = Literal["auto", "memory", "shared", "device", "stream"]
Host = Literal["memory", "shared", "stream"]
HOST_SHARE = 2  # a split takes at most one part in so many of the free memory by itself
DEVICE_SHARE = 4  # the rest is for the training, whose needs are not known before


@dataclass(frozen=True)
class StorageRequest:
    """Whose memory a split is for.

    Args:
        split: Name of the split.
        root: Folder of the data set.
        key: Returns a name of what the split holds, to call a shared file by.
        processes: That train or test together on this node.
    """

    split: str
    root: Path
    key: Callable[[], str]
    processes: int = 1


def choose(size: int, free: int, processes: int = 1, writable: bool = True) -> tuple[Host, str]:
    """Return where on the host a split goes by itself, and why.

    Args:
        size: Of the split, as float32, in bytes.
        free: Memory of the node that is free, in bytes.
        processes: That use the split on this node.
        writable: Whether the data set's folder can be written.
    """
    room = f"half of the {gib(free)} that are free"
    if processes * size * HOST_SHARE <= free:
        return "memory", f"{counted(processes, size)} are at most {room}"
    if processes > 1 and size * HOST_SHARE <= free and writable:
        return "shared", f"{counted(processes, size)} are more than {room}, {gib(size)} are not"
    return "stream", f"{counted(processes, size)} are more than {room}"


def place(storage: Storage, wish: Wish, site: StorageRequest) -> tuple[Storage, str]:
    """Return a split where it is wished or as `choose` says, and in words where and why.

    A device is a place for training windows alone, to which `move` takes them from here.

    Raises:
        ValueError: It is to be in memory, where there is no room for it.
        OSError: It is to be shared, and the file cannot be written.
    """
    size, free = size_of(storage), free_memory()
    kind, reason = wish, f"as data.storage says ({gib(size)})"
    if kind in ("auto", "device"):
        kind, reason = choose(size, free, site.processes, os.access(site.root, os.W_OK))
    if kind == "memory":
        if site.processes * size > free:
            raise ValueError(
                f"{site.root}: the {site.split} split takes {counted(site.processes, size)} of "
                f"memory, {gib(free)} are free; set data.storage to "
                f"{'shared or ' if site.processes > 1 else ''}stream, or use less of it."
            )
        return in_memory(storage), f"in memory: {reason}"
    if kind == "shared":
        path = site.root / "shared" / f"{site.split}-{site.key()}.float32"
        return shared(storage, path), f"in memory once per node, mapped from {path}: {reason}"
    return storage, f"streamed from the files: {reason}"


def move(
    storage: Storage, wish: Wish, site: StorageRequest, device: torch.device
) -> tuple[Storage, str]:
    """Return the training split on a device if it is wished there or fits well, and words or "".

    Raises:
        ValueError: It is wished on a device that has no room for it.
    """
    if wish not in ("auto", "device") or (wish == "auto" and device.type != "cuda"):
        return storage, ""
    size, free = size_of(storage), free_on(device)
    if wish == "auto" and size * DEVICE_SHARE > free:
        return storage, ""
    if size > free:
        raise ValueError(
            f"{site.root}: the {site.split} split takes {gib(size)}, {gib(free)} are free on "
            f"{device}; set data.storage to auto, or use less of it."
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
