"""Scores of stored forecasts, to try or test a diagnostic without a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from datamodules.description import DataDescription
from datamodules.point_weights import Weights
from datamodules.statistics import accumulate
from emulators.context import NO_CONTEXT, Context
from emulators.rollout import Members, State, run_rollout
from emulators.standardize import Standardize

Forecasts = Float[Tensor, "start time channel *space"]
Truth = Float[Tensor, "start snapshot channel *space"]


class _Plan(NamedTuple):
    initial_conditions: int
    steps: int
    truth_steps: int
    members: int = 1


class _StoredTrajectories:
    """Trajectories of equal length in memory.

    Args:
        states: States, (trajectory, time, channel, *space).
    """

    parameters = None

    def __init__(self, states: Truth) -> None:
        self.states = states
        self.lengths = [states.shape[1]] * len(states)
        self.snapshots = sum(self.lengths)

    def chunks(self, description: str, snapshots: int = 256) -> Iterator[Tensor]:
        """Yield all states in order, in pieces of one trajectory each."""
        for k in range(len(self.states)):
            yield from self.pieces_of(k, snapshots)

    def pieces_of(self, k: int, snapshots: int = 256) -> Iterator[Tensor]:
        """Yield the states of trajectory k in order, at most `snapshots` at a time."""
        yield from self.states[k].split(snapshots)


class _StoredData:
    """Data module of stored states, which serve as every split.

    Args:
        truth: True states at leads 0, 1, ..., (start, time, channel, *space).
        data: Description of the data.
        steps: Length of the forecasts [steps].
    """

    generator: Any = None
    rollouts: Mapping[str, Any]
    perturbed: Members | None = None
    parameters: Float[Tensor, "batch parameter"] | None = None
    times: Sequence[float]

    def __init__(self, truth: Truth, data: DataDescription, steps: int) -> None:
        self.states, self.data, self.steps = truth, data, steps
        self.truth_steps = min(steps, truth.shape[1] - 1)
        plan = _Plan(len(truth), steps, self.truth_steps)
        self.rollouts = {"val": plan, "test": plan}
        self.initial, self.index = truth[:, 0], torch.arange(len(truth))
        self.times = [0.0] * len(truth)

    def truth(self, lead: int) -> State:
        """Return the true states at a lead."""
        return self.states[:, lead]

    def describe(self) -> DataDescription:
        """Return the description of the data."""
        return self.data

    def trajectories(self, split: str) -> Any:
        """Return the true states, the same for every split."""
        return _StoredTrajectories(self.states)

    def reference(
        self,
        split: str,
        definition: Mapping[str, object],
        compute: Callable[[], Mapping[str, np.ndarray]],
    ) -> Mapping[str, np.ndarray]:
        """Return computed arrays, which are not cached."""
        return compute()


class _StoredForecasts:
    """Emulator whose steps are stored forecasts.

    Args:
        forecast: Forecasts at leads 1, 2, ..., (start, time, channel, *space).
        truth: True states, whose statistics standardise.
        weights: Weight of each point in the statistics; None if all are equal.
    """

    def __init__(self, forecast: Forecasts, truth: Truth, weights: Weights | None = None) -> None:
        self.forecast = forecast
        if weights is not None:
            truth = truth.masked_fill(weights == 0, 0.0)
        channels, lengths = truth.shape[2], [truth.shape[1]] * len(truth)
        found = accumulate(truth.unbind(0), lengths, weights, may_be_constant=channels)
        self.standardize = Standardize(channels)
        self.standardize.set_statistics(found.mean, found.std, found.std)

    def step(
        self, state: State, memory: Any = None, context: Context = NO_CONTEXT
    ) -> tuple[State, Any]:
        """Return the next stored states of the trajectories that are still computed."""
        rows, lead = memory or (torch.arange(len(state)), 0)
        return self.forecast[rows, lead], (rows, lead + 1)


def score_forecasts(
    diagnostic: RolloutDiagnostic, forecast: Forecasts, truth: Truth, data: DataDescription
) -> xarray.Dataset:
    """Return the scores of stored forecasts by one diagnostic.

    The true states are also the training split: their statistics are the reference of the
    diagnostic and the units of standardised scores.

    Args:
        diagnostic: Diagnostic.
        forecast: Forecasts at leads 1, 2, ..., in physical units.
        truth: True states at leads 0, 1, ..., which may end before the forecasts.
        data: Description of the data. At points that its mask leaves out, states may have any
            values, also NaN, which enter no score.

    Raises:
        ValueError: The scores are not defined for the data.

    Example:
        A forecast without the motion of the truth, which takes the values 0, 1, 2 and 3:

        >>> from datamodules.solvers import Grid, Variable
        >>> from callbacks import RolloutError
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, 6.0)
        >>> truth = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 1, 8)
        >>> scores = score_forecasts(RolloutError(), 0 * truth[:, 1:], truth, data)
        >>> scores["mse_physical"].values.ravel().tolist()
        [1.0, 4.0, 9.0]
    """
    source, emulator = (
        _StoredData(truth, data, forecast.shape[1]),
        _StoredForecasts(forecast, truth, data.weights),
    )
    diagnostic.attach(source, emulator)
    reason = diagnostic.unsupported_reason()
    if reason:
        raise ValueError(
            f"{type(diagnostic).__name__} has no scores of these forecasts: {reason}; give other "
            "forecasts or data."
        )
    diagnostic.start(torch.device("cpu"))
    run_rollout(emulator, source, [diagnostic])
    diagnostic.finish()
    assert diagnostic.results is not None  # it is supported
    return diagnostic.results
