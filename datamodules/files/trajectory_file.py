"""Reader of one file of trajectories, which is validated when it is opened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.dimensions import Dimensions
from datamodules.files.disk_array import DiskArray
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable
from datamodules.files.formats.netcdf import NetCDF
from datamodules.files.integrity import checked_hash
from datamodules.files.oriented_array import OrientedArray
from datamodules.files.physical_parameters import read_parameters
from datamodules.files.provenance import provenance_in
from datamodules.files.reader import TrajectoryReader
from datamodules.files.selection import Range
from datamodules.files.space_axis import ordered, read_space_axis
from datamodules.files.time_axis import read_time_axis
from datamodules.notices import notify
from datamodules.solvers import Variable


class TrajectoryFile(TrajectoryReader):
    """File of trajectories on one grid with one interval, validated when it is opened.

    Args:
        path: Path of the file.
        variables: Names of the variables that become channels, in this order.
        dimensions: Names of the dimensions.
        parameters: Names of physical parameters of the trajectories, in this order.
        times: Range of the snapshots that are used; the time axis is checked within it.
        part: If True, the file is a part of a run and may hold a single snapshot; its time axis is
            then checked when the parts are joined.
        format: Format of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format, or a variable, a dimension, a parameter, a coordinate
            or the time axis does not match; the message names the file and the remedy.
    """

    def __init__(
        self,
        path: Path,
        variables: Sequence[str],
        dimensions: Dimensions = Dimensions(),
        parameters: Sequence[str] = (),
        times: Range = Range(),
        part: bool = False,
        format: FileFormat = NetCDF(),
    ) -> None:
        self.path = Path(path)
        self.format = format
        self._arrays: list[DiskArray] | None = None
        with format.open(self.path) as contents:
            fields = [self._find(contents, name, dimensions) for name in variables]
            names = [field.dimensions for field in fields]
            shapes = {field.name: field.shape for field in fields}
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
                [read_space_axis(contents, d, sizes[d]) for d in dimensions.space],
            )
            if _is_spectral(provenance_in(contents.attributes)):
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
                contents, parameters, dimensions.trajectory, self.trajectories
            )
            self.parameter_units = {
                name: str(contents.variables[name].attributes.get("units", ""))
                if name in contents.variables
                else ""
                for name in parameters
            }
            self.time = read_time_axis(contents, dimensions.time)
            self.variables = tuple(
                Variable(
                    field.name,
                    str(field.attributes.get("long_name", field.name)),
                    str(field.attributes.get("units", "1")),
                )
                for field in fields
            )
            self.standard_names = tuple(
                str(field.attributes.get("standard_name", "")) for field in fields
            )
        self._fields = fields
        self.used = times.of(len(self.time))
        self.interval = 0.0 if part else self.time.within(self.used).interval
        self._say_orientation()

    def _find(self, contents: Contents, name: str, dimensions: Dimensions) -> StoredVariable:
        """Return a variable that has the dimensions of a field."""
        if name not in contents.variables:
            raise ValueError(f"{self.path} has no variable '{name}', {_instead(contents)}")
        required = (dimensions.time, *dimensions.space)
        field = contents.variables[name]
        found = field.dimensions
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
        return field

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
        return checked_hash(self.path, [field.name for field in self._fields], self.format)

    def _open(self, field: StoredVariable) -> DiskArray:
        """Return a variable with its axes in the order (trajectory, time, y, x)."""
        array = field.open()
        if self._order == tuple(sorted(self._order)) and not self._reversed:
            return array
        return OrientedArray(array, self._order, self._reversed)

    def copy_to(self, out: np.ndarray, trajectory: int, start: int) -> None:
        if self._arrays is None:
            self._arrays = [self._open(field) for field in self._fields]
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


def _instead(contents: Contents) -> str:
    """Return the end of a message on a missing variable: those that exist, and the remedy."""
    available = [k for k in contents.variables if k not in contents.coordinates]
    if available or not contents.groups:
        return (
            f"only {', '.join(available) or 'none'}; set data.variables to the names of the fields."
        )
    inside = "; ".join(
        f"{name}: {', '.join(held) or 'none'}" for name, held in contents.groups.items()
    )
    return (
        f"all its variables are in groups ({inside}), which are not read; write the fields at the "
        "top level, for instance by xarray.open_dataset(..., group=...).to_netcdf(...)."
    )
