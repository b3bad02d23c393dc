"""States of one rollout at chosen lead times, for figures."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.metrics.per_sample import PerSampleMetric
from emulators.rollout import RolloutBatch, State


class Snapshots(RolloutDiagnostic):
    """Keeps forecast and truth of the first initial condition at chosen lead times.

    Args:
        channel: Number of the channel that is kept.

    Attributes:
        leads: Leads that are kept [intervals].
    """

    stages: ClassVar[tuple[str, ...]] = ("test",)

    def __init__(self, channel: int = 0) -> None:
        super().__init__()
        self.channel = channel
        self.leads: tuple[int, ...] = ()
        self.rows = PerSampleMetric("forecast", "truth")

    def check(self) -> None:
        self.check_channel(self.channel)

    @abstractmethod
    def kept_leads(self, steps: int) -> Sequence[int]:
        """Return the lead times [steps] that are kept of a rollout of this length [steps]."""

    def kept_part(self, state: State) -> Tensor:
        """Return the part of states that is kept, (batch, ...), NaN at masked points."""
        return self.hide_masked(state)[:, self.channel].float()

    def begin(self, start: RolloutBatch) -> None:
        self.leads = tuple(self.kept_leads(start.steps))
        self.column = {lead: column for column, lead in enumerate(self.leads)}
        self.first = (start.index == 0).nonzero()[:, 0]
        self.index = start.index[self.first]
        like = self.kept_part(start.initial[self.first])[:, None]
        shape = (len(like), len(self.leads), *like.shape[2:])
        self.forecast = torch.full(shape, float("nan"), device=like.device)
        self.truth = self.forecast.clone()

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        column = self.column.get(lead)
        if column is None or not len(self.first):
            return
        self.forecast[:, column] = self.kept_part(forecast[self.first])
        if truth is not None:
            self.truth[:, column] = self.kept_part(truth[self.first])

    def end(self) -> None:
        self.rows.update(self.index, forecast=self.forecast, truth=self.truth)

    def forecast_and_truth(self) -> tuple[np.ndarray, np.ndarray]:
        """Return forecast and truth of the first initial condition, (lead, ...)."""
        rows = self.rows.compute()
        return rows["forecast"][0], rows["truth"][0]
