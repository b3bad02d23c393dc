"""Panels of truth, members, their mean and their spread at several lead times."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.ensemble_diagnostic import EnsembleAtLeads
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.style import at_time, colour_map, draw_field, sheet
from emulators.rollout import Members, RolloutBatch, State

ROWS = {
    "truth": "truth",
    "first": "first member",
    "second": "second member",
    "mean": "mean of the members",
    "spread": "spread of the members",
}


class EnsemblePanels(EnsembleAtLeads):
    """Fields of the first initial condition: truth, two members, mean and spread of all members.

    Members have the texture of the truth. Their mean does not: what the members disagree on is
    averaged out, and is in the spread, the standard deviation over members. Fields are NaN at
    masked points.

    Args:
        leads: Leads of the columns [intervals], within the truth.
        channel: Number of the channel.

    Example:
        >>> EnsemblePanels(leads=(1, 50)).options
        {'leads': [1, 50], 'channel': 0}
    """

    version = 1

    def __init__(self, leads: Sequence[int] = (1, 25, 50, 100), channel: int = 0) -> None:
        super().__init__(leads)
        self.channel = channel
        self.rows = PerSampleMetric(*ROWS)

    def check(self) -> None:
        self.check_channel(self.channel)

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.first = (start.index == 0).nonzero()[:, 0]
        shape = (len(self.column), *start.initial.shape[2:])
        unknown = self.unknown(start, *shape)[self.first].float()
        self.kept = {name: unknown.clone() for name in ROWS}

    def observe_at(self, column: int, members: Members, truth: State) -> None:
        if not len(self.first):
            return
        own, true = (self.hide_masked(fields) for fields in (members, truth))
        own, true = own[:, self.first, self.channel].double(), true[self.first, self.channel]
        found = {"truth": true, "first": own[0], "second": own[1], "mean": own.mean(0)}
        for name, field in {**found, "spread": own.std(0)}.items():
            self.kept[name][:, column] = field.float()

    def end(self) -> None:
        self.rows.update(self.index[self.first], **self.kept)

    def scores(self) -> xarray.Dataset:
        rows, variable = self.rows.compute(), self.data.fields[self.channel]
        dims = ("ensemble_panel_lead_time", *self.space)
        data = {
            f"ensemble_panel_{name}": (
                dims,
                rows[name][0],
                {"long_name": f"{variable.long_name}, {text}", "units": variable.units},
            )
            for name, text in ROWS.items()
        }
        return xarray.Dataset(data, {dims[0]: self.times(dims[0], self.column, "lead time")})

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        columns, dimensions = len(self.column), len(self.space)
        if not columns or dimensions > 2:
            return {}
        std = float(self.training_std[self.channel])
        figure = sheet(1.8 * columns + 0.6, 1.9 * len(ROWS))
        axes = figure.subplots(len(ROWS), columns, squeeze=False)
        for row, (name, text) in enumerate(ROWS.items()):
            axes[row, 0].set_ylabel(text.replace(" of", "\nof"), fontsize="small")
            for column, field in enumerate(scores[f"ensemble_panel_{name}"].values):
                place = axes[row, column]
                if not row:
                    time = float(scores["ensemble_panel_lead_time"][column])
                    place.set_title(at_time(time, self.data.units[1]))
                if not np.isfinite(field).any():
                    place.set_axis_off()
                elif name != "spread" or dimensions == 1:
                    draw_field(place, field, 3 * std)
                else:
                    place.set(xticks=[], yticks=[])
                    place.imshow(
                        field, cmap=colour_map("viridis"), vmin=0, vmax=1.5 * std, origin="lower"
                    )
        return {"ensemble_panels": figure}
