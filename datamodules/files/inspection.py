"""Guess of the configuration that reads a file: its fields and their axes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datamodules.files.axis_roles import FIRM, role_of_attributes, role_of_name
from datamodules.files.dimensions import Dimensions
from datamodules.files.disk_array import LARGEST, ArrayKey
from datamodules.files.formats.detect import format_of
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable
from datamodules.files.formats.plain_arrays import PlainArrays
from datamodules.files.groups import Scope
from datamodules.files.physical_parameters import is_number
from datamodules.files.plain_inspection import PlainLayout, layout_of
from datamodules.files.units import SECONDS, time_unit

TIMES = ("time", "valid_time", "t", "times", "time_counter", "date")
MEMBERS = (
    *("trajectory", "sample", "member", "number", "ensemble", "realization", "realisation"),
    *("batch", "run", "simulation", "n", "ens"),
)
SMALL = 2**24  # values of a variable that are all read to count the missing ones


@dataclass(frozen=True)
class Inspection:
    """Guess of the options that read a file.

    Args:
        path: File.
        format: Format of the file.
        variables: Variables of the file, with coordinates.
        fields: Names of the variables that are fields, which share their dimensions.
        dimensions: Names of the dimensions of the fields, or None if there are no fields.
        other: Dimensions of the fields that are neither time, trajectory nor space.
        parameters: Names of attributes and variables that may be physical parameters.
        coordinates: Coordinates of the fields, by the name of their dimension.
        layout: Options of the format that are guessed, and what is missing in the file.
    """

    path: Path
    format: FileFormat
    variables: dict[str, StoredVariable]
    fields: tuple[str, ...]
    dimensions: Dimensions | None
    other: tuple[str, ...]
    parameters: tuple[str, ...]
    coordinates: dict[str, StoredVariable] = field(default_factory=dict)
    layout: PlainLayout = field(default_factory=PlainLayout)

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the spatial dimensions, (y, x) or (x,); none if there are no fields."""
        return () if self.dimensions is None else self.dimensions.space

    @property
    def static(self) -> tuple[str, ...]:
        """Names of the variables over space alone, which may be static fields or masks."""
        return tuple(
            name
            for name, variable in self.variables.items()
            if self.space
            and sorted(variable.dimensions) == sorted(self.space)
            and variable.kind in "iuf"
            and name not in self.space
        )

    @property
    def forcing(self) -> tuple[str, ...]:
        """Names of further variables of time on the grid of the fields, which may be forcing."""
        if self.dimensions is None:
            return ()
        needed = {self.dimensions.time, *self.space}
        allowed = needed | {self.dimensions.trajectory}
        found = []
        for name, variable in self.variables.items():
            sizes = zip(variable.dimensions, variable.shape, strict=True)
            several = {dimension for dimension, size in sizes if size > 1} - needed
            whole = needed <= set(variable.dimensions) and several <= allowed
            if whole and name not in self.fields and _may_be_field(variable):
                found.append(name)
        return tuple(found)

    @property
    def items(self) -> dict[str, list[int | float]]:
        """Items of each further dimension of several, as `data.select` names them."""
        found: dict[str, list[int | float]] = {}
        for name in self.other:
            stored = self.variables[self.fields[0]]
            size = stored.shape[stored.dimensions.index(name)]
            coordinate = self.coordinates.get(name)
            if size > 1:
                known = coordinate is not None and coordinate.kind in "iuf"
                found[name] = (
                    coordinate.values().tolist() if coordinate and known else [*range(size)]
                )
        return found

    @property
    def select(self) -> dict[str, int | float | list[int | float]]:
        """First item of each further dimension of several items, as `data.select` names it."""
        return {name: items[0] for name, items in self.items.items()}


def inspect_file(path: Path, format: FileFormat | None = None, files: int = 1) -> Inspection:
    """Return a guess of the options that read a file.

    The fields are the variables with the most frequent dimensions among those that have a time and
    one or two spatial dimensions, without those that are the same at all times.

    Args:
        path: File, or folder of a store.
        format: Format of the file; found from the file if None.
        files: Number of the files that are inspected together.
    """
    kind, layout = format or format_of(path), PlainLayout()
    if isinstance(kind, PlainArrays) and not kind.order:
        layout = layout_of(path, kind, files)
        kind = type(kind)(**layout.options)
    with kind.open(path) as contents:
        variables = {name: contents.variables[name] for name in contents.variables}
        time = _time(variables)
        candidates = {
            name: variable.dimensions
            for name, variable in variables.items()
            if name not in contents.coordinates
            and _may_be_field(variable)
            and time in variable.dimensions
            and _space(variable.dimensions, _near(contents, name), time)
        }
        numbers = tuple(name for name, value in contents.attributes.items() if is_number(value))
        if not candidates:
            return Inspection(path, kind, variables, (), None, (), numbers, {}, layout)
        counted = Counter(tuple(sorted(names)) for names in candidates.values())
        most = max(counted, key=lambda names: (counted[names], len(names)))
        fields = tuple(name for name, names in candidates.items() if tuple(sorted(names)) == most)
        names = candidates[fields[0]]
        near = _near(contents, fields[0])
        space = _space(names, near, time)
        rest = [name for name in names if name not in (time, *space)]
        member = next((name for name in rest if name.lower() in MEMBERS), None)
        other = tuple(name for name in rest if name != member)
        found = {name: near[name] for name in names if name in near}
    changing = tuple(name for name in fields if _changes(variables[name], str(time)))
    fields = changing or fields
    dimensions = Dimensions(member or Dimensions.trajectory, str(time), space)
    return Inspection(path, kind, variables, fields, dimensions, other, numbers, found, layout)


def _near(contents: Contents, name: str) -> Mapping[str, StoredVariable]:
    """Return the variables in the scope of the group of a variable."""
    group = name.rpartition("/")[0]
    return Scope(contents.variables, group, contents.defined) if group else contents.variables


def _changes(variable: StoredVariable, time: str) -> bool:
    """Return whether a variable is not the same at all times, or has one time.

    Of a large variable, the first, the middle and the last time are compared.
    """
    axis = variable.dimensions.index(time)
    count = variable.shape[axis]
    if count == 1 or not variable.size:
        return True
    times = range(1, count) if variable.size <= SMALL else (count // 2, count - 1)
    first, *others = (
        _read(variable, (*[slice(None)] * axis, slice(number, number + 1)))
        for number in (0, *times)
    )
    return not all(np.array_equal(first, other, equal_nan=True) for other in others)


def _may_be_field(variable: StoredVariable) -> bool:
    """Return whether a variable holds numbers and is no coordinate by its attributes."""
    return variable.kind in "iuf" and role_of_attributes(variable.attributes) is None


def _time(variables: dict[str, StoredVariable]) -> str | None:
    """Return the dimension of time: by the units of its coordinate, or by its name."""
    names = {name for variable in variables.values() for name in variable.dimensions}
    for name in sorted(names):
        coordinate = variables.get(name)
        units = str(coordinate.attributes.get("units", "")) if coordinate else ""
        if " since " in units or (name.lower() in TIMES and time_unit(units) in SECONDS):
            return name
    return next((name for word in TIMES for name in sorted(names) if name.lower() == word), None)


def _space(
    names: tuple[str, ...], variables: Mapping[str, StoredVariable], time: str | None
) -> tuple[str, ...]:
    """Return the spatial dimensions among some, in the order (y, x), or none."""
    roles = {}
    for name in names:
        coordinate = variables.get(name)
        said = role_of_attributes(coordinate.attributes) if coordinate else None
        roles[name] = said or role_of_name(name, FIRM)
    found = tuple(name for name in names if roles[name] and name != time)
    if len(found) == 1 and "z" in names:  # a vertical plane
        found = tuple(name for name in names if name in (*found, "z"))
    if not found:  # axes without names of their own are the last ones, in the order of the file
        rest = [n for n in names if n != time and n.lower() not in MEMBERS and n != "lev"]
        found = tuple(rest[-2:])
    return tuple(sorted(found, key=lambda name: roles[name] != "y")) if len(found) == 2 else found


def range_of(variable: StoredVariable) -> str:
    """Return the range of the values and the share of missing values, as text.

    For a large variable, only the first item along its first dimension is read.
    """
    if variable.kind not in "iuf" or not variable.size:
        return ""
    key: ArrayKey = () if variable.size <= SMALL else (slice(0, 1),)
    values = _read(variable, key)
    finite = values[np.isfinite(values)]
    part = "" if key == () else f" in the first {variable.dimensions[0]}"
    if not finite.size:
        return f"all missing{part}"
    missing = 1 - finite.size / values.size
    share = f", {missing:.1%} missing" if missing else ""
    return f"{finite.min():.4g} to {finite.max():.4g}{share}{part}"


def first_snapshots(found: Inspection) -> dict[tuple[str, str], np.ndarray]:
    """Return the first snapshot (y, x) or (x,) of each field, by its name and units."""
    snapshots = {}
    for name in found.fields:
        variable = found.variables[name]
        units = str(variable.attributes.get("units", "1"))
        snapshots[name, units] = _snapshot(found, variable, last=False)
    return snapshots


def has_masked_points(found: Inspection) -> bool:
    """Return whether the same points of a field lack values in the first and the last snapshot."""
    masked = False
    for name in found.fields:
        if not found.variables[name].size:
            return False
        first, last = (
            np.abs(_snapshot(found, found.variables[name], last)) < LARGEST
            for last in (False, True)
        )
        if not np.array_equal(first, last) or not first.any():
            return False
        masked |= not first.all()
    return masked


def _snapshot(found: Inspection, variable: StoredVariable, last: bool) -> np.ndarray:
    """Return the first or the last snapshot (y, x) or (x,) of a field."""
    names, sizes = found.space, zip(variable.dimensions, variable.shape, strict=True)
    key = tuple(slice(None) if d in names else (size - 1) * last for d, size in sizes)
    field = _read(variable, key)
    space = tuple(d for d in variable.dimensions if d in names)
    return field if space == names else field.T


def _read(variable: StoredVariable, key: ArrayKey) -> np.ndarray:
    array = variable.open()
    values = np.asarray(array[key], np.float64)
    array.close()
    return values
