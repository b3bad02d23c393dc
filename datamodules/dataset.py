"""Training windows and evaluation starts of a split.

A split is a list of trajectories, whatever files they come from. A window is a run of consecutive
snapshots of one trajectory and never straddles two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler
from tqdm import tqdm

from datamodules.trajectory_file import TrajectoryFile

Storage = Literal["auto", "memory", "disk"]


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

    def chunks(self, description: str, snapshots: int = 256) -> "Chunks":
        """Return an iterator over all snapshots in pieces, with a progress bar if it is long."""
        return Chunks(self, description, snapshots)


class Chunks:
    """Iterator over (time, channel, *space) pieces of all trajectories, none straddling two."""

    def __init__(self, trajectories: Trajectories, description: str, snapshots: int) -> None:
        self.trajectories = trajectories
        self.description = description
        self.pieces = [
            (k, start, min(start + snapshots, length))
            for k, length in enumerate(trajectories.lengths)
            for start in range(0, length, snapshots)
        ]

    def __iter__(self):  # noqa: ANN204
        quick = self.trajectories.memory is not None
        for piece in tqdm(self.pieces, desc=self.description, unit="chunk", disable=quick):
            yield self.trajectories.read(*piece)


class WindowDataset(Dataset):
    """All windows of `window` consecutive snapshots; batches are (batch, time, channel, *space).

    Args:
        trajectories: Split to take windows from.
        window: Snapshots per window.

    Raises:
        ValueError: No trajectory is long enough.
    """

    def __init__(self, trajectories: Trajectories, window: int) -> None:
        self.trajectories = trajectories
        self.window = window
        counts = [max(0, length - window + 1) for length in trajectories.lengths]
        self.ends = np.cumsum(counts)
        if not counts or self.ends[-1] == 0:
            raise ValueError(
                f"{trajectories.files[0].path} holds trajectories of at most "
                f"{max(trajectories.lengths, default=0)} snapshots, the emulator needs windows of "
                f"{window}; use longer trajectories or latents with shorter leads."
            )

    def __len__(self) -> int:
        return int(self.ends[-1])

    def locate(self, index: int) -> tuple[int, int]:
        """Return (trajectory, first snapshot) of a window."""
        k = int(np.searchsorted(self.ends, index, side="right"))
        return k, index - (int(self.ends[k - 1]) if k else 0)

    def __getitem__(self, index: int) -> Float[Tensor, "time channel *space"]:
        k, start = self.locate(index)
        return self.trajectories.read(k, start, start + self.window)

    def __getitems__(self, indices: list[int]) -> Float[Tensor, "batch time channel *space"]:
        return torch.stack([self[index] for index in indices])


class WindowSampler(DistributedSampler):
    """Shuffled order of windows that a resumed run continues where it was interrupted.

    The order follows from the seed and the number of batches that were drawn before, so that
    nothing of it needs to be in a checkpoint. (Lightning keeps samplers of this kind under DDP.)

    Args:
        windows: What is sampled.
        batch_size: Windows per batch and process.
        seed: Of the order.
        drawn: Returns how many batches this process has drawn since the start of the training.
        ranks: Number of processes.
        rank: Number of this process.
    """

    def __init__(
        self,
        windows: WindowDataset,
        batch_size: int,
        seed: int,
        drawn: Callable[[], int],
        ranks: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(windows, ranks, rank, shuffle=True, seed=seed)
        self.batch_size = batch_size
        self.drawn = drawn

    def __iter__(self) -> Iterator[int]:
        per_epoch = max(1, self.num_samples // self.batch_size)
        epoch, done = divmod(self.drawn(), per_epoch)
        self.set_epoch(epoch)
        return iter(list(super().__iter__())[done * self.batch_size :])


@dataclass
class RolloutBatch:
    """Initial conditions of a batch of rollouts, and access to what really followed.

    Attributes:
        initial: States at lead time 0, (batch, channel, *space).
        index: Number of each initial condition within the whole evaluation.
        steps: Length of the rollout, in snapshot intervals.
        truth_steps: How far the truth goes; at most `steps`.
        source: Trajectories of the truth.
        places: (trajectory, snapshot) of each initial condition.
    """

    initial: Float[Tensor, "batch channel *space"]
    index: Int[Tensor, " batch"]
    steps: int
    truth_steps: int
    source: Trajectories
    places: list[tuple[int, int]]

    def truth(self, lead: int) -> Float[Tensor, "batch channel *space"]:
        """Return the true states `lead` intervals after the initial ones."""
        if not 0 <= lead <= self.truth_steps:
            raise ValueError(f"lead must lie in 0..{self.truth_steps} (the truth), got {lead}.")
        reads = [self.source.read(k, start + lead, start + lead + 1) for k, start in self.places]
        return torch.cat(reads)


class InitialConditions(Dataset):
    """Evenly spaced starts of rollouts, each followed by `truth_steps` true snapshots.

    Args:
        trajectories: Split to start from.
        count: Number of initial conditions, over all trajectories.
        steps: Length of each rollout, in snapshot intervals.
        truth_steps: True snapshots that must follow each start; None for as many as one quarter of
            the shortest trajectory, at most `steps`.

    Raises:
        ValueError: No trajectory is long enough, or there are not `count` different starts.
    """

    def __init__(
        self,
        trajectories: Trajectories,
        count: int,
        steps: int,
        truth_steps: int | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.steps = steps
        shortest = min(trajectories.lengths, default=0)
        self.truth_steps = min(steps, shortest // 4 if truth_steps is None else truth_steps)
        starts = [
            (k, start)
            for k, length in enumerate(trajectories.lengths)
            for start in range(length - self.truth_steps)
        ]
        if len(starts) < count:
            raise ValueError(
                f"{trajectories.files[0].path} and the files beside it have room for {len(starts)} "
                f"rollouts of {self.truth_steps} true steps, {count} were asked for; lower "
                "initial_conditions or truth_steps, or provide longer trajectories."
            )
        chosen = np.linspace(0, len(starts) - 1, count).round().astype(int)
        self.places = [starts[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> int:
        return index

    def collate(self, indices: list[int]) -> RolloutBatch:
        """Return the batch of the initial conditions with these numbers."""
        places = [self.places[i] for i in indices]
        initial = torch.cat([self.trajectories.read(k, s, s + 1) for k, s in places])
        return RolloutBatch(
            initial,
            torch.tensor(indices),
            self.steps,
            self.truth_steps,
            self.trajectories,
            places,
        )
