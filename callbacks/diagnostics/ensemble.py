"""Skill and spread of ensembles."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.ensemble_diagnostic import EnsembleDiagnostic
from callbacks.diagnostics.rollout_error import COMPARED, mse_column
from callbacks.metrics.ensemble import crps, energy_score, ensemble_spread, ensemble_square_error
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, quantity, sheet
from emulators.rollout import Members, RolloutBatch, State

Values = TypeVar("Values", np.ndarray, xarray.DataArray)
OF_ENSEMBLES = {"energy_score": "fair energy score", "crps": "fair CRPS"}
OF_SINGLE_FORECASTS = {"energy_score": "root mean square error", "crps": "absolute error"}


class EnsembleSkill(EnsembleDiagnostic):
    """Continuous ranked probability score, energy score, spread and skill against lead time.

    With M members x_m and the truth y, per point and averaged over the grid,

        CRPS = (1/M) Σ_m |x_m - y| - 1/(2 M (M - 1)) Σ_m Σ_k |x_m - x_k|     (the fair estimate)
        spread² = 1/(M - 1) Σ_m (x_m - x̄)²,   skill² = (x̄ - y)²,

    in standardised units, means over channels; the energy score is the CRPS with distances of whole
    fields, ‖x_m - y‖, in the place of distances at each point. In a reliable ensemble
    √(1 + 1/M) · spread equals skill (Fortin et al. 2014). The error of the members is
    (1/M) Σ_m (x_m - y)², the error of the mean is skill².

    A single forecast is an ensemble of one member: its CRPS is its absolute error, its energy score
    its root mean square error, so that runs with and without an ensemble are compared. It has no
    spread. For an ensemble set `members` of `data.test_rollouts`, and `initial_noise` for a
    deterministic emulator.

    Example:
        A single forecast with an error of 1 at the first lead and of 4 at the second:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(1, 4, 1, 1).expand(1, 4, 1, 8)
        >>> forecast = torch.tensor([0.0, 5.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 8)
        >>> scores = score_forecasts(EnsembleSkill(), forecast, truth, data)
        >>> scores["crps"].values.tolist()
        [[1.0, 4.0]]
    """

    version = 3
    needs_ensemble = False
    layouts = (
        ScoreLayout("crps", ("initial_condition", "lead_time"), needs=("lead_time",)),
        ScoreLayout("energy_score", ("initial_condition", "lead_time")),
        ScoreLayout("ensemble_spread", ("initial_condition", "lead_time")),
        ScoreLayout("spread_skill_ratio", ("lead_time",)),
        ScoreLayout("mse_of_mean", ("initial_condition", "lead_time"), needs=("lead_time",)),
        ScoreLayout("mse_of_mean_physical", ("initial_condition", "lead_time", "channel")),
        ScoreLayout("lead_time", ("lead_time",)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.rows = PerSampleMetric("crps", "energy_score", "spread", "skill", "members")

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.crps = self.unknown(start, start.truth_steps, start.initial.shape[1])
        self.spread, self.skill = self.crps.clone(), self.crps.clone()
        self.energy_score = self.unknown(start, start.truth_steps)
        self.members = torch.full_like(start.index, self.size)

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if truth is None:
            return
        self.crps[:, lead - 1] = crps(members, truth, self.weights)
        std = self.emulator.standardize.std
        self.energy_score[:, lead - 1] = energy_score(members, truth, std, self.weights)
        if self.size > 1:
            self.spread[:, lead - 1] = ensemble_spread(members, self.weights)
            self.skill[:, lead - 1] = ensemble_square_error(members, truth, self.weights)

    def end(self) -> None:
        self.rows.update(
            self.index,
            crps=self.crps,
            energy_score=self.energy_score,
            spread=self.spread,
            skill=self.skill,
            members=self.members,
        )

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        dims = ("initial_condition", "lead_time")
        ensemble = rows["members"].max() > 1
        names = OF_ENSEMBLES if ensemble else OF_SINGLE_FORECASTS
        score = (rows["crps"] / self.training_std).mean(-1)
        data = {
            "crps": (dims, score, in_std(names["crps"])),
            "energy_score": (dims, rows["energy_score"], in_std(names["energy_score"])),
            **(self._of_members(rows) if ensemble else {}),
        }
        lead = self.times("lead_time", range(1, score.shape[1] + 1), "lead time")
        coordinates = {"lead_time": lead, "initial_condition": rows["index"]}
        if "mse_of_mean_physical" in data:
            coordinates["channel"] = self.data.variables
        return xarray.Dataset(data, coordinates)

    def _of_members(self, rows: Mapping[str, np.ndarray]) -> dict[str, tuple]:
        """Return the scores that need several members."""
        dims, count = ("initial_condition", "lead_time"), rows["members"].max()
        variance = self.training_std**2
        spread, skill = ((rows[name] / variance).mean(-1) for name in ("spread", "skill"))
        text, square = "mean squared error of the", {"units": "training variance"}
        root = in_std("root mean square error of the ensemble mean")
        return {
            "ensemble_spread": (dims, np.sqrt(spread), in_std("spread of the ensemble members")),
            "ensemble_skill": (dims, np.sqrt(skill), root),
            "ensemble_size": ((), count, {"long_name": "number of members", "units": "1"}),
            "spread_skill_ratio": (
                ("lead_time",),
                spread_skill_ratio(spread.mean(0), skill.mean(0), count),
                {"long_name": "ratio of spread to skill, one if reliable", "units": "1"},
            ),
            "mse_of_members": (
                dims,
                skill + spread * (count - 1) / count,
                {"long_name": f"{text} members, mean over members", **square},
            ),
            "mse_of_mean": (dims, skill, {"long_name": f"{text} ensemble mean", **square}),
            "mse_of_mean_physical": (
                (*dims, "channel"),
                rows["skill"],
                {"long_name": f"{text} ensemble mean", "units": "squared units of the channel"},
            ),
        }

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        found = self.remark_on_broken(scores["crps"])
        if "ensemble_spread" in scores and float(scores["ensemble_spread"].max()) == 0:
            found.append(
                "EnsembleSkill: all members are equal, so that the network does not use its random "
                "inputs, or was not trained to."
            )
        return found

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        # an ensemble that breaks down is no reason to leave it out
        return self.means(scores, "crps", "energy_score", "spread_skill_ratio")

    @classmethod
    def columns(cls) -> list[Column]:
        of_mean = partial(mse_column, name="mse_of_mean", heading="MSE of mean")
        return [
            *(replace(of_mean(lead), place=1) for lead in COMPARED),
            Column.of_score("CRPS", "crps", best="least", place=5),
            Column.of_score("energy score", "energy_score", best="least", place=5),
            Column("spread / skill", lambda run: run.mean("spread_skill_ratio"), place=5),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "crps", "climate", 7)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the continuous ranked probability score, and dotted the spread of ensembles."""
        lead = scores["lead_time"]
        title = "CRPS, for single forecasts the absolute error"
        for method in methods:
            plot_seeds(axes, method, lead, method.per_seed("crps"), method.each("crps"))
            if all("ensemble_spread" in run.scores for run in method.runs):
                title = "CRPS (lines) and spread of the ensemble (dotted)"
                spread = method.per_seed("ensemble_spread").mean(0)
                axes.plot(lead, spread, color=method.style["color"], linestyle=":")
        axes.set(yscale="log", title=title)
        axes.set_ylabel("CRPS, spread [training std]")
        axes.set_xlabel(axis_label("lead time", lead))

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        names = {
            "ensemble_skill": "root mean square error of the ensemble mean",
            "ensemble_spread": "spread of the ensemble members",
            **{name: scores[name].attrs["long_name"] for name in OF_ENSEMBLES},
        }
        ensemble = "ensemble_skill" in scores
        figure = sheet(11 if ensemble else 7, 4)
        left, *right = figure.subplots(1, 2 if ensemble else 1, squeeze=False)[0]
        lead = scores["lead_time"]
        for colour, (name, label) in zip(COLOURS, names.items(), strict=False):
            if name in scores:
                mean = scores[name].mean("initial_condition", skipna=False)
                left.plot(lead, mean, color=colour, label=label)
                draw_range(left, lead, scores[name], colour)
        drawn = "score, error and spread" if ensemble else "error"
        left.set(yscale="log", ylabel=f"{drawn} [training std]")
        for axes in right:
            spread, skill = (scores[f"ensemble_{name}"] ** 2 for name in ("spread", "skill"))
            ratio = spread_skill_ratio(spread, skill, int(scores["ensemble_size"]))
            draw_range(axes, lead, ratio, COLOURS[0])
            axes.plot(lead, scores["spread_skill_ratio"], color=COLOURS[0], label="all together")
            axes.axhline(1, color="0.4", linewidth=0.8)
            axes.set(ylabel="spread / skill", title="One if the ensemble is reliable")
            axes.set_ylim(0, 2)
        for axes in (left, *right):
            axes.set_xlabel(quantity("lead time", self.data.units[1]))
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        left.set_title("Mean and interquartile range over initial conditions")
        return {"ensemble": figure}


def in_std(text: str) -> dict[str, str]:
    """Return the attributes of a score in standard deviations."""
    return {"long_name": text, "units": "training std"}


def spread_skill_ratio(spread: Values, skill: Values, members: int) -> Values:
    """Return √(1 + 1/M) · spread / skill; not finite where the skill is zero.

    Args:
        spread: Squared spread.
        skill: Squared error of the ensemble mean.
        members: Number M of members.

    Example:
        >>> float(spread_skill_ratio(np.array(2.0), np.array(3.0), members=2))
        1.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((1 + 1 / members) * spread / skill)


def draw_range(axes: Axes, lead: xarray.DataArray, each: xarray.DataArray, colour: str) -> None:
    """Draw the interquartile range over initial conditions as a band."""
    if each.size and len(each) > 1:
        low, high = np.quantile(each.transpose("initial_condition", ...), (0.25, 0.75), axis=0)
        axes.fill_between(lead, low, high, color=colour, alpha=0.2, linewidth=0)
