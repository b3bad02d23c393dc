"""Interfaces of a data module for emulators and callbacks, also for a user's own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from datamodules.description import DataDescription
from datamodules.generation.generator import Generator
from datamodules.rollouts import Rollouts
from datamodules.statistics import Statistics
from datamodules.trajectories import Trajectories


@runtime_checkable
class ReferenceSource(Protocol):
    """Interface of a data module for diagnostics.

    Attributes:
        rollouts: Number, length and truth of the rollouts by stage: `val`, `test`, `predict`.
        generator: Generator with the solver that made the data, or None.
    """

    rollouts: Mapping[str, Rollouts]
    generator: Generator | None

    def describe(self) -> DataDescription:
        """Return the description of the data, without reading fields."""

    def trajectories(self, split: str) -> Trajectories:
        """Return the trajectories of a split, `train`, `val` or `test`."""

    def reference(
        self,
        split: str,
        definition: Mapping[str, object],
        compute: Callable[[], Mapping[str, np.ndarray]],
    ) -> Mapping[str, np.ndarray]:
        """Return arrays computed from a split, or those cached under the same definition.

        Args:
            split: Name of the split.
            definition: Everything other than the data that determines the arrays, with a `name`.
            compute: Function that computes the arrays, by name.
        """


class DataSource(ReferenceSource, Protocol):
    """Interface of a data module for emulators and callbacks.

    A data module of the user's own has the hooks of a `LightningDataModule` and

    - `describe`, for any emulator;
    - `statistics` for training, and `trajectories("train").parameters` where there are parameters;
    - `rollouts`, `generator`, `trajectories` and `reference`, for diagnostics;
    - `root`, `content_hash` and `contents`, for the callbacks that keep runs (`ScoreWriter`,
      `ForecastWriter`, `RolloutCheckpoint`, `RunReport`).

    Attributes:
        root: Folder of the data set.
        statistics: Mean and standard deviations of the training split.

    Example::

        class Tides(LightningDataModule):
            generator = None
            rollouts = {"val": Rollouts(4, 10), "test": Rollouts(4, 100)}
            height = Variable("height", "height of the surface", "m")

            def describe(self):
                grid = Grid((64, 64), (1e6, 1e6))
                return DataDescription.on_grid([self.height], grid, 600.0, "m", "s")

            @property
            def statistics(self):
                return accumulate([self.train])  # train: (time, channel, y, x)

            def reference(self, split, definition, compute):
                return compute()  # not cached

            def trajectories(self, split): ...
            def train_dataloader(self): ...
            def val_dataloader(self): ...
            def test_dataloader(self): ...
    """

    root: Path

    @property
    def statistics(self) -> Statistics:
        """Statistics of the training split, computed on first access."""

    def content_hash(self, split: str) -> str:
        """Return a hash of the fields of a split, which is equal for equal data."""

    def contents(self, split: str) -> str:
        """Return a hash of a split and of all options that change the values read from it."""
