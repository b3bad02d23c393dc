"""Forecasts of an emulator from states in a dataset of xarray, to another dataset."""

from math import prod
from pathlib import Path
from typing import Any

import torch
import xarray

from datamodules.description import DataDescription
from datamodules.files.growing_dataset import GrowingDataset
from datamodules.files.growing_file import Definition, GrowingFile
from datamodules.files.growing_netcdf import GrowingNetCDF
from datamodules.files.growing_zarr import GrowingZarr
from datamodules.files.sizes import readable
from datamodules.forecast_layout import check_names
from datamodules.storage.free_memory import free_memory
from emulators.checkpointed import Checkpointed
from emulators.code_version import commit, versions
from emulators.evaluation import keyed_context
from emulators.forecasting.initial_states import InitialStates
from emulators.forecasting.recorder import ForecastRecorder
from emulators.rollout import RolloutBatch, run_rollout
from emulators.standardize import Standardize

FILES: dict[str, type[GrowingFile]] = {".nc": GrowingNetCDF, ".zarr": GrowingZarr}


class Forecasting(Checkpointed):
    """Emulator that forecasts from states in datasets of xarray.

    Attributes:
        precision: Precision of forecasts, as `trainer.precision`; `emulators.load` sets it to the
            precision of the run.
    """

    precision: str = "32-true"
    stochastic: bool
    interval: float | None
    standardize: Standardize

    def forecast(
        self,
        initial: xarray.Dataset,
        steps: int,
        *,
        members: int = 1,
        seed: int = 0,
        every: int = 1,
        static: xarray.Dataset | None = None,
        forcing: xarray.Dataset | None = None,
        path: Path | str | None = None,
    ) -> xarray.Dataset:
        """Return the forecasts from one or several initial states, with coordinates and times.

        The averaged weights are used. `initial` has the names, units and coordinates of the
        training data, and may be the last states of another forecast.

        Args:
            initial: Fields at one time, with the dimensions of space, and of trajectories if there
                are several initial conditions. Physical parameters are variables or attributes.
            steps: Length of the forecasts [intervals].
            members: Number of forecasts of a stochastic emulator from each initial state.
            seed: Seed of its random numbers.
            every: Number of steps between two states that are kept.
            static: Static fields; by default they are in `initial`.
            forcing: Forcing at all times of the forecast, from the time of `initial` on.
            path: File (`.nc`) or store (`.zarr`) to which states are written while they are
                computed, for forecasts that are larger than the memory; the dataset that is
                returned then reads it lazily.

        Returns:
            Fields (trajectory, member, time, *space), of which the first two only exist if there
            are several initial conditions and members. `time` is the lead time and `valid_time`
            the time of each state.

        Raises:
            ValueError: The emulator has not been trained, or a dataset does not fit it.

        Example:
            An emulator that never changes the state, in place of a trained one:

            >>> import numpy as np
            >>> from torch import nn
            >>> from datamodules.solvers import Grid, Variable
            >>> from emulators import Baseline
            >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
            >>> emulator = Baseline(network=nn.Identity(), dimensions=1)
            >>> emulator.trained_on = DataDescription.on_grid([wind], grid, 6.0, time_unit="h")
            >>> initial = xarray.Dataset({"u": ("x", np.arange(8.0))})
            >>> forecast = emulator.forecast(initial, steps=4, every=2)
            >>> forecast["u"].dims, forecast["time"].values.tolist(), forecast["u"].units
            (('time', 'x'), [12.0, 24.0], 'm s-1')
        """
        data = self.described_data()
        check_counts(steps, members, every)
        if members > 1 and not self.stochastic:
            raise ValueError(
                f"members is {members}, but {type(self).__name__} draws no random numbers, so that "
                "all would be equal; give perturbed states as further trajectories of `initial`, "
                "or train an emulator with model.noise_fields or model.noise_numbers."
            )
        dtype = self.standardize.mean.dtype  # float64 in double precision
        options = steps, members, static, forcing, self.device, dtype
        start = InitialStates(initial, data, *options)
        recorder = _Recorder(every, None if path is None else Path(path).expanduser())
        recorder.data = start.data
        recorder.about = self._about(initial, members, seed)
        check_names(recorder.data)
        context = keyed_context(start, torch.arange(len(start.initial)), seed)
        training = self.training
        self.eval()
        try:
            with torch.no_grad(), self._rounding():
                run_rollout(self, start, [recorder], context=context)
        finally:
            self.train(training)
        forecast = recorder.dataset()
        names = data.dimension_names
        return forecast.isel({names.trajectory: 0}, drop=True) if start.single else forecast

    def described_data(self) -> DataDescription:
        """Return the description of the training data."""
        if self.trained_on is None:
            raise ValueError(
                f"This {type(self).__name__} has not been trained, so that names and units of its "
                "fields are not known; train it, or load a trained one by emulators.load."
            )
        return self.trained_on

    def _rounding(self) -> torch.autocast:
        """Return the context of a mixed precision, in which networks round to 16 bits."""
        half = torch.half if self.precision == "16-mixed" else torch.bfloat16
        mixed = self.precision.endswith("mixed")
        return torch.autocast(self.device.type, dtype=half, cache_enabled=False, enabled=mixed)

    def _about(self, initial: xarray.Dataset, members: int, seed: int) -> dict[str, Any]:
        """Return the provenance of forecasts, as JSON values."""
        source, digest = initial.encoding.get("source"), initial.attrs.get("content_hash")
        return {
            "emulator": type(self).__name__,
            "parameters": sum(p.numel() for p in self.parameters() if p.requires_grad),
            "data_hashes": dict(self.described_data().hashes),
            "steps": getattr(self, "trained_steps", 0),
            "initial": None if source is None else str(source),
            "initial_hash": None if digest is None else str(digest),
            "members": members,
            "seed": seed,
            "precision": self.precision,
            "commit": commit(),
            "versions": versions(),
        }


class _Recorder(ForecastRecorder):
    """Recorder of forecasts in memory, or in a file if there is a path."""

    def __init__(self, every: int, path: Path | None) -> None:
        self.every, self.path = every, path
        self.growing: GrowingDataset | GrowingFile | None = None

    def open(self, start: RolloutBatch, definition: Definition) -> GrowingDataset | GrowingFile:
        self.growing = self._open(definition)
        return self.growing

    def _open(self, definition: Definition) -> GrowingDataset | GrowingFile:
        if self.path is not None:
            kind = FILES.get(self.path.suffix)
            if kind is None:
                raise ValueError(
                    f"path is {self.path}, expected a name that ends in {' or '.join(FILES)}; "
                    "rename it."
                )
            kind.check_installed()
            return kind(self.path, definition)
        size, free = sum(4 * prod(definition.shape(v)) for v in definition.growing), free_memory()
        if size > free:
            raise ValueError(
                f"The forecast needs {readable(size)}, and {readable(free)} of memory are free; "
                "give a `path` that ends in .nc or .zarr, to which it is written, or raise `every`."
            )
        return GrowingDataset(definition)

    def dataset(self) -> xarray.Dataset:
        """Return the forecasts."""
        if isinstance(self.growing, GrowingDataset):
            return self.growing.dataset()
        assert self.growing is not None  # after a rollout
        path = self.growing.path
        options: dict[str, Any] = {"engine": "zarr"} if path.suffix == ".zarr" else {}
        return xarray.open_dataset(path, decode_timedelta=False, **options)


def check_counts(steps: int, members: int, every: int) -> None:
    """Check that the numbers of a forecast are at least 1, and that a state is kept.

    Raises:
        ValueError: One is not.
    """
    for name, value in (("steps", steps), ("members", members), ("every", every)):
        if value < 1 or int(value) != value:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value}.")
    if every > steps:
        raise ValueError(
            f"every is {every}, the forecast has {steps} steps: no state would be kept; lower it."
        )
