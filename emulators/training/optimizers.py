"""Learning rate schedules and gradient clipping for Lightning's optimiser steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import signature
from typing import Any

from lightning import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch.optim import Optimizer, SparseAdam
from torch.optim.lr_scheduler import LRScheduler

from datamodules.solvers.finite import check_finite
from emulators.training.raising_module import raising_module

GIVEN = (
    "is made from the optimiser and the number of steps of the run alone; choose one of this "
    "program, such as WarmupCosine, or torch's CosineAnnealingLR, which take it"
)
COUNTS = ("total_steps", "total_iters", "T_max", "T_0")
"""What torch's schedules call a number of steps."""

Schedule = Callable[[Optimizer, int], LRScheduler]


def with_schedule(optimizer: Optimizer, schedule: Schedule | None, trainer: Trainer) -> Any:
    """Return the optimiser for Lightning, with a learning rate that changes with every step.

    Raises:
        ValueError: The training has no end that a schedule could lead to, or the optimiser is one
            of sparse gradients.
    """
    if isinstance(optimizer, SparseAdam):
        raise ValueError(
            "model.optimizer=SparseAdam is for sparse gradients, which no emulator has; use AdamW."
        )
    for group in optimizer.param_groups:
        check_finite(type(optimizer).__name__, **{k: v for k, v in group.items() if k != "params"})
    if schedule is None:
        return optimizer
    steps = trainer.estimated_stepping_batches
    if steps == float("inf"):
        raise ValueError(
            f"trainer.max_steps is {trainer.max_steps} (no limit), but model.schedule needs the "
            "number of steps; set trainer.max_steps or max_epochs, or model.schedule=null."
        )
    with naming("model.schedule", GIVEN):
        scheduler = schedule(optimizer, int(steps))
    check_counts(scheduler, int(steps))
    options = {k: v for k, v in vars(scheduler).items() if k not in ("best", "mode_worse")}
    check_finite(type(scheduler).__name__, **options)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def check_counts(scheduler: LRScheduler, steps: int) -> None:
    """Check that a schedule of torch does not use the number of steps as another argument.

    Raises:
        ValueError: The schedule does; the message names the argument.
    """
    kind = type(scheduler)
    second = [*signature(kind).parameters][1]
    torchs = kind.__module__ == LRScheduler.__module__ and second not in COUNTS
    if torchs and getattr(scheduler, second, None) == steps:
        raise ValueError(f"model.schedule {GIVEN}: {kind.__name__} takes it for its {second}.")


@contextmanager
def naming(option: str, why: str = "cannot take a step with its options") -> Iterator[None]:
    """Name the option in errors that an optimiser or schedule raises within a `with` block.

    Some settings are checked only in a step, such as `capturable` on a CPU.

    Raises:
        ValueError: The optimiser or schedule failed; the message has its reason.
    """
    try:
        yield
    except (AssertionError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        if not raising_module(error).startswith("torch.optim"):
            raise
        raise ValueError(f"{option} {why}: {error}") from error


def clip_gradients(
    trainer: Trainer, optimizer: Optimizer, threshold: float | None, algorithm: str | None
) -> None:
    """Clip the gradients by their norm, or each by its value.

    Under bfloat16 autocast gradients are not scaled, so that fused optimisers, which Lightning
    refuses to clip in case they are, are clipped like any other.

    Args:
        trainer: Trainer, whose precision decides.
        optimizer: Optimiser of the parameters.
        threshold: Largest norm or value; nothing is clipped at None or 0.
        algorithm: norm, the default, or value.
    """
    plugin = trainer.precision_plugin
    unscaled = isinstance(plugin, MixedPrecision) and plugin.scaler is None
    clip = partial(Precision.clip_gradients, plugin) if unscaled else plugin.clip_gradients
    clip(optimizer, threshold or 0, GradClipAlgorithmType(algorithm or "norm"))
