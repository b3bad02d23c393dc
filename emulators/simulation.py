"""The solver itself in an emulator's place."""

from typing import Any

from torch import Tensor, nn

from datamodules.solvers import Solver
from emulators.emulator import Emulator, State, Window


class Simulation(Emulator):
    """The solver that made the data, evaluated like an emulator: its scores are the truth's own.

    There is nothing to train: `emulate test` runs it without a checkpoint.

    Args:
        channels: Fields of a state; set by the data.
        dimensions: Spatial dimensions; set by the data.

    Raises:
        ValueError: The data have no solver, or one on another grid; or it is asked to train.
    """

    def __init__(self, channels: int = 1, dimensions: int = 2) -> None:
        super().__init__(nn.Identity(), channels, dimensions, ema_decay=0.0)
        self.solver: Solver | None = None

    @property
    def window(self) -> int:
        """No training: any window will do."""
        return 1

    def setup(self, stage: str) -> None:
        """Take the solver and the statistics of the data."""
        if stage == "fit":
            raise ValueError("Simulation has nothing to train; run `emulate test` at once.")
        data = self.trainer.datamodule
        solver = data.generator.solver if data.generator else None
        if solver is None or solver.grid != data.grid:
            found = f"a grid of {solver.grid.shape}" if solver else "none"
            raise ValueError(
                f"Simulation needs the solver of the data on their grid {data.shape}, found "
                f"{found}; give data.generator the grid of the data."
            )
        self.solver = solver.float()
        statistics = data.statistics
        self.standardize.set_statistics(statistics.mean, statistics.std, statistics.increment_std)

    def step(self, state: State, memory: Any = None) -> tuple[State, None]:
        return self.solver.step(state.float()), None

    def loss(self, window: Window) -> Tensor:
        raise ValueError("Simulation has nothing to train.")
