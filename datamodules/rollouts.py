"""Initial conditions of rollouts, and access to the truth that follows them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.files.provenance import random_seed
from datamodules.solvers.finite import check_finite
from datamodules.storage.free_memory import check_memory
from datamodules.trajectories import Trajectories


@dataclass(frozen=True)
class Rollouts:
    """Rollouts of one stage: their number, length, truth and ensemble.

    Args:
        initial_conditions: Number of initial conditions, spread evenly over the split.
        steps: Length of each rollout [snapshot intervals]; may exceed the data.
        truth_steps: Number of intervals with a truth; None for a quarter of the shortest
            trajectory, at most `steps`.
        batch_size: Number of rollouts that are computed together.
        members: Size of the ensemble from each initial condition.
        initial_noise: White noise of the other members [spatial standard deviations of the initial
            state]; a stochastic emulator needs none.
        breeding: Steps before the start in which the noise grows.

    Example:
        Ten thousand steps from eight states, the first hundred of which are compared with the
        truth:

        >>> rollouts = Rollouts(initial_conditions=8, steps=10_000, truth_steps=100)
        >>> rollouts.members
        1
    """

    initial_conditions: int = 16
    steps: int = 100
    truth_steps: int | None = None
    batch_size: int = 16
    members: int = 1
    initial_noise: float = 0.0
    breeding: int = 0

    def __post_init__(self) -> None:
        for name in ("initial_conditions", "steps", "batch_size", "members"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} of data.val_rollouts, test_rollouts or predict_rollouts must be at "
                    f"least 1, got {getattr(self, name)}."
                )
        if self.truth_steps is not None and self.truth_steps < 0:
            raise ValueError(
                "truth_steps of data.val_rollouts, test_rollouts or predict_rollouts must be at "
                f"least 0, got {self.truth_steps}."
            )
        check_ensemble(self.members, self.initial_noise, self.breeding)


def check_ensemble(members: int, noise: float, breeding: int = 0) -> None:
    """Check the size and the noise of an ensemble.

    Raises:
        ValueError: There is noise without further members, breeding without noise, or a number is
            out of its range.
    """
    check_finite("Rollouts", initial_noise=noise)
    if members < 1 or noise < 0 or (members == 1 and noise > 0):
        raise ValueError(
            "An ensemble needs members above 1, and initial_noise of at least 0, got "
            f"members={members}, initial_noise={noise}."
        )
    if breeding < 0 or (breeding > 0 and not noise > 0):
        raise ValueError(
            "breeding of data.val_rollouts, test_rollouts or predict_rollouts must be at least 0, "
            f"and needs initial_noise above 0, got breeding={breeding}, initial_noise={noise}."
        )


@dataclass
class TrajectoryRolloutBatch:
    """Initial conditions of a batch of rollouts, and access to the truth that follows.

    Attributes:
        initial: States at lead time 0, (batch, channel, *space).
        index: Number of each initial condition within the whole evaluation.
        steps: Length of the rollout [snapshot intervals].
        truth_steps: Number of steps of the truth; at most `steps`.
        source: Trajectories of the truth.
        places: (trajectory, snapshot) of each initial condition.
        perturbed: Further members of an ensemble, (member, batch, channel, *space), or None.
        parameters: Physical parameters of the trajectories, (batch, parameter), or None.
        static: Static fields of the trajectories, (batch, static, *space), or None.
        breeding: Number of steps before the initial states in which perturbations are bred; so many
            true states before them are known.

    Example:
        The truth after the second snapshot of a trajectory whose values are its times:

        >>> from pathlib import Path
        >>> from datamodules import Dimensions, NumPy
        >>> from datamodules.files.trajectory_file import TrajectoryFile
        >>> np.save("u.npy", np.outer(np.arange(5), np.ones(4)))
        >>> format = NumPy(["time", "x"], interval=1.0)
        >>> file = TrajectoryFile(Path("u.npy"), ["u"], Dimensions(space=("x",)), format=format)
        >>> source = Trajectories([file])
        >>> batch = TrajectoryRolloutBatch(
        ...     source.read(0, 1, 2), torch.tensor([0]), steps=9, truth_steps=3, source=source,
        ...     places=[(0, 1)],
        ... )
        >>> batch.times, batch.truth(2).tolist()
        ([1.0], [[[3.0, 3.0, 3.0, 3.0]]])
    """

    initial: Float[Tensor, "batch channel *space"]
    index: Int[Tensor, " batch"]
    steps: int
    truth_steps: int
    source: Trajectories
    places: list[tuple[int, int]]
    perturbed: Float[Tensor, "member batch channel *space"] | None = None
    parameters: Float[Tensor, "batch parameter"] | None = None
    static: Float[Tensor, "batch static *space"] | None = None
    breeding: int = 0

    @property
    def times(self) -> list[float]:
        """Time of each initial condition, in the units of the files."""
        return [self.source.time(k, start) for k, start in self.places]

    def truth(self, lead: int) -> Float[Tensor, "batch channel *space"]:
        """Return the true states `lead` intervals after the initial ones.

        Raises:
            ValueError: The lead is below `-breeding` or exceeds `truth_steps`.
        """
        if not -self.breeding <= lead <= self.truth_steps:
            raise ValueError(
                f"lead must lie in {-self.breeding}..{self.truth_steps} (the truth), got {lead}."
            )
        reads = [self.source.read(k, start + lead, start + lead + 1) for k, start in self.places]
        return torch.cat(reads)

    def forcing(self, lead: int) -> Float[Tensor, "batch forcing *space"] | None:
        """Return the forcing `lead` intervals after the initial states, or None without forcing.

        A call of the network for several states may extend beyond the last step of the rollout.
        There, the last forcing of a trajectory is held from its end on.
        """
        if not self.source.forcings:
            return None
        reads = []
        for k, start in self.places:
            snapshot = start + lead
            if lead > self.steps:
                snapshot = min(snapshot, self.source.lengths[k] - 1)
            reads.append(self.source.read_forcing(k, snapshot, snapshot + 1))
        return torch.cat(reads)


class InitialConditions(Dataset):
    """Evenly spaced starts of rollouts, each followed by `truth_steps` true snapshots.

    Args:
        trajectories: Split to start from.
        count: Number of initial conditions, over all trajectories.
        steps: Length of each rollout, in snapshot intervals.
        truth_steps: Number of true snapshots that must follow each start; None for a quarter of the
            shortest trajectory, at most `steps`.
        members: Size of the ensemble from each initial condition, including the unperturbed member.
        noise: Amplitude of the white noise added to the other members, in units of the spatial
            standard deviation of each channel of the initial state.
        seed: Seed of the noise, which depends only on the seed and the number of the initial
            condition.
        breeding: Number of snapshots that must precede each start, in which noise is bred.

    Raises:
        ValueError: No trajectory is long enough, or there are not `count` different starts.

    Example:
        Rollouts of nine steps from two of five snapshots, each followed by two that are their
        truth. The last snapshot to start from is therefore the third:

        >>> from pathlib import Path
        >>> from datamodules import Dimensions, NumPy
        >>> from datamodules.files.trajectory_file import TrajectoryFile
        >>> np.save("u.npy", np.outer(np.arange(5), np.ones(4)))
        >>> format = NumPy(["time", "x"], interval=1.0)
        >>> file = TrajectoryFile(Path("u.npy"), ["u"], Dimensions(space=("x",)), format=format)
        >>> starts = InitialConditions(Trajectories([file]), count=2, steps=9, truth_steps=2)
        >>> starts.collate([0, 1]).times
        [0.0, 2.0]
    """

    def __init__(
        self,
        trajectories: Trajectories,
        count: int,
        steps: int,
        truth_steps: int | None = None,
        members: int = 1,
        noise: float = 0.0,
        seed: int = 0,
        breeding: int = 0,
    ) -> None:
        check_ensemble(members, noise, breeding)
        self.breeding = breeding
        self.members = members
        self.noise = noise
        self.seed = seed
        self.trajectories = trajectories
        self.steps = steps
        shortest = min(trajectories.lengths, default=0)
        self.truth_steps = min(steps, shortest // 4 if truth_steps is None else truth_steps)
        longest = max(trajectories.lengths, default=0) - 1
        if trajectories.forcings and steps > longest:
            names = ", ".join(field.name for field in trajectories.files[0].forcing)
            raise ValueError(
                f"{trajectories.files[0].path} and the other files of the split have forcing "
                f"({names}) for at most {longest} steps, the rollouts have {steps}; lower steps "
                "of data.val_rollouts, test_rollouts or predict_rollouts, or extend the files."
            )
        needed = steps if trajectories.forcings else self.truth_steps
        starts = [
            (k, start)
            for k, length in enumerate(trajectories.lengths)
            for start in range(breeding, length - needed)
        ]
        if len(starts) < count:
            kind = "forced" if trajectories.forcings else "true"
            bred = f" after {breeding} of breeding" if breeding else ""
            raise ValueError(
                f"{trajectories.files[0].path} and the other files of the split have room for "
                f"{len(starts)} rollouts of {needed} {kind} steps{bred}, {count} were requested; "
                f"lower initial_conditions or "
                f"{'steps' if trajectories.forcings else 'truth_steps'}, or provide longer "
                "trajectories."
            )
        chosen = np.linspace(0, len(starts) - 1, count).round().astype(int)
        self.places = [starts[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> int:
        return index

    def collate(self, indices: list[int]) -> TrajectoryRolloutBatch:
        """Return the batch of the initial conditions with the given numbers."""
        places = [self.places[i] for i in indices]
        initial = torch.cat([self.trajectories.read(k, s, s + 1) for k, s in places])
        parameters = self.trajectories.parameters
        return TrajectoryRolloutBatch(
            initial,
            torch.tensor(indices),
            self.steps,
            self.truth_steps,
            self.trajectories,
            places,
            self._perturbed(initial, indices) if self.members > 1 else None,
            None if parameters is None else parameters[[k for k, _ in places]],
            self.trajectories.static([k for k, _ in places]),
            self.breeding,
        )

    def _perturbed(
        self, initial: Float[Tensor, "batch channel *space"], indices: list[int]
    ) -> Float[Tensor, "member batch channel *space"]:
        """Return the further members of each ensemble."""
        check_memory(initial, self.members)
        if not self.noise:
            return initial.expand(self.members - 1, *initial.shape)
        parts = []
        for index, state in zip(indices, initial, strict=True):
            generator = torch.Generator().manual_seed(random_seed(self.seed, "ensemble", index))
            shape = (self.members - 1, *state.shape)
            draw = torch.randn(shape, generator=generator, dtype=state.dtype)
            parts.append(state + self.noise * self._spread(state) * draw)
        return torch.stack(parts, dim=1)

    def _spread(self, state: Float[Tensor, "channel *space"]) -> Float[Tensor, "channel ..."]:
        """Return the spatial standard deviation of each channel, 0 at masked points."""
        mask = self.trajectories.mask
        if mask is None:
            return state.std(tuple(range(1, state.dim())), keepdim=True)
        spread = torch.stack([field[own].std() for field, own in zip(state, mask, strict=True)])
        return spread.reshape(-1, *[1] * (state.dim() - 1)) * mask
