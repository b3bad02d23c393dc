"""Truth, forecast and their difference side by side, at several lead times."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostic import RolloutDiagnostic
from callbacks.figures import draw_field
from callbacks.metrics.rows import Rows
from emulators.rollout import Start, State


class Panels(RolloutDiagnostic):
    """Fields of the first initial condition: truth, forecast and difference.

    Past the end of the truth only the forecast is drawn. Lead times past the rollout are left out.

    Args:
        leads: Lead times of the columns, in steps.
        channel: Channel that is drawn.
    """

    version = 1

    def __init__(
        self, leads: Sequence[int] = (1, 25, 50, 100, 500, 2000), channel: int = 0
    ) -> None:
        super().__init__()
        self.leads = tuple(sorted(leads))
        if not self.leads or self.leads[0] < 1:
            raise ValueError(f"Panels.leads must be at least 1, got {self.leads}.")
        self.channel = channel
        self.rows = Rows("forecast", "truth")

    def begin(self, start: Start) -> None:
        self.first = start.index == 0
        self.index = start.index[self.first]
        self.shown = [lead for lead in self.leads if lead <= start.steps]
        like = start.initial[self.first][:, None, self.channel]
        shape = (len(like), len(self.shown), *like.shape[2:])
        self.forecast = torch.full(shape, float("nan"), device=like.device)
        self.truth = self.forecast.clone()

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if lead not in self.shown:
            return
        column = self.shown.index(lead)
        self.forecast[:, column] = forecast[self.first][:, self.channel].float()
        if truth is not None:
            self.truth[:, column] = truth[self.first][:, self.channel].float()

    def end(self) -> None:
        self.rows.update(self.index, forecast=self.forecast, truth=self.truth)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        variable = self.data.fields[self.channel]
        dims = ("panel_lead_time", *self.data.dimension_names.space)
        attributes = {"long_name": variable.long_name, "units": variable.units}
        lead = np.array([lead for lead in self.leads if lead <= self._steps(rows)])
        return xarray.Dataset(
            {
                "panel_forecast": (dims, rows["forecast"][0], attributes),
                "panel_truth": (dims, rows["truth"][0], attributes),
            },
            coords={"panel_lead_time": lead * self.data.interval},
        )

    def _steps(self, rows: Mapping[str, np.ndarray]) -> int:
        return self.leads[rows["forecast"].shape[1] - 1]

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        forecast, truth = scores["panel_forecast"].values, scores["panel_truth"].values
        fields = {"truth": truth, "forecast": forecast, "difference": forecast - truth}
        limit = 3 * float(self.emulator.standardize.std[self.channel])
        columns = len(forecast)
        figure = Figure(figsize=(1.8 * columns + 0.6, 5.8), layout="constrained", dpi=120)
        axes = figure.subplots(3, columns, squeeze=False)
        for row, (name, field) in enumerate(fields.items()):
            axes[row, 0].set_ylabel(name)
            for column in range(columns):
                if row == 0:
                    time = float(scores["panel_lead_time"][column])
                    axes[0, column].set_title(f"t = {time:g}")
                if np.isfinite(field[column]).any():
                    draw_field(axes[row, column], field[column], limit)
                else:
                    axes[row, column].set_axis_off()
        return {"panels": figure}
