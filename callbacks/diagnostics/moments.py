"""Maps of the mean and of the variance of a rollout."""

from collections.abc import Mapping

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.climate import ClimateDiagnostic
from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.units import channel_units, raised
from callbacks.metrics.spatial_mean import spatial_mean
from callbacks.plotting.style import draw_field, escape, mean_of_finite, sheet
from emulators.rollout import State


class Moments(ClimateDiagnostic):
    """Mean and variance of every point over the rollout, compared with the data.

    Errors are root mean squares over the grid, of maps that are averaged over all trajectories:
    of the mean in units of the training standard deviation, of the variance in units of the
    training variance. Maps are NaN at masked points.

    Args:
        every: Sampling interval of the means [steps].
        burn_in: Length of the start of a rollout that the means leave out [steps].
        reference: Split whose moments are the reference.

    Example:
        The truth is 1 and -1 in turns, with standard deviation 1. A forecast that is larger by 2
        has a mean that is wrong by 2, and the right variance:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).reshape(1, 8, 1, 1).expand(1, 8, 1, 8)
        >>> scores = score_forecasts(Moments(every=1), truth + 2, truth, data)
        >>> scores["mean_map_error"].values.tolist(), scores["variance_map_error"].values.tolist()
        ([2.0], [0.0])
    """

    version = 2
    quantities = ("mean", "square")

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        values = self.hide_masked(state.double())
        return {"mean": values, "square": values.square()}

    def scores(self) -> xarray.Dataset:
        rows = self.rows()
        mean, square = (mean_of_finite(rows[name]) for name in self.quantities)
        reference, reference_square = (self.reference[name] for name in self.quantities)
        std = self.training_std.reshape(-1, *[1] * (mean.ndim - 1))
        variance, reference_variance = square - mean**2, reference_square - reference**2
        dims = ("channel", *self.space)
        axes = tuple(range(1, mean.ndim))

        def rms(difference: np.ndarray) -> np.ndarray:
            square = difference**2
            if self.data.weights is None:
                return np.sqrt(square.mean(axes))
            mean = spatial_mean(torch.from_numpy(square)[None], self.data.weights)
            return np.sqrt(mean[0].numpy())

        split = f"the {self.reference_split} split"

        def label(text: str, power: int = 1) -> dict[str, str]:
            return {"long_name": text, "units": raised(channel_units(self.data.fields), power)}

        return xarray.Dataset(
            {
                "mean_map": (dims, mean, label("mean over rollouts")),
                "variance_map": (dims, variance, label("variance over rollouts", 2)),
                "reference_mean_map": (dims, reference, label(f"mean over {split}")),
                "reference_variance_map": (
                    dims,
                    reference_variance,
                    label(f"variance over {split}", 2),
                ),
                "mean_map_error": (
                    ("channel",),
                    rms((mean - reference) / std),
                    {"long_name": "rms error of the mean", "units": "training std"},
                ),
                "variance_map_error": (
                    ("channel",),
                    rms((variance - reference_variance) / std**2),
                    {"long_name": "rms error of the variance", "units": "training variance"},
                ),
            },
            coords={"channel": self.data.variables},
        )

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        names = ("mean_map_error", "variance_map_error")
        return {name: float(scores[name].mean()) for name in names}

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure = sheet(6, 6)
        axes = figure.subplots(2, 2)
        for row, name in enumerate(("mean", "variance")):
            truth = scores[f"reference_{name}_map"][0].values
            fields = {"data": truth, "forecast": scores[f"{name}_map"][0].values}
            limit = largest(truth if truth.ndim == 2 else np.stack(list(fields.values())))
            for column, (label, field) in enumerate(fields.items()):
                draw_field(axes[row, column], field, limit)
                axes[row, column].set_title(escape(f"{label}: {name} of {self.data.variables[0]}"))
        return {"moments": figure}


def largest(field: np.ndarray) -> float:
    """Return the largest |value| among the finite ones, or 1 if that is zero or there are none."""
    return float(np.abs(field[np.isfinite(field)]).max(initial=0)) or 1.0
