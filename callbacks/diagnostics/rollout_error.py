"""Mean squared error of the forecast at every lead time, and the valid prediction time."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.compared import Column, Method, Panel, Run, ScoreLayout
from callbacks.diagnostics.lead_times import whole_leads
from callbacks.diagnostics.options import is_finite
from callbacks.metrics.energy import time_mean
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.rollout_mse import (
    anomaly_correlation,
    mean_squared_error,
    pattern_correlation,
    spatial_variance,
    valid_steps,
)
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, EACH, lead_time_axes
from datamodules.solvers.finite import check_finite
from emulators.rollout import RolloutBatch, State

COMPARED = (1, 10, 25, 50, 75, 100, 200)
"""Lead times of the columns in a comparison, in steps."""

SHOWN = (1, 25, 100)
"""Lead times of the columns that the page of a comparison does not fold, in steps."""


class RolloutError(RolloutDiagnostic):
    """Mean squared error against lead time, in units of the training variance.

    MSE(n) = mean over channels of mean over the grid of (û_n - u_n)² / σ², averaged over initial
    conditions; lead 1 is the first predicted state. The valid prediction time of a trajectory is
    the last lead time before √MSE first exceeds the threshold, or the end of the truth.

    Also computed: RMSE(n) = √MSE(n); VRMSE(n), the root of the squared error over the spatial
    variance of the true state, mean over channels (Ohana et al. 2024, The Well); the pattern
    correlation of û_n and u_n over the grid, and their anomaly correlation Σab/√(Σa²Σb²), with a
    and b the departures from the time mean of the data at each point, both mean over channels. In
    means and sums over the grid masked points do not count, and with `data.weights: latitude` the
    others count by their area. The anomaly correlation of u_n with u_0, the score of a forecast
    that never changes, and the place of each initial condition in the data tell a comparison how
    many of them are independent.

    Args:
        threshold: Largest √MSE [standard deviations] within the valid prediction time.
        leads: Leads [intervals] that tables and logs show.
        reference: Split whose time mean is subtracted for anomalies.
        scale: Number [units of the channels] by which a publication divides the fields: the summary
            also has the MSE in units of its square; None for no such unit.

    Example:
        The figure shows the error against lead time, the table its values and the valid time:

        >>> RolloutError(threshold=0.3, leads=(1, 10)).options["threshold"]
        0.3

        A forecast of zero of the values 1, 2 and 3, in data with a variance of 1.25:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 1, 8)
        >>> scores = score_forecasts(RolloutError(threshold=2.0), 0 * truth[:, 1:], truth, data)
        >>> scores["mse"].values.round(6).tolist()
        [[0.8, 3.2, 7.2]]
        >>> scores["valid_prediction_time"].values.tolist()  # two intervals [h]
        [12.0]
    """

    version = 2
    of_forecasts = frozenset({"threshold", "leads", "reference", "scale"})
    layouts = (
        ScoreLayout("mse", ("initial_condition", "lead_time"), needs=("lead_time",)),
        ScoreLayout("mse_physical", ("initial_condition", "lead_time", "channel")),
        ScoreLayout(
            "anomaly_correlation", ("initial_condition", "lead_time"), needs=("lead_time",)
        ),
        ScoreLayout("persistence_correlation", ("initial_condition", "lead_time")),
        ScoreLayout("initial_trajectory", ("initial_condition",), needs=("initial_snapshot",)),
        ScoreLayout("initial_snapshot", ("initial_condition",)),
        ScoreLayout("valid_prediction_time", ("initial_condition",)),
        ScoreLayout("lead_time", ("lead_time",)),
    )

    def __init__(
        self,
        threshold: float = 0.5,
        leads: Sequence[int] = (1, 10, 25, 50, 75, 100),
        reference: Split = "train",
        scale: float | None = None,
    ) -> None:
        check_finite("RolloutError", threshold=threshold, scale=scale)
        super().__init__()
        if not is_finite(threshold):
            raise ValueError(
                f"RolloutError.threshold must be positive, got {threshold}; give a finite number "
                "of standard deviations."
            )
        if scale is not None and not scale > 0:
            raise ValueError(f"RolloutError.scale must be positive, got {scale}.")
        self.threshold = threshold
        self.scale = scale
        self.leads = whole_leads("RolloutError", leads)
        self.reference_split = reference
        self.reference: Mapping[str, np.ndarray] = {}
        self.rows = PerSampleMetric(
            "error", "variance", "correlation", "anomaly", "persistence", "place"
        )

    def prepare(self) -> None:
        if not self.reference:
            self.reference = self.reference_of(self.reference_split, self._time_mean)
            self.climate = torch.from_numpy(self.reference["mean"])

    def _time_mean(self) -> Mapping[str, np.ndarray]:
        chunks = self.source.trajectories(self.reference_split).chunks("time mean")
        return {"mean": time_mean(chunks).cpu().numpy()}

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.error = self.unknown(start, start.truth_steps, start.initial.shape[1])
        self.variance, self.correlation = self.error.clone(), self.error.clone()
        self.anomaly, self.persistence = self.error.clone(), self.error.clone()
        self.initial = start.initial.double()
        self.place = self.unknown(start, 2)
        places = getattr(start, "places", None)  # of a data module of this program
        if places is not None:
            self.place[:] = torch.tensor(places)
        self.climate = self.climate.to(start.initial.device)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if truth is not None:
            forecast, truth = forecast.double(), truth.double()
            self.error[:, lead - 1] = mean_squared_error(forecast, truth, self.weights)
            self.variance[:, lead - 1] = spatial_variance(truth, self.weights)
            self.correlation[:, lead - 1] = pattern_correlation(forecast, truth, self.weights)
            for kept, state in ((self.anomaly, forecast), (self.persistence, self.initial)):
                kept[:, lead - 1] = anomaly_correlation(state, truth, self.climate, self.weights)

    def end(self) -> None:
        self.rows.update(
            self.index,
            error=self.error,
            variance=self.variance,
            correlation=self.correlation,
            anomaly=self.anomaly,
            persistence=self.persistence,
            place=self.place,
        )

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        physical = rows["error"]
        error = (physical / self.training_std**2).mean(-1)
        valid = valid_steps(torch.from_numpy(error), self.threshold)
        dims = ("initial_condition", "lead_time")
        variance = np.maximum(rows["variance"], np.finfo(float).tiny)
        dataset = xarray.Dataset(
            {
                "mse": (
                    dims,
                    error,
                    {"long_name": "mean squared error", "units": "training variance"},
                ),
                "rmse": (
                    dims,
                    np.sqrt(error),
                    {"long_name": "root mean squared error", "units": "training std"},
                ),
                "vrmse": (
                    dims,
                    np.sqrt(physical / variance).mean(-1),
                    {"long_name": "root of squared error over spatial variance", "units": "1"},
                ),
                "pattern_correlation": (
                    dims,
                    rows["correlation"].mean(-1),
                    {"long_name": "pattern correlation", "units": "1"},
                ),
                "anomaly_correlation": (
                    dims,
                    rows["anomaly"].mean(-1),
                    {"long_name": "anomaly correlation", "units": "1"},
                ),
                "persistence_correlation": (
                    dims,
                    rows["persistence"].mean(-1),
                    {
                        "long_name": "anomaly correlation of the truth with the initial condition",
                        "units": "1",
                    },
                ),
                "mse_physical": (
                    (*dims, "channel"),
                    physical,
                    {"long_name": "mean squared error", "units": "squared units of the channel"},
                ),
                "valid_prediction_time": (
                    ("initial_condition",),
                    valid.numpy() * self.data.interval,
                    {
                        "long_name": f"lead time before √MSE exceeds {self.threshold}",
                        "units": self.data.units[1],
                    },
                ),
            },
            coords={
                "lead_time": self.times("lead_time", range(1, error.shape[1] + 1), "lead time"),
                "initial_condition": rows["index"],
                "channel": self.data.variables,
            },
        )
        if np.isfinite(rows["place"]).all():
            for column, name in enumerate(("trajectory", "snapshot")):
                text = f"number of the {name} of the split that is the initial condition"
                label = {"long_name": text, "units": "1"}
                number = rows["place"][:, column].astype(int)
                dataset[f"initial_{name}"] = (("initial_condition",), number, label)
        unit = dataset["mse"].attrs
        dataset["mse_mean"] = dataset["mse"].mean("initial_condition", skipna=False)
        dataset["mse_std"] = dataset["mse"].std("initial_condition", skipna=False, ddof=0)
        for name, text in (("mse_mean", "mean"), ("mse_std", "standard deviation")):
            long_name = f"{text} over initial conditions of the MSE"
            dataset[name].attrs = {**unit, "long_name": long_name}
        return dataset

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return self.beyond(self.leads, scores.sizes["lead_time"], "the truth")

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        mean = scores["mse_mean"].values
        named = {
            f"mse/lead_{lead}": float(mean[lead - 1]) for lead in self.leads if lead <= len(mean)
        }
        if self.scale is not None:
            physical = scores["mse_physical"].mean(("initial_condition", "channel"), skipna=False)
            named |= {
                f"mse_scaled/lead_{lead}": float(physical[lead - 1]) / self.scale**2
                for lead in self.leads
                if lead <= len(mean)
            }
        return {
            **named,
            "valid_prediction_time": float(scores["valid_prediction_time"].mean()),
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return [
            *map(mse_column, COMPARED),
            Column.of_score(
                "valid prediction time",
                "valid_prediction_time",
                best="largest",
                form="{:.3g}",
                place=0,
            ),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [
            Panel(cls.panel, "mse", "forecast", 0),
            Panel(cls.correlation_panel, "anomaly_correlation", "climate", 5),
        ]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the error against lead time, and the predictability limit of the first method."""
        lead = scores["lead_time"]
        for method in methods:
            plot_seeds(axes, method, lead, method.per_seed("mse"), method.each("mse"))
        if "limit_once" in scores:
            first = methods[0]
            limits = [first.per_seed(f"limit_{k}", "twin").mean(0) for k in ("once", "always")]
            label = f"predictability limit, first error of {first.label.strip()}"
            axes.fill_between(lead, *limits, color="0.9", label=label, zorder=0)
        axes.axhline(2, color="0.5", linestyle=":", label="independent states")
        axes.set(yscale="log", ylabel="MSE [training variance]", title="Mean squared error")
        axes.set_xlabel(axis_label("lead time", lead))
        axes.set_ylim(top=4)

    @staticmethod
    def correlation_panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the anomaly correlation against lead time."""
        for method in methods:
            mean, each = (f("anomaly_correlation") for f in (method.per_seed, method.each))
            plot_seeds(axes, method, scores["lead_time"], mean, each)
        axes.set(ylim=(-0.1, 1.02), ylabel="correlation", title="Anomaly correlation")
        axes.set_xlabel(axis_label("lead time", scores["lead_time"]))

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes("mean squared error [training variance]", self.data.units[1])
        lead, mean = scores["lead_time"], scores["mse_mean"]
        each = scores["mse"].transpose("lead_time", "initial_condition")
        label = ["each initial condition", *["_"] * (each.shape[1] - 1)]
        axes.plot(lead, each, **EACH, label=label)
        axes.plot(lead, mean, color=COLOURS[0], label="mean over initial conditions")
        if "limit_once" in scores:
            once, always = (scores[f"limit_{kind}"].mean("twin") for kind in ("once", "always"))
            axes.fill_between(
                lead, once, always, color="0.9", label="predictability limit", zorder=0
            )
            axes.plot(lead, once, color="black", linestyle="--", label="first error, made once")
            text = "first error, made at every step"
            axes.plot(lead, always, color="black", linestyle="-.", label=text)
        axes.axhline(2, color="0.5", linestyle=":", label="independent states")
        if bool((mean == 0).all()):
            axes.set_title("The error is zero")
        else:
            axes.set_yscale("log")
            axes.set_ylim(top=4)
        axes.legend(loc="best", fontsize="small")
        return {"rollout_error": figure}


def mse_column(
    lead: int, unit: float | None = None, name: str = "mse", heading: str = "MSE"
) -> Column:
    """Return the column of the MSE, in units of the training variance or of the square of `unit`.

    Args:
        lead: Lead time, in steps.
        unit: Unit of the error, in units of the data.
        name: Name of the score; with the ending `_physical` it is in squared units of the data.
        heading: Name of the score in the heading.
    """
    score, square = (name, 1.0) if unit is None else (f"{name}_physical", unit**2)

    def value(run: Run) -> float | None:
        if score not in run.scores or lead > run.scores.sizes["lead_time"]:
            return None
        mean = run.mean(score, lead_time=lead - 1)
        return None if mean is None else mean / square

    def spread(run: Run) -> float | None:
        if value(run) is None:
            return None
        return float(run.scores[score].isel(lead_time=lead - 1).std(skipna=False)) / square

    def each(run: Run) -> np.ndarray | None:
        found = None if value(run) is None else run.each(score, lead_time=lead - 1)
        return None if found is None else found / square

    text = f"{heading} at {lead}" if unit is None else f"{heading} at {lead}, in {unit:g}²"
    in_unit = partial(mse_column, lead, name=name, heading=heading)
    return Column(
        text,
        value,
        spread=spread,
        in_unit=in_unit,
        place=0,
        each=each,
        best="least",
        folded=lead not in SHOWN or name != "mse",
    )
