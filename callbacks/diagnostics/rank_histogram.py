"""Rank of the truth among the members of an ensemble."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.compared import Column, Method, Panel, Run, ScoreLayout
from callbacks.diagnostics.ensemble_diagnostic import EnsembleAtLeads
from callbacks.metrics.calibration import rank_histogram
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.style import COLOURS, at_time, escape, sheet
from emulators.rollout import Members, RolloutBatch, State


class RankHistogram(EnsembleAtLeads):
    """Rank histogram: how often the truth has each rank among the M members.

    The histogram of a reliable ensemble is flat: each of the M + 1 ranks has the share 1/(M + 1) of
    all points and initial conditions. A histogram with the shape of a U is of an ensemble with too
    little spread, a slope is of a bias. The deviation is the largest relative departure of a bin
    from flat; a few initial conditions depart by chance. Ties count for all ranks that are
    possible.

    Args:
        leads: Leads [intervals] of the histograms.

    Example:
        The figure shows a histogram per channel and lead, the table the deviation from flat:

        >>> RankHistogram(leads=(1, 50)).options["leads"]
        [1, 50]
    """

    version = 1
    layouts = (
        ScoreLayout(
            "rank_deviation",
            ("rank_lead_time", "channel"),
            needs=("rank_histogram", "rank_lead_time"),
        ),
        ScoreLayout("rank_histogram", ("initial_condition", "rank_lead_time", "channel", "rank")),
        ScoreLayout("rank_lead_time", ("rank_lead_time",)),
    )

    def __init__(self, leads: Sequence[int] = (1, 25, 100)) -> None:
        super().__init__(leads)
        self.rows = PerSampleMetric("shares")

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        channels = start.initial.shape[1]
        self.shares = self.unknown(start, len(self.column), channels, self.size + 1)

    def observe_at(self, column: int, members: Members, truth: State) -> None:
        self.shares[:, column] = rank_histogram(members, truth, self.weights)

    def end(self) -> None:
        self.rows.update(self.index, shares=self.shares)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        shares = rows["shares"]
        count = shares.shape[-1]
        deviation = np.abs(count * shares.mean(0) - 1).max(-1)
        dims, one = ("rank_lead_time", "channel"), {"units": "1"}
        return xarray.Dataset(
            {
                "rank_histogram": (
                    ("initial_condition", *dims, "rank"),
                    shares,
                    {"long_name": "share of points at which the truth has a rank", **one},
                ),
                "rank_deviation": (
                    dims,
                    deviation,
                    {"long_name": "largest relative deviation of a rank's share from flat", **one},
                ),
            },
            coords={
                "initial_condition": rows["index"],
                "rank_lead_time": self.times("rank_lead_time", self.column, "lead time"),
                "channel": self.data.variables,
                "rank": (
                    "rank",
                    np.arange(count),
                    {"long_name": "number of members below the truth", **one},
                ),
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return [*super().remarks(scores), *self.remark_on_broken(scores["rank_histogram"])]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        largest = scores["rank_deviation"].values.max(1)
        return {f"rank_deviation/lead_{lead}": float(largest[n]) for lead, n in self.column.items()}

    @classmethod
    def columns(cls) -> list[Column]:
        return [Column("rank deviation", largest_deviation, place=6)]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "rank_deviation", "climate", 8, of_all=False)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the histograms at the last lead, means over channels, relative to flat."""
        last = scores["rank_lead_time"][-1]
        for method in methods:
            shares = method.per_seed("rank_histogram")[:, -1].mean((0, 1))
            axes.stairs(
                shares * len(shares),
                np.linspace(0, 1, len(shares) + 1),
                label=method.label,
                **method.style,
            )
        axes.axhline(1, color="0.4", linewidth=0.8)
        time = at_time(float(last), str(last.attrs.get("units", "1")))
        axes.set(xlabel="rank of the truth, relative", ylabel="share / flat")
        axes.set_title(f"Rank histogram, {time}")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        shares = scores["rank_histogram"].mean("initial_condition", skipna=False)
        leads, channels, count = shares.shape
        if not leads:
            return {}
        figure = sheet(3.2 * leads, 2.6 * channels + 0.4)
        panels = figure.subplots(channels, leads, squeeze=False, sharey=True)
        for row, field in enumerate(self.data.fields):
            panels[row, 0].set_ylabel(escape(f"share / flat, {field.name}"))
            for column in range(leads):
                axes = panels[row, column]
                axes.bar(range(count), count * shares[column, row], color=COLOURS[0], width=0.9)
                axes.axhline(1, color="0.4", linewidth=0.8)
                axes.set_xlabel("members below the truth")
                if not row:
                    time = float(scores["rank_lead_time"][column])
                    axes.set_title(at_time(time, self.data.units[1]))
        return {"rank_histogram": figure}


def largest_deviation(run: Run) -> float | None:
    """Return the largest deviation over leads and channels, or None if it was not computed."""
    if "rank_deviation" not in run.scores:
        return None
    return float(run.scores["rank_deviation"].values.max())
