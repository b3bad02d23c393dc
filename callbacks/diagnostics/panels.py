"""Panels of truth, forecast and their difference at several lead times."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostics.compared import ScoreLayout
from callbacks.diagnostics.lead_times import whole_leads
from callbacks.diagnostics.snapshots import Snapshots
from callbacks.plotting.style import at_time, draw_field, sheet


class Panels(Snapshots):
    """Fields of the first initial condition: truth, forecast and difference.

    Past the end of the truth only the forecast is drawn. Lead times past the rollout are left out.

    Args:
        leads: Leads of the columns [intervals].
        channel: Number of the channel.

    Example:
        The truth at leads 1 and 4, and a forecast that is larger by 2, at the first point:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((4, 8), (1.0, 1.0))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).view(1, 8, 1, 1, 1).expand(1, 8, 1, 4, 8)
        >>> scores = score_forecasts(Panels(leads=(1, 4)), truth[:, 1:] + 2, truth, data)
        >>> [scores[f"panel_{name}"].values[:, 0, 0].tolist() for name in ("truth", "forecast")]
        [[-1.0, 1.0], [1.0, 3.0]]
    """

    stages = ("validate", "test")
    version = 1
    layouts = (
        ScoreLayout(
            "panel_lead_time", ("panel_lead_time",), needs=("panel_truth", "panel_forecast")
        ),
        ScoreLayout("panel_truth", ("panel_lead_time", ...)),
        ScoreLayout("panel_forecast", ("panel_lead_time", ...)),
    )

    def __init__(
        self, leads: Sequence[int] = (1, 25, 50, 100, 500, 2000), channel: int = 0
    ) -> None:
        super().__init__(channel)
        self.wanted = whole_leads("Panels", leads)

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        if self.leads:
            return []
        return [f"Panels: the rollout ends before the first of leads, {self.wanted[0]} steps."]

    def kept_leads(self, steps: int) -> Sequence[int]:
        return [lead for lead in self.wanted if lead <= steps]

    def scores(self) -> xarray.Dataset:
        variable = self.data.fields[self.channel]
        dims = ("panel_lead_time", *self.space)
        attributes = {"long_name": variable.long_name, "units": variable.units}
        forecast, truth = self.forecast_and_truth()
        return xarray.Dataset(
            {
                "panel_forecast": (dims, forecast, attributes),
                "panel_truth": (dims, truth, attributes),
            },
            coords={"panel_lead_time": self.times("panel_lead_time", self.leads, "lead time")},
        )

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        forecast, truth = scores["panel_forecast"].values, scores["panel_truth"].values
        fields = {"truth": truth, "forecast": forecast, "difference": forecast - truth}
        limit = 3 * float(self.training_std[self.channel])
        columns = len(forecast)
        if not columns:
            return {}
        figure = sheet(1.8 * columns + 0.6, 5.8)
        axes = figure.subplots(3, columns, squeeze=False)
        for row, (name, field) in enumerate(fields.items()):
            axes[row, 0].set_ylabel(name)
            for column in range(columns):
                if row == 0:
                    time = float(scores["panel_lead_time"][column])
                    axes[0, column].set_title(at_time(time, self.data.units[1]))
                if np.isfinite(field[column]).any():
                    draw_field(axes[row, column], field[column], limit)
                else:
                    axes[row, column].set_axis_off()
        return {"panels": figure}
