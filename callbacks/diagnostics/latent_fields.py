"""Learned coefficients of Im-PiNDiff against the true ones, never observed in training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.known_solver import solver_of
from callbacks.diagnostics.moments import largest
from callbacks.metrics.relative_error import relative_l1
from callbacks.plotting.style import at_time, colour_map, escape, sheet
from emulators import ImPiNDiff
from emulators.rollout import RolloutBatch, State


class LatentFields(RolloutDiagnostic):
    """Learned coefficient fields λ̂ against the true λ, with the error Σ w|λ̂ - λ| / Σ w|λ|.

    The sums are over cells. The weight w of a cell is the mean of its weights over channels, which
    is 1 unless cells are masked.

    The true fields come from the solver that generated the data, if there is one on the same grid.
    Emulators other than `ImPiNDiff` have no learned coefficients and are skipped.

    Args:
        times: Times at which fields that change are evaluated [time unit of the data].

    Example:
        The figure shows learned and true fields and their difference, the table the errors:

        >>> LatentFields(times=(0.0, 1.0)).options["times"]
        [0.0, 1.0]
    """

    emulator: ImPiNDiff  # or another, for which nothing is observed

    def __init__(self, times: Sequence[float] = (0.0,)) -> None:
        super().__init__()
        if not times or not all(math.isfinite(time) for time in times):
            raise ValueError(
                f"LatentFields.times must list at least one finite time, got {list(times)}."
            )
        self.moments = tuple(times)

    def observes(self, stage: str) -> bool:
        learns = isinstance(self.emulator, ImPiNDiff) and bool(self.emulator.hybrid.fields)
        return super().observes(stage) and learns

    def begin(self, start: RolloutBatch) -> None:
        pass

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        pass

    def truth(self) -> dict[str, torch.Tensor]:
        """Return the true coefficients by name, (time, *space)."""
        solver = solver_of(self.source)
        if solver is None or solver.grid.shape != self.data.shape:
            return {}
        values = [solver.values(time) for time in self.moments]
        return {
            name: torch.stack([one[name].double().expand(solver.grid.shape) for one in values])
            for name in values[0]
        }

    def scores(self) -> xarray.Dataset:
        hybrid = self.emulator.hybrid
        times = torch.tensor(self.moments, dtype=torch.float64, device=hybrid.points.device)
        dims, truth = ("latent_time", *self.space), self.truth()
        weights = None if self.data.weights is None else self.data.weights.mean(0)
        dataset: dict[str, Any] = {}

        def hide_masked(field: torch.Tensor) -> np.ndarray:
            """Return a field with NaN at points where no channel has values."""
            seen = field if weights is None else torch.where(weights > 0, field, float("nan"))
            return seen.numpy()

        for name, field in hybrid.latent(times).items():
            learned = field.double().cpu().expand(len(times), *field.shape[1:])
            dataset[f"latent_{name}"] = (
                dims,
                hide_masked(learned),
                field_attributes(f"learned {name}"),
            )
            if name in truth:
                error = relative_l1(learned, truth[name], weights=weights)
                dataset[f"latent_{name}_truth"] = (
                    dims,
                    hide_masked(truth[name]),
                    field_attributes(f"true {name}"),
                )
                text = field_attributes(f"relative L1 error of {name}")
                dataset[f"latent_{name}_error"] = "latent_time", error.numpy(), text
        when = {"long_name": "time of the field", "units": self.data.units[1]}
        coordinates = {"latent_time": ("latent_time", np.asarray(self.moments), when)}
        return xarray.Dataset(dataset, coords=coordinates)

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        return {
            f"latent/{name[len('latent_') : -len('_error')]}": float(scores[name].mean())
            for name in scores
            if name.startswith("latent_") and name.endswith("_error")
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        names = [name for part in self.emulator.hybrid.fields.values() for name in part.names]
        ranges = [np.ptp(scores[f"latent_{name}"].values, 0) for name in names]
        steady = [not np.nan_to_num(values).any() for values in ranges]
        columns = [
            (name, place)
            for name, still in zip(names, steady, strict=True)
            for place in range(1 if still else len(self.moments))
        ]
        figure = sheet(3.0 * len(columns) + 0.5, 5.2)
        axes = figure.subplots(3, len(columns), squeeze=False)
        for column, (name, place) in enumerate(columns):
            learned = scores[f"latent_{name}"].values[place]
            known = f"latent_{name}_truth" in scores
            truth = scores[f"latent_{name}_truth"].values[place] if known else None
            time = at_time(self.moments[place], self.data.units[1])
            title = f"{escape(name)}, {time}" if len(self.moments) > 1 else escape(name)
            axes[0, column].set_title(title)
            reference = learned if truth is None else truth
            seen = reference[np.isfinite(reference)]
            low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
            limits = {"vmin": low, "vmax": high, "cmap": colour_map("viridis")}
            rows: dict[str, tuple[Any, dict[str, Any]]] = {
                "truth": (truth, limits),
                "learned": (learned, limits),
            }
            if truth is not None:
                worst = largest(learned - truth)
                signed = {"vmin": -worst, "vmax": worst, "cmap": colour_map("RdBu_r")}
                rows["difference"] = (learned - truth, signed)
            for row, label in enumerate(("truth", "learned", "difference")):
                field, style = rows.get(label, (None, {}))
                draw(figure, axes[row, column], field, style)
                if column == 0:
                    axes[row, 0].set_ylabel(label)
        return {"latent_fields": figure}


def field_attributes(text: str) -> dict[str, str]:
    """Return the attributes of a learned coefficient, whose unit is the model's own."""
    return {"long_name": text, "units": "1"}


def draw(figure: Figure, axes: Axes, field: np.ndarray | None, style: dict) -> None:
    """Draw a field (y, x) with a colour bar or (x,) as a line; leave axes empty for None."""
    axes.set_xticks([])
    if field is None:
        axes.set_axis_off()
    elif field.ndim == 1:
        axes.plot(field)
    else:
        axes.set_yticks([])
        figure.colorbar(axes.imshow(field, origin="lower", **style), ax=axes, shrink=0.8)
