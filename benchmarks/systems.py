"""Stand-ins for data of any size: random states in the place of trajectories."""

import hashlib
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch

from datamodules.description import DataDescription
from datamodules.reference_cache import cached
from datamodules.solvers import BetaPlane, Grid, SpectralSolver, Variable


class RandomData:
    """What diagnostics ask of a data module, with states of white noise.

    Args:
        shape: Points along each axis.
        snapshots: Of the reference split, one trajectory.
    """

    def __init__(self, shape: tuple[int, ...], snapshots: int = 220) -> None:
        grid = Grid(shape, (6.283185307179586,) * len(shape))
        field = Variable("vorticity", "vorticity", "s-1")
        self.description = DataDescription.on_grid(
            [field], grid, 0.02, "m", "s", vorticity="vorticity"
        )
        self.rollouts = {"test": SimpleNamespace(members=1, initial_conditions=16, steps=2000)}
        self.states = torch.randn(snapshots, 1, *shape)
        self.root = Path(tempfile.mkdtemp())
        self.generator = None
        if len(shape) == 2:
            solver = SpectralSolver(BetaPlane(grid, 20.0, 0.1, 1e-3), 0.01, 0.02)
            self.generator = SimpleNamespace(solver=solver, operating_points_differ=False)

    def describe(self) -> DataDescription:
        """Return fields, grid and interval."""
        return self.description

    def content_hash(self, split: str) -> str:
        """Return a name for the states."""
        return hashlib.sha256(repr(tuple(self.states.shape)).encode()).hexdigest()

    def reference(self, split, definition, compute):
        """Return what is computed from the states, once."""
        return cached(self.root, self.content_hash(split), definition, compute)

    def trajectories(self, split: str) -> SimpleNamespace:
        """Return the states as one trajectory."""
        return SimpleNamespace(
            chunks=lambda label, snapshots=256: self.states.split(snapshots),
            lengths=[len(self.states)],
            snapshots=len(self.states),
        )


class RolloutBatch:
    """Initial conditions from the states, with the same states as truth."""

    perturbed = None
    parameters = None

    def __init__(self, initial: torch.Tensor, steps: int, truth_steps: int) -> None:
        self.initial, self.steps, self.truth_steps = initial, steps, truth_steps
        self.index = torch.arange(len(initial))
        self.times = [0.0] * len(initial)

    def truth(self, lead: int) -> torch.Tensor:
        """Return the initial states."""
        return self.initial
