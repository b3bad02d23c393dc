"""Learned curves of Im-PiNDiff against the true ones, never observed in training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.known_solver import known_closures, solver_of
from callbacks.diagnostics.options import is_whole
from callbacks.metrics.relative_error import relative_l1
from callbacks.plotting.style import COLOURS, escape, sheet
from emulators import ImPiNDiff
from emulators.rollout import RolloutBatch, State


class LearnedCurves(RolloutDiagnostic):
    """Learned curves ĉ(q) against the true c(q): errors Σ|ĉ - c| / Σ|c| and max |ĉ - c|/|c|.

    A curve is a learned `Closure` of one quantity q. It is evaluated over the range of q that the
    training trajectories visit, at points that are not masked, up to the last snapshot of a
    training rollout. The true curve is the closure of the solver that made the data, if it depends
    on q and numbers alone. Other learned parts, and other emulators than `ImPiNDiff`, are skipped.

    Args:
        points: Number of values of q, evenly spaced.

    Example:
        The figure shows each learned curve over the true one, the table the errors:

        >>> LearnedCurves(points=51).options["points"]
        51
    """

    emulator: ImPiNDiff  # or another, for which nothing is observed

    def __init__(self, points: int = 101) -> None:
        super().__init__()
        if not is_whole(points, 2, 1_000_000):
            raise ValueError(
                f"LearnedCurves.points must be at least 2 and at most 1000000, got {points}."
            )
        self.points = points

    def observes(self, stage: str) -> bool:
        return super().observes(stage) and bool(self.curves())

    def begin(self, start: RolloutBatch) -> None:
        pass

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        pass

    def curves(self) -> dict[str, str]:
        """Return the quantity on which each learned curve depends, by the name of the curve."""
        if not isinstance(self.emulator, ImPiNDiff):
            return {}
        hybrid = self.emulator.hybrid
        reads = {name: hybrid.balance.closures[name].names for name in hybrid.learned_closures}
        return {name: names[0] for name, names in reads.items() if len(names) == 1}

    def prepare(self) -> None:
        self.visited = {quantity: self.visits(quantity) for quantity in self.curves().values()}

    def visits(self, quantity: str) -> Tensor:
        """Return evenly spaced values over the range of q in the first windows of training.

        Args:
            quantity: Name of q, a variable, closure or coefficient.
        """
        hybrid, trajectories = self.emulator.hybrid, self.source.trajectories("train")
        parameters, extremes = trajectories.parameters, []
        for k, length in enumerate(trajectories.lengths):
            states = trajectories.read(k, 0, min(length, self.emulator.window))
            states = states.to(hybrid.points)
            times = torch.tensor([trajectories.time(k, n) for n in range(len(states))])
            known = None
            if parameters is not None:
                known = parameters[k].to(hybrid.points).expand(len(states), -1)
            given = {
                **hybrid.steady(states, known),
                **hybrid.moving(states, times.to(states)),
            }
            field = hybrid.balance.bind(given).fields_at(states)[quantity]
            if self.data.mask is not None:  # a quantity of several channels needs all of them
                there = self.data.mask.all(0).to(field.device)
                field = field.expand(len(states), *there.shape)[:, there]
            extremes += [field.amin(), field.amax()]
        low, high = (float(f(torch.stack(extremes))) for f in (torch.min, torch.max))
        return torch.linspace(low, high, self.points, dtype=torch.float64)

    def scores(self) -> xarray.Dataset:
        hybrid, solver = self.emulator.hybrid, solver_of(self.source)
        dataset: dict[str, Any] = {}
        coordinates: dict[str, Any] = {}
        for name, quantity in self.curves().items():
            q, axis = self.visited[quantity], f"curve_{quantity}"
            learned = hybrid.balance.closures[name](q.to(hybrid.points)).double().cpu()
            dataset[f"curve_{name}"] = axis, learned.numpy(), {"long_name": f"learned {name}"}
            coordinates[axis] = axis, q.numpy(), {"long_name": quantity.replace("_", " ")}
            true = known_closures(solver, {quantity: q}).get(name) if solver else None
            if true is not None:
                true = true.double().expand(len(q))
                error = relative_l1(learned[None], true[None]).item()
                worst = ((learned - true) / true).abs().max().item()
                dataset[f"curve_{name}_truth"] = axis, true.numpy(), {"long_name": f"true {name}"}
                about = {"long_name": f"relative L1 error of {name}", "units": "1"}
                dataset[f"curve_{name}_error"] = (), error, about
                about = {"long_name": f"largest relative error of {name}", "units": "1"}
                dataset[f"curve_{name}_worst"] = (), worst, about
        return xarray.Dataset(dataset, coords=coordinates)

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        known = [name for name in self.curves() if f"curve_{name}_error" in scores]
        return {
            f"curve/{name}{ending}": float(scores[f"curve_{name}_{score}"])
            for name in known
            for ending, score in (("", "error"), ("_worst", "worst"))
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        curves = self.curves()
        figure = sheet(4.2 * len(curves) + 0.5, 3.4)
        row = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, (name, quantity) in zip(row, curves.items(), strict=True):
            q = scores[f"curve_{quantity}"].values
            if f"curve_{name}_truth" in scores:
                true = scores[f"curve_{name}_truth"].values
                axes.plot(q, true, color="black", linestyle="--", label="truth")
            learned = scores[f"curve_{name}"].values
            axes.plot(q, learned, color=COLOURS[0], label="learned")
            axes.set_xlabel(escape(quantity.replace("_", " ")))
            axes.set_ylabel(escape(name.replace("_", " ")))
            axes.set_ylim(bottom=min(0.0, float(np.min(learned))))
            axes.legend()
        return {"learned_curves": figure}
