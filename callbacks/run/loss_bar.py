"""The progress bar of a training, with its loss."""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar


class LossBar(TQDMProgressBar):
    """Progress bar that reads the loss when it is drawn.

    Lightning reads what is logged with `prog_bar=True` in every step, which waits for a GPU.
    """

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what the bar shows, the loss of the last step included."""
        shown: dict[str, Any] = super().get_metrics(trainer, pl_module)
        loss = trainer.callback_metrics.get("train/loss") if trainer.training else None
        return shown if loss is None else {**shown, "train/loss": loss.item()}
