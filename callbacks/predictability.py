"""How good a forecast could be: the growth of an error in the true dynamics."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostic import RolloutDiagnostic
from callbacks.figures import COLOURS, lead_time_axes
from callbacks.metrics.rollout_mse import mean_squared_error
from callbacks.metrics.rows import Rows
from datamodules.solvers import resample
from emulators.rollout import Start, State


class PredictabilityLimit(RolloutDiagnostic):
    """Error growth of the solver itself, from the emulator's own one-step error.

    The solver runs from the true state and from the emulator's forecast, both at lead time one;
    P(n), the mean squared difference after n steps, is what an emulator would reach that made this
    error once and was exact otherwise. If it made as large an error anew at every step, independent
    of the others, its error would be the sum S(n) = P(1) + ... + P(n), as long as errors are small.
    Between the two lies what an emulator with this one-step error can reach.

    Args:
        leads: Lead times, in steps, at which the ratios of the error to P and S are reported.
    """

    stages = ("test",)
    version = 1

    def __init__(self, leads: Sequence[int] = (10, 25, 50, 100)) -> None:
        super().__init__()
        self.leads = tuple(leads)
        self.rows = Rows("error", "limit")

    def undefined(self) -> str:
        generator = self.data.generator
        if generator is None:
            return "the data were not simulated here: there is no solver"
        if self.data.grid is None or generator.solver.grid.lengths != self.data.grid.lengths:
            return "the solver lives in another domain than the data"
        return ""

    def begin(self, start: Start) -> None:
        self.index = start.index
        shape = (len(start.initial), start.truth_steps, start.initial.shape[1])
        self.error = torch.full(shape, float("nan"), dtype=torch.float64)
        self.error = self.error.to(start.initial.device)
        self.limit = self.error.clone()
        self.solver = self.data.generator.solver.to(start.initial.device).float()

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if truth is None:
            return
        self.error[:, lead - 1] = mean_squared_error(forecast, truth)
        if lead == 1:
            both = torch.cat((truth, forecast.to(truth.dtype)))
            self.twins = resample(both, self.data.grid, self.solver.grid.shape).float()
            self.limit[:, 0] = self.error[:, 0]
            return
        self.twins = self.solver.step(self.twins)
        both = resample(self.twins, self.solver.grid, self.data.grid.shape)
        exact, perturbed = both.chunk(2)
        self.limit[:, lead - 1] = mean_squared_error(perturbed, exact)

    def end(self) -> None:
        self.rows.update(self.index, error=self.error, limit=self.limit)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        variance = self.emulator.standardize.std.double().cpu().numpy() ** 2
        error, limit = ((rows[name] / variance).mean(-1) for name in ("error", "limit"))
        dims, unit = ("initial_condition", "lead_time"), "training variance"
        return xarray.Dataset(
            {
                "limit_once": (
                    dims,
                    limit,
                    {"long_name": "error of the solver after one such error", "units": unit},
                ),
                "limit_always": (
                    dims,
                    limit.cumsum(1),
                    {"long_name": "sum of such errors, one at every step", "units": unit},
                ),
                "limit_ratio_once": ("lead_time", error.mean(0) / limit.mean(0)),
                "limit_ratio_always": ("lead_time", error.mean(0) / limit.mean(0).cumsum()),
            },
            coords={
                "lead_time": np.arange(1, limit.shape[1] + 1) * self.data.interval,
                "initial_condition": rows["index"],
            },
        ).assign(error_beside_limit=("lead_time", error.mean(0)))

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        return {
            f"limit_ratio_{kind}/lead_{lead}": float(scores[f"limit_ratio_{kind}"][lead - 1])
            for kind in ("once", "always")
            for lead in self.leads
            if lead <= scores.sizes["lead_time"]
        }

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes("mean squared error / variance")
        lead = scores["lead_time"]
        once, always = (
            scores[f"limit_{kind}"].mean("initial_condition") for kind in ("once", "always")
        )
        axes.plot(lead, scores["error_beside_limit"], color=COLOURS[0], label="emulator")
        axes.fill_between(lead, once, always, color="0.85", label="within reach")
        axes.plot(lead, once, color="black", linestyle="--", label="exact after the first step")
        axes.plot(lead, always, color="black", linestyle=":", label="its error anew at each step")
        axes.set_yscale("log")
        axes.set_ylim(top=4)
        axes.legend(loc="lower right")
        return {"predictability": figure}
