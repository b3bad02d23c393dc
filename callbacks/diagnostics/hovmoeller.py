"""Hovmöller diagrams: space against time in one figure."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.lead_times import spaced_leads
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.snapshots import Snapshots
from callbacks.metrics.zonal_mean import zonal_mean
from callbacks.plotting.style import colour_map, escape, quantity, sheet
from emulators.rollout import State


class Hovmoeller(Snapshots):
    """Hovmöller diagram of the first initial condition: truth above, forecast below.

    In two dimensions it is the zonal mean q̄(y, t), the mean of q over x; in one the field q(x, t).

    Args:
        points: Number of states, evenly spaced over the rollout.
        channel: Number of the channel.

    Example:
        Three states of a rollout of seven steps of 6 h, in which every step adds 1:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.arange(8.0).reshape(1, 8, 1, 1).expand(1, 8, 1, 8)
        >>> scores = score_forecasts(Hovmoeller(points=3), truth[:, 1:], truth, data)
        >>> scores["hovmoeller_lead_time"].values.tolist()
        [18.0, 36.0]
        >>> scores["hovmoeller_forecast"].values[:, 0].tolist()  # at the first point
        [3.0, 6.0]
    """

    version = 1

    def __init__(self, points: int = 400, channel: int = 0) -> None:
        super().__init__(channel)
        if not is_whole(points):
            raise ValueError(f"Hovmoeller.points must be at least 1, got {points}.")
        self.points = points

    def kept_leads(self, steps: int) -> Sequence[int]:
        return spaced_leads(steps, self.points)

    def kept_part(self, state: State) -> Tensor:
        field = super().kept_part(state)
        if field.dim() == 2:
            return field
        if self.weights is None:
            return field.mean(-1)
        chosen = slice(self.channel, self.channel + 1)
        return zonal_mean(state[:, chosen], self.weights[chosen])[:, 0].float()

    def scores(self) -> xarray.Dataset:
        what = "zonal mean of the " if self.data.dimensions == 2 else ""
        axis = self.space[0]
        return xarray.Dataset(
            {
                f"hovmoeller_{name}": (
                    ("hovmoeller_lead_time", axis),
                    field,
                    {
                        "long_name": f"{what}{name}, first initial condition",
                        "units": self.data.fields[self.channel].units,
                    },
                )
                for name, field in zip(
                    ("forecast", "truth"), self.forecast_and_truth(), strict=True
                )
            },
            coords={
                "hovmoeller_lead_time": self.times("hovmoeller_lead_time", self.leads, "lead time")
            },
        )

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure = sheet(9, 5)
        lead = scores["hovmoeller_lead_time"].values
        fields = {name: scores[f"hovmoeller_{name}"].values.T for name in ("truth", "forecast")}
        known = fields["truth"][np.isfinite(fields["truth"])]
        limit = 1.2 * float(np.abs(known).max(initial=0)) or 1.0
        axis = self.data.dimension_names.space[0]
        panels = figure.subplots(2, 1, sharex=True)
        for axes, (name, field) in zip(panels, fields.items(), strict=True):
            extent = (lead[0], lead[-1], 0, len(field))
            image = axes.imshow(
                field, cmap=colour_map("RdBu_r"), vmin=-limit, vmax=limit, origin="lower",
                extent=extent, aspect="auto",
            )  # fmt: skip
            axes.set(ylabel=escape(f"{axis} [grid points]"), title=name)
        panels[-1].set_xlabel(quantity("lead time", self.data.units[1]))
        what = "zonal mean of " if self.data.dimensions == 2 else ""
        field = self.data.fields[self.channel]
        figure.colorbar(image, ax=panels, label=what + quantity(field.long_name, field.units))
        return {"hovmoeller": figure}
