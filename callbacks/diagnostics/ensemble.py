"""Skill and spread of ensembles."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.metrics.ensemble import crps, ensemble_spread, ensemble_square_error
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, lead_time_axes
from emulators.rollout import Members, RolloutBatch, State


class EnsembleSkill(RolloutDiagnostic):
    """Continuous ranked probability score, spread and skill against lead time.

    With M members x_m and the truth y, per point and averaged over the grid,

        CRPS = (1/M) Σ_m |x_m - y| - 1/(2 M (M - 1)) Σ_m Σ_k |x_m - x_k|     (the fair estimate)
        spread² = 1/(M - 1) Σ_m (x_m - x̄)²,   skill² = (x̄ - y)²,

    in standardised units, means over channels. In a reliable ensemble √(1 + 1/M) · spread equals
    skill (Fortin et al. 2014). Needs `members` and `initial_noise` in `data.test_rollouts`.

    Example:
        The figure shows CRPS, spread and skill against lead time, the table the mean CRPS:

        >>> EnsembleSkill().options
        {}
    """

    stages = ("test",)
    version = 2
    layouts = (
        ScoreLayout(
            "crps", ("initial_condition", "lead_time"), needs=("ensemble_spread", "lead_time")
        ),
        ScoreLayout("ensemble_spread", ("initial_condition", "lead_time")),
        ScoreLayout("lead_time", ("lead_time",)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.rows = PerSampleMetric("crps", "spread", "skill", "members")

    def unsupported_reason(self) -> str | None:
        if self.source.rollouts["test"].members > 1:
            return None
        return "there is no ensemble: data.test_rollouts.members is 1"

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.crps = self.unknown(start, start.truth_steps, start.initial.shape[1])
        self.spread, self.skill = self.crps.clone(), self.crps.clone()
        perturbed = 0 if start.perturbed is None else len(start.perturbed)
        self.members = torch.full_like(start.index, 1 + perturbed)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        """Do nothing; `observe_members` records the ensemble."""

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if truth is not None:
            self.crps[:, lead - 1] = crps(members, truth, self.weights)
            self.spread[:, lead - 1] = ensemble_spread(members, self.weights)
            self.skill[:, lead - 1] = ensemble_square_error(members, truth, self.weights)

    def end(self) -> None:
        self.rows.update(
            self.index, crps=self.crps, spread=self.spread, skill=self.skill, members=self.members
        )

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        dims = ("initial_condition", "lead_time")

        def label(text: str) -> dict[str, str]:
            return {"long_name": text, "units": "training std"}

        correction = np.sqrt(1 + 1 / rows["members"].max())
        variance = self.training_std**2
        spread, skill = ((rows[name] / variance).mean(-1) for name in ("spread", "skill"))
        data = {
            "crps": (dims, (rows["crps"] / self.training_std).mean(-1), label("fair CRPS")),
            "ensemble_spread": (dims, np.sqrt(spread), label("spread of the ensemble members")),
            "ensemble_skill": (
                dims,
                np.sqrt(skill),
                label("root mean square error of the ensemble mean"),
            ),
            "spread_skill_ratio": (
                ("lead_time",),
                correction * np.sqrt(spread.mean(0) / skill.mean(0)),
                {"long_name": "ratio of spread to skill, one if reliable", "units": "1"},
            ),
        }
        lead = self.times("lead_time", range(1, spread.shape[1] + 1), "lead time")
        return xarray.Dataset(data, {"lead_time": lead, "initial_condition": rows["index"]})

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        broken = int((~np.isfinite(scores["crps"].values)).any(1).sum())
        if not broken:
            return []
        return [
            f"EnsembleSkill: {broken} of {len(scores['crps'])} ensembles have a member that is not "
            "finite before the truth ends; their scores and all means are NaN."
        ]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        # an ensemble that breaks down is no reason to leave it out
        return {
            name: float(scores[name].mean(skipna=False)) for name in ("crps", "spread_skill_ratio")
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return [
            Column("CRPS", lambda run: run.mean("crps"), place=5),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "crps", "climate", 7)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the continuous ranked probability score, and dotted the spread."""
        lead = scores["lead_time"]
        for method in methods:
            plot_seeds(axes, method, lead, method.per_seed("crps"))
            spread = method.per_seed("ensemble_spread").mean(0)
            axes.plot(lead, spread, color=method.style["color"], linestyle=":")
        axes.set(yscale="log", title="CRPS (lines) and spread of the ensemble (dotted)")
        axes.set_ylabel("CRPS, spread [training std]")
        axes.set_xlabel(axis_label("lead time", lead))

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes("CRPS, error and spread [training std]", self.data.units[1])
        names = {
            "ensemble_skill": "root mean square error of the ensemble mean",
            "ensemble_spread": "spread of the ensemble members",
            "crps": "fair CRPS",
        }
        for colour, (name, label) in zip(COLOURS, names.items(), strict=False):
            mean = scores[name].mean("initial_condition", skipna=False)
            axes.plot(scores["lead_time"], mean, color=colour, label=label)
        axes.set_yscale("log")
        axes.legend()
        return {"ensemble": figure}
