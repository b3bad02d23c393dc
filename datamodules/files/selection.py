"""Selection of the files, trajectories and snapshots of a split."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Range:
    """Half-open range [start, stop) of trajectories or snapshots.

    Args:
        start: Index of the first item.
        stop: Index after the last item; None means the end. Negative indices count from the end.

    Example:
        >>> list(Range(start=2).of(5)), list(Range(stop=-1).of(3))
        ([2, 3, 4], [0, 1])
    """

    start: int = 0
    stop: int | None = None

    def of(self, size: int) -> range:
        """Return the range within `size` items."""
        return range(size)[slice(self.start, self.stop)]


@dataclass(frozen=True)
class SplitFiles:
    """Files, trajectories and snapshots of one split.

    Args:
        files: File name pattern relative to the root of the data set, such as `train/*.nc`; `**`
            matches folders of any depth.
        trajectories: Range of trajectories of each file; all by default.
        times: Range of snapshots of each trajectory; all by default.

    Example:
        All snapshots of a file from the hundredth on:

        >>> source = SplitFiles("train/*.nc", times=Range(start=100))
        >>> len(source.times.of(250))
        150
    """

    files: str
    trajectories: Range = field(default_factory=Range)
    times: Range = field(default_factory=Range)


Source = SplitFiles
"""Former name, accepted until 0.3."""
