"""The checkpoint of a run: `last.ckpt` in its folder, to resume from and to evaluate."""

from pathlib import Path
from typing import Any, Literal

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback


class Checkpoints(Callback):
    """Writes `last.ckpt` into the run's folder every so often, at the end, and when interrupted.

    Lightning writes a checkpoint aside and renames it, so that a killed run leaves a whole one.

    Args:
        every: Optimiser steps between two writes.
        monitor: Score of the validation rollouts, such as `val/mse/lead_10`; whenever it is better
            than before, `best.ckpt` is written too.
        mode: Whether a small or a large score is good.
    """

    def __init__(
        self, every: int = 500, monitor: str | None = None, mode: Literal["min", "max"] = "min"
    ) -> None:
        if every < 1:
            raise ValueError(f"Checkpoints.every must be at least 1, got {every}.")
        self.every = every
        self.monitor = monitor
        self.sign = 1.0 if mode == "min" else -1.0
        self.best = float("inf")
        self.saved_at = 0

    def state_dict(self) -> dict[str, Any]:
        """Remember the best score."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best score of the interrupted run."""
        self.best = state_dict["best"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `best.ckpt` if the score is better than before."""
        if self.monitor is None or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            raise ValueError(
                f"Checkpoints.monitor is '{self.monitor}', which validation does not give; choose "
                f"one of {', '.join(n for n in trainer.callback_metrics if n.startswith('val/'))}."
            )
        score = self.sign * float(trainer.callback_metrics[self.monitor])
        if score < self.best:
            self.best = score
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "best.ckpt")

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
