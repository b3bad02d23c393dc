"""Files of arrays without names of axes, times or coordinates, which the configuration gives."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable
from datamodules.files.part import Part, PartArray
from datamodules.solvers.finite import check_finite

CHANNEL = "channel"


@dataclass(frozen=True)
class StoredArray:
    """Array of a file.

    Args:
        shape: Shape.
        dtype: Type of the values.
        open: Function that returns it as an array on disk; it can be pickled.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    open: Callable[[], DiskArray]


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
            there are any, `trajectory` and `channel`.
        channels: Names of the variables along the axis `channel`.
        interval: Time between snapshots; by default times are read from an array `time` or `t`.
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
        if order and (len(set(order)) < len(order) or "time" not in order):
            raise ValueError(
                f"{name} is {self.order}, expected different names of axes with 'time' among them."
            )
        if (CHANNEL in order) != bool(channels):
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
        if not self.order:
            raise ValueError(self._unknown(path, arrays))
        variables: dict[str, StoredVariable] = {}
        attributes = {}
        for name, array in arrays.items():
            if len(array.shape) == len(self.order):
                self._add(variables, path, name, array)
            elif (axis := {"t": "time"}.get(name, name)) in self.order and len(array.shape) == 1:
                units = {"units": self.time_units} if axis == "time" else {}
                variables[axis] = _variable(axis, (axis,), array, array.open, units)
            elif not array.shape:
                attributes[name] = array.open()[()].item()
        fields = [variable for variable in variables.values() if "time" in variable.dimensions]
        sizes = {
            name: size
            for variable in fields
            for name, size in zip(variable.dimensions, variable.shape, strict=True)
        }
        if not any(len(variable.shape) > 1 for variable in fields):
            raise ValueError(self._unknown(path, arrays))
        if "time" not in variables and self.interval is None:
            raise ValueError(
                f"{path} holds no times, expected an array 'time' or the interval between "
                f"snapshots; set data.format.init_args.interval of {type(self).__name__}."
            )
        for name, values in self._coordinates(sizes).items():
            array = StoredArray(values.shape, values.dtype, partial(Values, path, values))
            units = {"units": self.time_units} if name == "time" else {}
            variables.setdefault(name, _variable(name, (name,), array, array.open, units))
        yield Contents(path, variables, attributes)

    def _add(
        self, variables: dict[str, StoredVariable], path: Path, name: str, array: StoredArray
    ) -> None:
        """Add an array, or the variables along its axis of channels."""
        if not self.channels:
            variables[name] = _variable(name, tuple(self.order), array, array.open)
            return
        axis = self.order.index(CHANNEL)
        if array.shape[axis] != len(self.channels):
            raise ValueError(
                f"{path}: '{name}' has the shape {array.shape}, expected {len(self.channels)} "
                f"channels ({', '.join(self.channels)}) along axis {axis}; correct "
                "data.format.order or channels."
            )
        names = tuple(part for part in self.order if part != CHANNEL)
        shape = array.shape[:axis] + array.shape[axis + 1 :]
        part = StoredArray(shape, array.dtype, array.open)
        if self.channels[0] in variables:
            raise ValueError(
                f"{path} holds several arrays with the axes of data.format.order, '{name}' among "
                "them, expected one with an axis 'channel'; write it to a file of its own."
            )
        for number, channel in enumerate(self.channels):
            opened = partial(_channel, array.open, axis, number)
            variables[channel] = _variable(channel, names, part, opened)

    def _coordinates(self, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Return the coordinates that follow from interval and lengths."""
        found = {}
        if self.interval is not None:
            found["time"] = self.start + self.interval * np.arange(sizes["time"])
        for name, length in zip(self.space, self.lengths, strict=False):
            found[name] = length * np.arange(sizes[name]) / sizes[name]
        return found

    def _unknown(self, path: Path, arrays: Mapping[str, StoredArray]) -> str:
        """Return the message on arrays whose axes are not known."""
        shapes = ", ".join(f"'{name}' {array.shape}" for name, array in arrays.items())
        return (
            f"{path} holds {shapes or 'no arrays of numbers'} without names of axes, expected an "
            f"array with {len(self.order) or 'known'} axes; write in the configuration, for "
            f"instance, data.format: {{class_path: {type(self).__name__}, init_args: {{order: "
            "[trajectory, time, channel, y, x], channels: [u, v], interval: 0.1}}."
        )


def _variable(
    name: str,
    dimensions: tuple[str, ...],
    array: StoredArray,
    opened: Callable[[], DiskArray],
    attributes: Mapping[str, Any] = {},
) -> StoredVariable:
    return StoredVariable(name, dimensions, array.shape, array.dtype, attributes, opened)


def _channel(opened: Callable[[], DiskArray], axis: int, number: int) -> DiskArray:
    """Return one channel of an array."""
    array = opened()
    fixed: list[Part] = [slice(None)] * len(array.shape)
    fixed[axis] = number
    return PartArray(array, fixed)
