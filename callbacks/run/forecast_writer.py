"""Writes forecasts to NetCDF while they are computed."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import netCDF4
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

from callbacks.diagnostics.options import is_whole
from callbacks.run.provenance import provenance
from datamodules.description import DataDescription
from datamodules.files.netcdf_writer import set_global_attributes, writing
from emulators.checkpoint_checks import described
from emulators.rollout import RolloutBatch, RolloutObserver, State


class ForecastWriter(Callback, RolloutObserver):
    """Writes the forecasts of `predict` to one CF NetCDF file per batch of initial conditions.

    Dimensions and spatial coordinates are taken from the data. The time axis counts from the start
    of each forecast; `valid_time(trajectory, time)` is in the units and the calendar of the data.
    The attribute `provenance` records the emulator, the data and the code.

    The file is `forecast_NNNN.partial.nc` while it grows, and loses `partial` when it is complete;
    a run that is killed leaves a partial file.

    Args:
        folder: Folder of the files; by default the trainer's `default_root_dir`.
        every: Number of steps between two stored states.

    Example:
        >>> ForecastWriter(folder=Path("forecasts"), every=10).every
        10
    """

    stages = ("predict",)

    def __init__(self, folder: Path | None = None, every: int = 1) -> None:
        if not is_whole(every):
            raise ValueError(f"ForecastWriter.every must be at least 1, got {every}.")
        self.folder = folder
        self.every = every
        self.file: ForecastFile | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the description of the data and make the folder."""
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
        self.file = ForecastFile(self.target / f"forecast_{int(start.index[0]):04d}.nc", self.data)
        self.file.define(start, self.about)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if self.file is not None and lead % self.every == 0:
            self.file.append(lead, forecast)

    def end(self) -> None:
        if self.file is not None:
            self.file.complete()
            self.file = None


class ForecastFile:
    """NetCDF file of the forecasts from a batch of initial conditions, while it grows.

    Args:
        path: File when it is complete.
        data: Description of the data.
    """

    def __init__(self, path: Path, data: DataDescription) -> None:
        self.path = path
        self.partial = path.with_suffix(".partial.nc")
        self.data = data
        self.times: Sequence[float] = ()
        self.stored = 0
        with writing(self.partial):
            self.file = netCDF4.Dataset(self.partial, "w", format="NETCDF4")

    def define(self, start: RolloutBatch, about: dict[str, Any]) -> None:
        """Create dimensions, coordinates and fields.

        Args:
            start: Initial conditions of the forecasts.
            about: Provenance of the forecasts, as values of JSON.
        """
        self.times = start.times
        with writing(self.partial):
            self._define(start, about)

    def _define(self, start: RolloutBatch, about: dict[str, Any]) -> None:
        file, names = self.file, self.data.dimension_names
        file.createDimension(names.trajectory, len(start.initial))
        file.createDimension(names.time, None)
        for name, size in zip(names.space, start.initial.shape[2:], strict=True):
            file.createDimension(name, size)
        for name, (values, attributes) in self.data.coordinates.items():
            file.createVariable(name, values.dtype, (name,)).setncatts(attributes)
            file[name][:] = values
        number = file.createVariable(names.trajectory, "i4", (names.trajectory,))
        number.setncatts({"long_name": "number of the initial condition", "units": "1"})
        number[:] = start.index.cpu().numpy()
        known = () if start.parameters is None else start.parameters.unbind(1)
        for name, values in zip(self.data.parameters, known, strict=True):
            parameter = file.createVariable(name, "f8", (names.trajectory,))
            parameter.long_name = "physical parameter, on which the emulator is conditioned"
            parameter[:] = values.cpu().numpy()
        period = {"long_name": "lead time", "standard_name": "forecast_period"}
        time = file.createVariable(names.time, "f8", (names.time,))
        time.setncatts({**period, "units": self.data.units[1], "axis": "T"})
        valid = file.createVariable("valid_time", "f8", (names.trajectory, names.time))
        valid.setncatts({"long_name": "time of the forecast state", **self.data.time_attributes})
        dims = (names.trajectory, names.time, *names.space)
        for variable in self.data.fields:
            chunks = (1, 1, *start.initial.shape[2:])
            field = file.createVariable(variable.name, "f4", dims, chunksizes=chunks)
            labels = {"long_name": variable.long_name, "units": variable.units}
            field.setncatts({**labels, "coordinates": "valid_time"})
        set_global_attributes(file, "Forecast of a neural emulator", provenance=about, comment="")

    def append(self, lead: int, forecast: State) -> None:
        """Write the states (trajectory, channel, *space) at a lead [intervals]."""
        with writing(self.partial):
            self._append(lead, forecast)

    def _append(self, lead: int, forecast: State) -> None:
        elapsed = lead * self.data.interval
        self.file[self.data.dimension_names.time][self.stored] = elapsed
        self.file["valid_time"][:, self.stored] = [time + elapsed for time in self.times]
        fields = forecast.float().cpu().numpy()
        for channel, variable in enumerate(self.data.fields):
            self.file[variable.name][:, self.stored] = fields[:, channel]
        self.stored += 1
        if self.stored % 100 == 0:
            self.file.sync()

    def close(self) -> None:
        """Close the file, which keeps the name of a partial file."""
        self.file.close()

    def complete(self) -> None:
        """Close the file and give it the name of a complete one."""
        with writing(self.partial):
            self.file.close()
        self.partial.replace(self.path)
        print(f"wrote {self.path}")


def check_names(data: DataDescription) -> None:
    """Refuse data with which two parts of a forecast would have the same name.

    Raises:
        ValueError: Two dimensions, variables or parameters have the same name.
    """
    names = data.dimension_names
    taken = [names.trajectory, names.time, *names.space, "valid_time"]
    taken += [*data.variables, *data.parameters]
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise ValueError(
            f"a forecast would have two things called '{twice[0]}' (dimensions, 'valid_time', "
            "variables and parameters); set data.dimensions.trajectory to another name, or rename "
            "it in the files."
        )
