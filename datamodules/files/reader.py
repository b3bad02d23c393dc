"""Interface of trajectories on disk, in one file or several, for the data module."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.files.auxiliary import Points, difference_of_points
from datamodules.files.dimensions import Dimensions
from datamodules.files.levels import Levels, difference_of_levels
from datamodules.files.space_axis import SpaceAxis
from datamodules.files.time_axis import TimeAxis, same_time
from datamodules.files.units import same_units
from datamodules.solvers import Variable

if TYPE_CHECKING:
    from datamodules.files.trajectory_file import TrajectoryFile


class TrajectoryReader(ABC):
    """Reader of trajectories on one grid with one interval.

    Attributes:
        path: File, or the first of several, for messages.
        variables: Name, long name and units of each channel.
        standard_names: CF standard name of each channel, empty where the file has none.
        axes: Spatial axes in the order (y, x) or (x,).
        dimensions: Names of the dimensions, space in this order.
        space: Number of points along each axis.
        trajectories: Number of trajectories.
        parameters: Physical parameters, (trajectory, parameter).
        parameter_units: Units of each parameter by name, empty if the file has none.
        time: Time axis of all trajectories.
        used: Range of the snapshots that are used.
        interval: Time between snapshots [unit of the time axis].
        levels: Value and units of each coordinate of one value that was left out, such as a level.
        points: Some auxiliary coordinates of the grid.
    """

    path: Path
    variables: tuple[Variable, ...]
    standard_names: tuple[str, ...]
    axes: tuple[SpaceAxis, ...]
    dimensions: Dimensions
    space: tuple[int, ...]
    trajectories: int
    parameters: np.ndarray
    parameter_units: dict[str, str]
    time: TimeAxis
    used: range
    interval: float
    levels: Levels
    points: Points = {}  # noqa: RUF012 - never changed

    @property
    @abstractmethod
    def files(self) -> list["TrajectoryFile"]:
        """The single files, in the order of their times."""

    @property
    @abstractmethod
    def forcing(self) -> tuple[Variable, ...]:
        """Fields that are known ahead of time, read as further channels."""

    @property
    @abstractmethod
    def static(self) -> tuple[Variable, ...]:
        """Fields without time."""

    @abstractmethod
    def read_static(self) -> np.ndarray:
        """Return the static fields, float32 (trajectory or one, static, *space), NaN if missing."""

    @abstractmethod
    def read_mask(self) -> np.ndarray | None:
        """Return the mask variable of the file, (*space), True where there are values; or None."""

    @property
    def snapshots(self) -> int:
        """Number of snapshots of each trajectory."""
        return len(self.time)

    @property
    def times(self) -> np.ndarray:
        """Time stamps of the snapshots."""
        return self.time.values

    @abstractmethod
    def compute_hash(self) -> str:
        """Return the hash of the fields, and of the provenance in the files, if there is one."""

    @abstractmethod
    def copy_to(self, out: np.ndarray, trajectory: int, start: int) -> None:
        """Write the snapshots from `start` on into an array, float32 (time, channel, *space).

        The channels of the forcing follow the channels of the state.
        """

    def read(self, trajectory: int, start: int, stop: int) -> np.ndarray:
        """Return snapshots of one trajectory, float32 (time, channel, *space), in physical units.

        Args:
            trajectory: Number of the trajectory in the file.
            start: First snapshot.
            stop: Snapshot after the last one.
        """
        channels = len(self.variables) + len(self.forcing)
        window = np.empty((stop - start, channels, *self.space), dtype=np.float32)
        self.copy_to(window, trajectory, start)
        return window

    @abstractmethod
    def close(self) -> None:
        """Close the files, which the next read opens again."""


def check_agreement(readers: Sequence[TrajectoryReader]) -> None:
    """Check that trajectories have the same grid, interval and units.

    Raises:
        ValueError: Two readers differ; the message names both and the difference.
    """
    first = readers[0]
    mask = first.read_mask() if len(readers) > 1 else None
    for other in readers[1:]:
        difference = _difference(other, first) or _difference_of_masks(other.read_mask(), mask)
        if difference:
            raise ValueError(
                f"{other.path} has {difference[0]}, {first.path} {difference[1]}; all files of a "
                "data set must share grid, level, mask, time step and units: choose those that "
                "do by data.SPLIT.files."
            )


def _difference(one: TrajectoryReader, two: TrajectoryReader) -> tuple[str, str] | None:
    """Return the first property in which two readers differ, as text for each, or None."""
    if one.space != two.space:
        return f"a grid of {one.space}", f"of {two.space}"
    for axis, other_axis in zip(one.axes, two.axes, strict=True):
        if difference := axis.difference(other_axis):
            return difference
    if difference := difference_of_points(one.points, two.points):
        return difference
    steps = [(reader.interval, reader.time.unit) for reader in (one, two)]
    if not same_time(*steps):
        texts = [f"{step:g} {unit}".removesuffix(" 1") for step, unit in steps]
        return f"a time step of {texts[0]}", f"of {texts[1]}"
    calendars = [reader.time.calendar for reader in (one, two) if reader.time.origin]
    if len(set(calendars)) > 1:
        return f"times of the calendar '{calendars[0]}'", f"of '{calendars[1]}'"
    fields = [[*reader.variables, *reader.forcing, *reader.static] for reader in (one, two)]
    for field, other_field in zip(*fields, strict=True):
        if not same_units(field.units, other_field.units):
            return f"'{field.name}' in units of '{field.units}'", f"'{other_field.units}'"
    for name, own in one.parameter_units.items():
        other = two.parameter_units[name]
        if own and other and not same_units(own, other):
            return f"the parameter '{name}' in units of '{own}'", f"'{other}'"
    return difference_of_levels(one.levels, two.levels)


def _difference_of_masks(one: np.ndarray | None, two: np.ndarray | None) -> tuple[str, str] | None:
    """Return the difference of two masks as text for each, or None."""
    if one is None or two is None or np.array_equal(one, two):
        return None
    differ = int((one != two).sum())
    return f"a mask with {one.sum()} points", f"one that differs at {differ} points"
