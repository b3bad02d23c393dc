"""The rollouts of `validate`, `test` and `predict`, observed by the callbacks of the trainer."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from emulators.breeding import breed
from emulators.context import Context, rollout_keys
from emulators.rollout import (
    RolloutBatch,
    RolloutObserver,
    RolloutSaver,
    Steps,
    StopRequest,
    run_rollout,
)

if TYPE_CHECKING:
    from emulators.emulator import Emulator

ROLLOUTS = {"validate": "val", "test": "test", "predict": "predict"}  # options of the data


def evaluate(model: Steps, start: RolloutBatch, trainer: Trainer, stage: str) -> None:
    """Roll out from a batch of initial conditions and show each state to the trainer's observers.

    All members of an ensemble have the physical parameters of their initial condition. In a test
    the first `RolloutSaver` among the callbacks saves progress; outside of training the first
    `StopRequest` can end the rollout.

    Args:
        model: Emulator or solver.
        start: Initial conditions, with their truth.
        trainer: Trainer whose callbacks observe.
        stage: Stage whose observers are shown the states: `validate`, `test` or `predict`.

    Raises:
        ValueError: The members of an ensemble would be equal.
    """
    check_members_differ(model, start, stage)
    observers = [
        callback
        for callback in trainer.callbacks
        if isinstance(callback, RolloutObserver) and callback.observes(stage)
    ]
    bar = trainer.is_global_zero and trainer.progress_bar_callback is not None
    savers = [callback for callback in trainer.callbacks if isinstance(callback, RolloutSaver)]
    saver = savers[0] if savers and stage == "test" else None
    seed = getattr(model, "training_seed" if trainer.state.fn == "fit" else "run_seed", 0)
    context = keyed_context(start, start.index, seed)
    breeding = getattr(start, "breeding", 0)
    if breeding:
        start.perturbed = breed(model, start, breeding, context)
    ends = [callback for callback in trainer.callbacks if isinstance(callback, StopRequest)]
    stop = ends[0].raise_if_requested if ends and trainer.state.fn != "fit" else None
    run_rollout(model, start, observers, stage if bar else None, saver, stop, context)


def check_ensembles(model: "Emulator", source: object, stage: str) -> None:
    """Check before a run that members would differ in the rollouts that the run needs.

    Args:
        model: Emulator.
        source: Data module; one without `rollouts` is not checked before its first rollout.
        stage: `fit`, `validate`, `test` or `predict`.

    Raises:
        ValueError: Members would be equal.
    """
    if stage == "fit" and model.noise_input.given and model.members == 1:
        rank_zero_warn(
            "The network is given random inputs, and model.distance scores single predictions, "
            "which teaches it to ignore them; set model.objective to a score of members, such as "
            "CRPS."
        )
    name = "validate" if stage == "fit" else stage
    plan = getattr(source, "rollouts", {}).get(ROLLOUTS[name])
    if plan is not None and plan.members > 1 and not plan.initial_noise:
        refuse_equal(model, plan.members, name)


def refuse_equal(model: Steps, members: int, stage: str) -> None:
    """Raise an error if members that start from the same state are given no random numbers."""
    if getattr(model, "stochastic", False):
        return
    raise ValueError(
        f"The {members} members of an ensemble start from the same state, and "
        f"{type(model).__name__} draws no random numbers by which they would differ; set "
        f"data.{ROLLOUTS[stage]}_rollouts.initial_noise above 0, or train an emulator with "
        "model.noise_fields or model.noise_numbers (an emulator of your own that draws random "
        "numbers has the attribute `stochastic = True`)."
    )


def check_members_differ(model: Steps, start: RolloutBatch, stage: str) -> None:
    """Check that members that start from the same state are given random numbers.

    Raises:
        ValueError: They would be equal.
    """
    if start.perturbed is not None and start.perturbed[0].equal(start.initial):
        refuse_equal(model, 1 + len(start.perturbed), stage)


def keyed_context(start: RolloutBatch, index: Int[Tensor, " batch"], seed: int) -> Context:
    """Return the first context of all members, from which their random numbers are drawn.

    Args:
        start: Initial conditions.
        index: Numbers of the initial conditions, on which the random numbers depend.
        seed: Seed of the random numbers.
    """
    members = 1 if start.perturbed is None else 1 + len(start.perturbed)
    return first_context(start)._replace(keys=rollout_keys(index, members), seed=seed)


def first_context(start: RolloutBatch) -> Context:
    """Return the physical parameters and times of the initial states of all members.

    Args:
        start: Initial conditions.
    """
    members = 1 if start.perturbed is None else 1 + len(start.perturbed)
    parameters = start.parameters
    if parameters is not None:
        parameters = parameters.repeat(members, 1)
    return Context(parameters, torch.tensor(list(start.times) * members, dtype=torch.float64))
