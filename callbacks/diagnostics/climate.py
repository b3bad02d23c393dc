"""Time means over free rollouts, compared with the time means of the data."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
import xarray
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.options import is_whole
from callbacks.metrics.per_sample import PerSampleMetric
from emulators.rollout import RolloutBatch, State

Split = Literal["train", "val", "test"]


class ClimateDiagnostic(RolloutDiagnostic):
    """Time means of functions of the state, per trajectory, and their means over the data.

    The mean of a trajectory ends before its first state that is not finite, or at which it is
    declared diverged. Quantities that are NaN in the data, where points are masked, are NaN in the
    means. `count` is the number of states in the mean; where it is 0, the mean is NaN.

    Args:
        every: Sampling interval of the means [steps].
        burn_in: Length of the start of a rollout that the means leave out [steps].
        reference: Split whose mean is the reference.

    Attributes:
        quantities: Names of the functions; functions that are not defined for the data are skipped.
        means: Rows of the quantities and of `count`.
        counts: Number of states in the mean of each initial condition, when all are gathered.
    """

    stages = ("test",)
    of_forecasts = frozenset({"every", "burn_in", "reference"})
    quantities: tuple[str, ...] = ()

    def __init__(self, every: int = 10, burn_in: int = 0, reference: Split = "train") -> None:
        super().__init__()
        if not (is_whole(every) and is_whole(burn_in, 0)):
            raise ValueError(
                f"{type(self).__name__} needs every of at least 1 and burn_in of at least 0, got "
                f"every={every}, burn_in={burn_in}."
            )
        self.every = every
        self.burn_in = burn_in
        self.reference_split = reference
        self.reference: Mapping[str, np.ndarray] = {}
        self.means = PerSampleMetric("count")
        self.counts = np.zeros(0)

    def unsupported_reason(self) -> str | None:
        first, steps = self.burn_in + self.every, self.source.rollouts["test"].steps
        if first > steps:
            return f"a rollout of {steps} steps ends before the first state of the means, {first}"
        return None

    @abstractmethod
    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        """Return every quantity of each state, (batch, ...), in float64."""

    def prepare(self) -> None:
        if not self.reference:
            self.reference = self.reference_of(self.reference_split, self.reference_means)
        self.defined = [name for name in self.quantities if name in self.reference]
        self.means = PerSampleMetric("count", *self.defined)

    def reference_means(self) -> Mapping[str, np.ndarray]:
        """Return the mean of every quantity over all states of the reference split."""
        total: dict[str, Tensor] = {}
        split, count = self.source.trajectories(self.reference_split), 0
        for chunk in split.chunks(f"{type(self).__name__}: reference", snapshots=64):
            for name, value in self.evaluate(chunk).items():
                total[name] = total.get(name, 0) + value.sum(0)
            count += len(chunk)
        return {name: (value / count).cpu().numpy() for name, value in total.items()}

    def begin(self, start: RolloutBatch) -> None:
        self.index = start.index
        self.alive = torch.ones(len(start.index), dtype=torch.bool, device=start.initial.device)
        self.count = torch.zeros_like(self.alive, dtype=torch.float64)
        shapes = {name: self.reference[name].shape for name in self.defined}
        self.total = {name: self.count.new_zeros(len(self.count), *shape)
                      for name, shape in shapes.items()}  # fmt: skip
        absent = {} if self.weights is None else {n: np.isnan(self.reference[n]) for n in shapes}
        self.absent = {n: torch.from_numpy(a).to(self.count.device) for n, a in absent.items()}

    def samples(self, lead: int) -> bool:
        """Return whether the states at a lead enter the means."""
        return lead > self.burn_in and (lead - self.burn_in) % self.every == 0

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if not self.samples(lead):
            return
        values = self.evaluate(forecast)
        if self.diverged is not None:
            self.alive = self.alive & ~self.diverged
        for name, value in values.items():
            self.alive = self.alive & self.is_finite(name, value).flatten(1).all(1)
        self.count += self.alive
        for name, value in values.items():
            alive = self.alive.reshape(-1, *[1] * (value.dim() - 1))
            self.total[name] += torch.where(alive, value, 0.0)

    def is_finite(self, name: str, value: Tensor) -> Tensor:
        """Return a mask of finite values; points that are NaN in the data count as finite."""
        finite = value.isfinite()
        return finite if self.weights is None else finite | self.absent[name]

    def end(self) -> None:
        means = {
            name: value / self.count.reshape(-1, *[1] * (value.dim() - 1))
            for name, value in self.total.items()
        }
        self.means.update(self.index, count=self.count, **means)

    def rows(self) -> Mapping[str, np.ndarray]:
        """Return the mean of every quantity, (initial condition, ...), and `index` and `count`."""
        rows = self.means.compute()
        self.counts = rows["count"]
        return rows

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        none = int((self.counts == 0).sum())
        if not none:
            return []
        return [
            f"{type(self).__name__}: {none} of {len(self.counts)} rollouts diverged before "
            f"the first state of the means, at step {self.burn_in + self.every}, and are left out."
        ]
