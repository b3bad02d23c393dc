"""Reader of one NetCDF file of trajectories, which is validated when it is opened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.disk_array import DiskArray
from datamodules.files.integrity import checked_hash
from datamodules.files.netcdf import Dimensions, provenance_in
from datamodules.files.oriented_array import OrientedArray
from datamodules.files.physical_parameters import read_parameters
from datamodules.files.reader import TrajectoryReader
from datamodules.files.selection import Range
from datamodules.files.space_axis import ordered, read_space_axis
from datamodules.files.time_axis import read_time_axis
from datamodules.notices import notify
from datamodules.solvers import Variable


class TrajectoryFile(TrajectoryReader):
    """File of trajectories on one grid with one interval, validated when it is opened.

    Args:
        path: Path of the NetCDF file.
        variables: Names of the variables that become channels, in this order.
        dimensions: Names of the dimensions.
        parameters: Names of physical parameters of the trajectories, in this order.
        times: Range of the snapshots that are used; the time axis is checked within it.
        part: If True, the file is a part of a run and may hold a single snapshot; its time axis is
            then checked when the parts are joined.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not NetCDF, or a variable, a dimension, a parameter, a coordinate or the
            time axis does not match; the message names the file and the remedy.
    """

    def __init__(
        self,
        path: Path,
        variables: Sequence[str],
        dimensions: Dimensions = Dimensions(),
        parameters: Sequence[str] = (),
        times: Range = Range(),
        part: bool = False,
    ) -> None:
        self.path = Path(path)
        self._arrays: list[DiskArray] | None = None
        with open_dataset(self.path) as dataset:
            names = [self._check_dimensions(dataset, name, dimensions) for name in variables]
            shapes = {name: dataset[name].shape for name in variables}
            if len(set(zip(map(tuple, names), shapes.values(), strict=True))) > 1:
                raise ValueError(
                    f"{path}: the variables must have the same dimensions, got {shapes}."
                )
            found, shape = list(names[0]), shapes[variables[0]]
            sizes = dict(zip(found, shape, strict=True))
            if not all(sizes.values()):
                raise ValueError(
                    f"{path}: variable '{variables[0]}' has no values (its shape is {shape}); "
                    "remove the file or write it again."
                )
            self.axes = ordered(
                self.path,
                [read_space_axis(dataset, self.path, d, sizes[d]) for d in dimensions.space],
            )
            if _is_spectral(provenance_in(dataset)):
                # files of earlier versions do not have this attribute
                self.axes = tuple(
                    replace(axis, attributes={"topology": "circular", **axis.attributes})
                    for axis in self.axes
                )
            self.dimensions = replace(dimensions, space=tuple(axis.name for axis in self.axes))
            self.space = tuple(axis.size for axis in self.axes)
            self.has_trajectories = dimensions.trajectory in sizes
            leading = (dimensions.trajectory,) if self.has_trajectories else ()
            self.trajectories = sizes[dimensions.trajectory] if self.has_trajectories else 1
            read = (*leading, dimensions.time, *self.dimensions.space)
            self._order = tuple(found.index(name) for name in read)
            self._reversed = tuple(read.index(axis.name) for axis in self.axes if axis.descending)
            self.parameters = read_parameters(
                dataset, self.path, parameters, dimensions.trajectory, self.trajectories
            )
            self.parameter_units = {
                name: str(getattr(dataset.variables.get(name), "units", "")) for name in parameters
            }
            self.time = read_time_axis(dataset, self.path, dimensions.time)
            self.variables = tuple(
                Variable(
                    name,
                    str(getattr(dataset[name], "long_name", name)),
                    str(getattr(dataset[name], "units", "1")),
                )
                for name in variables
            )
            self.standard_names = tuple(
                str(getattr(dataset[name], "standard_name", "")) for name in variables
            )
        self.used = times.of(len(self.time))
        self.interval = 0.0 if part else self.time.within(self.used).interval
        self._say_orientation()

    def _check_dimensions(
        self, dataset: netCDF4.Dataset, name: str, dimensions: Dimensions
    ) -> tuple[str, ...]:
        """Return the dimensions of a variable in the order of the file."""
        if name not in dataset.variables:
            raise ValueError(f"{self.path} has no variable '{name}', {_instead(dataset)}")
        required = (dimensions.time, *dimensions.space)
        found = dataset[name].dimensions
        if sorted(found) not in (sorted(required), sorted((dimensions.trajectory, *required))):
            wanted = ", ".join(required)
            more = [name for name in found if name not in (dimensions.trajectory, *required)]
            remedy = "set data.dimensions to the names in the file."
            if more and set(required) <= set(found):
                remedy = (
                    f"choose one item of {', '.join(more)} or make variables of them, for instance "
                    f"by xarray.open_dataset(...).isel({more[0]}=0).to_netcdf(...)."
                )
                if len(more) == 1 and dimensions.trajectory not in found:
                    option = f"data.dimensions.trajectory to {more[0]}"
                    remedy = f"set {option} if it counts trajectories, or {remedy}"
            raise ValueError(
                f"{self.path}: variable '{name}' has dimensions ({', '.join(found)}), expected "
                f"({wanted}) or ({dimensions.trajectory}, {wanted}), in any order; {remedy}"
            )
        return found

    def _say_orientation(self) -> None:
        """Print a note if axes are read in another direction or order than they are stored."""
        down = [axis.name for axis in self.axes if axis.descending]
        if down:
            notify(
                f"{self.path.parent}: descending in the files and read in increasing "
                f"order: {', '.join(down)}."
            )
        places = self._order[-len(self.space) :]
        if places != tuple(sorted(places)):
            names = ", ".join(self.dimensions.space)
            notify(f"{self.path.parent}: the fields are put in the order ({names}).")

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_arrays": None,
        }  # file handles cannot be passed to another process

    @property
    def files(self) -> "list[TrajectoryFile]":
        return [self]

    @property
    def layout(self) -> list[list[int]]:
        """Index of each axis in the file, and the axes that are reversed when they are read."""
        return [list(self._order), list(self._reversed)]

    def compute_hash(self) -> str:
        """Return the hash of the fields, and of the provenance in the file, if there is one."""
        return checked_hash(self.path, [variable.name for variable in self.variables])

    def _open(self, name: str) -> DiskArray:
        """Return a variable with its axes in the order (trajectory, time, y, x)."""
        array = open_array(self.path, name)
        if self._order == tuple(sorted(self._order)) and not self._reversed:
            return array
        return OrientedArray(array, self._order, self._reversed)

    def copy_to(self, out: np.ndarray, trajectory: int, start: int) -> None:
        if self._arrays is None:
            self._arrays = [self._open(variable.name) for variable in self.variables]
        times = slice(start, start + len(out))
        key = (trajectory, times) if self.has_trajectories else times
        for c, array in enumerate(self._arrays):
            array.copy_to(out[:, c], key)

    def close(self) -> None:
        for array in self._arrays or ():
            array.close()
        self._arrays = None


def _is_spectral(settings: dict[str, Any] | None) -> bool:
    """Return whether a file was made by `SpectralSolver`, by its provenance."""
    solver = (settings or {}).get("solver")
    return isinstance(solver, dict) and {"equation", "scheme"} <= solver.keys()


def open_dataset(path: Path) -> netCDF4.Dataset:
    """Return an open NetCDF file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is a folder, or not a NetCDF file.
    """
    if path.is_dir():
        kind = "a Zarr store" if _is_zarr(path) else "a folder"
        raise ValueError(
            f"{path} is {kind}, expected a NetCDF file; name the files within a folder by a "
            "pattern such as 'train/*.nc', and write a Zarr store as NetCDF by "
            "xarray.open_zarr(...).to_netcdf(...)."
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        return netCDF4.Dataset(path)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{path} is not a readable NetCDF file ({getattr(error, 'strerror', None) or error}): "
            "it may be truncated or of another format; restore it or remove it from the folder."
        ) from None


def _is_zarr(path: Path) -> bool:
    marks = (".zgroup", ".zattrs", ".zmetadata", "zarr.json")
    return path.suffix == ".zarr" or any((path / mark).exists() for mark in marks)


def _instead(dataset: netCDF4.Dataset) -> str:
    """Return the end of a message on a missing variable: those that exist, and the remedy."""
    available = [k for k in dataset.variables if k not in dataset.dimensions]
    groups = {name: list(group.variables) for name, group in dataset.groups.items()}
    if available or not groups:
        return (
            f"only {', '.join(available) or 'none'}; set data.variables to the names of the fields."
        )
    inside = "; ".join(f"{name}: {', '.join(held) or 'none'}" for name, held in groups.items())
    return (
        f"all its variables are in groups ({inside}), which are not read; write the fields at the "
        "top level, for instance by xarray.open_dataset(..., group=...).to_netcdf(...)."
    )
