"""Autocorrelation of the leading principal components."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.components import ComponentDiagnostic
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.units import mean_square_units
from callbacks.metrics.pca import autocorrelation
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, DATA, EACH, mean_of_finite, quantity, sheet
from emulators.rollout import RolloutBatch, State


class PCAAutocorrelation(ComponentDiagnostic):
    """Autocorrelation of the projections onto the principal components of the data, by lag.

    The rollout's first `length` states are projected onto the leading components of the reference
    split, from a singular value decomposition of all its states; c(k) = Σ_t x(t) x(t + k), of
    the departure x from the mean of the series, divided by c(0). The reference is the mean over
    pieces of the same length of the split's trajectories. Where points have weights, fields are
    multiplied by √w, so that components are orthogonal in the weighted mean. The variant of Jiang
    et al. (2025) is `components: 1`, `centre: false`, `normalise: false`.

    Args:
        components: Number of leading components.
        length: Number of states of each rollout; of a shorter rollout all states are used.
        lags: Longest lag [steps].
        centre: If true, means are removed from the states and from the series.
        normalise: If true, the autocorrelation is divided by its value at lag 0.
        reference: Split from which components and reference are computed.

    Example:
        A series of 8 values that changes its sign in every step has 7 products of opposite sign at
        lag 1, and 6 of equal sign at lag 2:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).reshape(1, 8, 1, 1).expand(1, 8, 1, 8)
        >>> diagnostic = PCAAutocorrelation(components=1, length=8, lags=2)
        >>> scores = score_forecasts(diagnostic, truth, truth, data)
        >>> scores["autocorrelation"].values.round(6).tolist()  # 1, -7/8, 6/8
        [[[1.0, -0.875, 0.75]]]
    """

    stages = ("test",)
    version = 2
    of_forecasts = frozenset({"length", "lags", "normalise", "reference"})
    layouts = (
        ScoreLayout(
            "autocorrelation",
            ("initial_condition", "component", "lag"),
            needs=("reference_autocorrelation", "lag"),
        ),
        ScoreLayout("reference_autocorrelation", ("component", "lag")),
        ScoreLayout("lag", ("lag",)),
    )

    def __init__(
        self,
        components: int = 3,
        length: int = 200,
        lags: int = 100,
        centre: bool = True,
        normalise: bool = True,
        reference: Split = "train",
    ) -> None:
        super().__init__(components, centre, reference)
        if not (is_whole(components) and is_whole(length) and is_whole(lags, 1, length - 1)):
            raise ValueError(
                "PCAAutocorrelation needs components of at least 1 and lags of at least 1 and "
                f"below length, got components={components}, lags={lags}, length={length}."
            )
        self.length = length
        self.lags = lags
        self.normalise = normalise
        self.rows = PerSampleMetric("series")
        self.broken = 0

    def prepare(self) -> None:
        super().prepare()
        self.kept = min(self.length, int(self.reference["lengths"].max()))

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.series = self.unknown(start, min(self.kept, start.steps), self.components)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if lead <= self.series.shape[1]:
            series = self.departure(forecast) @ self.basis[1].T
            if self.diverged is not None:
                series = torch.where(self.diverged[:, None], float("nan"), series)
            self.series[:, lead - 1] = series

    def end(self) -> None:
        self.rows.update(self.index, series=self.series)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        steps = rows["series"].shape[1]
        self.broken = int((~np.isfinite(rows["series"])).any((1, 2)).sum())
        lags = min(self.lags + 1, steps)
        options = (lags, self.centre, self.normalise)
        series = torch.from_numpy(rows["series"]).movedim(1, 2)
        forecast = autocorrelation(series, *options).numpy()
        reference = autocorrelation(self._pieces(steps), *options).mean(0).numpy()
        dims = ("initial_condition", "component", "lag")
        unit = "1" if self.normalise else mean_square_units(self.data.fields)
        deviation = np.abs(forecast - reference).mean(-1)
        return xarray.Dataset(
            {
                "autocorrelation": (
                    dims,
                    forecast,
                    {"long_name": "autocorrelation", "units": unit},
                ),
                "reference_autocorrelation": (
                    dims[1:],
                    reference,
                    {"long_name": f"autocorrelation, {self.reference_split} split", "units": unit},
                ),
                "autocorrelation_deviation": (
                    dims[:2],
                    deviation,
                    {"long_name": "mean over lags of |c - c_ref|", "units": unit},
                ),
                "explained_variance": (
                    ("component",),
                    self.reference["share"],
                    {"long_name": "explained share of the variance", "units": "1"},
                ),
            },
            coords={
                "initial_condition": rows["index"],
                "component": np.arange(1, self.components + 1),
                "lag": self.times("lag", range(lags), "lag"),
            },
        )

    def _pieces(self, steps: int) -> Tensor:
        """Return series (piece, component, time) of `steps` states from the reference."""
        ends = np.cumsum(self.reference["lengths"])
        pieces = [
            self.reference["series"][start : start + steps]
            for end, length in zip(ends, self.reference["lengths"], strict=True)
            for start in range(end - length, end - steps + 1, steps)
        ]
        return torch.from_numpy(np.stack(pieces)).movedim(1, 2)

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        said = []
        if self.broken:
            said.append(
                f"PCAAutocorrelation: {self.broken} of {scores.sizes['initial_condition']} "
                "rollouts diverged within the states that enter and are left out of the mean."
            )
        said += super().remarks(scores)
        if self.kept == self.length:
            return said
        return [
            *said,
            f"PCAAutocorrelation: the longest trajectory of the {self.reference_split} split has "
            f"{self.kept} snapshots; only as many states of each rollout are used, not "
            f"length={self.length}.",
        ]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        mean = scores["autocorrelation_deviation"].mean("initial_condition")
        return {f"autocorrelation_deviation/pc_{c}": float(mean.sel(component=c)) for c in
                scores["component"].values}  # fmt: skip

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "autocorrelation", "climate", 2)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the autocorrelation of the first principal component."""
        for method in methods:
            mean, each = (f("autocorrelation")[:, 0] for f in (method.per_seed, method.each))
            plot_seeds(axes, method, scores["lag"], mean, each)
        axes.plot(scores["lag"], scores["reference_autocorrelation"][0], **DATA)
        axes.set_xlabel(axis_label("lag", scores["lag"]))
        axes.set_ylabel(axis_label("autocorrelation", scores["autocorrelation"]))
        axes.set_title("Autocorrelation of the first principal component")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure = sheet(4.2 * self.components, 3.6)
        panels = figure.subplots(1, self.components, squeeze=False)[0]
        panels[0].set_ylabel(axis_label("autocorrelation", scores["autocorrelation"]))
        for axes, component in zip(panels, scores["component"].values, strict=True):
            one = scores.sel(component=component)
            each = one["autocorrelation"].values
            axes.plot(one["lag"], each.T, **EACH)
            whole = int(np.isfinite(each).all(1).sum())
            count = f"{whole} of {len(each)} trajectories are finite"
            label = "forecast" if whole == len(each) else f"forecast ({count})"
            axes.plot(one["lag"], mean_of_finite(each), color=COLOURS[0], label=label)
            axes.plot(one["lag"], one["reference_autocorrelation"], **DATA)
            share = 100 * float(one["explained_variance"])
            axes.set_xlabel(quantity("lag", self.data.units[1]))
            axes.set_title(f"component {component} ({share:.0f} % of the variance)")
            axes.grid(alpha=0.3)
            axes.legend()
        return {"pca_autocorrelation": figure}
