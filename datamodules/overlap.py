"""Search for snapshots that two splits share, which would put training data into a test."""

from collections.abc import Mapping
from filecmp import cmp
from hashlib import sha256
from pathlib import Path

from datamodules.files.reader import TrajectoryReader
from datamodules.files.selection import SplitFiles

PART = 1 << 14  # bytes


def overlaps(
    split: str,
    readers: list[TrajectoryReader],
    source: SplitFiles,
    others: Mapping[str, tuple[SplitFiles, list[Path]]],
) -> list[str]:
    """Return a sentence for each of the other splits that shares snapshots with this one.

    Args:
        split: Name of the split.
        readers: Trajectories of the split.
        source: Ranges of the split.
        others: Ranges and files of the other splits, by name.
    """
    found = []
    own = {file.path.resolve(): reader for reader in readers for file in reader.files}
    sizes = {path: path.stat().st_size for path in own}
    for name, (other, paths) in others.items():
        shared = _in_both(sizes, {path.resolve() for path in paths})
        if not shared:
            continue
        reader = own[shared[0]]
        trajectories = _common(source.trajectories.of(reader.trajectories),
                               other.trajectories.of(reader.trajectories))  # fmt: skip
        times = _common(source.times.of(reader.snapshots), other.times.of(reader.snapshots))
        if trajectories and times:
            more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            found.append(
                f"the splits {split} and {name} share snapshots {times.start} to {times.stop - 1} "
                f"of trajectories {trajectories.start} to {trajectories.stop - 1} of {shared[0]}"
                f"{more}, so that scores are not of unseen data; set data.{split} and "
                f"data.{name} to different files, times or trajectories."
            )
    return found


def _in_both(sizes: Mapping[Path, int], others: set[Path]) -> list[Path]:
    """Return the files (given with sizes) that are in `others`, as a path, a link or a copy.

    Only files of equal size and equal samples are compared in full; folders are not.
    """
    own_sizes, alike = set(sizes.values()), {}
    for path in filter(Path.is_file, others - sizes.keys()):
        if (size := path.stat().st_size) in own_sizes:
            alike[size, _sample(path, size)] = path
    known = {size for size, _ in alike}
    shared = sorted(others & sizes.keys())
    for path in filter(Path.is_file, sizes.keys() - others):
        size = sizes[path]
        copy = alike.get((size, _sample(path, size))) if size in known else None
        if copy and cmp(path, copy, shallow=False):
            shared.append(path)
    return sorted(shared)


def _sample(path: Path, size: int) -> bytes:
    """Return a hash of the beginning, the middle and the end of a file."""
    with open(path, "rb") as file:
        parts = [(file.seek(place), file.read(PART))[1] for place in
                 (0, size // 2, max(size - PART, 0))]  # fmt: skip
    return sha256(b"".join(parts)).digest()


def _common(one: range, other: range) -> range:
    """Return the items of two ranges of step 1 that are in both."""
    return range(max(one.start, other.start), min(one.stop, other.stop))
