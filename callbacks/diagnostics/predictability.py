"""Predictability limit: the growth of an error in the true dynamics."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from jaxtyping import Int
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column, ScoreLayout
from callbacks.diagnostics.lead_times import whole_leads
from callbacks.diagnostics.options import is_whole
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.rollout_mse import mean_squared_error
from datamodules.solvers import resample
from datamodules.source import ReferenceSource
from emulators.rollout import RolloutBatch, State


class PredictabilityLimit(RolloutDiagnostic):
    """Error growth of the solver itself, from the emulator's own one-step error.

    The solver runs from the true state and from the emulator's forecast, both at lead time one;
    P(n), the mean squared difference after n steps, is the error of an emulator that makes this
    one-step error once and is exact otherwise. An emulator that makes an independent error of the
    same size at every step has the error S(n) = P(1) + ... + P(n), as long as errors are small. An
    emulator with this one-step error can be expected between the two.
    `RolloutError` draws both with the error.

    Args:
        initial_conditions: Number of initial conditions from which the solver is run, evenly spaced
            among all; it may cost as much as the emulator.
        leads: Leads [intervals] at which the ratios of the error to P and S are reported.

    Example:
        The table shows how many times larger the error of the emulator is than P and S:

        >>> PredictabilityLimit(initial_conditions=2, leads=(10, 50)).options["leads"]
        [10, 50]
    """

    stages = ("test",)
    version = 2
    layouts = (
        ScoreLayout("limit_once", ("twin", "lead_time"), needs=("limit_always",)),
        ScoreLayout("limit_always", ("twin", "lead_time")),
    )

    def __init__(
        self, initial_conditions: int = 4, leads: Sequence[int] = (10, 25, 50, 100)
    ) -> None:
        super().__init__()
        if not is_whole(initial_conditions):
            raise ValueError(
                "PredictabilityLimit.initial_conditions must be at least 1, got "
                f"{initial_conditions}."
            )
        self.initial_conditions = initial_conditions
        self.leads = whole_leads("PredictabilityLimit", leads)
        self.rows = PerSampleMetric("error", "limit")

    def unsupported_reason(self) -> str | None:
        generator = self.source.generator
        if generator is None:
            return "the data were not simulated by this program: there is no solver"
        if self.no_grid:
            return f"the data have no periodic grid: {self.no_grid}"
        solver, grid = generator.solver.grid, self.periodic_grid
        if not solver.is_same_domain(grid):
            return (
                f"the domain of the solver, {solver.lengths}, differs from the domain of the "
                f"data, {grid.lengths}"
            )
        if generator.operating_points_differ:
            return "trajectories have operating points of their own"
        return None

    def begin(self, start: RolloutBatch) -> None:
        self.chosen = even_choice(start, self.source, self.initial_conditions)
        self.index = start.index[self.chosen]
        self.error = self.unknown(start, start.truth_steps, start.initial.shape[1])[self.chosen]
        self.limit = self.error.clone()
        generator = self.source.generator
        assert generator is not None  # see `unsupported_reason`
        self.solver = generator.solver.to(start.initial.device).float()

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if truth is None or not len(self.chosen):
            return
        forecast, truth = forecast[self.chosen].to(truth.dtype), truth[self.chosen]
        self.error[:, lead - 1] = mean_squared_error(forecast, truth)
        if lead == 1:
            both = torch.cat((truth, forecast))
            self.twins = resample(both, self.periodic_grid, self.solver.grid.shape).float()
            self.limit[:, 0] = self.error[:, 0]
            return
        self.twins = self.solver.step(self.twins)
        both = resample(self.twins, self.solver.grid, self.periodic_grid.shape)
        exact, perturbed = both.chunk(2)
        self.limit[:, lead - 1] = mean_squared_error(perturbed, exact)

    def end(self) -> None:
        self.rows.update(self.index, error=self.error, limit=self.limit)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        error, once = ((rows[n] / self.training_std**2).mean(-1) for n in ("error", "limit"))
        always, unit = once.cumsum(1), {"units": "training variance"}
        dims, text = ("twin", "lead_time"), {"long_name": "error over the limit", "units": "1"}
        return xarray.Dataset(
            {
                "limit_once": (
                    dims,
                    once,
                    {"long_name": "error of the solver, first error made once", **unit},
                ),
                "limit_always": (
                    dims,
                    always,
                    {"long_name": "error of the solver, first error made at every step", **unit},
                ),
                "limit_ratio_once": ("lead_time", ratio(error, once), text),
                "limit_ratio_always": ("lead_time", ratio(error, always), text),
            },
            coords={
                "lead_time": self.times("lead_time", range(1, once.shape[1] + 1), "lead time"),
                "twin": rows["index"],
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return self.beyond(self.leads, scores.sizes["lead_time"], "the truth")

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        return {
            f"limit_ratio_{kind}/lead_{lead}": float(scores[f"limit_ratio_{kind}"][lead - 1])
            for kind in ("once", "always")
            for lead in self.leads
            if lead <= scores.sizes["lead_time"]
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return []


def even_choice(start: RolloutBatch, source: ReferenceSource, count: int) -> Int[Tensor, " chosen"]:
    """Return which initial conditions of a batch are among `count` evenly spaced ones of the test.

    Args:
        start: Batch of initial conditions.
        source: Data module, which has their number.
        count: Number of initial conditions that are chosen among all.
    """
    total = source.rollouts["test"].initial_conditions
    even = np.linspace(0, total - 1, min(total, count)).round()
    return torch.isin(start.index, torch.from_numpy(even).to(start.index)).nonzero()[:, 0]


def ratio(error: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return mean error / mean limit over initial conditions; NaN where the limit is zero.

    Args:
        error: Errors (initial condition, lead time).
        limit: Predictability limits of the same shape.
    """
    one, other = error.mean(0), limit.mean(0)
    return np.divide(one, other, out=np.full(one.shape, np.nan), where=other > 0)
