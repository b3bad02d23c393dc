"""The base class of diagnostics that score all members of an ensemble."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import xarray
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from emulators.rollout import RolloutBatch, State


class EnsembleDiagnostic(RolloutDiagnostic):
    """Diagnostic of all members of each ensemble.

    Attributes:
        needs_ensemble: Whether two members are needed; otherwise a single forecast is scored as an
            ensemble of one member.
    """

    stages = ("test",)
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

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel over the training split, on the emulator's device."""
        return self.emulator.standardize.std.double()

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
