"""The base class of plumes: one number of each member of a few ensembles against lead time."""

from abc import abstractmethod
from collections.abc import Mapping
from textwrap import fill
from typing import Any, ClassVar

import xarray
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.ensemble_diagnostic import EnsembleDiagnostic
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.predictability import even_choice
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.style import COLOURS, DATA, EACH, quantity, sheet
from emulators.rollout import Members, RolloutBatch, State


class Plume(EnsembleDiagnostic):
    """One number of each member and of the truth against lead time, of a few initial conditions.

    Args:
        initial_conditions: Number of initial conditions that are drawn, evenly spaced among all.
        kwargs: Options of a second base class, which computes the number.

    Attributes:
        score: Name of the score of the members, with which the names of the others begin.
        picture: Name of the figure.
        series: Long names of the series that are recorded, by name.
    """

    score: ClassVar[str]
    picture: ClassVar[str]
    series: ClassVar[Mapping[str, str]] = {"members": "each member", "truth": "the truth"}

    def __init__(self, initial_conditions: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_whole(initial_conditions):
            raise ValueError(
                f"{type(self).__name__}.initial_conditions must be a whole number of at least 1, "
                f"got {initial_conditions}."
            )
        self.initial_conditions = initial_conditions
        self.rows = PerSampleMetric(*self.series)

    @abstractmethod
    def value(self, state: State) -> Float[Tensor, " batch"]:
        """Return the number of each state, in float64."""

    @abstractmethod
    def value_label(self) -> tuple[str, str]:
        """Return the long name of the number and its units."""

    @abstractmethod
    def mean_of_data(self) -> float:
        """Return the mean of the number over the reference."""

    def values(self, members: Members, truth: State) -> Mapping[str, Tensor]:
        """Return the values of every series at a lead, of the members (batch, member)."""
        each = self.value(members.flatten(0, 1)).unflatten(0, (len(members), -1))
        return {"members": each.T, "truth": self.value(truth)}

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.chosen = even_choice(start, self.source, self.initial_conditions)
        alone = self.unknown(start, start.truth_steps)[self.chosen]
        of_members = self.unknown(start, start.truth_steps, self.size)[self.chosen]
        self.kept = {name: alone.clone() for name in self.series} | {"members": of_members}

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if truth is None or not len(self.chosen):
            return
        for name, values in self.values(members[:, self.chosen], truth[self.chosen]).items():
            self.kept[name][:, lead - 1] = values

    def end(self) -> None:
        self.rows.update(self.index[self.chosen], **self.kept)

    def score_of(self, series: str) -> str:
        """Return the name of the score of a series."""
        return self.score if series == "members" else f"{self.score}_{series}"

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        name, units = self.value_label()
        dims = ("plume_start", "lead_time", "member")
        data = {
            self.score_of(series): (
                dims[: rows[series].ndim],
                rows[series],
                {"long_name": f"{name} of {of}", "units": units},
            )
            for series, of in self.series.items()
        }
        steps, members = rows["members"].shape[1:]
        return xarray.Dataset(
            data,
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
        # another plume among the scores may have other initial conditions, which are NaN in this
        own = scores[[self.score_of(series) for series in self.series]]
        own = own.dropna("plume_start", how="all", subset=[self.score_of("truth")])
        count = own.sizes["plume_start"]
        if not count:
            return {}
        figure = sheet(4 * count, 3.6)
        panels = figure.subplots(1, count, squeeze=False, sharey=True)[0]
        for number, axes in enumerate(panels):
            self.draw(axes, own.isel(plume_start=number))
            axes.grid(alpha=0.3)
        label = quantity(*self.value_label())  # as long as the axis is high: in two lines
        panels[0].set_ylabel(fill(label, 44, break_long_words=False, break_on_hyphens=False))
        panels[0].legend(fontsize="small")
        return {self.picture: figure}

    def draw(self, axes: Axes, one: xarray.Dataset) -> None:
        """Draw the scores of one initial condition."""
        lead, each = one["lead_time"], one[self.score].transpose("lead_time", "member")
        axes.plot(lead, each, **EACH, label=["each member", *["_"] * (each.shape[1] - 1)])
        mean = each.mean("member", skipna=False)
        axes.plot(lead, mean, color=COLOURS[0], label="mean over members")
        axes.plot(lead, one[self.score_of("truth")], **{**DATA, "label": "truth"})
        axes.axhline(self.mean_of_data(), color="0.6", linewidth=0.8, label="mean of the data")
        axes.set_xlabel(quantity("lead time", self.data.units[1]))
        axes.set_title(f"initial condition {int(one['plume_start'])}")
