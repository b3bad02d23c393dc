"""Solver in place of an emulator, started from the same initial states."""

from typing import Any

from datamodules.solvers import Grid, Solver, resample
from emulators.checkpoint_checks import described
from emulators.context import NO_CONTEXT, Context
from emulators.emulator import State
from emulators.untrained import Untrained


class Simulation(Untrained):
    """The solver that made the data, evaluated as an emulator: a reference for its errors.

    If the data were truncated to a coarser grid, it starts each step from the truncated state, as
    an emulator does: one step is

        û_{n+1} = P S(P* u_n),

    with S the solver on its own grid, P the truncation of the spectrum and P* the filling of the
    missing modes with zeros. An emulator without memory can hardly have a smaller
    error.

    See the base class for the arguments.

    Raises:
        ValueError: The data have no solver, several, or one of another domain.

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

    def setup(self, stage: str) -> None:
        """Load the solver and the statistics from the data module."""
        super().setup(stage)
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

    def step(
        self, state: State, memory: Any = None, context: Context = NO_CONTEXT
    ) -> tuple[State, None]:
        own = resample(state.float(), self.grid, self.solver.grid.shape)
        return resample(self.solver.step(own), self.solver.grid, self.grid.shape), None
