"""Solver in place of an emulator, started from the same initial states."""

from typing import Any

from torch import Tensor, nn

from datamodules.solvers import Grid, Solver, resample
from emulators.checkpoint_checks import described
from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Emulator, State, Window
from emulators.training.precision import check_precision


class Simulation(Emulator):
    """The solver that made the data, evaluated as an emulator: a reference for its errors.

    There is nothing to train: `emulate test` runs it without a checkpoint. If the data
    were truncated to a coarser grid, it starts each step from the truncated state, as an emulator
    does: one step is

        û_{n+1} = P S(P* u_n),

    with S the solver on its own grid, P the truncation of the spectrum and P* the filling of the
    missing modes with zeros. An emulator without memory can hardly have a smaller
    error.

    Args:
        channels: Number of fields of a state; set by the data.
        dimensions: Number of spatial dimensions; set by the data.

    Raises:
        ValueError: The data have no solver, several, or one of another domain; or a training is
            requested.

    Example:
        A solver on 64 points steps states on 32; in a test `setup` takes both from the data.

        >>> import torch
        >>> from datamodules.solvers import KuramotoSivashinsky, SpectralSolver
        >>> fine, coarse = Grid((64,), (22.0,)), Grid((32,), (22.0,))
        >>> solver = SpectralSolver(KuramotoSivashinsky(fine), dt=0.1, interval=1.0).float()
        >>> emulator = Simulation(dimensions=1)
        >>> emulator.solver, emulator.grid = solver, coarse
        >>> emulator.rollout(torch.zeros(2, 1, 32), steps=3).shape
        torch.Size([2, 3, 1, 32])
    """

    solver: Solver  # with `grid` from `setup` on
    grid: Grid

    def __init__(self, channels: int = 1, dimensions: int = 2) -> None:
        super().__init__(nn.Identity(), channels, dimensions, ema_decay=0.0, project=None)

    @property
    def window(self) -> int:
        """Number of snapshots, 1: there is no training."""
        return 1

    def setup(self, stage: str) -> None:
        """Load the solver and the statistics from the data module."""
        if stage == "fit":
            raise ValueError(
                "Simulation has nothing to train; run `emulate test` without a checkpoint."
            )
        check_precision(self.trainer.precision)
        source = self.trainer.datamodule
        grid, generator = described(source).uniform_grid, source.generator
        solver = generator.solver if generator else None
        if solver is None or grid is None or not solver.grid.is_same_domain(grid):
            found = f"lengths {solver.grid.lengths}" if solver else "none"
            wanted = grid.lengths if grid else "which have no uniform grid"
            raise ValueError(
                f"Simulation needs the solver of the data on their domain {wanted}, found {found}; "
                "give data.generator the settings that made the data."
            )
        if generator.operating_points_differ:
            raise ValueError(
                "Simulation steps all trajectories by one solver, but the trajectories of the data "
                "have operating points of their own; test it on data without operating_points."
            )
        self.solver, self.grid = solver.float(), grid
        statistics = source.statistics
        self.standardize.set_statistics(statistics.mean, statistics.std, statistics.increment_std)

    def step(
        self, state: State, memory: Any = None, context: Context = NO_CONTEXT
    ) -> tuple[State, None]:
        own = resample(state.float(), self.grid, self.solver.grid.shape)
        return resample(self.solver.step(own), self.solver.grid, self.grid.shape), None

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Tensor:
        raise ValueError("Simulation has nothing to train.")
