"""Starts of rollouts, and access to what really followed them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.split import Trajectories


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
