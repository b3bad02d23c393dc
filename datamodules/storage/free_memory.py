"""Free memory of a node, within the limits of its batch system, and of a device."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.files.sizes import readable

STATES = 4  # states of a rollout in memory at once: initial, present, next, and its output
UNKNOWN = 2**33  # bytes assumed to be free where the system does not report any


def free_memory(root: Path = Path("/")) -> int:
    """Return the memory that the processes of this node may still allocate [bytes].

    On Linux it is the available memory, or less where a control group (by which containers and
    batch systems confine a job) limits it. On other systems it is the whole memory.

    Args:
        root: Root of the file system with `proc` and `sys`.
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
    """Yield the memory left in each control group (version 1 or 2) of this process [bytes]."""
    mount = root / "sys/fs/cgroup"
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        # clusters with systems from before 2022 (RHEL 8 and the like) have version 1
        names = "memory.max", "memory.current", "inactive_file"
        if controllers == "memory":
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        top = mount / controllers
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                yield from _left(folder, *names)


def _left(folder: Path, limit: str, used: str, cache: str) -> Iterator[int]:
    """Yield the memory left in a control group with a limit; its file cache counts as free."""
    try:
        most = int((folder / limit).read_text())
        now = int((folder / used).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # "max", where there is no limit
        return
    yield most - now + int(counts.get(cache, 0))


def free_on(device: torch.device) -> int:
    """Return the free memory of a device, which for a CPU is the memory of this node [bytes].

    Memory that torch has reserved on a GPU and does not use is free.
    """
    if device.type == "cuda" and torch.cuda.is_available():
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return free_memory()


def check_memory(
    initial: Float[Tensor, "batch channel *space"], members: int, each: int | None = None
) -> None:
    """Check that the states of an ensemble, before and after a step, fit into the free memory.

    Args:
        initial: Initial states of a batch, on the device that must have room.
        members: Number of members.
        each: Memory of a member of all initial conditions [bytes], by default of `STATES` states.

    Raises:
        ValueError: They do not; the number that fits is named.
    """
    free, each = free_on(initial.device), each or STATES * initial.nbytes
    if members * each > free:
        raise ValueError(
            f"An ensemble of {members} members from {len(initial)} initial conditions of "
            f"{tuple(initial.shape[1:])} needs {readable(members * each)}, and {readable(free)} "
            f"are free; lower members to {max(free // each, 1)} or less, or start from fewer "
            "initial conditions at a time: batch_size of data.val_rollouts, test_rollouts or "
            "predict_rollouts, in Python fewer states of `initial`."
        )
