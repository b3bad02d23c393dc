"""Reliability of forecast probabilities that a threshold is exceeded."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.ensemble_diagnostic import EnsembleAtLeads
from callbacks.diagnostics.options import is_finite
from callbacks.diagnostics.units import channel_units
from callbacks.metrics.calibration import brier_score, exceedances
from callbacks.metrics.distribution import quantiles_of_data
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.style import COLOURS, at_time, escape, sheet
from emulators.rollout import Members, RolloutBatch, State


class ExceedanceReliability(EnsembleAtLeads):
    """Forecast probability that a threshold is exceeded, and how often the truth then exceeds it.

    The thresholds are quantiles of each channel over all points and times of the data. Where k of M
    members exceed a threshold the forecast probability is k/M; an ensemble is reliable if the truth
    exceeds the threshold at this share of these points. The Brier score is the mean of (k/M - o)²,
    with o = 1 where the truth exceeds the threshold and 0 elsewhere; without skill, at k/M = 1 - q
    for the quantile q, it is q (1 - q).

    Args:
        quantiles: Quantiles of the data, the thresholds.
        leads: Leads [intervals] that are scored.
        reference: Split whose quantiles are the thresholds.

    Example:
        The figure shows the observed frequency against the forecast probability:

        >>> ExceedanceReliability(quantiles=(0.9,)).options["quantiles"]
        [0.9]
    """

    version = 1
    layouts = (
        ScoreLayout(
            "brier_score",
            ("initial_condition", "exceedance_lead_time", "quantile", "channel"),
            needs=("exceedance_frequency", "exceedance_lead_time", "quantile"),
        ),
        ScoreLayout(
            "exceedance_frequency",
            ("exceedance_lead_time", "quantile", "channel", "forecast_probability"),
        ),
        ScoreLayout("exceedance_lead_time", ("exceedance_lead_time",)),
        ScoreLayout("quantile", ("quantile",)),
    )

    def __init__(
        self,
        quantiles: Sequence[float] = (0.95, 0.99),
        leads: Sequence[int] = (1, 25, 100),
        reference: Split = "train",
    ) -> None:
        super().__init__(leads)
        self.quantiles = tuple(sorted(set(quantiles)))
        if not self.quantiles or not all(is_finite(q) and q < 1 for q in self.quantiles):
            raise ValueError(
                "ExceedanceReliability.quantiles must be numbers between 0 and 1, got "
                f"{tuple(quantiles)}; give for instance [0.95, 0.99]."
            )
        self.reference_split = reference
        self.reference: Mapping[str, np.ndarray] = {}
        self.rows = PerSampleMetric("forecast", "both")

    def prepare(self) -> None:
        if not self.reference:
            self.reference = self.reference_of(self.reference_split, self._thresholds)

    def _thresholds(self) -> Mapping[str, np.ndarray]:
        split = self.source.trajectories(self.reference_split)
        found = quantiles_of_data(
            lambda: split.chunks("quantiles", snapshots=16), self.quantiles, self.weights
        )
        return {"threshold": found}

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        channels = start.initial.shape[1]
        shape = (len(self.column), len(self.quantiles), channels, self.size + 1)
        self.forecast = self.unknown(start, *shape)
        self.both = self.forecast.clone()
        self.thresholds = torch.from_numpy(self.reference["threshold"]).to(self.forecast.device)

    def observe_at(self, column: int, members: Members, truth: State) -> None:
        for number, threshold in enumerate(self.thresholds):
            forecast, both = exceedances(members, truth, threshold, self.weights)
            self.forecast[:, column, number] = forecast
            self.both[:, column, number] = both

    def end(self) -> None:
        self.rows.update(self.index, forecast=self.forecast, both=self.both)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        forecast, both = rows["forecast"], rows["both"]
        score = brier_score(torch.from_numpy(forecast), torch.from_numpy(both)).numpy()
        share, event = forecast.mean(0), both.mean(0)
        nowhere = np.full(share.shape, np.nan)  # where no point has the probability
        frequency = np.divide(event, share, out=nowhere, where=share > 0)
        dims, one = ("exceedance_lead_time", "quantile", "channel"), {"units": "1"}
        count = share.shape[-1]
        lead = self.times("exceedance_lead_time", self.column, "lead time")
        probability = {"long_name": "share of members that exceed the threshold", **one}
        return xarray.Dataset(
            {
                "brier_score": (
                    ("initial_condition", *dims),
                    score,
                    {"long_name": "Brier score of exceedances", **one},
                ),
                "exceedance_frequency": (
                    (*dims, "forecast_probability"),
                    frequency,
                    {"long_name": "observed frequency of exceedances", **one},
                ),
                "exceedance_share": (
                    (*dims, "forecast_probability"),
                    share,
                    {"long_name": "share of points with a forecast probability", **one},
                ),
                "exceedance_threshold": (
                    ("quantile", "channel"),
                    self.reference["threshold"],
                    {
                        "long_name": f"quantile of the {self.reference_split} split",
                        "units": channel_units(self.data.fields),
                    },
                ),
            },
            coords={
                "initial_condition": rows["index"],
                "exceedance_lead_time": lead,
                "quantile": ("quantile", list(self.quantiles), {"long_name": "quantile", **one}),
                "channel": self.data.variables,
                "forecast_probability": (
                    "forecast_probability",
                    np.linspace(0, 1, count),
                    probability,
                ),
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return [*super().remarks(scores), *self.remark_on_broken(scores["brier_score"])]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        mean = scores["brier_score"].mean(("initial_condition", "channel"), skipna=False).values
        return {
            f"brier_score_{quantile:g}/lead_{lead}": float(mean[column, number])
            for number, quantile in enumerate(self.quantiles)
            for lead, column in self.column.items()
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return [Column("Brier score", lambda run: run.mean("brier_score"), place=6)]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "brier_score", "climate", 9, of_all=False)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the reliability of the first channel at the lowest threshold and the last lead."""
        for method in methods:
            frequency = method.per_seed("exceedance_frequency")[:, -1, 0, 0].mean(0)
            probability = np.linspace(0, 1, len(frequency))
            axes.plot(probability, frequency, marker=".", label=method.label, **method.style)
        last, quantile = scores["exceedance_lead_time"][-1], float(scores["quantile"][0])
        time = at_time(float(last), str(last.attrs.get("units", "1")))
        draw_diagonal(axes)
        axes.set_title(f"Exceedance of the {quantile:g} quantile, {time}")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        leads, quantiles, channels = scores["exceedance_frequency"].shape[:3]
        if not leads:
            return {}
        figure = sheet(3.4 * leads, 3.0 * channels + 0.4)
        panels = figure.subplots(channels, leads, squeeze=False, sharex=True, sharey=True)
        for row, field in enumerate(self.data.fields):
            for column in range(leads):
                axes = panels[row, column]
                for number in range(quantiles):
                    one = scores.isel(exceedance_lead_time=column, quantile=number, channel=row)
                    label = f"quantile {self.quantiles[number]:g}"
                    colour = COLOURS[number % len(COLOURS)]
                    values = one["exceedance_frequency"]
                    axes.plot(one["forecast_probability"], values, ".-", color=colour, label=label)
                draw_diagonal(axes)
                if not row:
                    time = float(scores["exceedance_lead_time"][column])
                    axes.set_title(at_time(time, self.data.units[1]))
            panels[row, 0].set_ylabel(escape(f"observed frequency, {field.name}"))
        panels[0, 0].legend(fontsize="small")
        return {"exceedance_reliability": figure}


def draw_diagonal(axes: Axes) -> None:
    """Draw the line of reliable probabilities and label the axes."""
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=0.8)
    axes.set(xlabel="forecast probability", ylabel="observed frequency")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
