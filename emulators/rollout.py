"""The one streamed rollout, and the interface of whoever watches it.

A rollout is computed once, state by state; every observer sees each state as it passes and keeps
what it needs of it. Nothing here keeps a state, so that memory does not grow with the length.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

State = Float[Tensor, "batch channel *space"]
Members = Float[Tensor, "member batch channel *space"]
Choice = Bool[Tensor, " batch"]
PATIENCE = 100  # steps between two looks for trajectories that were given up


@runtime_checkable
class Start(Protocol):
    """Initial conditions of a batch of rollouts, and what really followed.

    Attributes:
        initial: States at lead time 0, (batch, channel, *space), physical units.
        index: Number of each initial condition within the whole evaluation.
        steps: Length of the rollout, in snapshot intervals.
        truth_steps: How far the truth goes.
        perturbed: Further members of an ensemble, (member, batch, channel, *space), or None.
    """

    initial: State
    index: Int[Tensor, " batch"]
    steps: int
    truth_steps: int
    perturbed: Members | None

    def truth(self, lead: int) -> State:
        """Return the true states `lead` intervals after the initial ones."""


@runtime_checkable
class Unrolls(Protocol):
    """Whatever advances states by one snapshot interval: an emulator or a solver."""

    def unroll(self, state: State) -> Generator[State, Choice | None, None]:
        """Yield the states one interval later, two intervals later, ... without end.

        What is sent chooses the members of the batch that go on; None or nothing means all.
        """


class RolloutObserver(ABC):
    """Watches rollouts, one batch of initial conditions after the other.

    Attributes:
        stages: During which of validate, test and predict it watches.
    """

    stages: ClassVar[tuple[str, ...]] = ("validate", "test", "predict")

    def watches(self, stage: str) -> bool:
        """Return whether it watches the rollouts of a stage."""
        return stage in self.stages

    @abstractmethod
    def begin(self, start: Start) -> None:
        """Take note of the initial conditions of the rollouts that follow."""

    @abstractmethod
    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        """Take note of the forecasts at lead time `lead` intervals; truth is None past its end.

        Of an ensemble it is the member that started from the unperturbed state.
        """

    def observe_members(  # noqa: B027 - optional
        self, lead: int, members: Members, truth: State | None
    ) -> None:
        """Take note of all members of an ensemble, that of `observe` first."""

    def given_up(self) -> Choice | None:
        """Return which trajectories of the batch need not be computed further, or None.

        Past the end of the truth they may be left out; their forecasts are NaN from then on.
        """
        return None

    def end(self) -> None:  # noqa: B027 - optional
        """Take note that the rollouts of this batch are over.

        They may have ended early, if every trajectory was given up.
        """


def watch(
    model: Unrolls, start: Start, observers: Sequence[RolloutObserver], progress: str | None = None
) -> None:
    """Roll out from the initial conditions of a batch and show every state to every observer.

    Args:
        model: Makes the forecasts.
        start: Initial conditions, length, and truth.
        observers: Who watches. They run outside autocast: statistics are never rounded to bfloat16.
        progress: Label of a progress bar in steps, or None for no bar.
    """
    for observer in observers:
        observer.begin(start)
    device, batch = start.initial.device, len(start.initial)
    initial = start.initial
    if start.perturbed is not None:
        initial = torch.cat((initial, start.perturbed.flatten(0, 1)))
    states = model.unroll(initial)
    going = torch.arange(len(initial), device=device)
    choice: Choice | None = None
    leads = tqdm(
        range(1, start.steps + 1), desc=progress, unit="step", disable=progress is None, leave=False
    )
    for lead in leads:
        forecast = next(states) if choice is None else states.send(choice)
        choice = None
        if len(forecast) < len(initial):
            part, forecast = forecast, torch.full_like(initial, float("nan"))
            forecast[going] = part.to(forecast.dtype)
        truth = start.truth(lead).to(device) if lead <= start.truth_steps else None
        with torch.autocast(device.type, enabled=False):
            for observer in observers:
                observer.observe(lead, forecast[:batch], truth)
                if start.perturbed is not None:
                    observer.observe_members(lead, forecast.unflatten(0, (-1, batch)), truth)
        if lead >= start.truth_steps and lead % PATIENCE == 0:
            lost = lost_trajectories(observers)
            if lost is None or not lost.any():
                continue
            lost = lost.repeat(len(initial) // batch)  # an ensemble goes with its first member
            choice = ~lost[going]
            going = going[choice]
            if not len(going):
                break
            if choice.all():
                choice = None
    for observer in observers:
        observer.end()


def lost_trajectories(observers: Sequence[RolloutObserver]) -> Choice | None:
    """Return which trajectories some observer has given up, or None if none says."""
    lost = [choice for observer in observers if (choice := observer.given_up()) is not None]
    return torch.stack(lost).any(0) if lost else None
