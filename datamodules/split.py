"""The trajectories of one split, whatever files they come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from datamodules.trajectory_file import TrajectoryFile


@dataclass(frozen=True)
class Range:
    """Half-open range [start, stop) of trajectories or snapshots; None means to the end."""

    start: int = 0
    stop: int | None = None

    def of(self, size: int) -> range:
        """Return the range within `size` items."""
        return range(size)[slice(self.start, self.stop)]


class Trajectories:
    """The trajectories of a split, in memory or read from disk on demand.

    Args:
        files: Files that agree with each other.
        trajectories: Which trajectories of each file belong to the split.
        times: Which snapshots of each trajectory belong to the split.
        in_memory: Whether to read everything now.

    Attributes:
        parameters: Physical parameters, (trajectory, parameter), or None if the files have none.
    """

    def __init__(
        self,
        files: Sequence[TrajectoryFile],
        trajectories: Range = Range(),
        times: Range = Range(),
        in_memory: bool = True,
    ) -> None:
        self.files = list(files)
        self.spans = [
            (file, index, times.of(file.snapshots))
            for file in files
            for index in trajectories.of(file.trajectories)
        ]
        self.lengths = [len(span) for _, _, span in self.spans]
        self.parameters: Float[Tensor, "trajectory parameter"] | None = None
        if self.spans and self.files[0].parameters.size:
            values = np.stack([file.parameters[index] for file, index, _ in self.spans])
            self.parameters = torch.from_numpy(values).float()
        self.memory: list[Tensor] | None = None
        if in_memory:
            self.memory = [self._checked(k, 0, length) for k, length in enumerate(self.lengths)]

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def snapshots(self) -> int:
        """Number of snapshots of all trajectories together."""
        return sum(self.lengths)

    def _checked(self, k: int, start: int, stop: int) -> Tensor:
        file, index, span = self.spans[k]
        window = file.read(index, span.start + start, span.start + stop)
        if not np.isfinite(window).all():
            bad = np.argwhere(~np.isfinite(window))[0]
            snapshot, point = span.start + start + bad[0], tuple(map(int, bad[2:]))
            raise ValueError(
                f"{file.path}: variable '{file.variables[bad[1]].name}' is not finite at "
                f"trajectory {index}, snapshot {snapshot}, point {point}; fill or cut out missing "
                "values."
            )
        return torch.from_numpy(window)

    def read(self, k: int, start: int, stop: int) -> Float[Tensor, "time channel *space"]:
        """Return snapshots [start, stop) of trajectory k."""
        if self.memory is not None:
            return self.memory[k][start:stop]
        return self._checked(k, start, stop)

    def time(self, k: int, snapshot: int) -> float:
        """Return the time of a snapshot of trajectory k, as the file counts it."""
        file, _, span = self.spans[k]
        return float(file.times[span.start + snapshot])

    def chunks(
        self, description: str, snapshots: int = 256
    ) -> Iterator[Float[Tensor, "_ channel *space"]]:
        """Yield all snapshots, piece by piece of a trajectory, with a progress bar if on disk."""
        pieces = [
            (k, start, min(start + snapshots, length))
            for k, length in enumerate(self.lengths)
            for start in range(0, length, snapshots)
        ]
        in_memory = self.memory is not None
        for piece in tqdm(pieces, desc=description, unit="chunk", disable=in_memory):
            yield self.read(*piece)
