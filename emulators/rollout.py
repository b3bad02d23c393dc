"""The rollout, computed as a stream of states, and the interface of its observers.

A rollout is computed once, state by state; every observer receives each state and keeps
what it needs of it. Nothing here keeps a state, so that the RAM in use does not grow with the
length.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from tqdm import tqdm

from datamodules.solvers.variable import State
from emulators.context import NO_CONTEXT, Context, Steps, checked_step
from emulators.host_copies import copy_to_device
from emulators.rollout_records import as_before, as_plain, is_record
from emulators.step_in_parts import step_in_parts

Members = Float[Tensor, "member batch channel *space"]
Choice = Bool[Tensor, " batch"]
CHECK_INTERVAL = 100  # steps between two checks for trajectories that have diverged


@runtime_checkable
class RolloutBatch(Protocol):
    """Initial conditions of a batch of rollouts, and the true states after them.

    Attributes:
        initial: States at lead time 0, (batch, channel, *space), physical units.
        index: Number of each initial condition within the whole evaluation.
        steps: Length of the rollout, in snapshot intervals.
        truth_steps: Number of intervals for which there is a truth.
        perturbed: Further members of an ensemble, (member, batch, channel, *space), or None.
        times: Time of each initial condition [time unit of the data].
        parameters: Physical parameters of the trajectories, (batch, parameter), or None.

    If the data have static fields, the batch has an attribute `static`, (batch, static, *space). If
    they have forcing, it has a method `forcing` that returns the forcing at a lead, (batch,
    forcing, *space); a call of the network for several states needs it beyond the last step.
    """

    initial: State
    index: Int[Tensor, " batch"]
    steps: int
    truth_steps: int
    perturbed: Members | None
    times: Sequence[float]
    parameters: Float[Tensor, "batch parameter"] | None

    def truth(self, lead: int) -> State:
        """Return the true states `lead` intervals after the initial ones."""


class RolloutState(NamedTuple):
    """Progress of a batch of rollouts.

    Attributes:
        lead: Number of steps so far.
        state: States of the trajectories that are still computed.
        memory: Memory for the next step.
        context: Physical parameters, time and random numbers of the next step.
        active: Indices of these trajectories within the batch.
    """

    lead: int
    state: State
    memory: Any
    context: Context
    active: Int[Tensor, " active"]

    def choose(self, choice: Choice) -> "RolloutState":
        """Return the state of some of the trajectories.

        Args:
            choice: Mask of the trajectories to keep, (active,).
        """
        parts = (self.state, self.memory, self.context, self.active)
        chosen = apply_to_collection(parts, Tensor, lambda value: value[choice.to(value.device)])
        return RolloutState(self.lead, *chosen)


@runtime_checkable
class RolloutSaver(Protocol):
    """Saver of rollouts, so that an interrupted one can be resumed."""

    def open(
        self, start: RolloutBatch, observers: Sequence["RolloutObserver"]
    ) -> RolloutState | None:
        """Return the saved state of the next batch, if any; a lead < 0 marks a complete one."""

    def invalidate(self) -> None:
        """Invalidate the saved state while observers are being updated."""

    def save(self, current: RolloutState, observers: Sequence["RolloutObserver"]) -> None:
        """Save the state of the rollouts."""


@runtime_checkable
class StopRequest(Protocol):
    """Request to end a rollout, such as a signal."""

    def raise_if_requested(self) -> None:
        """Raise an exception if the rollout was asked to stop."""


class RolloutObserver(ABC):
    """Observer of rollouts, which receives one batch of initial conditions after the other.

    Attributes:
        stages: Stages, among validate, test and predict, whose rollouts are observed.
        options: Arguments of the constructor, if the class stores them.
        room: Memory that `observe_members` needs, in sizes of the states of all members.
        diverged: Mask of the trajectories in the batch that some observer has declared diverged, or
            None. The state of the current step is judged before `observe` is called, so that no
            mean includes the state in which a trajectory diverges. An observer with
            `find_diverged` sees the mask of the step before.

    Example:
        An observer of your own, which keeps the largest value of the forecasts:

        >>> class Largest(RolloutObserver):
        ...     def begin(self, start):
        ...         self.value = start.initial.abs().max()
        ...     def observe(self, lead, forecast, truth):
        ...         self.value = torch.maximum(self.value, forecast.abs().max())
        >>> class Doubling:
        ...     def step(self, state, memory=None):
        ...         return 2 * state, None
        >>> from types import SimpleNamespace
        >>> start = SimpleNamespace(
        ...     initial=torch.ones(1, 1, 4), index=torch.arange(1), steps=3, truth_steps=0,
        ...     perturbed=None, times=[0.0], parameters=None, truth=lambda lead: None,
        ... )
        >>> largest = Largest()
        >>> run_rollout(Doubling(), start, [largest])
        >>> largest.value.item()
        8.0
    """

    stages: ClassVar[tuple[str, ...]] = ("validate", "test", "predict")
    options: Mapping[str, Any] = {}
    room: ClassVar[float] = 0.0
    diverged: Choice | None = None

    def observes(self, stage: str) -> bool:
        """Return whether the observer observes the rollouts of a stage."""
        return stage in self.stages

    @abstractmethod
    def begin(self, start: RolloutBatch) -> None:
        """Record the initial conditions of the next rollouts.

        Args:
            start: Initial conditions, with their truth, parameters and times.
        """

    @abstractmethod
    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        """Record the forecasts at a lead.

        Args:
            lead: Number of steps since the initial conditions, from 1 on.
            forecast: Forecasts in physical units; of an ensemble the member that started from the
                unperturbed state. Trajectories that are no longer computed are NaN.
            truth: True states, or None past their end.
        """

    def observe_members(  # noqa: B027 - optional
        self, lead: int, members: Members, truth: State | None
    ) -> None:
        """Record all members of an ensemble.

        Args:
            lead: Number of steps since the initial conditions.
            members: Forecasts (member, batch, channel, *space), first the unperturbed one.
            truth: True states, or None past their end.
        """

    def rollout_state(self) -> dict[str, Any]:
        """Return the records of this and earlier batches, as a state to resume from.

        The state consists of all attributes made of tensors, NumPy arrays and numbers.
        """
        found = {name: value for name, value in vars(self).items() if is_record(value)}
        return {name: as_plain(value) for name, value in found.items()}

    def load_rollout_state(self, state: dict[str, Any]) -> None:
        """Resume from a saved state, after `begin`."""
        present = vars(self)
        present.update({name: as_before(value, present.get(name)) for name, value in state.items()})

    def find_diverged(self) -> Choice | None:
        """Return a mask of the trajectories that have diverged and can be stopped, or None.

        Beyond the end of the truth, such trajectories are dropped at the next check: their
        forecasts are NaN from then on, and the rollout ends if no trajectory remains. Means and
        counts leave out `diverged` trajectories. Observers with this method receive each state
        before all others.
        """
        return None

    def end(self) -> None:  # noqa: B027 - optional
        """Finish the records of this batch.

        The rollouts may have ended early, if every trajectory has diverged.
        """


def run_rollout(
    model: Steps,
    start: RolloutBatch,
    observers: Sequence[RolloutObserver],
    progress: str | None = None,
    saver: RolloutSaver | None = None,
    stop: Callable[[], None] | None = None,
    context: Context = NO_CONTEXT,
) -> None:
    """Roll out from the initial conditions of a batch and show every state to every observer.

    Args:
        model: Object whose steps make the forecasts.
        start: Initial conditions, length, and truth.
        observers: Observers of each state. They run outside autocast: statistics are never rounded
            to bfloat16.
        progress: Label of a progress bar in steps, or None for no bar.
        saver: Object that saves the rollouts so that they can be resumed, or None.
        stop: Function called after every step, when all observers have recorded it; it may raise
            to end the rollout.
        context: Context of the first step, of all members of all initial conditions.
    """
    device, batch = start.initial.device, len(start.initial)
    initial = start.initial
    if start.perturbed is not None:
        initial = torch.cat((initial, start.perturbed.flatten(0, 1)))
    divergence_observers = [observer for observer in observers if finds_divergence(observer)]
    others = [observer for observer in observers if not finds_divergence(observer)]
    for observer in observers:
        observer.begin(start)
    current = RolloutState(0, initial, None, context, torch.arange(len(initial), device=device))
    step, interval = checked_step(model), getattr(model, "interval", None)
    room = max((observer.room for observer in observers), default=0.0)
    inputs = StepInputs(start, getattr(model, "steps_per_call", 1))
    if saver is not None:
        current = saver.open(start, observers) or current
        if current.lead < 0:
            return
    for lead in tqdm(
        range(current.lead + 1, start.steps + 1),
        desc=progress,
        unit="step",
        disable=progress is None,
        leave=False,
        initial=current.lead,
        total=start.steps,
    ):
        given = inputs.at(lead - 1, current.context, current.active)
        state, memory = step_in_parts(step, current.state, current.memory, given, batch, room)
        current = RolloutState(lead, state, memory, current.context.after(interval), current.active)
        forecast = state
        if len(state) < len(initial):
            forecast = torch.full_like(initial, float("nan"))
            forecast[current.active] = state.to(forecast.dtype)
        truth = copy_to_device(start.truth(lead), device) if lead <= start.truth_steps else None
        if saver is not None:
            saver.invalidate()
        with torch.autocast(device.type, enabled=False):
            for group in (divergence_observers, others):
                diverged = diverged_trajectories(divergence_observers)
                for observer in group:
                    observer.diverged = diverged
                    observer.observe(lead, forecast[:batch], truth)
                    if start.perturbed is not None:
                        observer.observe_members(lead, forecast.unflatten(0, (-1, batch)), truth)
        if lead >= start.truth_steps and lead % CHECK_INTERVAL == 0:
            diverged = diverged_trajectories(divergence_observers)
            if diverged is not None and diverged.any():
                # the members of an ensemble stop with the first
                diverged = diverged.repeat(len(initial) // batch)
                current = current.choose(~diverged[current.active])
                if not len(current.active):
                    break
        if saver is not None:
            saver.save(current, observers)
        if stop is not None:
            stop()
    for observer in observers:
        observer.end()


class StepInputs:
    """Static fields and forcing of a batch of rollouts, added to the context of each step.

    The context does not hold them between steps, so that saved rollouts do not contain them.

    Args:
        start: Initial conditions.
        steps_per_call: Number of states of one call of the network, whose forcing is given.
    """

    def __init__(self, start: RolloutBatch, steps_per_call: int = 1) -> None:
        device, static = start.initial.device, getattr(start, "static", None)
        self.static = None if static is None else copy_to_device(static, device)
        self.read = getattr(start, "forcing", None)
        self.batch, self.device = len(start.initial), device
        self.times = steps_per_call + 1
        self.known: dict[int, Tensor | None] = {}

    def at(self, lead: int, context: Context, active: Int[Tensor, " active"]) -> Context:
        """Return the context of a step for the active trajectories, with its fields.

        Args:
            lead: Number of steps so far.
            context: Context without the fields.
            active: Indices of the trajectories; members of an ensemble follow the batch.
        """
        self.known = {n: self._forcing(n) for n in range(lead, lead + self.times)}
        fields = [field for field in self.known.values() if field is not None]
        if not fields and self.static is None:
            return context
        sample = active % self.batch
        static = None if self.static is None else self.static[sample]
        forcing = torch.stack([field[sample] for field in fields], dim=1) if fields else None
        return context._replace(static=static, forcing=forcing)

    def _forcing(self, lead: int) -> Tensor | None:
        """Return the forcing at a lead, reusing those that were read for the previous step."""
        if self.read is None or lead in self.known:
            return self.known.get(lead)
        found = self.read(lead)
        return None if found is None else copy_to_device(found, self.device)


def finds_divergence(observer: RolloutObserver) -> bool:
    """Return whether an observer may declare trajectories diverged."""
    return type(observer).find_diverged is not RolloutObserver.find_diverged


def diverged_trajectories(observers: Sequence[RolloutObserver]) -> Choice | None:
    """Return the trajectories that an observer has declared diverged, or None if none does so."""
    choices = [observer.find_diverged() for observer in observers]
    known = [choice for choice in choices if choice is not None]
    if len(known) < 2:
        return known[0] if known else None
    return torch.stack(known).any(0)
