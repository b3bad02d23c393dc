"""Return periods of the domain maximum."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.options import is_whole
from callbacks.metrics.extremes import return_levels, until_not_finite
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, DATA, quantity, sheet
from emulators.rollout import RolloutBatch, State


class Extremes(RolloutDiagnostic):
    """Return levels of the largest |q| in the domain, compared with the data.

    Of n values in ascending order, the m-th is exceeded once in T = Δt / (1 - m/(n + 1)), with Δt
    the time between two of them. Levels are interpolated in log T between the empirical ones, for
    all trajectories together and for each alone; the spread over trajectories is a measure of
    confidence. A trajectory ends when it is not finite or has diverged.

    Args:
        channel: Number of the channel q.
        every: Sampling interval [steps].
        reference: Split whose return levels are the reference.
        periods: Number of return periods, evenly spaced in log T.

    Example:
        Forecasts that are twice as large as the truth have return levels twice as high:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.arange(8.0).reshape(1, 8, 1, 1).expand(1, 8, 1, 8)
        >>> scores = score_forecasts(Extremes(every=1), 2 * truth, truth, data)
        >>> ratio = scores["return_level_of_all"] / scores["reference_return_level"]
        >>> round(ratio.values.min().item(), 6), round(ratio.values.max().item(), 6)
        (2.0, 2.0)
    """

    stages = ("test",)
    version = 3
    of_forecasts = frozenset({"every", "reference", "periods"})
    layouts = (
        ScoreLayout("return_level", ("initial_condition", "return_period")),
        ScoreLayout(
            "return_level_of_all",
            ("return_period",),
            needs=("reference_return_level", "return_level", "return_period"),
        ),
        ScoreLayout("reference_return_level", ("return_period",)),
        ScoreLayout("return_period", ("return_period",)),
    )

    def __init__(
        self, channel: int = 0, every: int = 1, reference: Split = "train", periods: int = 60
    ) -> None:
        super().__init__()
        if not (is_whole(every) and is_whole(periods, 2, 100_000)):
            raise ValueError(
                "Extremes needs every of at least 1 and periods of at least 2, got "
                f"every={every}, periods={periods}; at most are 100000 periods."
            )
        self.channel = channel
        self.every = every
        self.reference_split = reference
        self.periods = periods
        self.rows = PerSampleMetric("largest")
        self.reference: Mapping[str, np.ndarray] = {}

    def largest(self, state: State) -> torch.Tensor:
        """Return the largest |q| of each state over the domain, (batch,)."""
        size = state[:, self.channel].abs()
        if self.weights is not None:  # a masked point is never the largest
            size = torch.where(self.weights[self.channel] > 0, size, 0.0)
        return size.flatten(1).amax(1)

    def unsupported_reason(self) -> str | None:
        steps = self.source.rollouts["test"].steps
        if steps < 2 * self.every:
            return f"a rollout of {steps} steps has fewer than two values, every {self.every}"
        return None

    def check(self) -> None:
        self.check_channel(self.channel)

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "channel": self.channel}

    def prepare(self) -> None:
        if not self.reference:
            self.reference = self.reference_of(self.reference_split, self._reference)

    def _reference(self) -> Mapping[str, np.ndarray]:
        chunks = self.source.trajectories(self.reference_split).chunks("Extremes: reference")
        return {"largest": torch.cat([self.largest(chunk) for chunk in chunks]).cpu().numpy()}

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.series = self.unknown(start, start.steps // self.every)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        number, rest = divmod(lead, self.every)
        if not rest:
            largest = self.largest(forecast).double()
            if self.diverged is not None:
                largest = torch.where(self.diverged, float("nan"), largest)
            self.series[:, number - 1] = largest

    def end(self) -> None:
        self.rows.update(self.index, largest=self.series)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        interval, reference = self.data.interval, self.reference["largest"]
        longest = interval * min(rows["largest"].shape[1] * self.every, len(reference))
        shortest = 2 * interval * self.every
        periods = np.geomspace(shortest, max(shortest, longest), self.periods)
        levels = np.stack(
            [return_levels(series, interval * self.every, periods) for series in rows["largest"]]
        )
        together = return_levels(until_not_finite(rows["largest"]), interval * self.every, periods)
        name = self.data.variables[self.channel]
        units = {"units": self.data.fields[self.channel].units}
        return xarray.Dataset(
            {
                "return_level_of_all": (
                    ("return_period",),
                    together,
                    {"long_name": "return level of all trajectories together", **units},
                ),
                "return_level": (
                    ("initial_condition", "return_period"),
                    levels,
                    {
                        "long_name": f"return level of the largest |{name}|",
                        **units,
                    },
                ),
                "reference_return_level": (
                    ("return_period",),
                    return_levels(reference, interval, periods),
                    {"long_name": f"return level of the {self.reference_split} split", **units},
                ),
            },
            coords={
                "return_period": (
                    "return_period",
                    periods,
                    {"long_name": "return period", "units": self.data.units[1]},
                ),
                "initial_condition": rows["index"],
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        snapshots = len(self.reference["largest"])
        if snapshots >= 2 * self.every:
            return []
        return [
            f"Extremes: the {self.reference_split} split has {snapshots} snapshots, the "
            f"shortest return period {2 * self.every} steps; lower every."
        ]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        ratio = scores["return_level_of_all"] / scores["reference_return_level"]
        return {"return_level_ratio": float(ratio.mean())}

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "return_level_of_all", "climate", 3)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the return levels of the largest value in the domain."""
        period = scores["return_period"]
        for method in methods:
            plot_seeds(axes, method, period, method.per_seed("return_level_of_all"))
        axes.plot(period, scores["reference_return_level"], **DATA)
        level = scores["return_level"]
        axes.set(xscale="log", title="Return levels", xlabel=axis_label("return period", period))
        axes.set_ylabel(axis_label(str(level.attrs.get("long_name", "return level")), level))

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure = sheet(7, 4)
        axes = figure.subplots()
        periods, levels = scores["return_period"], scores["return_level"].values
        known = levels[:, np.isfinite(levels).any(0)]
        low, high = np.nanquantile(levels, (0.25, 0.75), axis=0) if known.size else (np.nan, np.nan)
        text = "interquartile range of trajectories"
        axes.fill_between(periods, low, high, color=COLOURS[0], alpha=0.3, linewidth=0, label=text)
        every = scores["return_level_of_all"]
        axes.semilogx(periods, every, color=COLOURS[0], label="forecast, all trajectories")
        axes.semilogx(periods, scores["reference_return_level"], **DATA)
        label, units = (scores["return_level"].attrs[name] for name in ("long_name", "units"))
        axes.set_xlabel(quantity("return period", self.data.units[1]))
        axes.set_ylabel(quantity(label, units))
        axes.grid(alpha=0.3)
        axes.legend()
        return {"extremes": figure}
