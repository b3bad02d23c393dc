"""Energy of all members of a few ensembles against lead time."""

from collections.abc import Mapping
from typing import ClassVar

import xarray
from matplotlib.axes import Axes
from torch import Tensor

from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.energy import EnergyDiagnostic
from callbacks.diagnostics.plume import Plume
from callbacks.plotting.style import COLOURS
from emulators.rollout import Members, RolloutBatch, State


class EnergyPlume(Plume, EnergyDiagnostic):
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
    score = "plume"
    picture = "energy_plume"
    series: ClassVar[Mapping[str, str]] = {
        "members": "each member",
        "of_mean": "the ensemble mean",
        "truth": "the truth",
    }

    def __init__(self, initial_conditions: int = 4, reference: Split = "train") -> None:
        super().__init__(initial_conditions, reference=reference)

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        if self.climate is not None:
            self.climate = self.climate.to(start.initial.device)

    def value(self, state: State) -> Tensor:
        return self.evaluate(state)["energy"]

    def value_label(self) -> tuple[str, str]:
        return self.label("energy")

    def mean_of_data(self) -> float:
        return self.mean["energy"]

    def values(self, members: Members, truth: State) -> Mapping[str, Tensor]:
        of_mean = self.value(members.double().mean(0))
        return {**super().values(members, truth), "of_mean": of_mean}

    def draw(self, axes: Axes, one: xarray.Dataset) -> None:
        super().draw(axes, one)
        of_mean = {"color": COLOURS[1], "linestyle": ":", "label": "energy of the mean state"}
        axes.plot(one["lead_time"], one[self.score_of("of_mean")], **of_mean)
