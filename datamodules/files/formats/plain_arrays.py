"""Files of arrays without names of axes, times or coordinates, which the configuration gives."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray, viewed
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable
from datamodules.files.formats.group_coordinates import placed, with_interval
from datamodules.files.numbered_names import numbers_in
from datamodules.files.part import PartArray, StackedArray
from datamodules.files.paths import inspection_of
from datamodules.files.time_axis import FROM_NAME
from datamodules.notices import notify
from datamodules.solvers.finite import check_finite

CHANNEL = "channel"
REAL = "iuf"  # kinds of real numbers
OTHER = np.dtype("O")  # type of arrays that do not hold numbers
TYPED = "_type"  # attribute of times whose type has units, which `time_units` leaves
MOST = 10  # arrays that a message names


@dataclass(frozen=True)
class StoredArray:
    """Array of a file.

    Args:
        shape: Shape.
        dtype: Type of the values.
        open: Picklable function that returns the array on disk.
        attributes: Attributes, such as `units`, in files that have them.
        numbers: Numbers of the snapshots, if each is stored in an array with a number for its name.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    open: Callable[[], DiskArray]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()

    @property
    def is_real(self) -> bool:
        """True if the array holds real numbers; other arrays raise an error when opened."""
        return self.dtype.kind in REAL


class Values(DiskArray):
    """Array of numbers in memory.

    Args:
        path: File, for messages.
        values: Numbers.
    """

    def __init__(self, path: Path, values: np.ndarray) -> None:
        self.path, self.values, self.shape = path, values, values.shape

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        return np.array(self.values[key])

    def close(self) -> None:
        pass


class PlainArrays(FileFormat):
    """Base class of formats whose files hold arrays without names of their axes.

    Args:
        order: Names of the axes in the order of the arrays: `time`, the spatial axes and, where
            there are any, `trajectory` and `channel`. Without `time` and `trajectory` each file
            holds one snapshot.
        channels: Names of the variables along the axis `channel`; without this axis, the name of
            the only array of a file, which is otherwise its name in the file.
        interval: Time between snapshots; by default times are read from an array `time` or `t`.
            For files of one snapshot, which are sorted by their times, it is the time by which the
            last number in their names is multiplied.
        time_units: Units of time, such as `s`.
        lengths: Length of the domain along each spatial axis, in their order, if known; points are
            at the lower edges of equal cells.
        start: Time of the first snapshot.

    Raises:
        ValueError: Options contradict each other.
    """

    def __init__(
        self,
        order: Sequence[str] = (),
        channels: Sequence[str] = (),
        interval: float | None = None,
        time_units: str = "1",
        lengths: Sequence[float] = (),
        start: float = 0.0,
    ) -> None:
        check_finite(type(self).__name__, interval=interval, lengths=lengths, start=start)
        self.order, self.channels, self.lengths = list(order), list(channels), list(lengths)
        self.interval, self.time_units, self.start = interval, time_units, start
        name = f"{type(self).__name__}.order"
        one = bool(order) and not {"time", "trajectory"} & {*order}
        self.axes = ["time", *order] if one else self.order  # with the axis of one snapshot
        if order and (len(set(order)) < len(order) or "time" not in self.axes):
            raise ValueError(
                f"{name} is {self.order}, expected different names of axes with 'time' among them."
            )
        if not channels if CHANNEL in order else len(channels) > bool(order):
            raise ValueError(
                f"{name} is {self.order} and channels are {self.channels}; name the axis 'channel' "
                "in order, and the variables along it in channels, or neither."
            )
        if lengths and len(lengths) != len(self.space):
            raise ValueError(
                f"{type(self).__name__}.lengths has {len(lengths)} numbers, expected one for each "
                f"of the spatial axes {', '.join(self.space)}."
            )
        if interval is not None and not interval > 0:
            raise ValueError(f"{type(self).__name__}.interval must be positive, got {interval}.")

    @property
    def space(self) -> list[str]:
        """Names of the spatial axes, in the order of the arrays."""
        return [name for name in self.order if name not in ("trajectory", "time", CHANNEL)]

    @abstractmethod
    def arrays(self, path: Path) -> Mapping[str, StoredArray]:
        """Return the arrays of numbers in a file, by name.

        Raises:
            ValueError: The file is damaged, or holds objects.
        """

    @contextmanager
    def open(self, path: Path) -> Iterator[Contents]:
        arrays = self.arrays(path)
        if arrays and not any(array.is_real for array in arrays.values()):
            next(iter(arrays.values())).open()  # the error says what it holds
        if not self.order:
            raise ValueError(self._unknown(path, arrays))
        if self.axes != self.order:
            arrays = {name: self._of_one_snapshot(path, name, arrays[name]) for name in arrays}
        variables: dict[str, StoredVariable] = {}
        for name, array in arrays.items():
            if len(array.shape) == len(self.axes) > 1 and (array.is_real or not self.channels):
                self._add(variables, path, name, array)
        fields = [variable for variable in variables.values() if variable.kind in REAL]
        if not fields:
            raise ValueError(self._unknown(path, arrays))
        largest = max(fields, key=lambda variable: variable.size)
        sizes = dict(zip(largest.dimensions, largest.shape, strict=True))
        variables = {name: _named(variable, sizes) for name, variable in variables.items()}
        attributes = self.attributes(path)
        owners = [n for n, array in arrays.items() if len(array.shape) == len(self.axes) > 1]
        near = {  # groups of fields, with the axes that their coordinates must fit
            (name.rpartition("/")[0], axis)
            for name in owners
            for axis, size in zip(self.axes, arrays[name].shape, strict=True)
            if size == sizes.get(axis)
        }
        places: dict[str, list[StoredVariable]] = {}
        for name, array in arrays.items():
            if len(array.shape) == 1 and array.is_real:
                self._add_line(path, variables, places, sizes, near, name, array)
            elif not array.shape and array.is_real:
                attributes[name] = array.open()[()].item()
        given = self._coordinates(path, sizes, snapshot_numbers(path, arrays, sizes, owners))
        groups = [name.rpartition("/")[0] for name in owners] if self.channels else []
        variables |= placed(path, places, groups, given)
        others = [n for n, array in arrays.items() if axis_of(n) == "time" and not array.is_real]
        unread = f" but '{others[0]}', which has no numbers" if others else ""
        if "time" not in variables and self.interval is None:
            raise ValueError(
                f"{path} holds no times{unread}, expected an array 'time' or the interval between "
                f"snapshots; set data.format.init_args.interval of {type(self).__name__}."
            )
        if unread and "time" not in variables:
            notify(f"{path.parent}: no times{unread}; the interval gives the times.")
        self._check_lengths(path, variables)
        for name, values in given.items():
            named = {FROM_NAME: True} if name == "time" and self.axes != self.order else {}
            opened = partial(Values, path, values)
            array = StoredArray(values.shape, values.dtype, opened, named)
            variables.setdefault(name, self._variable(name, (name,), array))
        if self.interval is not None and self.axes == self.order:
            option = f"{type(self).__name__}.interval"
            for name, variable in variables.items():
                if variable.dimensions == ("time",) and name.rpartition("/")[2] == "time":
                    variables[name] = with_interval(path, variable, self.interval, option)
        yield Contents(path, variables, attributes)

    def _check_lengths(self, path: Path, variables: Mapping[str, StoredVariable]) -> None:
        """Check that coordinates in the file extend over the given lengths.

        The last point is at the end of the domain, or a spacing before it.

        Raises:
            ValueError: They extend over another length.
        """
        for name, length in zip(self.space, self.lengths, strict=False):
            if name not in variables or variables[name].size < 2:
                continue
            extent = float(np.ptp(variables[name].values()))
            size = variables[name].size
            if not any(np.isclose(extent * f, length, rtol=0.01) for f in (1, size / (size - 1))):
                raise ValueError(
                    f"{path}: the coordinate '{name}' extends over {extent:g} with {size} points, "
                    f"and {type(self).__name__}.lengths is {length:g} for it, expected the same; "
                    "leave lengths out to use the coordinates, or correct them; "
                    f"{inspection_of(path)}"
                )

    def attributes(self, path: Path) -> dict[str, Any]:
        """Return the attributes of a file."""
        return {}

    def _of_one_snapshot(self, path: Path, name: str, array: StoredArray) -> StoredArray:
        """Return an array of a file of one snapshot with an axis of time."""
        is_time = not array.shape and axis_of(name) == "time"
        if not is_time and len(array.shape) != len(self.order):
            return array
        opened = partial(StackedArray, path, [array.open], array.shape)
        return replace(array, shape=(1, *array.shape), open=opened)

    def _add_line(
        self,
        path: Path,
        variables: dict[str, StoredVariable],
        places: dict[str, list[StoredVariable]],
        sizes: Mapping[str, int],
        near: set[tuple[str, str]],
        name: str,
        array: StoredArray,
    ) -> None:
        """Add a one-dimensional array if it is a coordinate or has one number per trajectory."""
        axis, (size,) = axis_of(name), array.shape
        if axis in sizes:
            if sizes[axis] == size:
                place = name.removesuffix(name.rpartition("/")[2]) + axis
                stored = replace(self._variable(axis, (axis,), array), name=name)
                places.setdefault(place, []).append(stored)
            elif "/" not in name or (name.rpartition("/")[0], axis) in near:
                raise ValueError(
                    f"{path}: '{name}' has {size} values, expected {sizes[axis]}, as many as the "
                    f"fields along the axis '{axis}'; correct data.format.init_args.order or the "
                    "file."
                )
        elif sizes.get("trajectory") == size:
            variables[name] = self._variable(name, ("trajectory",), array)

    def _add(
        self, variables: dict[str, StoredVariable], path: Path, name: str, array: StoredArray
    ) -> None:
        """Add an array, or the variables along its axis of channels."""
        if not self.channels:
            variables[name] = self._variable(name, tuple(self.axes), array)
            return
        if self.channels[0] in variables:
            raise ValueError(
                f"{path} holds several arrays with the axes of data.format.order, '{name}' among "
                "them, expected one for data.format.channels; write it to a file of its own; "
                f"{inspection_of(path)}"
            )
        if CHANNEL not in self.axes:
            only = self.channels[0]
            variables[only] = self._variable(only, tuple(self.axes), array)
            return
        axis = self.axes.index(CHANNEL)
        if array.shape[axis] != len(self.channels):
            raise ValueError(
                f"{path}: '{name}' has the shape {array.shape}, expected {len(self.channels)} "
                f"channels ({', '.join(self.channels)}) along axis {axis}; correct "
                "data.format.order or channels."
            )
        names = tuple(part for part in self.axes if part != CHANNEL)
        shape = array.shape[:axis] + array.shape[axis + 1 :]
        for number, channel in enumerate(self.channels):
            fixed = [number if k == axis else slice(None) for k in range(len(self.axes))]
            opened = partial(viewed, array.open, PartArray, fixed)
            part = replace(array, shape=shape, open=opened)
            variables[channel] = self._variable(channel, names, part)

    def _variable(
        self, name: str, dimensions: tuple[str, ...], array: StoredArray
    ) -> StoredVariable:
        attributes = dict(array.attributes)
        given = self.time_units != "1" or "units" not in attributes
        if name == "time" and given and TYPED not in attributes:
            attributes["units"] = self.time_units
        return StoredVariable(name, dimensions, array.shape, array.dtype, attributes, array.open)

    def _coordinates(
        self, path: Path, sizes: Mapping[str, int], steps: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the coordinates that follow from interval and lengths."""
        found = {}
        if self.interval is not None and self.axes != self.order:
            numbers = numbers_in(path.stem)
            if not numbers:
                raise ValueError(
                    f"{path} holds one snapshot without its time, expected an array 'time' or a "
                    "number in the name of the file; rename the files, such as to u_0001.npy, or "
                    f"set data.format.init_args.order with 'time'; {inspection_of(path)}"
                )
            if not numbers[-1].is_integer():
                notify(
                    f"{path.parent}: numbers in the names of files are read with their decimals, "
                    "and are times if they are multiplied by the interval."
                )
            found["time"] = np.array([self.start + self.interval * numbers[-1]])
        elif self.interval is not None:
            found["time"] = self.start + self.interval * steps
        for name, length in zip(self.space, self.lengths, strict=False):
            found[name] = length * np.arange(sizes[name]) / sizes[name]
        return found

    def _unknown(self, path: Path, arrays: Mapping[str, StoredArray]) -> str:
        """Return the message on arrays whose axes are not known."""
        no_numbers = {True: "", False: " of no real numbers"}
        shapes = [f"'{n}' {a.shape}{no_numbers[a.is_real]}" for n, a in arrays.items()]
        more = f" and {len(shapes) - MOST} more" if len(shapes) > MOST else ""
        found = ", ".join(shapes[:MOST]) + more
        return (
            f"{path} holds {found or 'no arrays of numbers'} without names of axes, expected an "
            f"array with {len(self.order) or 'known'} axes; write in the configuration, for "
            f"instance, data.format: {{class_path: {type(self).__name__}, init_args: {{order: "
            "[trajectory, time, channel, y, x], channels: [u, v], interval: 0.1}}, or the order "
            "[y, x] if each file holds one snapshot."
        )


def _named(variable: StoredVariable, sizes: Mapping[str, int]) -> StoredVariable:
    """Return a variable; axes whose size differs from the field's get names such as `x_64`."""
    axes = zip(variable.dimensions, variable.shape, strict=True)
    names = tuple(axis if size == sizes[axis] else f"{axis}_{size}" for axis, size in axes)
    return replace(variable, dimensions=names)


def snapshot_numbers(
    path: Path, arrays: Mapping[str, StoredArray], sizes: Mapping[str, int], fields: Sequence[str]
) -> np.ndarray:
    """Return the numbers of the snapshots, counted in their typical step from the first.

    Args:
        path: File, for messages.
        arrays: Arrays of the file.
        sizes: Sizes of the axes.
        fields: Names of the arrays that have all axes.

    Raises:
        ValueError: Fields, or a field and its times, are stored at different numbers.
    """
    groups = {name.rpartition("/")[0] for name in fields}
    used = [*fields, *(f"{group}/{time}" for group in groups for time in ("t", "time"))]
    stored = {name: arrays[name].numbers for name in used if name in arrays}
    stored = {name: own for name, own in stored.items() if len(own) == sizes["time"] > 0}
    if not stored:
        return np.arange(sizes["time"])
    (first, numbers), *others = stored.items()
    for name, own in others:
        if own != numbers:
            raise ValueError(
                f"{path}: '{first}' is stored at {_few(numbers)} and '{name}' at {_few(own)}, "
                "expected the same numbers, since snapshots are paired by them; write arrays of "
                "other snapshots to a file of their own, or remove it from data.SPLIT.files."
            )
    step = float(np.median(np.diff(numbers))) if len(numbers) > 1 else 1.0
    return (np.array(numbers) - numbers[0]) / step


def _few(numbers: Sequence[int]) -> str:
    """Return the first numbers as text."""
    return ", ".join(map(str, numbers[:4])) + (", ..." if len(numbers) > 4 else "")


def refuse(path: Path, name: str, kind: str) -> DiskArray:
    """Raise an error, on opening, for an array that does not hold real numbers.

    Args:
        path: File.
        name: Name of the array.
        kind: Values that it holds.
    """
    raise ValueError(
        f"{path}: '{name}' holds {kind}, expected numbers; write it as an array of real numbers, "
        "or name another in data.variables."
    )


def axis_of(name: str) -> str:
    """Return the axis whose coordinate has this name, if it is one."""
    own = name.rpartition("/")[2]
    return {"t": "time"}.get(own, own)
