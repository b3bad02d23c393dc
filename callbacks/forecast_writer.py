"""Writes forecasts to NetCDF while they are made."""

from pathlib import Path
from typing import Any

import netCDF4
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

from datamodules.netcdf import define, set_global_attributes
from datamodules.solvers import Grid
from emulators.rollout import RolloutObserver, Start, State


class ForecastWriter(Callback, RolloutObserver):
    """Writes the forecasts of `predict` to one CF NetCDF file per batch of initial conditions.

    The file is `forecast_NNNN.partial.nc` while it grows, and loses `partial` when it is complete;
    a run that is killed keeps what it had.

    Args:
        folder: Where to write; by default the trainer's `default_root_dir`.
        every: Steps between two stored states.
    """

    stages = ("predict",)

    def __init__(self, folder: Path | None = None, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"ForecastWriter.every must be at least 1, got {every}.")
        self.folder = folder
        self.every = every
        self.file: netCDF4.Dataset | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take hold of the data and make the folder."""
        self.data: Any = trainer.datamodule
        self.target = Path(self.folder or trainer.default_root_dir)
        self.target.mkdir(parents=True, exist_ok=True)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the file that was growing; its name keeps saying that it is partial."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def begin(self, start: Start) -> None:
        self.path = self.target / f"forecast_{int(start.index[0]):04d}.nc"
        self.partial = self.path.with_suffix(".partial.nc")
        self.file = netCDF4.Dataset(self.partial, "w", format="NETCDF4")
        grid = self.data.grid or Grid(tuple(start.initial.shape[2:]), (1.0,) * self.data.dimensions)
        sizes = {"trajectory": len(start.initial), "time": None}
        define(self.file, self.data.fields, grid, sizes)
        number = self.file.createVariable("trajectory", "i4", ("trajectory",))
        number.setncatts({"long_name": "number of the initial condition", "units": "1"})
        number[:] = start.index.cpu().numpy()
        set_global_attributes(self.file, "Forecast of a neural emulator")
        self.stored = 0

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if lead % self.every:
            return
        self.file["time"][self.stored] = lead * self.data.interval
        fields = forecast.float().cpu().numpy()
        for channel, variable in enumerate(self.data.fields):
            self.file[variable.name][:, self.stored] = fields[:, channel]
        self.stored += 1
        if self.stored % 100 == 0:
            self.file.sync()

    def end(self) -> None:
        self.file.close()
        self.file = None
        self.partial.replace(self.path)
        print(f"wrote {self.path}")
