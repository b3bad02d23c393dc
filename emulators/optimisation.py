"""From gradients to a step of the optimiser: the schedule of its learning rate, and clipping."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from traceback import walk_tb
from typing import Any

from lightning import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch.optim import Optimizer, SparseAdam
from torch.optim.lr_scheduler import LRScheduler

from datamodules.solvers.finite import check_finite

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
            f"trainer.max_steps is {trainer.max_steps}, without end, and model.schedule needs to "
            "know the number of steps; set trainer.max_steps or max_epochs, or model.schedule=null."
        )
    scheduler = schedule(optimizer, int(steps))
    options = {k: v for k, v in vars(scheduler).items() if k not in ("best", "mode_worse")}
    check_finite(type(scheduler).__name__, **options)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


@contextmanager
def naming(option: str) -> Iterator[None]:
    """Name the option that chose the optimiser where this cannot take a step with its own.

    Some of them are checked only then, such as `capturable` on a CPU.

    Raises:
        ValueError: With what the optimiser says.
    """
    try:
        yield
    except (AssertionError, RuntimeError) as error:
        *_, (innermost, _) = walk_tb(error.__traceback__)
        if not innermost.f_globals["__name__"].startswith("torch.optim"):
            raise
        raise ValueError(f"{option} cannot take a step with its options: {error}") from error


def clip_gradients(
    trainer: Trainer, optimizer: Optimizer, threshold: float | None, algorithm: str | None
) -> None:
    """Clip the gradients by their norm, or each by its value.

    Under bfloat16 autocast gradients are not scaled, so that fused optimisers, which Lightning
    refuses to clip for fear that they are, are clipped like any other.

    Args:
        trainer: Whose precision decides.
        optimizer: Its parameters are clipped.
        threshold: Largest norm or value; nothing is clipped at None or 0.
        algorithm: norm, the default, or value.
    """
    plugin = trainer.precision_plugin
    unscaled = isinstance(plugin, MixedPrecision) and plugin.scaler is None
    clip = partial(Precision.clip_gradients, plugin) if unscaled else plugin.clip_gradients
    clip(optimizer, threshold or 0, GradClipAlgorithmType(algorithm or "norm"))
