"""Time axis of a file: its stamps, the check that they are uniform, and the interval between them.

Stamps are as exact as their type: a float32 axis has about 7 digits of its largest value, an
integer axis whole units. So a step may differ from the others by a small share of itself and by the
rounding of the type, and no more. The interval is the mean over the whole axis,
(last - first) / (n - 1), with as many digits as the type supports.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from datamodules.files.formats.format import Contents, StoredVariable, check_length
from datamodules.files.paths import inspection_of
from datamodules.files.rounded_numbers import fewest_digits, least_spread
from datamodules.files.units import SECONDS, time_unit

FROM_NAME = "_from_name"  # attribute of a time that was read from the name of its file
SHARE = 1e-3  # tolerated deviation of a step from the others, relative to it


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """Time stamps of the snapshots of a file.

    Args:
        path: Path of the file, for messages.
        name: Name of the variable in the file.
        values: Stamps in the units of the file, float64; NaN where none was written.
        attributes: Attributes of the variable: units, calendar, ...
        resolution: Distance between neighbouring numbers of the type in the file at the largest
            stamp; one unit (times the scale factor) for integers.
        whole: If True, stamps are integers in the file.
        named: If True, the stamp is a number in the name of the file.
    """

    path: Path
    name: str
    values: np.ndarray
    attributes: dict[str, Any]
    resolution: float
    whole: bool
    named: bool = False

    @property
    def units(self) -> str:
        """Units with their origin, such as `hours since 2000-01-01`; `1` if there are none."""
        return str(self.attributes.get("units", "1"))

    @property
    def unit(self) -> str:
        """Symbol of the unit of time, such as `h`."""
        return time_unit(self.units)

    @property
    def origin(self) -> str | None:
        """Date from which stamps count, as the file writes it, or None."""
        found = re.search(r"\ssince\s+(.+)", self.units, re.IGNORECASE)
        return found[1].strip().lower() if found else None

    @property
    def calendar(self) -> str:
        """Calendar of the origin, with one name for aliases.

        The proleptic Gregorian calendar is the standard one if all dates are after 1582.
        """
        name = str(self.attributes.get("calendar", "standard")).lower()
        aliases = {"gregorian": "standard", "noleap": "365_day", "all_leap": "366_day"}
        year = re.match(r"\d{4}(?=\D|$)", self.origin or "")
        if year and int(year[0]) > 1582 and np.nanmin(self.values, initial=0.0) >= 0:
            aliases["proleptic_gregorian"] = "standard"
        return aliases.get(name, name)

    def __len__(self) -> int:
        return len(self.values)

    def within(self, used: range) -> "TimeAxis":
        """Return the part of the axis in a range of snapshots."""
        return replace(self, values=self.values[used.start : used.stop])

    @cached_property
    def interval(self) -> float:
        """Time between two stamps.

        Raises:
            ValueError: Stamps were never written, are repeated, missing or uneven, or their type is
                too coarse to decide.
        """
        values, count = self.values, len(self.values) - 1
        if count < 1:
            raise ValueError(
                f"{self.path} holds {len(values)} snapshots in the range that is used, at least 2 "
                "are needed; use longer trajectories or ranges, or join files of one run by "
                "data.join: time."
            )
        never = np.flatnonzero(~np.isfinite(values))
        if len(never):
            raise ValueError(
                f"{self.path}: stamp {never[0]} of '{self.name}' was never written (it is a fill "
                f"value or not finite), so that it is not known to be uniform; write "
                f"the stamp, or use the snapshots before it by data.SPLIT.times."
            )
        steps = np.diff(values)
        typical, mean = float(np.median(steps)), (values[-1] - values[0]) / count
        if self.whole and not (steps == steps[0]).all() and self._is_rounded(steps):
            return self._simplest(mean, self.resolution / count)
        rounding = 0.0 if self.whole else self.resolution
        slack = SHARE * abs(typical) + 2 * rounding
        worst = int(np.abs(steps - typical).argmax())
        if not (steps > 0).all():  # of several wrong steps, report one that goes back
            worst = int(steps.argmin())
        if not typical > 0 or not (steps > 0).all() or abs(steps[worst] - typical) > slack:
            raise ValueError(self._unequal_step_message(worst, typical))
        line = values[0] + mean * np.arange(count + 1)
        if np.abs(values - line).max() > 0.01 * mean + 2 * rounding:
            raise ValueError(
                self._unequal_step_message(int(np.abs(values - line).argmax()) - 1, typical)
            )
        if rounding > mean / 4:
            raise ValueError(
                f"{self.path}: '{self.name}' is stored in a type that is rounded to "
                f"{rounding:g} {self.unit}, too coarse for its steps of {mean:g}: whether they "
                "are uniform cannot be checked; store it in double precision; "
                f"{inspection_of(self.path)}"
            )
        return self._simplest(mean, max(rounding, float(np.spacing(np.abs(values).max()))) / count)

    def _is_rounded(self, steps: np.ndarray) -> bool:
        """Return whether whole stamps can be a uniform axis rounded: 0, 1, 3, 4, 6 for 1.5.

        Two neighbouring steps then alternate regularly; a gap or a repeated stamp occurs once.
        Mostly 1 and sometimes 2 can as well be stamps that are missing regularly.
        """
        steps = np.round(steps / self.resolution).astype(np.int64)
        low, high = int(steps.min()), int(steps.max())
        more = int((steps == high).sum())
        less = len(steps) - more
        if low < 1 or high != low + 1 or min(more, less) < max(2, len(steps) / 12):
            return False
        if low == 1 and more < less - 1:
            return False
        stamps = np.concatenate(([0], np.cumsum(steps)))
        return least_spread(stamps) <= 1 + 1e-6

    def _simplest(self, value: float, uncertainty: float) -> float:
        """Return the number with the fewest digits that agrees with the mean step.

        For a unit of time, digits are counted in the largest unit in which the step is at least 1,
        or in the next smaller one: 0.0052 days are 7.5 minutes.
        """
        own = SECONDS.get(self.unit)
        if own is None:
            return fewest_digits(value, uncertainty)[1]
        natural = [unit for unit in sorted(SECONDS.values(), reverse=True) if unit <= value * own]
        factors = [own / unit for unit in natural[:2]] or [1.0]
        found = [
            (fewest_digits(value * factor, uncertainty * factor), factor) for factor in factors
        ]
        (_, rounded), factor = min(found, key=lambda item: item[0][0])
        return fewest_digits(rounded / factor, 4 * float(np.spacing(rounded / factor)))[1]

    def _unequal_step_message(self, index: int, typical: float) -> str:
        """Return the message on a step that differs from the others."""
        index = min(max(index, 0), len(self.values) - 2)
        here, there = self.values[index], self.values[index + 1]
        ratio = (there - here) / typical if typical else 0.0
        if there == here:
            what = f"stamp {index + 1} repeats stamp {index}"
        elif ratio > 1.5 and abs(ratio - round(ratio)) < 0.3:
            what = f"{round(ratio) - 1} snapshot(s) are missing after stamp {index}"
        else:
            what = f"the step after stamp {index} is {there - here:g}, most are {typical:g}"
        return (
            f"{self.path}: '{self.name}' must increase in uniform steps, but {what}: it goes "
            f"{self._stamp_text(self.values[0])}, {self._stamp_text(self.values[1])}, ... and "
            f"{self._stamp_text(here)}, {self._stamp_text(there)}; interpolate the data to a "
            "uniform time axis, or use a part without gaps by data.SPLIT.times."
        )

    def _stamp_text(self, value: float) -> str:
        """Return a stamp as text, with its date if it has one."""
        text = f"{value:.10g}"
        if self.origin:
            try:
                text += f" ({netCDF4.num2date(value, self.units, self.calendar):%Y-%m-%d %H:%M:%S})"
            except (ValueError, OverflowError, TypeError):
                return text
        return text

    def expressed_like(self, other: "TimeAxis") -> "TimeAxis":
        """Return this axis in the units and with the origin of another.

        Raises:
            ValueError: The units or origins of the two cannot be converted.
        """
        if self.units == other.units and self.calendar == other.calendar:
            return self
        factor = 1.0
        if self.unit != other.unit:
            if not {self.unit, other.unit} <= SECONDS.keys():
                raise ValueError(self._difference_message(other))
            factor = SECONDS[self.unit] / SECONDS[other.unit]
        offset = 0.0
        if (self.origin is None) != (other.origin is None) or self.calendar != other.calendar:
            raise ValueError(self._difference_message(other))
        if self.origin != other.origin:
            try:
                origin = netCDF4.num2date(0, self.units, self.calendar)
                offset = float(netCDF4.date2num(origin, other.units, other.calendar))
            except (ValueError, OverflowError, TypeError):
                raise ValueError(self._difference_message(other)) from None
        values = self.values if factor == 1.0 else self.values * factor
        values = values + offset if offset else values
        attributes = {**self.attributes, "units": other.units}
        return replace(
            self, values=values, attributes=attributes, resolution=self.resolution * factor
        )

    def _difference_message(self, other: "TimeAxis") -> str:
        return (
            f"{self.path}: '{self.name}' is in '{self.units}' (calendar {self.calendar}), in "
            f"{other.path} it is in '{other.units}' (calendar {other.calendar}), which cannot be "
            "compared; give all files of a data set one origin, unit and calendar of time; "
            f"{inspection_of(self.path)}"
        )


def same_time(one: tuple[float, str], other: tuple[float, str]) -> bool:
    """Return whether two times, each with its unit, are the same: 6 h and 0.25 d.

    Example:
        >>> same_time((6.0, "h"), (0.25, "d")), same_time((1.0, "h"), (1.0, "d"))
        (True, False)
    """
    (a, unit), (b, other_unit) = one, other
    if unit != other_unit:
        if not {unit, other_unit} <= SECONDS.keys():
            return False
        a, b = a * SECONDS[unit], b * SECONDS[other_unit]
    return abs(a - b) <= 1e-4 * abs(b)


def read_time_axis(
    contents: Contents, dimension: str, name: str | None = None, size: int = 0, interval: float = 0
) -> TimeAxis:
    """Return the time axis of an open file.

    Args:
        contents: Contents of the file.
        dimension: Dimension of time.
        name: Variable with the stamps; the coordinate of the dimension, or else the only variable
            along it with units of time, if None.
        size: Number of snapshots; 0 for any number of stamps.
        interval: Time between snapshots, in place of stamps in the file.

    Raises:
        ValueError: The variable is missing, or not one number for each snapshot; or its stamps and
            the interval disagree.
    """
    path = contents.path
    if interval:
        timed = [] if dimension in contents.variables else _timed(contents, dimension)
        own = contents.variables.get(name or (timed[0] if len(timed) == 1 else dimension))
        if own is not None and own.kind in "iuf" and own.dimensions == (dimension,):
            axis = read_time_axis(contents, dimension, name, size)
            if not _counts(axis):
                check_interval(axis, interval, "data.interval")
                return axis
        if own is not None and own.kind in "iuf" and len(own.shape) == 2:
            _check_each(contents, own, dimension, interval)
        stamps = interval * np.arange(size)
        rounding = float(np.spacing(stamps.max(initial=interval)))
        return TimeAxis(path, dimension, stamps, {}, rounding, False)
    name = name or _time_variable(contents, dimension)
    variable = contents.variables.get(name)
    if variable is None:
        raise ValueError(
            f"{path} has no time variable '{name}'; set data.dimensions.time_variable to the "
            f"variable with the stamps along '{dimension}', or data.interval if there is none."
        )
    kind = variable.kind
    if kind not in "iuf" or variable.dimensions != (dimension,):
        kinds = {"O": "text", "S": "characters", "U": "text"}
        raise ValueError(
            f"{path}: the time variable '{name}' holds {kinds.get(kind, variable.dtype)} along "
            f"({', '.join(variable.dimensions)}), expected numbers along ({dimension}); "
            "write it so, or set data.dimensions.time_variable."
        )
    if size:
        check_length(contents, variable, size)
    return _axis_of(path, name, variable, variable.values())


def _axis_of(path: Path, name: str, variable: StoredVariable, values: np.ndarray) -> TimeAxis:
    """Return the time axis of stamps, which are the values of a variable or a row of them."""
    attributes = {key: value for key, value in variable.attributes.items() if key[0] != "_"}
    kind = variable.kind
    values = np.where(np.abs(values) < 9.9e36, values, np.nan)
    scale = abs(float(np.ravel(attributes.get("scale_factor", 1.0))[0]))
    largest = np.nanmax(np.abs(values), initial=0.0) / scale
    steps = np.diff(values)
    dtype = variable.dtype
    if kind == "f" and len(steps) and not np.allclose(steps, steps[0], rtol=1e-9, atol=0):
        with np.errstate(over="ignore"):  # a float32 axis that was stored as float64
            dtype = np.dtype("f4") if (values == values.astype("f4")).all() else dtype
    resolution = scale if kind in "iu" else float(np.spacing(np.asarray(largest, dtype))) * scale
    named = FROM_NAME in variable.attributes
    return TimeAxis(path, name, values, attributes, resolution, kind in "iu", named)


def _check_each(
    contents: Contents, stamps: StoredVariable, dimension: str, interval: float
) -> None:
    """Check that stamps of each trajectory, in an array with two axes, have a given interval."""
    values = stamps.values()
    rows = values.T if stamps.dimensions[0] == dimension else values
    for row in rows if dimension in stamps.dimensions else ():
        axis = _axis_of(contents.path, stamps.name, stamps, row)
        if not _counts(axis):
            check_interval(axis, interval, "data.interval")


def check_interval(axis: TimeAxis, interval: float, option: str) -> None:
    """Check that the stamps of a file have an interval that the configuration gives.

    Raises:
        ValueError: The stamps have another interval.
    """
    steps = np.diff(axis.values[np.isfinite(axis.values)])
    if not len(steps):
        return
    typical = float(np.median(steps))
    slack = SHARE * interval + (0 if axis.whole else 2 * axis.resolution)
    rounded = axis.whole and abs(steps.mean() - interval) <= axis.resolution / len(steps)
    if abs(typical - interval) > slack and not rounded:
        raise ValueError(
            f"{axis.path}: the stamps of '{axis.name}' are {typical:g} apart (units: {axis.units}) "
            f"and {option} is {interval:g}, expected the same; leave {option} out to use the "
            "stamps, or correct them."
        )


def _counts(axis: TimeAxis) -> bool:
    """Return whether stamps only count the snapshots, 0, 1, 2, ..., or were never written."""
    if "units" in axis.attributes:
        return False
    return bool(
        np.isnan(axis.values).all() or np.array_equal(axis.values, np.arange(len(axis.values)))
    )


def _time_variable(contents: Contents, dimension: str) -> str:
    """Return the name of the variable that holds the stamps along the dimension of time."""
    if dimension in contents.variables:
        return dimension
    found = _timed(contents, dimension)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{contents.path} has several variables of time along '{dimension}' "
            f"({', '.join(found)}), expected one; set data.dimensions.time_variable to one of them."
        )
    raise ValueError(
        f"{contents.path} has no coordinate variable '{dimension}' for its time dimension, and no "
        "other variable along it with units of time; set data.dimensions.time_variable to the "
        "variable with the stamps, or data.interval to the time between snapshots."
    )


def _timed(contents: Contents, dimension: str) -> list[str]:
    """Return the names of the variables along a dimension that have units of time."""
    found = []
    for name, variable in contents.variables.items():
        units = str(variable.attributes.get("units", ""))
        timed = " since " in units or (units and time_unit(units) in SECONDS)
        if variable.dimensions == (dimension,) and variable.kind in "iuf" and timed:
            found.append(name)
    return found
