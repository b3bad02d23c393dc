"""Observer of rollouts that stores their states in a file or in memory."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.files.growing_file import Definition
from datamodules.forecast_layout import forecast_layout, valid_time_name
from emulators.rollout import Members, RolloutBatch, RolloutObserver, State


@runtime_checkable
class Growing(Protocol):
    """Interface of what grows state by state, such as a `GrowingFile`."""

    def append(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Store one further item of each variable."""

    def complete(self) -> None:
        """Finish after the last item."""


class ForecastRecorder(RolloutObserver):
    """Stores the states of rollouts, with coordinates and times, while they are computed.

    Attributes:
        every: Number of steps between two stored states.
        data: Description of the data.
        about: Provenance of the forecasts, as JSON values.
        file: File that grows, or None between two rollouts.
    """

    every: int = 1
    data: DataDescription
    about: dict[str, Any]
    file: Growing | None = None
    has_members: bool = False

    @abstractmethod
    def open(self, start: RolloutBatch, definition: Definition) -> Growing:
        """Return a file, or arrays in memory, with the given contents.

        Args:
            start: Initial conditions.
            definition: Dimensions, coordinates and fields.
        """

    def begin(self, start: RolloutBatch) -> None:
        self.times = np.asarray(start.times, float)
        self.has_members = start.perturbed is not None
        members = None if start.perturbed is None else 1 + len(start.perturbed)
        parameters = None if start.parameters is None else start.parameters.cpu().numpy()
        length = start.steps // self.every
        layout = forecast_layout(
            self.data, start.index.cpu().numpy(), length, self.about, members, parameters
        )
        self.file = self.open(start, layout)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if not self.has_members:
            self._write(lead, self.data.with_missing(forecast))

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        fields = self.data.with_missing(members.flatten(0, 1))
        self._write(lead, fields.unflatten(0, members.shape[:2]).transpose(0, 1))

    def _write(self, lead: int, fields: Tensor) -> None:
        """Append the fields (trajectory, *member, channel, *space) of a lead."""
        if self.file is None or lead % self.every:
            return
        elapsed, channel = lead * self.data.interval, 2 if self.has_members else 1
        values = fields.float().cpu().numpy()
        self.file.append(
            {
                self.data.time_dimension: elapsed,
                valid_time_name(self.data): self.times + elapsed,
                **{n: values.take(c, channel) for c, n in enumerate(self.data.variables)},
            }
        )

    def end(self) -> None:
        if self.file is not None:
            self.file.complete()
            self.file = None
