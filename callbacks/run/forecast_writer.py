"""Writes forecasts to NetCDF or Zarr while they are computed."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from torch import Tensor

from callbacks.diagnostics.options import is_whole
from callbacks.run.provenance import provenance
from datamodules.description import DataDescription
from datamodules.files.growing_file import Definition, GrowingFile, NewVariable
from datamodules.files.growing_netcdf import GrowingNetCDF
from datamodules.files.growing_zarr import GrowingZarr
from datamodules.files.netcdf_writer import global_attributes
from emulators.checkpoint_checks import described
from emulators.rollout import Members, RolloutBatch, RolloutObserver, State

ForecastFormat = Literal["netcdf", "zarr"]
FORMATS: dict[str, type[GrowingFile]] = {"netcdf": GrowingNetCDF, "zarr": GrowingZarr}


class ForecastWriter(Callback, RolloutObserver):
    """Writes the forecasts of `predict`, one file per batch of initial conditions.

    The files are CF NetCDF, or Zarr stores with the same contents, which are better for long
    forecasts: their chunks hold many states, and several programs may read them at once.

    Dimensions and spatial coordinates are taken from the data. The time axis counts from the start
    of each forecast; `valid_time(trajectory, time)` is in the units and the calendar of the data
    (`verification_time` if the data's dimension of time is called `valid_time`). Forecasts of an
    ensemble (`data.predict_rollouts.members`) have a dimension `member` after the trajectory.
    The attribute `provenance` records the emulator, the data and the code.

    While it grows, the file is called `forecast_NNNN.partial.nc` (or `.zarr`). It is renamed when
    it is complete; a run that is killed leaves a partial file.

    Args:
        folder: Folder of the files; by default the trainer's `default_root_dir`.
        every: Number of steps between two stored states.
        format: Format of the files, `netcdf` or `zarr`; the latter needs the extra `zarr`.

    Example:
        Every other state of forecasts of six steps by an emulator that never changes the state:

        >>> import numpy as np
        >>> import xarray
        >>> from torch import nn
        >>> from datamodules import Dimensions, NumPy, Rollouts, SplitFiles, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> np.save("u.npy", np.outer(np.arange(9.0), np.ones(8)))
        >>> data = TrajectoryDataModule(
        ...     Path("."), ["u"], Dimensions(space=("x",)), test=SplitFiles("u.npy"),
        ...     format=NumPy(["time", "x"], interval=1.0), predict_rollouts=Rollouts(2, steps=6),
        ... )
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
        >>> writer = ForecastWriter(folder=Path("forecasts"), every=2)
        >>> trainer = Trainer(callbacks=[writer], accelerator="cpu", **off)
        >>> emulator = Baseline(network=nn.Identity(), dimensions=1)
        >>> _ = trainer.predict(emulator, data)  # doctest: +ELLIPSIS
        wrote forecasts/forecast_0000.nc...
        >>> with xarray.open_dataset("forecasts/forecast_0000.nc") as forecasts:
        ...     dict(forecasts["u"].sizes), forecasts["u"].values[1, :, 0].tolist()
        ({'trajectory': 2, 'time': 3, 'x': 8}, [6.0, 6.0, 6.0])
    """

    stages = ("predict",)

    def __init__(
        self, folder: Path | None = None, every: int = 1, format: ForecastFormat = "netcdf"
    ) -> None:
        if not is_whole(every):
            raise ValueError(f"ForecastWriter.every must be at least 1, got {every}.")
        self.folder = folder
        self.every = every
        self.format: ForecastFormat = format
        self.file: GrowingFile | None = None
        self.has_members = False

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the description of the data and create the folder."""
        FORMATS[self.format].check_installed()
        self.data = described(trainer.datamodule)
        self.about = provenance(trainer, pl_module, "predict")
        check_names(self.data)
        self.target = Path(self.folder or trainer.default_root_dir)
        self.target.mkdir(parents=True, exist_ok=True)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the unfinished file, which keeps the name of a partial file."""
        if self.file is not None:
            with suppress(RuntimeError, OSError):  # of a disk that is full
                self.file.close()
            self.file = None

    def begin(self, start: RolloutBatch) -> None:
        if start.steps < self.every:
            raise ValueError(
                f"ForecastWriter.every is {self.every}, the rollouts have {start.steps} steps: "
                "nothing would be stored; lower it."
            )
        self.times = np.asarray(start.times, float)
        self.has_members = start.perturbed is not None
        contents = file_layout(self.data, start, start.steps // self.every, self.about)
        path = self.target / f"forecast_{int(start.index[0]):04d}.nc"
        self.file = FORMATS[self.format](path, contents)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if not self.has_members:
            self._write(lead, self.data.with_missing(forecast))

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        fields = self.data.with_missing(members.flatten(0, 1))
        self._write(lead, fields.unflatten(0, members.shape[:2]).transpose(0, 1))

    def _write(self, lead: int, fields: Tensor) -> None:
        """Append the fields (trajectory, *member, channel, *space) of a lead."""
        if self.file is None or lead % self.every:
            return
        elapsed, channel = lead * self.data.interval, 2 if self.has_members else 1
        values = fields.float().cpu().numpy()
        self.file.append(
            {
                self.data.time_dimension: elapsed,
                valid_time_name(self.data): self.times + elapsed,
                **{n: values.take(c, channel) for c, n in enumerate(self.data.variables)},
            }
        )

    def end(self) -> None:
        if self.file is not None:
            self.file.complete()
            print(f"wrote {self.file.path}")
            self.file = None


def file_layout(
    data: DataDescription, start: RolloutBatch, length: int, about: dict[str, Any]
) -> Definition:
    """Return the definition of a file of forecasts: dimensions, coordinates and fields.

    Args:
        data: Description of the data.
        start: Initial conditions of the forecasts.
        length: Number of states that will be stored of each forecast.
        about: Provenance of the forecasts, as JSON values.
    """
    names, valid_name = data.dimension_names, valid_time_name(data)
    trajectory, time = (names.trajectory,), (names.time,)
    space = zip(names.space, start.initial.shape[2:], strict=True)
    number = {"long_name": "number of the initial condition", "units": "1"}
    parameter = {"long_name": "physical parameter, on which the emulator is conditioned"}
    period = {"long_name": "lead time", "standard_name": "forecast_period"}
    valid = {"long_name": "time of the forecast state", **data.time_attributes}
    known = () if start.parameters is None else start.parameters.unbind(1)
    variables = [
        *(
            NewVariable(name, values.dtype.str, (name,), attributes, values)
            for name, (values, attributes) in data.coordinates.items()
        ),
        NewVariable(names.trajectory, "i4", trajectory, number, start.index.cpu().numpy()),
        *(
            NewVariable(name, "f8", trajectory, parameter, values.cpu().numpy())
            for name, values in zip(data.parameters, known, strict=True)
        ),
        NewVariable(names.time, "f8", time, {**period, "units": data.units[1], "axis": "T"}),
        NewVariable(valid_name, "f8", trajectory + time, valid),
    ]
    members: dict[str, int] = {}
    if start.perturbed is not None:
        members = {member_name(data): 1 + len(start.perturbed)}
        label = {"long_name": "member of the ensemble", "standard_name": "realization"}
        for name, count in members.items():
            variables.append(NewVariable(name, "i4", (name,), label, np.arange(count, dtype="i4")))
    dimensions = (*trajectory, *members, *time, *names.space)
    for field in data.fields:
        labels = {"long_name": field.long_name, "units": field.units, "coordinates": valid_name}
        variables.append(NewVariable(field.name, "f4", dimensions, labels))
    sizes = {names.trajectory: len(start.initial), **members, names.time: length, **dict(space)}
    attributes = global_attributes("Forecast of a neural emulator", provenance=about, comment="")
    return Definition(sizes, names.time, tuple(variables), attributes)


def valid_time_name(data: DataDescription) -> str:
    """Return the name of the variable of the times at which forecast states are valid."""
    return "verification_time" if data.time_dimension == "valid_time" else "valid_time"


def member_name(data: DataDescription) -> str:
    """Return the name of the dimension of the members of an ensemble."""
    names = data.dimension_names
    taken = {names.trajectory, names.time, *names.space, *data.variables, *data.parameters}
    return "ensemble_member" if "member" in taken else "member"


def check_names(data: DataDescription) -> None:
    """Check that no two parts of a forecast would have the same name.

    Raises:
        ValueError: Two dimensions, variables or parameters have the same name.
    """
    names = data.dimension_names
    taken = [names.trajectory, names.time, *names.space, valid_time_name(data)]
    taken += [*data.variables, *data.parameters]
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise ValueError(
            f"a forecast would have two things called '{twice[0]}' (dimensions, "
            f"'{valid_time_name(data)}', variables and parameters); set "
            "data.dimensions.trajectory to another name, or rename it in the files."
        )
