"""Jets: the mean along x, averaged over the rollout, and its history."""

from collections.abc import Mapping

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.climate import ClimateDiagnostic, Split
from callbacks.figures import COLOURS, mean_of_finite
from callbacks.metrics.energy import has_kinetic_energy
from callbacks.metrics.rows import Rows
from callbacks.metrics.zonal_mean import profile_errors, zonal_mean, zonal_velocity
from emulators.rollout import Start, State


class ZonalMean(ClimateDiagnostic):
    """Zonal mean q̄(y) = mean over x of q, averaged over the rollout, against that of the data.

    Errors of the profile of a trajectory, per channel, in the four readings of Jiang et al. (2025),
    Table 4: mean absolute and root mean square error in physical units, and ℓ2 norm over y and root
    mean square in standardised units. Where the state holds the vorticity of a flow on a periodic
    grid, the profile of the zonal velocity ū is kept too. The history of q̄ of the first initial
    condition is the Hovmöller diagram.

    Args:
        every: Steps between two states that enter the means.
        spin_up: Steps at the start of a rollout that do not enter.
        reference: Split whose mean is the reference.
        points: Profiles kept of the history, evenly spaced.
    """

    version = 1
    quantities = ("profile", "velocity")

    def __init__(
        self, every: int = 10, spin_up: int = 0, reference: Split = "train", points: int = 400
    ) -> None:
        super().__init__(every, spin_up, reference)
        if points < 1:
            raise ValueError(f"ZonalMean.points must be at least 1, got {points}.")
        self.points = points
        self.history = Rows("forecast", "truth")

    def undefined(self) -> str:
        return "" if self.data.dimensions == 2 else "a zonal mean needs two dimensions"

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        values = {"profile": zonal_mean(state)}
        if has_kinetic_energy(self.data.variables, self.data.grid):
            channel = self.data.variables.index("vorticity")
            values["velocity"] = zonal_velocity(state[:, channel], self.data.grid)
        return values

    def begin(self, start: Start) -> None:
        super().begin(start)
        self.first = start.index == 0
        self.stride = max(1, -(-start.steps // self.points))
        first = start.initial[self.first][:, 0]
        shape = (len(first), start.steps // self.stride, first.shape[1])
        self.forecast = torch.full(shape, float("nan"), device=first.device)
        self.truth = self.forecast.clone()

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        super().observe(lead, forecast, truth)
        point, rest = divmod(lead, self.stride)
        if rest:
            return
        self.forecast[:, point - 1] = forecast[self.first][:, 0].mean(-1)
        if truth is not None:
            self.truth[:, point - 1] = truth[self.first][:, 0].mean(-1)

    def end(self) -> None:
        super().end()
        self.history.update(self.index[self.first], forecast=self.forecast, truth=self.truth)

    def scores(self) -> xarray.Dataset:
        rows, history = self.means.compute(), self.history.compute()
        std = self.emulator.standardize.std.double().cpu().numpy()
        y = self.data.dimension_names.space[0]
        profile, reference = rows["profile"], self.reference["profile"]
        channels = [variable.name for variable in self.data.fields]
        dims = ("initial_condition", "channel")
        data = {
            "zonal_mean": ((*dims, y), profile, {"long_name": "zonal mean over the rollout"}),
            "reference_zonal_mean": (
                ("channel", y),
                reference,
                {"long_name": f"zonal mean over the {self.reference_split} split"},
            ),
        }
        for name, (error, text) in profile_errors(profile, reference, std).items():
            data[f"zonal_mean_error_{name}"] = (dims, error, {"long_name": text})
        if "velocity" in rows:
            data["zonal_velocity"] = (
                ("initial_condition", y),
                rows["velocity"],
                {"long_name": "zonal mean of the zonal velocity over the rollout"},
            )
            data["reference_zonal_velocity"] = ((y,), self.reference["velocity"])
        for name in ("forecast", "truth"):
            data[f"hovmoeller_{name}"] = (
                ("hovmoeller_lead_time", y),
                history[name][0],
                {"long_name": f"zonal mean of the {name}, first initial condition"},
            )
        lead = np.arange(1, history["forecast"].shape[1] + 1) * self.stride * self.data.interval
        return xarray.Dataset(
            data,
            coords={
                "initial_condition": rows["index"],
                "channel": channels,
                "hovmoeller_lead_time": lead,
            },
        )

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        return {"zonal_mean_error": float(scores["zonal_mean_error_absolute"].mean())}

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        return {"zonal_mean": self._profiles(scores), "hovmoeller": self._history(scores)}

    def _profiles(self, scores: xarray.Dataset) -> Figure:
        names = {"zonal_mean": scores["zonal_mean"][:, 0].values}
        truth = {"zonal_mean": scores["reference_zonal_mean"][0].values}
        if "zonal_velocity" in scores:
            names["zonal_velocity"] = scores["zonal_velocity"].values
            truth["zonal_velocity"] = scores["reference_zonal_velocity"].values
        figure = Figure(figsize=(4.5 * len(names) + 1, 4.5), layout="constrained", dpi=120)
        labels = {"zonal_mean": self.data.fields[0].long_name, "zonal_velocity": "zonal velocity"}
        for axes, (name, each) in zip(
            figure.subplots(1, len(names), squeeze=False)[0], names.items(), strict=True
        ):
            y = np.arange(each.shape[1])
            axes.plot(each.T, y, color=COLOURS[0], alpha=0.2, linewidth=0.7)
            axes.plot(mean_of_finite(each), y, color=COLOURS[0], label="forecast")
            axes.plot(truth[name], y, color="black", linestyle="--", label="data")
            axes.set(xlabel=f"{labels[name]}, mean along x and time", ylabel="y (points)")
            axes.grid(alpha=0.3)
            axes.legend()
        return figure

    def _history(self, scores: xarray.Dataset) -> Figure:
        figure = Figure(figsize=(9, 5), layout="constrained", dpi=120)
        lead = scores["hovmoeller_lead_time"].values
        limit = 1.2 * float(np.abs(self.reference["profile"][0]).max()) or 1.0
        for axes, name in zip(
            figure.subplots(2, 1, sharex=True), ("truth", "forecast"), strict=True
        ):
            field = scores[f"hovmoeller_{name}"].values.T
            extent = (lead[0], lead[-1], 0, len(field))
            image = axes.imshow(
                field, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower", extent=extent,
                aspect="auto",
            )  # fmt: skip
            axes.set(ylabel="y (points)", title=name)
        axes.set_xlabel("lead time")
        figure.colorbar(image, ax=figure.axes, label="zonal mean")
        return figure
