"""One NetCDF file of trajectories, validated when it is opened and read one window at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from datamodules.arrays import open_array
from datamodules.disk_array import DiskArray
from datamodules.integrity import checked_hash
from datamodules.netcdf import Dimensions
from datamodules.parameters import read_parameters
from datamodules.solvers import Grid, Variable

SYMBOLS = {"seconds": "s", "minutes": "min", "hours": "h", "days": "d"}


class TrajectoryFile:
    """A validated file of trajectories on one grid with one interval.

    Args:
        path: NetCDF file.
        variables: Names of the variables that become channels, in this order.
        dimensions: Names of the dimensions.
        parameters: Names of physical parameters of the trajectories, in this order.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not NetCDF, or a variable, a dimension, a parameter or the time axis is
            not as asked; the message names the file and what to change.
    """

    def __init__(
        self,
        path: Path,
        variables: Sequence[str],
        dimensions: Dimensions = Dimensions(),
        parameters: Sequence[str] = (),
    ) -> None:
        self.path = Path(path)
        self.dimensions = dimensions
        self._arrays: list[DiskArray] | None = None
        if not self.path.is_file():
            raise FileNotFoundError(f"{path}: no such file.")
        try:
            dataset = netCDF4.Dataset(self.path)
        except OSError as error:
            raise ValueError(
                f"{path} is not a readable NetCDF file ({error.strerror or error}): it may be "
                "truncated or of another format; restore it or remove it from the folder."
            ) from None
        with dataset:
            shapes = {name: self._check_dimensions(dataset, name) for name in variables}
            if len(set(shapes.values())) > 1:
                raise ValueError(
                    f"{path}: the variables must have the same dimensions, got {shapes}."
                )
            self.shape = shapes[variables[0]]
            self.space = self.shape[-len(dimensions.space) :]
            self.has_trajectories = len(self.shape) == 2 + len(self.space)
            self.trajectories = self.shape[0] if self.has_trajectories else 1
            self.parameters = read_parameters(
                dataset, self.path, parameters, dimensions.trajectory, self.trajectories
            )
            self.times = self._read_times(dataset)
            self.coordinates = {
                name: (np.asarray(dataset[name][:]), attributes(dataset[name]))
                for name in dimensions.space
                if name in dataset.variables
            }
            self.grid = self._make_grid()
            self.time_attributes = attributes(dataset[dimensions.time])
            units = str(self.time_attributes.get("units", "1")).split(" since")[0]
            self.time_units = SYMBOLS.get(units, units)
            self.variables = tuple(
                Variable(
                    name,
                    str(getattr(dataset[name], "long_name", name)),
                    str(getattr(dataset[name], "units", "1")),
                )
                for name in variables
            )
        _, labels = self.coordinates.get(dimensions.space[-1], ((), {}))
        self.length_units = str(labels.get("units", "1"))
        self.snapshots = len(self.times)
        self.interval = float(self.times[1] - self.times[0])

    def _check_dimensions(self, dataset: netCDF4.Dataset, name: str) -> tuple[int, ...]:
        if name not in dataset.variables:
            available = [k for k in dataset.variables if k not in dataset.dimensions]
            raise ValueError(
                f"{self.path} has no variable '{name}', only {', '.join(available) or 'none'}; "
                "set data.variables to the names of the fields."
            )
        required = (self.dimensions.time, *self.dimensions.space)
        found = dataset[name].dimensions
        if found not in (required, (self.dimensions.trajectory, *required)):
            wanted = ", ".join(required)
            raise ValueError(
                f"{self.path}: variable '{name}' has dimensions ({', '.join(found)}), expected "
                f"({wanted}) or ({self.dimensions.trajectory}, {wanted}); set data.dimensions to "
                "the names in the file, and transpose a file whose order differs."
            )
        return dataset[name].shape

    def _read_times(self, dataset: netCDF4.Dataset) -> np.ndarray:
        name = self.dimensions.time
        if name not in dataset.variables:
            raise ValueError(
                f"{self.path} has no coordinate variable '{name}' for its time dimension; add one "
                "with uniform steps."
            )
        times = np.ma.filled(np.ma.asarray(dataset[name][:], dtype=np.float64), np.nan)
        if len(times) < 2:
            raise ValueError(f"{self.path} holds {len(times)} snapshots, at least 2 are needed.")
        steps = np.diff(times)
        worst = int(np.abs(steps - steps[0]).argmax()) if np.isfinite(steps).all() else 0
        # a float32 time axis keeps about 7 digits of its largest value
        slack = 1e-4 * abs(steps[0]) + 4e-7 * np.abs(times).max()
        if not steps[0] > 0 or not abs(steps[worst] - steps[0]) <= slack:
            raise ValueError(
                f"{self.path}: '{name}' must increase in uniform steps, but goes "
                f"{times[0]:g}, {times[1]:g}, ... and {times[worst]:g}, {times[worst + 1]:g}; "
                "interpolate the data to a uniform time axis."
            )
        return times

    def _make_grid(self) -> Grid | None:
        """Return the periodic grid of uniform coordinates, or None where there is none."""
        lengths = []
        for name, size in zip(self.dimensions.space, self.space, strict=True):
            if name not in self.coordinates or size < 4 or size % 2:
                return None
            steps = np.diff(self.coordinates[name][0].astype(np.float64))
            if not (steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-3)):
                return None
            lengths.append(float(steps.mean() * size))
        return Grid(self.space, tuple(lengths))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": None}  # handles do not cross to another process

    def compute_hash(self) -> str:
        """Return the hash of the fields and, if the file says, of what determined them."""
        return checked_hash(self.path, [variable.name for variable in self.variables])

    def copy_to(self, out: np.ndarray, trajectory: int, start: int) -> int:
        """Write the snapshots from `start` on into float32 (time, channel, *space).

        Returns:
            How many bytes of the file are now part of this process's memory, at most.
        """
        if self._arrays is None:
            self._arrays = [open_array(self.path, variable.name) for variable in self.variables]
        times = slice(start, start + len(out))
        key = (trajectory, times) if self.has_trajectories else times
        return sum(array.copy_to(out[:, c], key) for c, array in enumerate(self._arrays))

    def read(self, trajectory: int, start: int, stop: int) -> np.ndarray:
        """Return snapshots start..stop of a trajectory, float32 (time, channel, *space)."""
        window = np.empty((stop - start, len(self.variables), *self.space), dtype=np.float32)
        self.copy_to(window, trajectory, start)
        return window

    def release(self) -> None:
        """Let what was read of the file be no longer part of this process's memory."""
        for array in self._arrays or ():
            array.release()

    def close(self) -> None:
        """Give back the open file, if it is open; the next read opens it again."""
        for array in self._arrays or ():
            array.close()
        self._arrays = None


def attributes(variable: netCDF4.Variable) -> dict[str, Any]:
    """Return the attributes of a variable."""
    return {name: variable.getncattr(name) for name in variable.ncattrs() if name != "_FillValue"}


def check_agreement(files: Sequence[TrajectoryFile]) -> None:
    """Refuse files that differ in grid or interval.

    Raises:
        ValueError: Two files differ; the message names both and the difference.
    """
    for file in files[1:]:
        first = files[0]
        if file.space != first.space:
            difference = f"a grid of {file.space}", f"of {first.space}"
        elif not _same_domain(file.grid, first.grid):
            difference = f"the domain {file.grid}", f"{first.grid}"
        elif abs(file.interval - first.interval) > 1e-3 * first.interval:
            difference = f"a time step of {file.interval:g}", f"of {first.interval:g}"
        else:
            continue
        raise ValueError(
            f"{file.path} has {difference[0]}, {first.path} {difference[1]}; all files of a data "
            "set must share grid and time step."
        )


def _same_domain(a: Grid | None, b: Grid | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.is_same_domain(b)
