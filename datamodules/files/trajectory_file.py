"""Reader of one file of trajectories, which is validated when it is opened."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.auxiliary import auxiliary_points
from datamodules.files.dimensions import Dimensions
from datamodules.files.disk_array import DiskArray
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable
from datamodules.files.formats.netcdf import NetCDF
from datamodules.files.groups import check_inputs, scope_of
from datamodules.files.input_fields import NO_INPUTS, FileInputs, InputNames
from datamodules.files.integrity import checked_hash
from datamodules.files.levels import levels_of, members_of
from datamodules.files.physical_parameters import read_parameters
from datamodules.files.provenance import provenance_in
from datamodules.files.radians import refuse_radians
from datamodules.files.reader import TrajectoryReader
from datamodules.files.selected import (
    Select,
    channel_names,
    check_used,
    items_of,
    note_dropped_dimensions,
    selected,
)
from datamodules.files.selection import Range
from datamodules.files.space_axis import ordered, read_space_axis
from datamodules.files.subset import WHOLE, Subset
from datamodules.files.time_axis import read_time_axis
from datamodules.notices import notify
from datamodules.solvers import Variable
from datamodules.solvers.finite import check_finite


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
        select: For each further dimension, the item that is read or the items that become channels,
            by the value of its coordinate, or by its index if it has none.
        interval: Time between snapshots if the file has no stamps; 0 if it has.
        inputs: Names of static fields, forcing and the mask.
        subset: Part of the domain that is read, and blocks of points that are averaged.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file has another format, or a variable, a dimension, a parameter, a
            coordinate or the time axis does not match; the message names the file and the remedy.
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
        select: Select = {},  # noqa: B006 - never changed
        interval: float = 0.0,
        inputs: InputNames = NO_INPUTS,
        subset: Subset = WHOLE,
    ) -> None:
        check_finite("TrajectoryFile", select=select, interval=interval)
        self.path = Path(path)
        self.format = format
        self._arrays: list[DiskArray] | None = None
        with format.open(self.path) as contents:
            self._check_names(contents, variables)
            stored = [contents.variables[name] for name in variables]
            check_inputs(contents, variables[0], inputs.variables)
            contents = scope_of(contents, variables)
            more = [contents.variables.get(name) for name in inputs.variables]
            check_used(self.path, select, [*stored, *(field for field in more if field)])
            chosen = [selected(contents, field, dimensions, select) for field in stored]
            fields = [field for each in chosen for field in each.fields]
            self._items = [item for each in chosen for item in each.items]
            for field in fields:
                self._check_dimensions(contents, field, dimensions)
            channels = channel_names(variables, select)
            axes_of = [dict(zip(field.dimensions, field.shape, strict=True)) for field in fields]
            sizes, shape = axes_of[0], fields[0].shape
            found = list(sizes)
            if any(list(other.items()) != list(sizes.items()) for other in axes_of):
                shown = dict(zip(channels, axes_of, strict=True))
                raise ValueError(
                    f"{path}: the variables must have the same dimensions, got {shown}; "
                    "name those that have them in data.variables."
                )
            if not all(sizes.values()):
                raise ValueError(
                    f"{path}: variable '{variables[0]}' has no values (its shape is {shape}); "
                    "write it again or remove it from data.SPLIT.files."
                )
            self.axes = ordered(
                self.path,
                [read_space_axis(contents, d, sizes[d]) for d in dimensions.space],
            )
            refuse_radians(self.path, self.axes)
            if _is_spectral(provenance_in(contents.attributes)):
                # files of earlier versions do not have this attribute
                self.axes = tuple(
                    replace(axis, attributes={"topology": "circular", **axis.attributes})
                    for axis in self.axes
                )
            self.axes = tuple(subset.axis(axis, self.path) for axis in self.axes)
            self.dimensions = replace(dimensions, space=tuple(axis.name for axis in self.axes))
            self.space = tuple(axis.size for axis in self.axes)
            self.has_trajectories = dimensions.trajectory in sizes
            leading = (dimensions.trajectory,) if self.has_trajectories else ()
            self.trajectories = sizes[dimensions.trajectory] if self.has_trajectories else 1
            read = (*leading, dimensions.time, *self.dimensions.space)
            self._order = tuple(found.index(name) for name in read)
            down = [axis.name for axis in self.axes if axis.descending]
            self._reversed = tuple(map(read.index, down))
            axes = {name: sizes[name] for name in read}
            self.inputs = FileInputs(contents, inputs, dimensions, axes, down, select, subset)
            dropped = [name for each in chosen for name in each.dropped]
            self.points = auxiliary_points(contents, stored[0], dimensions.space)
            self.levels = levels_of(contents, stored, dropped, parameters, select)
            counted = contents.variables.get(dimensions.trajectory)
            self.members = None
            if self.has_trajectories and counted is not None:
                self.members = members_of(counted, self.trajectories)
            self.parameters = read_parameters(
                contents, parameters, dimensions.trajectory, self.trajectories
            )
            self.parameter_units = {
                name: str(contents.variables[name].attributes.get("units", ""))
                if name in contents.variables
                else ""
                for name in parameters
            }
            size = sizes[dimensions.time]
            stamps = dimensions.time_variable
            self.time = read_time_axis(contents, dimensions.time, stamps, size, interval)
            self.variables = tuple(
                Variable(
                    name,
                    str(field.attributes.get("long_name", name)),
                    str(field.attributes.get("units", "1")),
                )
                for name, field in zip(channels, fields, strict=True)
            )
            self.standard_names = tuple(
                str(field.attributes.get("standard_name", "")) for field in fields
            )
        self._fields = fields
        self.used = times.of(len(self.time))
        self.interval = 0.0 if part else self.time.within(self.used).interval
        self._say_orientation()
        note_dropped_dimensions(self.path, dropped, self.levels)

    def _check_names(self, contents: Contents, variables: Sequence[str]) -> None:
        """Check that the file has all variables."""
        for name in variables:
            if name not in contents.variables:
                raise ValueError(f"{self.path} has no variable '{name}', {_instead(contents)}")

    def _check_dimensions(
        self, contents: Contents, field: StoredVariable, dimensions: Dimensions
    ) -> None:
        """Check that a variable has the dimensions of a field after the selection of items."""
        required = (dimensions.time, *dimensions.space)
        found = field.dimensions
        if sorted(found) in (sorted(required), sorted((dimensions.trajectory, *required))):
            return
        sizes = dict(zip(found, field.shape, strict=True))
        more = [name for name in found if name not in (dimensions.trajectory, *required)]
        remedy = "set data.dimensions to the names in the file."
        if dimensions.time not in found and set(dimensions.space) <= set(found):
            remedy = f"list it in data.static if it does not change with time, or {remedy}"
        if more and set(required) <= set(found):
            remedy = f"select an item of {more[0]} by data.select: {{{more[0]}: ...}} or make "
            remedy += f"channels of some by a list of them ({more[0]} has "
            remedy += f"{items_of(contents, more[0], sizes[more[0]])})."
            if len(more) == 1 and dimensions.trajectory not in found:
                option = f"data.dimensions.trajectory to {more[0]}"
                remedy = f"set {option} if it counts trajectories, or {remedy}"
        wanted = ", ".join(required)
        raise ValueError(
            f"{self.path}: variable '{field.name}' has dimensions ({', '.join(found)}), expected "
            f"({wanted}) or ({dimensions.trajectory}, {wanted}), in any order; {remedy}"
        )

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
    def forcing(self) -> tuple[Variable, ...]:
        return self.inputs.forcing_variables

    @property
    def static(self) -> tuple[Variable, ...]:
        return self.inputs.static_variables

    def read_static(self) -> np.ndarray:
        return self.inputs.read_static()

    def read_mask(self) -> np.ndarray | None:
        return self.inputs.read_mask()

    @property
    def layout(self) -> list[list[int]]:
        """Index of each axis in the file, the axes that are reversed, and the items selected."""
        found = [list(self._order), list(self._reversed)]
        if any(item >= 0 for items in self._items for item in items):
            found += self._items
        return found

    def compute_hash(self) -> str:
        """Return the hash of the fields, and of the provenance in the file, if there is one."""
        names = [field.name for field in (*self._fields, *self.inputs.fields)]
        names = list(dict.fromkeys(names))
        return checked_hash(self.path, names, self.format)

    def copy_to(self, out: np.ndarray, trajectory: int, start: int) -> None:
        if self._arrays is None:
            self._arrays = [*map(self.inputs.open, self._fields), *self.inputs.open_forcing()]
        times = slice(start, start + len(out))
        key = (trajectory, times) if self.has_trajectories else times
        for c, array in enumerate(self._arrays):
            array.copy_to(out[:, c], key)

    def absent_chunk(self, channel: int) -> str:
        """Return a file of a channel that is not in its store; empty if there is none."""
        return self._arrays[channel].absent_chunk() if self._arrays else ""

    def close(self) -> None:
        for array in self._arrays or ():
            array.close()
        self._arrays = None


def _is_spectral(settings: dict[str, Any] | None) -> bool:
    """Return whether a file was made by `SpectralSolver`, by its provenance."""
    solver = (settings or {}).get("solver")
    return isinstance(solver, dict) and {"equation", "scheme"} <= solver.keys()


def _instead(contents: Contents) -> str:
    """Return the end of a message on a missing variable: the existing variables, and the remedy."""
    available = [k for k in contents.variables if k not in contents.coordinates]
    return f"only {', '.join(available) or 'none'}; set data.variables to the names of the fields."
