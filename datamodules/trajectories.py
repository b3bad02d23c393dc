"""The data module that every emulator shares: NetCDF trajectories in, windows and starts out."""

import glob
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.generate import Generator
from datamodules.netcdf import Dimensions
from datamodules.reference import Arrays, cached, hash_of
from datamodules.sensors import Observations
from datamodules.solvers import Grid, Variable
from datamodules.split import Range, Trajectories
from datamodules.starts import InitialConditions, Rollouts
from datamodules.statistics import Statistics, accumulate
from datamodules.trajectory_file import TrajectoryFile, check_agreement
from datamodules.windows import WindowDataset, WindowSampler

Storage = Literal["auto", "memory", "disk"]
MEMORY_LIMIT = 2**32  # bytes of one split that "auto" still reads into memory


@dataclass(frozen=True)
class Source:
    """Where the trajectories of one split are.

    Args:
        files: File name pattern relative to the root of the data set, such as `train/*.nc`.
        trajectories: Which trajectories of each file; all by default.
        times: Which snapshots of each trajectory; all by default.
    """

    files: str
    trajectories: Range = field(default_factory=Range)
    times: Range = field(default_factory=Range)


class TrajectoryDataModule(LightningDataModule):
    """Trajectories in NetCDF files, one folder per split, simulated first if they are missing.

    Args:
        root: Folder of the data set.
        variables: Names of the variables that become channels.
        dimensions: Names of the dimensions in the files.
        parameters: Names of physical parameters of the trajectories that the emulator is told, such
            as a Reynolds number: variables with one number per trajectory or a single one, global
            attributes, or settings of the solver such as `solver.equation.viscosity`.
        observations: What of the training trajectories is observed, where it is not everything.
        generator: Makes missing files; files made with other settings are refused.
        train: Where the training trajectories are.
        val: Where the validation trajectories are.
        test: Where the test trajectories are; forecasts start from them too.
        batch_size: Training windows per step and process.
        workers: Processes that read training windows; 0 reads in the training process.
        storage: Read everything into memory, or windows from disk as they are needed; `auto` reads
            a split into memory up to 4 GiB.
        seed: Of the order of the training windows.
        val_rollouts: Evaluation during and after training on the validation split.
        test_rollouts: Evaluation on the test split.
        predict_rollouts: Forecasts from the test split.
    """

    def __init__(
        self,
        root: Path,
        variables: list[str] = ["vorticity"],  # noqa: B006 - never changed; jsonargparse shows it
        dimensions: Dimensions = Dimensions(),
        parameters: list[str] = [],  # noqa: B006 - as above
        observations: Observations | None = None,
        generator: Generator | None = None,
        train: Source = Source("train/*.nc"),
        val: Source = Source("val/*.nc"),
        test: Source = Source("test/*.nc"),
        batch_size: int = 8,
        workers: int = 0,
        storage: Storage = "auto",
        seed: int = 0,
        val_rollouts: Rollouts = Rollouts(),
        test_rollouts: Rollouts = Rollouts(),
        predict_rollouts: Rollouts = Rollouts(initial_conditions=1),
    ) -> None:
        super().__init__()
        if not variables:
            raise ValueError("data.variables must name at least one variable.")
        if batch_size < 1:
            raise ValueError(f"data.batch_size must be at least 1, got {batch_size}.")
        self.root = Path(root)
        self.variables = list(variables)
        self.dimension_names = dimensions
        self.parameters = list(parameters)
        self.observations = observations
        self.generator = generator
        self.sources = {"train": train, "val": val, "test": test}
        self.batch_size = batch_size
        self.workers = workers
        self.storage = storage
        self.seed = seed
        self.rollouts = {"val": val_rollouts, "test": test_rollouts, "predict": predict_rollouts}
        self.channels = len(self.variables)
        self.dimensions = len(dimensions.space)
        self._files: dict[str, list[TrajectoryFile]] = {}
        self._splits: dict[str, Trajectories] = {}
        self._hashes: dict[str, str] = {}
        self._statistics: Statistics | None = None

    def prepare_data(self) -> None:
        """Simulate what is missing, and refuse files that the generator would make differently."""
        if self.generator is not None:
            self.generator.generate(self.root)

    # What callbacks and emulators may know of the data ------------------------------------------

    def files(self, split: str) -> list[TrajectoryFile]:
        """Return the validated files of a split, in the order of their names."""
        if split not in self._files:
            pattern = str(self.root / self.sources[split].files)
            paths = [Path(path) for path in sorted(glob.glob(pattern))]
            if not paths:
                raise FileNotFoundError(
                    f"No files match {pattern}: set data.root and data.{split}.files to where the "
                    f"{split} trajectories are, or give data.generator to simulate them."
                )
            names = self.variables, self.dimension_names, self.parameters
            files = [TrajectoryFile(path, *names) for path in paths]
            check_agreement([*(other[0] for other in self._files.values()), *files])
            self._files[split] = files
        return self._files[split]

    def trajectories(self, split: str) -> Trajectories:
        """Return the trajectories of a split, read into memory or not as `storage` says."""
        if split not in self._splits:
            source, files = self.sources[split], self.files(split)
            values = sum(
                len(source.trajectories.of(file.trajectories))
                * len(source.times.of(file.snapshots))
                for file in files
            )
            points = torch.Size(files[0].space).numel() * self.channels
            in_memory = {
                "memory": True,
                "disk": False,
                "auto": values * points * 4 <= MEMORY_LIMIT,
            }[self.storage]
            self._splits[split] = Trajectories(files, source.trajectories, source.times, in_memory)
        return self._splits[split]

    @property
    def statistics(self) -> Statistics:
        """Mean and standard deviation of the training split."""
        if self._statistics is None:
            self._statistics = accumulate(self.trajectories("train").chunks("statistics"))
        return self._statistics

    def reference(
        self, split: str, definition: Mapping[str, Any], compute: Callable[[], Arrays]
    ) -> Arrays:
        """Return arrays that follow from a split and a definition, computed once and kept."""
        return cached(self.root, self.content_hash(split), definition, compute)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of a field along each axis."""
        return tuple(self._any_file().space)

    @property
    def grid(self) -> Grid | None:
        """Periodic grid of the fields, or None where the files have no uniform coordinates."""
        return self._any_file().grid

    @property
    def interval(self) -> float:
        """Time between snapshots, in the units of the files."""
        return self._any_file().interval

    @property
    def units(self) -> tuple[str, str]:
        """Units of length and of time."""
        file = self._any_file()
        return file.length_units, file.time_units

    @property
    def coordinates(self) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        """Values and attributes of the spatial coordinates, where the files have them."""
        return self._any_file().coordinates

    @property
    def time_attributes(self) -> dict[str, Any]:
        """Attributes of the time axis of the files: units with their origin, calendar."""
        return self._any_file().time_attributes

    @property
    def fields(self) -> tuple[Variable, ...]:
        """Name, long name and units of each channel."""
        return self._any_file().variables

    def content_hash(self, split: str) -> str:
        """Return a hash of the contents of all files of a split."""
        if split not in self._hashes:
            hashes = [
                hash_of(self.root, file.path, self.variables, file.compute_hash)
                for file in self.files(split)
            ]
            self._hashes[split] = hashlib.sha256("".join(hashes).encode()).hexdigest()
        return self._hashes[split]

    def _any_file(self) -> TrajectoryFile:
        for files in self._files.values():
            return files[0]
        for split in ("test", "train", "val"):
            try:
                return self.files(split)[0]
            except FileNotFoundError:
                continue
        return self.files("train")[0]

    # Loaders ------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader:
        """Return batches of windows (batch, time, channel, *space) of the emulator's length."""
        trainer = self.trainer
        emulator = trainer.lightning_module
        windows = WindowDataset(
            self.trajectories("train"), emulator.window, emulator.timed, self.observed(emulator)
        )
        progress = trainer.fit_loop.epoch_loop.batch_progress
        sampler = WindowSampler(
            windows,
            self.batch_size,
            self.seed,
            lambda: progress.total.ready,
            trainer.world_size,
            trainer.global_rank,
        )
        return DataLoader(
            windows,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=len(sampler) >= self.batch_size,
            num_workers=self.workers,
            collate_fn=as_it_is,
            persistent_workers=self.workers > 0,
        )

    def observed(self, emulator: Any) -> Tensor | None:
        """Return what is observed of the training windows of an emulator, or None for all."""
        if self.observations is None:
            return None
        if not emulator.sparse:
            raise ValueError(
                f"{type(emulator).__name__} learns from whole snapshots and cannot be trained on "
                "data.observations; use ImPiNDiff, or leave them out."
            )
        axes = (self.coordinates.get(name) for name in self.dimension_names.space)
        first = [float(axis[0][0]) if axis else 0.0 for axis in axes]
        seen = emulator.window, self.interval, self.variables, self.shape, self.grid, first
        return self.observations.mask(*seen)

    def val_dataloader(self) -> DataLoader:
        """Return batches of initial conditions from the validation split."""
        return self._rollout_loader("val", "val")

    def test_dataloader(self) -> DataLoader:
        """Return batches of initial conditions from the test split."""
        return self._rollout_loader("test", "test")

    def predict_dataloader(self) -> DataLoader:
        """Return batches of initial conditions from the test split."""
        return self._rollout_loader("predict", "test")

    def _rollout_loader(self, stage: str, split: str) -> DataLoader:
        plan = self.rollouts[stage]
        starts = InitialConditions(
            self.trajectories(split),
            plan.initial_conditions,
            plan.steps,
            plan.truth_steps,
            plan.members,
            plan.initial_noise,
            self.seed,
        )
        return DataLoader(starts, batch_size=plan.batch_size, collate_fn=starts.collate)


def as_it_is(batch: Any) -> Any:
    """Return a batch that the data set has already stacked."""
    return batch
