"""Relative L1 error of the forecast at every lead time."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.lead_times import whole_leads
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.relative_error import relative_l1
from callbacks.plotting.style import COLOURS, EACH, lead_time_axes
from emulators.rollout import RolloutBatch, State


class RelativeError(RolloutDiagnostic):
    """Relative L1 error Σ w|û_n - u_n| / Σ w|u_n| over the grid, mean over channels.

    The weight w of a point is 1, unless points are masked or weighted by their area.
    The error suits fields that are not negative. Akhare et al. (2025), arXiv:2504.02260, give it in
    per cent. If there are several variables, the error of each is also written.

    Args:
        leads: Leads [intervals] that tables and logs show.
        variables: Names of the channels in the mean; all by default.
        relative_to: Scale of the error: `truth`, Σ|u_n|, or its `start`, Σ|u_0|, for a substance
            that is consumed.

    Example:
        The figure shows the error against lead time, the table its values at chosen lead times:

        >>> RelativeError(leads=(1, 10)).options["leads"]
        [1, 10]

        A forecast that is half as large as the truth:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.arange(1.0, 5.0).reshape(1, 4, 1, 1).expand(1, 4, 1, 8)
        >>> scores = score_forecasts(RelativeError(), 0.5 * truth[:, 1:], truth, data)
        >>> scores["relative_error"].values.tolist()
        [[0.5, 0.5, 0.5]]
    """

    def __init__(
        self,
        leads: Sequence[int] = (1, 4),
        variables: Sequence[str] | None = None,
        relative_to: Literal["truth", "start"] = "truth",
    ) -> None:
        super().__init__()
        self.leads = whole_leads("RelativeError", leads)
        if relative_to not in ("truth", "start"):
            raise ValueError(
                f"RelativeError.relative_to must be 'truth' or 'start', got '{relative_to}'."
            )
        self.variables = None if variables is None else list(variables)
        self.relative_to = relative_to
        self.rows = PerSampleMetric("error")

    def check(self) -> None:
        names = list(self.data.variables)
        chosen = names if self.variables is None else self.variables
        unknown = sorted(set(chosen) - set(names))
        if unknown or not chosen:
            raise ValueError(
                f"RelativeError.variables must name some of {names}, got {chosen}; correct the "
                "names."
            )
        self.channels = [names.index(name) for name in chosen]

    def begin(self, start: RolloutBatch) -> None:
        self.index, self.initial = start.index, start.initial
        self.error = self.unknown(start, start.truth_steps, start.initial.shape[1])

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if truth is not None:
            size = truth if self.relative_to == "truth" else self.initial
            fields = forecast.unbind(1), truth.unbind(1), size.unbind(1)
            weights = [None] * len(fields[0]) if self.weights is None else self.weights.unbind()
            each = [relative_l1(*one) for one in zip(*fields, weights, strict=True)]
            self.error[:, lead - 1] = torch.stack(each, 1)

    def end(self) -> None:
        self.rows.update(self.index, error=self.error)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        error, leads = rows["error"], range(1, rows["error"].shape[1] + 1)
        dims = ("initial_condition", "lead_time")
        of = "" if self.relative_to == "truth" else ", relative to the initial condition"
        errors = {"relative_error": error[..., self.channels].mean(-1)}
        if error.shape[-1] > 1:
            each = zip(self.data.variables, np.moveaxis(error, -1, 0), strict=True)
            errors |= {f"relative_error_{name}": values for name, values in each}
        about = {"long_name": f"relative L1 error{of}", "units": "1"}
        return xarray.Dataset(
            {name: (dims, values, about) for name, values in errors.items()},
            coords={
                "lead_time": self.times("lead_time", leads, "lead time"),
                "initial_condition": rows["index"],
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return self.beyond(self.leads, scores.sizes["lead_time"], "the truth")

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        names = ["relative_error"]
        if len(self.data.variables) > 1:
            names += [f"relative_error_{name}" for name in self.data.variables]
        means = {n: scores[n].mean("initial_condition", skipna=False).values for n in names}
        return {
            f"{name.replace('error_', 'error/')}/lead_{lead}": float(mean[lead - 1])
            for name, mean in means.items()
            for lead in self.leads
            if lead <= len(mean)
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        error = scores["relative_error"]
        figure, axes = lead_time_axes(error.attrs["long_name"], self.data.units[1])
        each = 1.0 * error.transpose("lead_time", "initial_condition")
        axes.plot(scores["lead_time"], each, **EACH)
        axes.plot(scores["lead_time"], each.mean("initial_condition"), color=COLOURS[0])
        if bool((each > 0).any()):
            axes.set_yscale("log")
        return {"relative_error": figure}
