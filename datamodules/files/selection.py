"""Which trajectories and snapshots of which files belong to a split."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Range:
    """Half-open range [start, stop) of trajectories or snapshots; None means to the end."""

    start: int = 0
    stop: int | None = None

    def of(self, size: int) -> range:
        """Return the range within `size` items."""
        return range(size)[slice(self.start, self.stop)]


@dataclass(frozen=True)
class Source:
    """Where the trajectories of one split are.

    Args:
        files: File name pattern relative to the root of the data set, such as `train/*.nc`; `**`
            stands for folders of any depth.
        trajectories: Which trajectories of each file; all by default.
        times: Which snapshots of each trajectory; all by default.
    """

    files: str
    trajectories: Range = field(default_factory=Range)
    times: Range = field(default_factory=Range)
