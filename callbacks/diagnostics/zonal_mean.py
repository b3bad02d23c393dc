"""Zonal means, averaged over the rollout."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.climate import ClimateDiagnostic
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.units import channel_units, velocity_units
from callbacks.metrics.zonal_mean import profile_errors, zonal_mean, zonal_velocity
from callbacks.plotting.curves import axis_label, plot_profiles
from callbacks.plotting.style import COLOURS, DATA, EACH, mean_of_finite, sheet
from emulators.rollout import State


class ZonalMean(ClimateDiagnostic):
    """Zonal mean q̄(y) = mean over x of q, averaged over the rollout, compared with the data.

    Errors of the profile of a trajectory, per channel, in the four readings of Jiang et al. (2025),
    Table 4: mean absolute and root mean square error in physical units, and ℓ2 norm over y and root
    mean square in standardised units. Where the state holds the vorticity of a flow on a periodic
    grid, the profile of the zonal velocity ū is kept too.

    Args:
        every: Sampling interval of the means [steps].
        burn_in: Length of the start of a rollout that the means leave out [steps].
        reference: Split whose mean is the reference.

    Example:
        The truth is 1 and -1 in turns, with mean 0 in every row. A forecast that is larger by 2 has
        a profile of 2:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((4, 8), (1.0, 1.0))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).view(1, 8, 1, 1, 1).expand(1, 8, 1, 4, 8)
        >>> scores = score_forecasts(ZonalMean(every=1), truth + 2, truth, data)
        >>> scores["zonal_mean"].values.tolist(), scores["zonal_mean_error_absolute"].item()
        ([[[2.0, 2.0, 2.0, 2.0]]], 2.0)
    """

    version = 2
    quantities = ("profile", "velocity")
    layouts = (
        ScoreLayout(
            "zonal_mean",
            ("initial_condition", "channel", ...),
            needs=("reference_zonal_mean", "channel"),
        ),
        ScoreLayout("reference_zonal_mean", ("channel", ...)),
        ScoreLayout(
            "zonal_velocity", ("initial_condition", ...), needs=("reference_zonal_velocity",)
        ),
        ScoreLayout("reference_zonal_velocity", (...,)),
    )

    def unsupported_reason(self) -> str | None:
        if self.data.dimensions != 2:
            return "a zonal mean needs two dimensions"
        return super().unsupported_reason()

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        values = {"profile": zonal_mean(state, self.weights)}
        if self.vorticity is not None:
            values["velocity"] = zonal_velocity(state[:, self.vorticity], self.periodic_grid)
        return values

    def scores(self) -> xarray.Dataset:
        rows = self.rows()
        y = self.space[0]
        profile, reference = rows["profile"], self.reference["profile"]
        channels = self.data.variables
        dims = ("initial_condition", "channel")
        units = {"units": channel_units(self.data.fields)}
        speed = {"units": velocity_units(*self.data.units)}
        data = {
            "zonal_mean": (
                (*dims, y),
                profile,
                {"long_name": "zonal mean over the rollout", **units},
            ),
            "reference_zonal_mean": (
                ("channel", y),
                reference,
                {"long_name": f"zonal mean over the {self.reference_split} split", **units},
            ),
        }
        weights = None if self.data.weights is None else self.data.weights.sum(-1).numpy()
        errors = profile_errors(profile, reference, self.training_std, weights)
        for name, (error, text) in errors.items():
            unit = {"units": "training std"} if name.startswith("scaled") else units
            data[f"zonal_mean_error_{name}"] = (dims, error, {"long_name": text, **unit})
        if "velocity" in self.defined:
            data["zonal_velocity"] = (
                ("initial_condition", y),
                rows["velocity"],
                {"long_name": "zonal mean of the zonal velocity over the rollout", **speed},
            )
            text = f"zonal mean of the zonal velocity over the {self.reference_split} split"
            label = {"long_name": text, **speed}
            data["reference_zonal_velocity"] = ((y,), self.reference["velocity"], label)
        coordinates = {"initial_condition": rows["index"], "channel": channels}
        return xarray.Dataset(data, coords=coordinates)

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return [*super().remarks(scores), *self.flow_is_left_out("the zonal velocity")]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        return {"zonal_mean_error_absolute": float(scores["zonal_mean_error_absolute"].mean())}

    @classmethod
    def columns(cls) -> list[Column]:
        return [
            Column.of_score("zonal mean error", "zonal_mean_error_absolute", best="least", place=3),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [
            Panel(cls.panel, "zonal_mean", "forecast", 3),
            Panel(cls.velocity_panel, "zonal_velocity", "climate", 6),
        ]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the zonal mean of the first channel over the whole rollout."""
        reference = scores["reference_zonal_mean"][0]
        plot_profiles(axes, methods, reference, lambda one: one.per_seed("zonal_mean")[:, 0])
        axes.set_xlabel(axis_label(str(scores["channel"].values[0]), reference))
        axes.set_title("Zonal mean, mean over the rollout")

    @staticmethod
    def velocity_panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the zonal mean of the zonal velocity over the whole rollout."""
        reference = scores["reference_zonal_velocity"]
        plot_profiles(axes, methods, reference, lambda one: one.per_seed("zonal_velocity"))
        axes.set_xlabel(axis_label("zonal velocity", reference))
        axes.set_title("Zonal mean of the zonal velocity, mean over the rollout")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        names = {"zonal_mean": scores["zonal_mean"][:, 0].values}
        truth = {"zonal_mean": scores["reference_zonal_mean"][0].values}
        if "zonal_velocity" in scores:
            names["zonal_velocity"] = scores["zonal_velocity"].values
            truth["zonal_velocity"] = scores["reference_zonal_velocity"].values
        figure = sheet(4.5 * len(names) + 1, 4.5)
        labels = {
            "zonal_mean": f"zonal mean of {self.data.fields[0].long_name}",
            "zonal_velocity": "zonal mean of zonal velocity",
        }
        for axes, (name, each) in zip(
            figure.subplots(1, len(names), squeeze=False)[0], names.items(), strict=True
        ):
            y = np.arange(each.shape[1])
            axes.plot(each.T, y, **EACH)
            axes.plot(mean_of_finite(each), y, color=COLOURS[0], label="forecast")
            axes.plot(truth[name], y, **DATA)
            axes.set(xlabel=axis_label(labels[name], scores[name]), ylabel="y [grid points]")
            axes.set_title("Mean over the rollout")
            axes.grid(alpha=0.3)
            axes.legend()
        return {"zonal_mean": figure}
