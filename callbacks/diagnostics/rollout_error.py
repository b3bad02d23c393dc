"""Mean squared error of the forecast at every lead time, and the valid prediction time."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.climate import Split
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
from callbacks.plotting.style import COLOURS, EACH, lead_time_axes
from datamodules.solvers.finite import check_finite
from emulators.rollout import RolloutBatch, State


class RolloutError(RolloutDiagnostic):
    """Mean squared error against lead time, in units of the training variance.

    MSE(n) = mean over channels of mean over the grid of (û_n - u_n)² / σ², averaged over initial
    conditions; lead 1 is the first predicted state. The valid prediction time of a trajectory is
    the last lead time before √MSE first exceeds the threshold, or the end of the truth.

    Beside it: RMSE(n) = √MSE(n); VRMSE(n), the root of the squared error over the spatial variance
    of the true state, mean over channels (Ohana et al. 2024, The Well); the pattern correlation of
    û_n and u_n over the grid, and their anomaly correlation Σab/√(Σa²Σb²), with a and b the
    departures from the time mean of the data at each point, both mean over channels.

    Args:
        threshold: Of √MSE, for the valid prediction time.
        leads: Lead times, in steps, that are named in tables and logs.
        reference: Split whose time mean the anomalies depart from.
    """

    version = 2
    of_forecasts = frozenset({"threshold", "leads", "reference"})

    def __init__(
        self,
        threshold: float = 0.5,
        leads: Sequence[int] = (1, 10, 25, 50, 75, 100),
        reference: Split = "train",
    ) -> None:
        check_finite("RolloutError", threshold=threshold)
        super().__init__()
        if not is_finite(threshold):
            raise ValueError(
                f"RolloutError.threshold must be positive, got {threshold}; give a finite number "
                "of standard deviations."
            )
        self.threshold = threshold
        self.leads = whole_leads("RolloutError", leads)
        self.reference_split = reference
        self.climate: Tensor | None = None
        self.rows = PerSampleMetric("error", "variance", "correlation", "anomaly")

    def prepare(self) -> None:
        if self.climate is None:
            arrays = self.reference_of(self.reference_split, self._time_mean)
            self.climate = torch.from_numpy(arrays["mean"])

    def _time_mean(self) -> Mapping[str, np.ndarray]:
        chunks = self.data.trajectories(self.reference_split).chunks("time mean")
        return {"mean": time_mean(chunks).cpu().numpy()}

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.error = self.unknown(start, start.truth_steps, start.initial.shape[1])
        self.variance, self.correlation = self.error.clone(), self.error.clone()
        self.anomaly = self.error.clone()
        self.climate = self.climate.to(start.initial.device)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if truth is not None:
            forecast, truth = forecast.double(), truth.double()
            self.error[:, lead - 1] = mean_squared_error(forecast, truth)
            self.variance[:, lead - 1] = spatial_variance(truth)
            self.correlation[:, lead - 1] = pattern_correlation(forecast, truth)
            self.anomaly[:, lead - 1] = anomaly_correlation(forecast, truth, self.climate)

    def end(self) -> None:
        self.rows.update(
            self.index,
            error=self.error,
            variance=self.variance,
            correlation=self.correlation,
            anomaly=self.anomaly,
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
        return {
            **named,
            "valid_prediction_time": float(scores["valid_prediction_time"].mean()),
        }

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes("mean squared error / variance", self.data.units[1])
        lead, mean = scores["lead_time"], scores["mse_mean"]
        each = scores["mse"].transpose("lead_time", "initial_condition")
        label = ["each initial condition", *["_"] * (each.shape[1] - 1)]
        axes.plot(lead, each, **EACH, label=label)
        axes.plot(lead, mean, color=COLOURS[0], label="mean over initial conditions")
        if "limit_once" in scores:
            once, always = (scores[f"limit_{kind}"].mean("twin") for kind in ("once", "always"))
            axes.fill_between(lead, once, always, color="0.9", label="within reach", zorder=0)
            axes.plot(lead, once, color="black", linestyle="--", label="this first error once")
            axes.plot(lead, always, color="black", linestyle="-.", label="anew at every step")
        axes.axhline(2, color="0.5", linestyle=":", label="two unrelated states")
        if bool((mean == 0).all()):
            axes.set_title("The error is zero")
        else:
            axes.set_yscale("log")
            axes.set_ylim(top=4)
        axes.legend(loc="best", fontsize="small")
        return {"rollout_error": figure}
