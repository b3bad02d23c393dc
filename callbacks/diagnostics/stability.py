"""Stability of long rollouts: energy within the band of the reference."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
import xarray
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.compared import Column, Method, Panel, Run, ScoreLayout
from callbacks.diagnostics.energy import EnergyDiagnostic
from callbacks.diagnostics.lead_times import spaced_leads
from callbacks.diagnostics.options import is_finite, is_whole
from callbacks.diagnostics.units import channel_units
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.stability import stability_rate, within_band
from callbacks.plotting.curves import axis_label, plot_ratios, plot_seeds
from callbacks.plotting.style import COLOURS, lead_time_axes, quantity, visible_range
from datamodules.solvers.finite import check_finite
from emulators.rollout import RolloutBatch, State

Quantity = Literal["energy", "enstrophy"]
REASONS = ("", "not finite", "energy", "enstrophy")
PHRASES = {
    "not finite": "no longer finite",
    "energy": "outside the band of the energy",
    "enstrophy": "outside the band of the enstrophy",
}


class EnergyStability(EnergyDiagnostic):
    """Share of stable rollouts, whose energy stays within a band (Jiang et al. 2025, 5.1).

        stable at step n:  |E_n - Ē| <= width · σ,
        diverged:          |E_n - Ē| > stop_at · width · σ, or not finite,

    with Ē and σ the mean and standard deviation of the energy over a data split, and

        E = ½ <u² + v²>     of a flow whose vorticity is in the state, on a periodic grid,
        E = ½ <(q - q̄)²>    of other states q, with q̄ the time mean of the data at each point.

    where <·> is the mean over the domain and over channels. For a reference trajectory, q̄ is the
    mean over all other trajectories. The enstrophy of a flow is recorded as well.

    A trajectory fails at the first check at which it is not stable, and the state at the previous
    check is kept. A trajectory that has diverged is excluded from all means from that step on,
    whether or not the step is checked, and is not computed beyond the end of the truth.

    Args:
        width: Half width of the band [standard deviations of the reference].
        every: Checking interval [steps].
        reference: Split whose energy is the reference.
        points: Number of energies per trajectory in the figure, evenly spaced.
        bands: Quantities that must stay within their bands.
        stop_at: Distance from the mean [half widths of the band] at which a trajectory is declared
            diverged and no longer computed.

    Example:
        The table shows the share of stable rollouts, the figure it against time:

        >>> EnergyStability(width=4.0).options["width"]
        4.0

        The truth, and a forecast that is three times as large:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.arange(100.0).sin().reshape(1, 100, 1, 1).expand(2, 100, 1, 8)
        >>> forecast = torch.stack((truth[0, 1:], 3 * truth[0, 1:]))
        >>> scores = score_forecasts(EnergyStability(), forecast, truth, data)
        >>> scores["stable"].values.tolist(), scores["failure"].values.tolist()
        ([True, False], ['', 'energy'])
    """

    version = 3
    of_forecasts = frozenset({"width", "every", "reference", "points", "bands", "stop_at"})
    layouts = (
        ScoreLayout("stable", ("initial_condition",)),
        ScoreLayout("stability_rate", ("long_lead_time",), needs=("long_lead_time",)),
        ScoreLayout(
            "energy",
            ("initial_condition", "long_lead_time"),
            needs=("reference_energy_mean", "reference_energy_std", "band", "long_lead_time"),
        ),
        ScoreLayout("reference_energy_mean", ()),
        ScoreLayout("reference_energy_std", ()),
        ScoreLayout("band", ()),
        ScoreLayout(
            "enstrophy",
            ("initial_condition", "long_lead_time"),
            needs=("reference_enstrophy_mean", "long_lead_time"),
        ),
        ScoreLayout("reference_enstrophy_mean", ()),
        ScoreLayout("long_lead_time", ("long_lead_time",)),
    )

    def __init__(
        self,
        width: float = 5.0,
        every: int = 1,
        reference: Split = "train",
        points: int = 1000,
        bands: Sequence[Quantity] = ("energy",),
        stop_at: float = 4.0,
    ) -> None:
        check_finite("EnergyStability", width=width, stop_at=stop_at)
        super().__init__(reference)
        if not (is_finite(width) and is_whole(every) and is_whole(points, 2)):
            raise ValueError(
                "EnergyStability needs width above 0, every of at least 1 and points of at least "
                f"2, got width={width}, every={every}, points={points}."
            )
        if not is_finite(stop_at) or stop_at < 1 or not bands:
            raise ValueError(
                "EnergyStability needs stop_at of at least 1 and at least one of bands, got "
                f"stop_at={stop_at}, bands={list(bands)}."
            )
        self.width = width
        self.every = every
        self.points = points
        self.bands = tuple(bands)
        self.stop_at = stop_at
        self.rows = PerSampleMetric("survived", "reason", "checks", "last_good")

    def observes(self, stage: str) -> bool:
        return super().observes(stage) and not self._first_check(stage)

    def unsupported_reason(self) -> str | None:
        return self._first_check("test")

    def _first_check(self, stage: str) -> str | None:
        """Return the reason why the rollouts of a stage have no check, or None."""
        plan = self.source.rollouts.get("val" if stage == "validate" else stage)
        if plan is None or plan.steps >= self.every:
            return None
        return f"a rollout of {plan.steps} steps ends before the first check, {self.every}"

    def check(self) -> None:
        known = ["energy"] if self.vorticity is None else ["energy", "enstrophy"]
        missing = [name for name in self.bands if name not in known]
        if missing:
            raise ValueError(
                f"EnergyStability.bands asks for '{missing[0]}', which is defined for the "
                "vorticity of a flow on a periodic grid only; leave it out."
            )

    def prepare(self) -> None:
        super().prepare()
        self.rows = PerSampleMetric("survived", "reason", "checks", "last_good", *self.mean)

    def begin(self, start: RolloutBatch) -> None:
        batch, device = len(start.initial), start.initial.device
        self.index = start.index
        if self.climate is not None:
            self.climate = self.climate.to(device)
        self.checks = start.steps // self.every
        self.alive = torch.ones(batch, dtype=torch.bool, device=device)
        self.gone = torch.zeros_like(self.alive)
        self.survived = torch.zeros(batch, dtype=torch.int64, device=device)
        self.reason = torch.zeros_like(self.survived)
        self.last_good = start.initial.clone()
        shown = spaced_leads(self.checks, self.points)
        self.column = {check: column for column, check in enumerate(shown)}
        self.kept = {name: self.unknown(start, len(shown)) for name in self.mean}

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        values = self.evaluate(forecast)
        before = self.gone
        self.gone = self.gone | ~self._near(values["energy"])
        check, rest = divmod(lead, self.every)
        if rest:
            return
        reason = torch.zeros_like(self.reason)
        for name in reversed(self.bands):  # energy comes first in the list of reasons
            inside = within_band(values[name], self.mean[name], self.std[name], self.width)
            reason = torch.where(inside, reason, REASONS.index(name))
        finite = torch.stack([value.isfinite() for value in values.values()]).all(0)
        reason = torch.where(finite, reason, REASONS.index("not finite"))
        self.reason = torch.where(self.alive, reason, self.reason)
        self.alive = self.alive & (reason == 0)
        self.survived += self.alive
        alive = self.alive.reshape(-1, *[1] * (forecast.dim() - 1))
        self.last_good = torch.where(alive, forecast.to(self.last_good.dtype), self.last_good)
        column = self.column.get(check)
        if column is not None:
            for quantity, value in values.items():  # up to the first quantity by which it diverges
                self.kept[quantity][:, column] = torch.where(before, float("nan"), value)

    def _near(self, energy: Tensor) -> Bool[Tensor, "*any"]:
        """Return whether energies are within the distance at which trajectories have diverged."""
        far = self.stop_at * self.width
        return within_band(energy, self.mean["energy"], self.std["energy"], far)

    def find_diverged(self) -> Bool[Tensor, " batch"]:
        return self.gone

    def end(self) -> None:
        checks = torch.full_like(self.survived, self.checks)
        self.rows.update(
            self.index,
            survived=self.survived,
            reason=self.reason,
            checks=checks,
            last_good=self.last_good,
            **self.kept,
        )

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        checks = int(rows["checks"].max())
        between = self.data.interval * self.every
        shown = spaced_leads(checks, self.points)
        rate = stability_rate(torch.from_numpy(rows["survived"]), checks).numpy()
        lead = [self.every * check for check in shown]
        time = {"units": self.data.units[1]}
        start, stable = ("initial_condition",), rows["survived"] == checks
        data = {
            "stability_rate": (
                ("long_lead_time",),
                rate[[check - 1 for check in shown]],
                {"long_name": "share of trajectories that never left the band", "units": "1"},
            ),
            "survival_time": (
                start,
                rows["survived"] * between,
                {"long_name": "lead time before the trajectory first leaves the band", **time},
            ),
            "stable": (start, stable, {"long_name": "within the band to the end", "units": "1"}),
            "failure": (
                start,
                np.array(REASONS)[rows["reason"]],
                {"long_name": "reason of the failure", "units": "1"},
            ),
            "band": ((), self.width, {"long_name": "half width of the band", "units": "std"}),
        }
        for name, mean in self.mean.items():
            kind, units = self.label(name)
            label = {"long_name": kind, "units": units}
            data[name] = ((*start, "long_lead_time"), rows[name], label)
            label = {"long_name": f"mean {kind} of the data", "units": units}
            data[f"reference_{name}_mean"] = ((), mean, label)
            label = {"long_name": f"std of {kind} of the data", "units": units}
            data[f"reference_{name}_std"] = ((), self.std[name], label)
        coordinates = {
            "long_lead_time": self.times("long_lead_time", lead, "lead time"),
            "initial_condition": rows["index"],
        }
        if not stable.all():
            states = rows["last_good"][~stable]
            if self.data.mask is not None:
                states = np.where(self.data.mask.numpy(), states, np.nan)
            data["last_good_state"] = (
                ("failed", "channel", *self.space),
                states,
                {
                    "long_name": "state at the last check before the failure",
                    "units": channel_units(self.data.fields),
                },
            )
            coordinates["failed"] = rows["index"][~stable]
            coordinates["channel"] = self.data.variables
        return xarray.Dataset(data, coords=coordinates)

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        failures = scores["failure"].values[~scores["stable"].values].tolist()
        count = f"{len(scores['stable']) - len(failures)} of {len(scores['stable'])} rollouts stay"
        reasons = [f"{failures.count(r)} {PHRASES[r]}" for r in REASONS if r in failures]
        said = [f"{count} within the band to the end" + "".join(f"; {r}" for r in reasons) + "."]
        said += [
            f"EnergyStability: the band of the {name} reaches down to zero, so that a decaying "
            "rollout counts as stable; lower width, or take longer data for the reference."
            for name in self.bands
            if self.mean[name] <= self.width * self.std[name]
        ]
        said += self.flow_is_left_out("kinetic energy")
        kept = self.summary(scores)["mean_energy_ratio"]
        if kept < 0.5:
            what = "variability" if self.vorticity is None else "energy"
            said.append(
                f"EnergyStability: the forecasts keep {kept:.0%} of the {what} of the data "
                "(mean_energy_ratio); a rollout that decays to the time mean may count as stable."
            )
        return said

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        # the series of a trajectory ends with the state in which it diverges
        near = self._near(torch.from_numpy(scores["energy"].values)).numpy()
        return {
            "stability_rate": float(scores["stable"].mean()),
            "survival_time": float(scores["survival_time"].mean()),
            **{
                f"mean_{name}_ratio": float(
                    scores[name].where(near).mean() / scores[f"reference_{name}_mean"]
                )
                for name in self.mean
            },
        }

    @classmethod
    def columns(cls) -> list[Column]:
        return [
            Column(
                "stable",
                percentage_stable,
                "{:.0f} %",
                place=1,
                each=percentage_of_each,
                best="largest",
            ),
            Column("energy / data", energy_ratio, "{:.3g}", place=1),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [
            Panel(cls.panel, "stability_rate", "forecast", 1),
            Panel(cls.energy_panel, "energy", "climate", 0),
            Panel(cls.enstrophy_panel, "enstrophy", "climate", 4),
        ]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the percentage of trajectories that have not left the band."""
        lead = scores["long_lead_time"]
        for method in methods:
            plot_seeds(axes, method, lead, 100 * method.per_seed("stability_rate"))
        axes.set(ylabel="trajectories [%]", ylim=(-3, 103), title="Stable trajectories")
        axes.set_xlabel(axis_label("lead time", lead))

    @staticmethod
    def energy_panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the energy relative to the data, mean of trajectories that have not diverged."""
        std, mean = (scores[f"reference_energy_{kind}"] for kind in ("std", "mean"))
        band = float(scores["band"] * std / mean)
        plot_ratios(axes, methods, scores, "energy", band)
        axes.axhspan(1 - band, 1 + band, color="0.9", zorder=0, label="band of stable energies")
        axes.set_title("Energy of trajectories that have not diverged")

    @staticmethod
    def enstrophy_panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the enstrophy relative to the data, mean of trajectories that have not diverged."""
        plot_ratios(axes, methods, scores, "enstrophy")
        axes.set_title("Enstrophy of trajectories that have not diverged")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        return {name: self._figure(scores, name) for name in self.mean}

    def _figure(self, scores: xarray.Dataset, name: str) -> Figure:
        attributes = scores[name].attrs
        label = quantity(attributes["long_name"], attributes["units"])
        figure, axes = lead_time_axes(label, self.data.units[1])
        mean, std = (float(scores[f"reference_{name}_{kind}"]) for kind in ("mean", "std"))
        lead, stable = scores["long_lead_time"].values, scores["stable"].values
        kinds = {"stable": (stable, COLOURS[0]), "not stable": (~stable, COLOURS[1])}
        for kind, (chosen, colour) in kinds.items():
            rows = scores[name].values[chosen]
            if len(rows):
                entries = [kind, *["_"] * (len(rows) - 1)]  # one for all in the legend
                axes.plot(lead, rows.T, color=colour, linewidth=0.7, label=entries)
        band = float(scores["band"]) * std
        text = f"data ± {self.width:g} standard deviations"
        axes.axhspan(mean - band, mean + band, color="0.85", zorder=0, label=text)
        axes.axhline(mean, color="0.4", linewidth=0.8, label="mean of the data")
        drawn = np.append(scores[name].values, [mean - band, mean + band])
        axes.set_ylim(*visible_range(drawn, 0.0, max(mean + 2 * band, 4 * mean)))
        axes.set_title(f"{stable.sum()} of {len(stable)} trajectories stay within the energy band")
        axes.legend(loc="upper left")
        return figure


def percentage_stable(run: Run) -> float | None:
    """Return the percentage of stable rollouts."""
    share = run.mean("stable")
    return None if share is None else 100 * share


def percentage_of_each(run: Run) -> np.ndarray | None:
    """Return 100 for each stable rollout and 0 for each other one."""
    stable = run.each("stable")
    return None if stable is None else 100 * stable


def energy_ratio(run: Run) -> float | None:
    """Return the mean energy of the rollouts relative to the data."""
    if "energy" not in run.scores:
        return None
    return float(run.scores["energy"].mean() / run.scores["reference_energy_mean"])
