"""The checkpoint of a run: `last.ckpt` in its folder, to resume from and to evaluate."""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback


class Checkpoints(Callback):
    """Writes `last.ckpt` into the run's folder every so often, at the end, and when interrupted.

    Lightning writes a checkpoint aside and renames it, so that a killed run leaves a whole one.

    Args:
        every: Optimiser steps between two writes.
    """

    def __init__(self, every: int = 500) -> None:
        if every < 1:
            raise ValueError(f"Checkpoints.every must be at least 1, got {every}.")
        self.every = every
        self.saved_at = 0

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step > self.saved_at:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "last.ckpt")
            self.saved_at = trainer.global_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from where a resumed run starts."""
        self.saved_at = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write if it is time."""
        if trainer.global_step - self.saved_at >= self.every:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final state, whatever the step."""
        self._save(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write what there is when a person interrupts the training."""
        if trainer.training and isinstance(exception, KeyboardInterrupt):
            self._save(trainer)
