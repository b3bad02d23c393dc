"""Data module of all emulators: training windows and initial conditions from files."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.describe import Periodic, check_inputs, check_names, check_options, describe
from datamodules.description import DataDescription
from datamodules.files.dimensions import Dimensions
from datamodules.files.formats.format import FileFormat
from datamodules.files.hashes import hash_of
from datamodules.files.input_fields import MISSING, NO_INPUTS, InputNames
from datamodules.files.paths import find_files
from datamodules.files.provenance import canonical, digest
from datamodules.files.provenance import describe as plain
from datamodules.files.reader import TrajectoryReader, check_agreement
from datamodules.files.selected import channel_names, check_select
from datamodules.files.selection import Range, SplitFiles
from datamodules.files.subset import WHOLE, Subset
from datamodules.generation.generator import Generator
from datamodules.loading import WindowLoader
from datamodules.notices import notify
from datamodules.observations import Observations
from datamodules.reading import Join, Reading, remarks
from datamodules.reference_cache import Arrays, cached
from datamodules.rollouts import InitialConditions, Rollouts
from datamodules.solvers.finite import check_finite
from datamodules.statistics import Statistics
from datamodules.storage.placement import StorageChoice, StorageRequest, choose_storage, to_device
from datamodules.training_statistics import InputStatistics, training_statistics
from datamodules.trajectories import Trajectories
from datamodules.windows import WindowDataset, WindowSampler


class TrajectoryDataModule(LightningDataModule):
    """Trajectories in files of any supported format, simulated first if they are missing.

    Args:
        root: Folder of the data set.
        variables: Names of the variables that become channels; `group/name` in a group of a file.
        dimensions: Names of the dimensions in the files.
        select: Items of further dimensions by value, or by index without a coordinate, such as
            `{level: 500}`, or `{level: [500, 850]}` for a channel of each.
        interval: Time between snapshots, if the files have no time stamps.
        static: Fields without time that are given to each step, such as orography.
        forcing: Fields or series of time that are known ahead and given to each step.
        mask: `missing` for points without values, such as land, or a variable that is 1 where there
            are values (`not NAME`: 0).
        weights: `latitude` weights points by their area in statistics, losses and scores.
        crop: Range of points of some axes that is read, such as `{latitude: {stop: 720}}`.
        coarsen: Number of points per block that is averaged, along all axes or by name; a block
            with a masked point is masked.
        format: Format of the files, such as `NetCDF` or a class of the user's own; by default it is
            found from the first file of each split.
        periodic: Whether the domain is periodic along each axis (y, x); one value means all axes.
            `auto` takes it from attributes of the files, the generator, or a full circle of
            longitude. Spectra, velocities from vorticity and the padding of networks follow it.
        vorticity: Vorticity of a flow, which gives energies and velocities; `auto` takes the
            variable with that name or CF standard name.
        join: Files that are parts of one simulation: all of a split (`time`), of each `folder`, or
            those whose names differ in the last number or date alone (`name`).
        parameters: Physical parameters on which the emulator is conditioned: variables with one
            number per trajectory, attributes, or settings such as `solver.equation.viscosity`.
        observations: Observed part of the training trajectories; all by default.
        generator: Generator of missing files; files made with other settings are refused.
        train: Files of the training split.
        val: Files of the validation split.
        test: Files of the test split; forecasts start from them too.
        batch_size: Number of training windows per step and process.
        workers: Number of processes that read training windows; 0 reads in the training process.
        storage: Place of splits: RAM of each process (`memory`) or of all (`shared`), the files
            (`stream`), or the training `device`; `auto` is the fastest with room.
        seed: Seed for shuffling the training windows.
        val_rollouts: Rollouts on the validation split, during and after training.
        test_rollouts: Rollouts on the test split.
        predict_rollouts: Forecasts from the test split.

    Example:
        Files `train/*.nc`, `val/*.nc` and `test/*.nc` in the folder `data`, each with a field `u`:

        >>> line = Dimensions(space=("x",))
        >>> data = TrajectoryDataModule(Path("data"), variables=["u"], dimensions=line)
        >>> data.channels, data.dimensions
        (1, 1)
    """

    def __init__(
        self,
        root: Path,
        variables: list[str] = ["vorticity"],  # noqa: B006 - never changed; jsonargparse shows it
        dimensions: Dimensions = Dimensions(),
        select: dict[str, int | float | list[int | float]] = {},  # noqa: B006 - as above
        interval: float | None = None,
        static: list[str] = [],  # noqa: B006 - as above
        forcing: list[str] = [],  # noqa: B006 - as above
        mask: str | None = None,
        weights: Literal["latitude"] | None = None,
        crop: dict[str, Range] = {},  # noqa: B006 - as above
        coarsen: int | dict[str, int] = 1,
        format: FileFormat | None = None,
        periodic: Periodic = "auto",
        vorticity: str | None = "auto",
        join: Join | None = None,
        parameters: list[str] = [],  # noqa: B006 - as above
        observations: Observations | None = None,
        generator: Generator | None = None,
        train: SplitFiles = SplitFiles("train/*.nc"),
        val: SplitFiles = SplitFiles("val/*.nc"),
        test: SplitFiles = SplitFiles("test/*.nc"),
        batch_size: int = 8,
        workers: int = 0,
        storage: StorageChoice = "auto",
        seed: int = 0,
        val_rollouts: Rollouts = Rollouts(),
        test_rollouts: Rollouts = Rollouts(),
        predict_rollouts: Rollouts = Rollouts(initial_conditions=1),
    ) -> None:
        super().__init__()
        check_finite("data", select=select, interval=interval)
        check_names(variables, dimensions)
        check_select(select, variables, dimensions)
        channels = channel_names(variables, select)
        check_options(channels, dimensions, periodic, vorticity)
        if batch_size < 1:
            raise ValueError(f"data.batch_size must be at least 1, got {batch_size}.")
        if workers < 0:
            raise ValueError(f"data.workers must be at least 0, got {workers}.")
        self.root = Path(root).expanduser()
        self.variables = channels
        inputs = InputNames(tuple(static), tuple(forcing), mask)
        check_inputs(inputs, channels)
        subset = Subset(crop, coarsen)
        if generator is not None and subset != WHOLE:
            raise ValueError(
                "data.crop and data.coarsen are for files of other programs, but data.generator "
                "makes these; leave them out, and set the shape of the generator."
            )
        names = tuple(variables), dimensions, tuple(parameters)
        self.reading = Reading(*names, format, select, interval, join, inputs, subset)
        self.weighting = weights
        self.channels = len(self.variables)
        self.dimensions = len(dimensions.space)
        self.static, self.forcing, self.masked = list(static), list(forcing), mask is not None
        self._periodic = periodic
        self._vorticity = vorticity
        self.parameters = list(parameters)
        self.observations = observations
        self.generator = generator
        self.sources = {"train": train, "val": val, "test": test}
        self.batch_size = batch_size
        self.workers = workers
        self.storage = storage
        self.seed = seed
        self.rollouts = {"val": val_rollouts, "test": test_rollouts, "predict": predict_rollouts}
        self._readers: dict[str, list[TrajectoryReader]] = {}
        self._splits: dict[str, Trajectories] = {}
        self._hashes: dict[str, str] = {}
        self._statistics: tuple[Statistics, InputStatistics] | None = None
        self._description: DataDescription | None = None

    def prepare_data(self) -> None:
        """Simulate missing files; refuse existing ones that were made with other settings."""
        if self.generator is not None:
            self.generator.generate(self.root)

    def setup(self, stage: str) -> None:
        """Check the validation split for missing values before the training starts."""
        if stage == "fit" and self.trainer.limit_val_batches:
            self.trajectories("val").check()

    # Description ----------------------------------------------------------------------------------

    def describe(self) -> DataDescription:
        """Return the description of the data, without reading fields.

        The description contains the statistics and content hashes computed so far.
        """
        if self._description is None:
            known = None if self.generator is None else self.generator.solver.periodic
            options = self.parameters, self._periodic, self._vorticity, known
            reader = self._any_reader()
            self._description = describe(reader, *options, self.reading.inputs, self.weighting)
        statistics = None if self._statistics is None else self._statistics[0]
        return replace(self._description, statistics=statistics, hashes=dict(self._hashes))

    def _any_reader(self) -> TrajectoryReader:
        """Return a reader of any split, preferably of one that is in use."""
        for readers in self._readers.values():
            return readers[0]
        for split in ("test", "train", "val"):
            try:
                return self.readers(split)[0]
            except FileNotFoundError:
                continue
        return self.readers("train")[0]

    # Trajectories ---------------------------------------------------------------------------------

    def readers(self, split: str) -> list[TrajectoryReader]:
        """Return the validated trajectories of a split, in the order of their file names.

        Raises:
            FileNotFoundError: No file matches.
            ValueError: A file does not match the options, or two files differ.
        """
        if split not in self._readers:
            source = self.sources[split]
            paths = find_files(self.root, source.files)
            if not paths:
                raise FileNotFoundError(
                    f"No files match {self.root / source.files}: set data.root and "
                    f"data.{split}.files to where the {split} trajectories are, or give "
                    "data.generator to simulate them."
                )
            readers = self.reading.open(paths, source.times)
            check_agreement([*(other[0] for other in self._readers.values()), *readers])
            self._readers[split] = readers
            for sentence in remarks(split, readers, self.sources, self.root):
                notify(sentence)
        return self._readers[split]

    def trajectories(self, split: str) -> Trajectories:
        """Return the trajectories of a split, in the storage that `storage` selects."""
        if split not in self._splits:
            source = self.sources[split]
            readers, data = self.readers(split), self.describe()
            ranges = source.trajectories, source.times
            missing = self.reading.inputs.mask == MISSING
            found = Trajectories(readers, *ranges, data.mask, missing)
            found.storage, found.location = choose_storage(
                found.storage, self.storage, self._request(split)
            )
            self._splits[split] = found
        return self._splits[split]

    def _request(self, split: str) -> StorageRequest:
        """Return the request for the storage of a split."""
        processes = self.trainer.num_devices if self.trainer else 1
        return StorageRequest(split, self.root, lambda: self.contents(split)[:16], processes)

    def contents(self, split: str) -> str:
        """Return a hash of a split and of all options that change the values read from it."""
        text = canonical([self.content_hash(split), self.settings_of(split)])
        return hashlib.sha256(text.encode()).hexdigest()

    def settings_of(self, split: str) -> dict[str, Any]:
        """Return the settings that determine the data of a split, in addition to its files.

        Everything that changes a result must be included, or cached results would be used after it
        has changed.
        """
        source, readers = self.sources[split], self.readers(split)
        first, data, reading = readers[0], self.describe(), self.reading
        format, stored = reading.format, list(reading.variables)
        return {
            "variables": [[field.name, field.units] for field in first.variables],
            "vorticity": data.vorticity,
            "dimensions": plain(first.dimensions),
            "axes": [[a.name, a.units, a.size, digest(a.values)] for a in first.axes],
            "spherical": data.spherical,
            "periodic": list(data.periodic),
            "interval": [float(f"{first.interval:.9g}"), first.time.unit],
            "ranges": plain([source.trajectories, source.times]),
            "join": self.reading.join,
            "files": [
                [digest(reader.times), digest(reader.parameters), [f.layout for f in reader.files]]
                for reader in readers
            ],
            "parameters": self.parameters,
            # files of other formats may be read in several ways; NetCDF says what it holds
            **({} if format is None else {"format": plain(format)}),
            **({"select": dict(reading.select)} if reading.select else {}),
            **({"stored": stored} if stored != self.variables else {}),
            **({"inputs": plain(reading.inputs)} if reading.inputs != NO_INPUTS else {}),
            **({"subset": plain(reading.subset)} if reading.subset != WHOLE else {}),
            **({"weights": data.weighting} if data.weighting else {}),
            **({"mask": digest(data.mask.numpy())} if data.mask is not None else {}),
        }

    @property
    def statistics(self) -> Statistics:
        """Mean and standard deviation of the training split."""
        return self._training_statistics()[0]

    @property
    def input_statistics(self) -> InputStatistics:
        """Mean and standard deviation of static fields and forcing over the training split."""
        return self._training_statistics()[1]

    def _training_statistics(self) -> tuple[Statistics, InputStatistics]:
        """Return the statistics of the state and of the inputs, which one pass computes."""
        if self._statistics is None:
            self._statistics = training_statistics(self.trajectories("train"), self.describe())
        return self._statistics

    def reference(
        self, split: str, definition: Mapping[str, Any], compute: Callable[[], Arrays]
    ) -> Arrays:
        """Return arrays that follow from a split and a definition, computed once and cached."""
        return cached(self.root, self.contents(split), definition, compute)

    def content_hash(self, split: str) -> str:
        """Return a hash of the contents of all files of a split."""
        if split not in self._hashes:
            hashes = [
                hash_of(self.root, file.path, self.reading.stored, file.compute_hash)
                for reader in self.readers(split)
                for file in reader.files
            ]
            self._hashes[split] = hashlib.sha256("".join(hashes).encode()).hexdigest()
        return self._hashes[split]

    # Loaders ------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader:
        """Return batches of windows (batch, time, channel, *space) of the emulator's length."""
        trainer = self.trainer
        emulator, device = trainer.lightning_module, trainer.strategy.root_device
        train, request = self.trajectories("train"), self._request("train")
        train.storage, words = to_device(train.storage, self.storage, request, device)
        train.location = words or train.location
        windows = WindowDataset(train, emulator.window, emulator.timed, self.observed(emulator))
        progress = trainer.fit_loop.epoch_loop.batch_progress
        sampler = WindowSampler(
            windows,
            self.batch_size,
            self.seed,
            lambda: progress.total.ready,
            trainer.world_size,
            trainer.global_rank,
        )
        on_host = train.storage.device.type == "cpu"
        return WindowLoader(
            windows,
            self.batch_size,
            sampler,
            self.workers if on_host else 0,
            ahead=2 if on_host else 0,
            pin_memory=on_host and device.type == "cuda",
        )

    def observed(self, emulator: Any) -> Tensor | None:
        """Return the mask of observed values in the training windows, or None for all."""
        if self.observations is None:
            return None
        if not emulator.sparse:
            raise ValueError(
                f"{type(emulator).__name__} learns from whole snapshots and cannot be trained on "
                "data.observations; use ImPiNDiff, or leave them out."
            )
        data = self.describe()
        first = [0.0 if axis.values is None else float(axis.values[0]) for axis in data.axes]
        grid = data.uniform_grid
        seen = emulator.window, data.interval, self.variables, data.shape, grid, first
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
            plan.breeding,
        )
        return DataLoader(starts, batch_size=plan.batch_size, collate_fn=starts.collate)
