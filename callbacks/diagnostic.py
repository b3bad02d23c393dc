"""A callback that watches the rollouts of validation and test and scores them.

Rollouts arrive in batches of initial conditions. A diagnostic keeps what it needs in torchmetrics
states and computes its scores once, when all ranks have seen all their batches.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import xarray
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from matplotlib.figure import Figure
from torchmetrics import Metric

from emulators.rollout import RolloutObserver


class RolloutDiagnostic(Callback, RolloutObserver):
    """Watches rollouts; scores, draws and logs what it saw.

    Attributes:
        version: Of the definition of its scores; raised whenever a number changes its meaning.
        data: The data module: grid, interval, variables and splits.
        emulator: What is evaluated: its `standardize.std` gives the units of scores.
        results: Scores of the last evaluation.
    """

    version: ClassVar[int] = 1

    def __init__(self) -> None:
        self.data: Any = None
        self.emulator: Any = None
        self.results: xarray.Dataset | None = None

    # What a subclass says -----------------------------------------------------------------------

    def prepare(self) -> None:  # noqa: B027 - optional
        """Compute what is needed from the data before the first rollout."""

    @abstractmethod
    def scores(self) -> xarray.Dataset:
        """Return all scores, with labelled dimensions, long names and units."""

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        """Return the few numbers worth a line on the terminal, by name."""
        return {}

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        """Return pictures of the scores, by name."""
        return {}

    # When it happens ----------------------------------------------------------------------------

    def _metrics(self) -> list[Metric]:
        return [value for value in vars(self).values() if isinstance(value, Metric)]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take hold of the data and the emulator."""
        self.data = trainer.datamodule
        self.emulator = pl_module

    def _start(self, pl_module: LightningModule) -> None:
        for metric in self._metrics():
            metric.reset()
            metric.to(pl_module.device)
        self.prepare()

    def _finish(self, stage: str, pl_module: LightningModule) -> None:
        with torch.no_grad():
            self.results = self.scores()
        for name, value in self.summary(self.results).items():
            # the same number on all ranks already: rows were gathered before they were averaged
            pl_module.log(f"{stage}/{name}", value, sync_dist=False, rank_zero_only=False)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier evaluations."""
        self._start(pl_module)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier evaluations."""
        self._start(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score what was seen."""
        self._finish("val", pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score what was seen."""
        self._finish("test", pl_module)
