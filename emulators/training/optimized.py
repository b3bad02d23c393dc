"""Optimiser, schedule and averaged weights of a module that Lightning trains."""

from typing import Any

from lightning import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import nn

from emulators.training.averaging import update_average
from emulators.training.optimizers import Schedule, clip_gradients, naming, with_schedule


class Optimized(LightningModule):
    """LightningModule with an optimiser, a schedule, and an average of its weights.

    Attributes:
        optimizer_option: Function that makes the optimiser from the weights.
        schedule: Learning rate over the training steps of the run, or None.
        ema_decay: Decay of the averaged weights.
        trained: Trained part.
        averaged: Copy of it with averaged weights, or None.
    """

    optimizer_option: OptimizerCallable
    schedule: Schedule | None
    ema_decay: float
    trained: nn.Module
    averaged: nn.Module | None

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the averaged weights after each step of the optimiser."""
        with naming("model.optimizer"):
            super().optimizer_step(*args, **kwargs)
        if self.averaged is not None:
            self.update_average(self.trainer.global_step)

    def update_average(self, steps: int) -> None:
        """Move the averaged weights towards the trained ones, after a number of training steps."""
        update_average(self.averaged, self.trained, self.ema_decay, steps)

    def configure_optimizers(self) -> Any:
        """Return the optimiser, with its schedule if there is one."""
        trained = [p for p in self.parameters() if p.requires_grad]
        if not trained:
            raise ValueError(
                f"{type(self).__name__} has no weights to train; give model.network a class that "
                "has some."
            )
        with naming("model.optimizer", "cannot be made with its options"):
            optimizer = self.optimizer_option(trained)
        return with_schedule(optimizer, self.schedule, self.trainer)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip gradients, also with a fused optimiser."""
        clip_gradients(self.trainer, optimizer, gradient_clip_val, gradient_clip_algorithm)
