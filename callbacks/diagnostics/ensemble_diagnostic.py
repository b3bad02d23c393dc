"""The base classes of diagnostics that score all members of an ensemble."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import xarray

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.lead_times import whole_leads
from emulators.rollout import Members, RolloutBatch, State


class EnsembleDiagnostic(RolloutDiagnostic):
    """Diagnostic of all members of each ensemble.

    Attributes:
        needs_ensemble: Whether two members are needed; otherwise a single forecast is scored as an
            ensemble of one member.
    """

    stages = ("test",)
    room: ClassVar[float] = 5.0
    needs_ensemble: ClassVar[bool] = True

    def unsupported_reason(self) -> str | None:
        if self.needs_ensemble and self.source.rollouts["test"].members < 2:
            return "there is no ensemble: data.test_rollouts.members is 1"
        return None

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.size = 1 if start.perturbed is None else 1 + len(start.perturbed)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if self.size == 1:
            self.observe_members(lead, forecast[None], truth)

    def remark_on_broken(self, values: xarray.DataArray) -> list[str]:
        """Return a remark on ensembles with a member that is not finite, if any.

        Args:
            values: Scores of each initial condition, its first dimension; NaN from the lead on at
                which a member is not finite.
        """
        finite = np.isfinite(values.values).reshape(len(values), -1)
        broken = int((~finite.all(1)).sum())
        if not broken:
            return []
        return [
            f"{type(self).__name__}: {broken} of {len(values)} ensembles have a member that is not "
            "finite before the truth ends; their scores and all means are NaN."
        ]

    @staticmethod
    def means(scores: xarray.Dataset, *names: str) -> Mapping[str, float]:
        """Return the means of the scores that were computed; NaN if an ensemble has broken down."""
        return {n: float(scores[n].mean(skipna=False)) for n in names if n in scores}


class EnsembleAtLeads(EnsembleDiagnostic):
    """Diagnostic of all members of each ensemble at chosen leads within the truth.

    Args:
        leads: Leads [intervals] at which the members are scored.

    Attributes:
        column: Position of each lead within the truth among the scored leads.
    """

    of_forecasts = frozenset({"leads", "reference"})

    def __init__(self, leads: Sequence[int]) -> None:
        super().__init__()
        self.leads = whole_leads(type(self).__name__, leads)
        self.column: dict[int, int] = {}

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.truth_steps = start.truth_steps
        shown = [lead for lead in self.leads if lead <= start.truth_steps]
        self.column = {lead: column for column, lead in enumerate(shown)}

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if truth is not None and lead in self.column:
            self.observe_at(self.column[lead], members, truth)

    @abstractmethod
    def observe_at(self, column: int, members: Members, truth: State) -> None:
        """Record all members at one of the leads, given its position among them."""

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return self.beyond(self.leads, self.truth_steps, "the truth")
