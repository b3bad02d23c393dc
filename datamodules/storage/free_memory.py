"""How much memory is free: on this node, within the limits of its batch system, on a device."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

UNKNOWN = 2**33  # bytes taken for free where the system does not say


def free_memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory that the processes of this node may still take.

    Linux says what is available and what control groups, in which containers and batch systems
    confine a job, allow. Elsewhere it is the whole memory.

    Args:
        root: Of the file system.
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError):
            return UNKNOWN
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return max(0, min([*available, *_allowed(root)], default=UNKNOWN))


def _allowed(root: Path) -> Iterator[int]:
    """Yield what each control group of this process, of version 2 or 1, still allows."""
    mount = root / "sys/fs/cgroup"
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        # clusters with systems of before 2022 (RHEL 8 and its kin) have version 1
        names = "memory.max", "memory.current", "inactive_file"
        if controllers == "memory":
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        top = mount / controllers
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                yield from _left(folder, *names)


def _left(folder: Path, limit: str, used: str, cache: str) -> Iterator[int]:
    """Yield what one control group still allows, if it has a limit; file cache gives way."""
    try:
        most = int((folder / limit).read_text())
        now = int((folder / used).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # "max" is no number: no limit
        return
    yield most - now + int(counts.get(cache, 0))


def free_on(device: torch.device) -> int:
    """Return the free bytes of a device's own memory, or of this node's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_memory()
