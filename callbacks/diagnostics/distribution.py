"""Probability densities of the state and its velocity, and their distance to the data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.climate import ClimateDiagnostic, Split
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.options import is_finite, is_whole
from callbacks.diagnostics.units import channel_units, raised, velocity_units
from callbacks.metrics.distribution import histogram, wasserstein
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, DATA, EACH, escape, quantity, sheet
from datamodules.solvers import Variable
from datamodules.solvers.finite import check_finite
from datamodules.solvers.pseudo_spectral.vorticity import velocity
from datamodules.statistics import accumulate
from emulators.rollout import State


class Distribution(ClimateDiagnostic):
    """Histograms of every channel, and of u and v of a flow, over space and the rollout.

    The Wasserstein-1 distance to the data is ∫ |F - F_ref|, with the distribution functions F of
    the histograms, in units of the standard deviation of the data. Values beyond the outermost bins
    are counted in them.

    Args:
        bins: Number of bins.
        reach: Distance of the outermost edges from the mean [standard deviations].
        every: Sampling interval of the means [steps].
        burn_in: Length of the start of a rollout that the means leave out [steps].
        reference: Split whose histogram is the reference.

    Example:
        The truth is 1 and -1 in turns, with standard deviation 1. To make it of a forecast that is
        larger by 2, all mass is moved by 2:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).reshape(1, 8, 1, 1).expand(1, 8, 1, 8)
        >>> scores = score_forecasts(Distribution(every=1), truth + 2, truth, data)
        >>> round(scores["wasserstein"].item(), 3)
        2.0
    """

    version = 3
    quantities = ("histogram",)
    layouts = (
        ScoreLayout(
            "density",
            ("initial_condition", "field", "bin"),
            needs=("reference_density", "value", "field"),
        ),
        ScoreLayout("reference_density", ("field", "bin")),
        ScoreLayout("value", ("field", "bin")),
        ScoreLayout("wasserstein", ("initial_condition", "field")),
    )

    def __init__(
        self,
        bins: int = 200,
        reach: float = 8.0,
        every: int = 10,
        burn_in: int = 0,
        reference: Split = "train",
    ) -> None:
        check_finite("Distribution", reach=reach)
        super().__init__(every, burn_in, reference)
        if not (is_whole(bins, 2, 100_000) and is_finite(reach) and reach <= 1e6):
            raise ValueError(
                "Distribution needs 2 to 100000 bins and a reach above 0 and up to 1e6, got "
                f"bins={bins}, reach={reach}; change them."
            )
        self.bins = bins
        self.reach = reach
        self.centre: Tensor  # and scale: with the reference
        self.scale: Tensor

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "bins": self.bins, "reach": self.reach}

    @property
    def derives(self) -> bool:
        """True if u and v are computed from the vorticity, and are not channels themselves."""
        return self.vorticity is not None and not {"u", "v"} & {v.name for v in self.data.fields}

    @property
    def histogram_fields(self) -> list[Variable]:
        """Fields that have a histogram: the channels, and u and v of a flow."""
        if not self.derives:
            return list(self.data.fields)
        units = velocity_units(*self.data.units)
        flow = (Variable("u", "zonal velocity", units), Variable("v", "meridional velocity", units))
        return [*self.data.fields, *flow]

    def fields(self, state: State) -> Float[Tensor, "batch field *space"]:
        """Return the fields of the histograms, in float64: the channels, and u and v of a flow."""
        if not self.derives:
            state = state.double()
            # statistics of the data need finite numbers at masked points, too
            return state if self.weights is None else torch.where(self.weights > 0, state, 0.0)
        flow = velocity(state[:, self.vorticity].double(), self.periodic_grid)
        return torch.cat((state.double(), torch.stack(flow, 1)), 1)

    def prepare(self) -> None:
        super().prepare()
        self.bin_by(self.reference)

    def reference_means(self) -> Mapping[str, np.ndarray]:
        chunks = self.source.trajectories(self.reference_split).chunks("Distribution: bins")
        statistics = accumulate(map(self.fields, chunks), weights=self.weights)
        bins = {"centre": statistics.mean.numpy(), "scale": statistics.std.numpy()}
        self.bin_by(bins)
        return {**super().reference_means(), **bins}

    def bin_by(self, bins: Mapping[str, np.ndarray]) -> None:
        self.centre, self.scale = (
            torch.as_tensor(bins[name]).double() for name in ("centre", "scale")
        )

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        fields = self.fields(state)
        shape = (-1, *[1] * (fields.dim() - 2))
        centre, scale = (x.to(fields).reshape(shape) for x in (self.centre, self.scale))
        values = (fields - centre) / scale
        return {"histogram": histogram(values, self.bins, self.reach, self.weights)}

    def scores(self) -> xarray.Dataset:
        rows = self.rows()
        width = 2 * self.reach / self.bins
        edges = np.linspace(-self.reach, self.reach, self.bins + 1)
        scale = self.scale.cpu().numpy()
        values = self.centre.cpu().numpy()[:, None] + scale[:, None] * (edges[1:] + edges[:-1]) / 2
        density = rows["histogram"] / (width * scale[:, None])
        reference = self.reference["histogram"]
        units = channel_units(self.histogram_fields)
        inverse = {"units": raised(units, -1)}
        distance = wasserstein(rows["histogram"], reference, width)
        return xarray.Dataset(
            {
                "density": (
                    ("initial_condition", "field", "bin"),
                    density,
                    {"long_name": "probability density over space and the rollout", **inverse},
                ),
                "reference_density": (
                    ("field", "bin"),
                    reference / (width * scale[:, None]),
                    {
                        "long_name": f"probability density of the {self.reference_split} split",
                        **inverse,
                    },
                ),
                "wasserstein": (
                    ("initial_condition", "field"),
                    distance,
                    {"long_name": "Wasserstein-1 distance", "units": "standard deviation"},
                ),
            },
            coords={
                "initial_condition": rows["index"],
                "field": [field.name for field in self.histogram_fields],
                "value": (("field", "bin"), values, {"long_name": "value", "units": units}),
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return [*super().remarks(scores), *self.flow_is_left_out("the velocity")]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        mean = scores["wasserstein"].mean("initial_condition")
        return {f"wasserstein/{name}": float(mean.sel(field=name)) for name in mean["field"].values}

    @classmethod
    def columns(cls) -> list[Column]:
        return [
            Column.of_score("Wasserstein distance", "wasserstein", best="least", place=4),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "density", "climate", 1)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the probability density of the first field."""
        reference, value = scores["reference_density"][0].values, scores["value"][0]
        for method in methods:
            mean, each = (f("density")[:, 0] for f in (method.per_seed, method.each))
            plot_seeds(axes, method, value, mean, each)
        axes.plot(value, reference, **DATA)
        name = str(scores["field"].values[0])
        axes.set(yscale="log", title=escape(f"Probability density of {name}, over the rollout"))
        axes.set(xlabel=axis_label(name, value), ylabel="probability density")
        axes.set_ylim(1e-6 * reference.max(), 2 * reference.max())
        known = value.values[reference > 0]
        axes.set_xlim(1.2 * known.min() - 0.2 * known.max(), 1.2 * known.max() - 0.2 * known.min())

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        fields = self.histogram_fields
        count = len(fields)
        figure = sheet(4 * count, 3.6)
        panels = figure.subplots(1, count, squeeze=False)[0]
        for axes, field in zip(panels, fields, strict=True):
            one = scores.sel(field=field.name)
            axes.semilogy(one["value"], one["density"].values.T, **EACH)
            mean = one["density"].mean("initial_condition")
            axes.semilogy(one["value"], mean, color=COLOURS[0], label="forecast")
            axes.semilogy(one["value"], one["reference_density"], **DATA)
            density = quantity("probability density", raised(field.units, -1))
            axes.set(xlabel=quantity(field.name, field.units), ylabel=density)
            seen = one["value"].values[one["reference_density"].values > 0]
            margin = 0.2 * (seen.max() - seen.min())
            axes.set_xlim(seen.min() - margin, seen.max() + margin)
            axes.set_ylim(bottom=1e-7 * float(one["reference_density"].max()))
            axes.grid(alpha=0.3)
            axes.legend()
        return {"distribution": figure}
