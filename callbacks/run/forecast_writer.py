"""Writes forecasts to NetCDF or Zarr while they are computed."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

from callbacks.diagnostics.options import is_whole
from callbacks.run.provenance import provenance
from datamodules.files.growing_file import Definition, GrowingFile
from datamodules.files.growing_netcdf import GrowingNetCDF
from datamodules.files.growing_zarr import GrowingZarr
from datamodules.forecast_layout import check_names
from emulators.checkpoint_checks import described
from emulators.forecasting.recorder import ForecastRecorder
from emulators.rollout import RolloutBatch

ForecastFormat = Literal["netcdf", "zarr"]
FORMATS: dict[str, type[GrowingFile]] = {"netcdf": GrowingNetCDF, "zarr": GrowingZarr}
CLOCK = 2.0  # seconds by which the clock of a file system may be behind


class ForecastWriter(Callback, ForecastRecorder):
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

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the description of the data and create the folder."""
        FORMATS[self.format].check_installed()
        self.data = described(trainer.datamodule)
        self.about = provenance(trainer, pl_module, "predict")
        check_names(self.data)
        self.target = Path(self.folder or trainer.default_root_dir)
        self.target.mkdir(parents=True, exist_ok=True)
        self.began = time.time()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print a note on forecasts of an earlier call that are in the same folder."""
        found = sorted(self.target.glob("forecast_[0-9]*")) if trainer.is_global_zero else []
        earlier = [path.name for path in found if path.stat().st_mtime < self.began - CLOCK]
        if earlier:
            print(
                f"note: {self.target} also has {len(earlier)} forecasts of an earlier call "
                f"({earlier[0]}{' and others' if len(earlier) > 1 else ''}), which do not belong "
                "to these; remove them, or set ForecastWriter.folder."
            )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Close the unfinished file, which keeps the name of a partial file."""
        if self.file is not None:
            with suppress(RuntimeError, OSError):  # of a disk that is full
                self.file.close()
            self.file = None

    def open(self, start: RolloutBatch, definition: Definition) -> GrowingFile:
        if start.steps < self.every:
            raise ValueError(
                f"ForecastWriter.every is {self.every}, the rollouts have {start.steps} steps: "
                "nothing would be stored; lower it."
            )
        path = self.target / f"forecast_{int(start.index[0]):04d}.nc"
        return FORMATS[self.format](path, definition)

    def end(self) -> None:
        written = self.file
        super().end()
        if written is not None:
            print(f"wrote {written.path}")
