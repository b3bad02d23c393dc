"""An emulator without weights, a reference for the scores of others."""

from torch import Tensor, nn

from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Emulator, Window
from emulators.training.precision import check_precision


class Untrained(Emulator):
    """Emulator that has nothing to train: `emulate test` runs it without a checkpoint.

    A subclass defines `step`.

    Args:
        channels: Number of fields of a state; set by the data.
        dimensions: Number of spatial dimensions; set by the data.

    Raises:
        ValueError: A training is requested.
    """

    def __init__(self, channels: int = 1, dimensions: int = 2) -> None:
        super().__init__(nn.Identity(), channels, dimensions, ema_decay=0.0, project=None)

    @property
    def window(self) -> int:
        """Number of snapshots, 1: there is no training."""
        return 1

    def setup(self, stage: str) -> None:
        """Set the statistics of the data, in whose units scores are given."""
        if stage == "fit":
            raise ValueError(
                f"{type(self).__name__} has nothing to train; run `emulate test` without a "
                "checkpoint, or list it under 'untrained' in a study."
            )
        check_precision(self.trainer.precision)
        statistics = self.trainer.datamodule.statistics
        self.standardize.set_statistics(statistics.mean, statistics.std, statistics.increment_std)

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Tensor:
        raise ValueError(f"{type(self).__name__} has nothing to train.")
