"""Energy of all members of a few ensembles against lead time."""

from collections.abc import Mapping

import xarray
from matplotlib.figure import Figure

from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.energy import EnergyDiagnostic
from callbacks.diagnostics.ensemble_diagnostic import EnsembleDiagnostic
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.predictability import even_choice
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.style import COLOURS, DATA, EACH, quantity, sheet
from emulators.rollout import Members, RolloutBatch, State


class EnergyPlume(EnsembleDiagnostic, EnergyDiagnostic):
    """Energy of all members, of their mean state and of the truth, of a few initial conditions.

    Energy is defined as in `EnergyStability`. The truth lies within the plume of the members of a
    reliable ensemble. The energy of the mean state falls as members part: it is smoother than any
    state, and no forecast.

    Args:
        initial_conditions: Number of initial conditions that are drawn, evenly spaced among all.
        reference: Split whose mean energy is drawn.

    Example:
        >>> EnergyPlume(initial_conditions=2).options
        {'initial_conditions': 2, 'reference': 'train'}
    """

    version = 1
    of_forecasts = frozenset({"initial_conditions", "reference"})

    def __init__(self, initial_conditions: int = 4, reference: Split = "train") -> None:
        super().__init__(reference)
        if not is_whole(initial_conditions):
            raise ValueError(
                "EnergyPlume.initial_conditions must be a whole number of at least 1, got "
                f"{initial_conditions}."
            )
        self.initial_conditions = initial_conditions
        self.rows = PerSampleMetric("members", "of_mean", "truth")

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.chosen = even_choice(start, self.source, self.initial_conditions)
        self.of_members = self.unknown(start, start.truth_steps, self.size)[self.chosen]
        self.of_mean = self.unknown(start, start.truth_steps)[self.chosen]
        self.of_truth = self.of_mean.clone()
        if self.climate is not None:
            self.climate = self.climate.to(start.initial.device)

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if truth is None or not len(self.chosen):
            return
        own = members[:, self.chosen]
        each = self.evaluate(own.flatten(0, 1))["energy"].unflatten(0, (self.size, -1))
        self.of_members[:, lead - 1] = each.T
        self.of_mean[:, lead - 1] = self.evaluate(own.double().mean(0))["energy"]
        self.of_truth[:, lead - 1] = self.evaluate(truth[self.chosen])["energy"]

    def end(self) -> None:
        self.rows.update(
            self.index[self.chosen],
            members=self.of_members,
            of_mean=self.of_mean,
            truth=self.of_truth,
        )

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        name, units = self.label("energy")
        dims = ("plume_start", "lead_time")
        members, steps = rows["members"].shape[2], rows["truth"].shape[1]

        def label(of: str) -> dict[str, str]:
            return {"long_name": f"{name} of {of}", "units": units}

        return xarray.Dataset(
            {
                "plume": ((*dims, "member"), rows["members"], label("each member")),
                "plume_of_mean": (dims, rows["of_mean"], label("the ensemble mean")),
                "plume_truth": (dims, rows["truth"], label("the truth")),
            },
            coords={
                "plume_start": (
                    "plume_start",
                    rows["index"],
                    {"long_name": "number of the initial condition", "units": "1"},
                ),
                "lead_time": self.times("lead_time", range(1, steps + 1), "lead time"),
                "member": (
                    "member",
                    range(members),
                    {"long_name": "number of the member", "units": "1"},
                ),
            },
        )

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        count, lead = scores.sizes["plume_start"], scores["lead_time"]
        members = scores.sizes["member"]
        figure = sheet(4 * count, 3.6)
        for axes, number in zip(
            figure.subplots(1, count, squeeze=False, sharey=True)[0], range(count), strict=True
        ):
            one = scores.isel(plume_start=number)
            each = one["plume"].transpose("lead_time", "member")
            axes.plot(lead, each, **EACH, label=["each member", *["_"] * (members - 1)])
            mean = each.mean("member", skipna=False)
            axes.plot(lead, mean, color=COLOURS[0], label="mean over members")
            of_mean = {"color": COLOURS[1], "linestyle": ":", "label": "energy of the mean state"}
            axes.plot(lead, one["plume_of_mean"], **of_mean)
            axes.plot(lead, one["plume_truth"], **{**DATA, "label": "truth"})
            axes.axhline(self.mean["energy"], color="0.6", linewidth=0.8, label="mean of the data")
            axes.set_xlabel(quantity("lead time", self.data.units[1]))
            axes.set_title(f"initial condition {int(one['plume_start'])}")
            axes.grid(alpha=0.3)
            if not number:
                name, units = self.label("energy")
                axes.set_ylabel(quantity(name, units))
                axes.legend(fontsize="small")
        return {"energy_plume": figure}
