"""Spatial axes of a file: coordinates, role (x or y) and periodicity.

Axes are read in the order (y, x) with increasing coordinates, for any order in the file. The x axis
is identified by the attributes `axis` and `standard_name`, by units of degrees, by its name, or,
where these do not decide, by the order of the names in the configuration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.axis_roles import (
    FIRM,
    Role,
    counts_backwards,
    full_turn,
    is_spherical,
    role_of_attributes,
    role_of_name,
    roles_by_attribute,
)
from datamodules.files.decoded_array import CODING, numbers
from datamodules.files.formats.format import Contents, check_length
from datamodules.files.paths import inspection_of
from datamodules.files.units import same_units
from datamodules.notices import notify

CONDITION = "bc_type"  # attribute with the boundary condition, in files that have one
SHARE = 1e-3  # tolerated deviation of a spacing from the others, relative to it


@dataclass(frozen=True, eq=False)
class SpaceAxis:
    """Spatial axis with increasing coordinates, the order in which data are read.

    Args:
        name: Name of the dimension in the file.
        size: Number of points.
        values: Coordinates, float64, increasing; None if the file has none.
        attributes: Attributes of the coordinate variable.
        resolution: Distance between neighbouring numbers of the coordinate's type at its largest
            value.
        descending: Whether the file has the points in the opposite order.
        dtype: Type of the values in the file, or the type of the unpacked values.
    """

    name: str
    size: int
    values: np.ndarray | None
    attributes: dict[str, Any]
    resolution: float = 0.0
    descending: bool = False
    dtype: str = "f8"

    @property
    def units(self) -> str:
        """Units of the coordinate; `1` where the file has none."""
        return str(self.attributes.get("units", "1"))

    @property
    def role(self) -> Role | None:
        """Axis (x or y) by the attributes or else the name; None if they do not decide."""
        return role_of_attributes(self.attributes) or role_of_name(self.name)

    @property
    def spherical(self) -> bool:
        """True if the coordinate is a latitude or longitude, or another angle in degrees."""
        return is_spherical(self.name, self.attributes)

    @cached_property
    def step(self) -> float | None:
        """Distance between neighbouring points, or None if they are not uniform."""
        if self.values is None or self.size < 2:
            return None
        mean = float((self.values[-1] - self.values[0]) / (self.size - 1))
        line = self.values[0] + mean * np.arange(self.size)
        uneven = np.abs(np.diff(self.values) - mean).max()
        apart = np.abs(self.values - line).max()
        for rounding in (0.0, 0.0 if self.too_coarse else 2 * self.resolution):
            slack = SHARE * mean + rounding
            if mean > 0 and uneven <= slack and apart <= 10 * SHARE * mean + rounding:
                return mean
        return None

    @property
    def too_coarse(self) -> bool:
        """True if rounding of the coordinate hides whether it is uniform."""
        if self.values is None or self.size < 2:
            return False
        mean = abs(self.values[-1] - self.values[0]) / (self.size - 1)
        return bool(self.resolution > mean / 10)

    @property
    def periodic_by_attributes(self) -> bool:
        """True if the axis is periodic by its attributes, or a full circle of longitude.

        The attribute is `modulo` (Ferret), if it equals the length of the axis, or
        `topology = "circular"`. A `modulo` of 360 on a part of the circle is not periodic.
        """
        return self.periodicity[0]

    @property
    def periodicity(self) -> tuple[bool, str]:
        """True if the axis is periodic by its attributes, and the reason; empty if none says so."""
        if self.spherical and self.role == "y":
            return False, "latitudes do not close"
        period = self._period()
        if period is None or self.step is None:
            if condition := self.attributes.get(CONDITION):
                return self._circular, f"its boundary condition is {condition}"
            return self._circular, "its topology is circular" if self._circular else ""
        name = "its modulo" if self._modulo() is not None else "a full circle"
        length, slack = self.size * self.step, 0.01 * self.step + self.size * self.resolution
        if abs(length - period) <= slack:
            return True, f"its length is {name}, {period:g}"
        return False, f"its length is {length:g}, {name} {period:g}"

    @property
    def _circular(self) -> bool:
        return str(self.attributes.get("topology", "")).strip().lower() == "circular"

    def _modulo(self) -> float | None:
        """Return the attribute `modulo`, or None if it is not one finite number."""
        said = numbers(self.attributes.get("modulo"))
        return float(said[0]) if len(said) == 1 and np.isfinite(said[0]) else None

    def _period(self) -> float | None:
        """Return the period of the coordinate, or None if it is not known."""
        said = self._modulo()
        return full_turn(self.attributes) if said is None and self.spherical else said

    def difference(self, other: "SpaceAxis") -> tuple[str, str] | None:
        """Return the first property in which two axes differ, as text for each, or None.

        Coordinates may differ by a small share of the spacing and by the rounding of their types.
        """
        if self.name != other.name:
            return f"an axis '{self.name}'", f"'{other.name}'"
        if self.size != other.size:
            return f"{self.size} points along '{self.name}'", f"{other.size}"
        if (self.values is None) != (other.values is None):
            have = ["no" if axis.values is None else "a" for axis in (self, other)]
            return f"{have[0]} coordinate of '{self.name}'", f"{have[1]} coordinate"
        if self.values is None or other.values is None:
            return None
        for key in ("units", "standard_name", "axis"):
            one, two = self.attributes.get(key), other.attributes.get(key)
            if one is None or two is None or one == two:
                continue
            if key != "units" or not same_units(str(one), str(two)):
                return f"'{self.name}' with {key} '{one}'", f"'{two}'"
        slack = 2 * max(self.resolution, other.resolution)
        if self.size > 1:  # for any precision of the type, points may not be shifted by a cell
            spacing = np.abs(np.diff(self.values)).min()
            slack = min(SHARE * spacing + slack, spacing / 10)
        apart = np.abs(self.values - other.values)
        if (apart <= slack).all():
            return None
        worst = int(apart.argmax())
        own, others = self.values[worst], other.values[worst]
        return f"{self.name} = {own:.8g} at point {worst}", f"{others:.8g}"

    def describe(self) -> dict[str, Any]:
        """Return the axis as plain numbers and strings."""
        values = None if self.values is None else self.values.tolist()
        kept = ("units", "standard_name", "axis")
        attributes = {key: str(self.attributes[key]) for key in kept if key in self.attributes}
        return {
            "name": self.name,
            "size": self.size,
            "values": values,
            "attributes": attributes,
            "resolution": self.resolution,
        }


def from_description(description: dict[str, Any]) -> SpaceAxis:
    """Return the axis from the dictionary of `SpaceAxis.describe`."""
    values = description["values"]
    return SpaceAxis(
        description["name"],
        description["size"],
        None if values is None else np.asarray(values, dtype=np.float64),
        dict(description["attributes"]),
        description["resolution"],
    )


def read_space_axis(contents: Contents, name: str, size: int) -> SpaceAxis:
    """Return a spatial axis of an open file.

    Raises:
        ValueError: The coordinate is not finite or not monotonic, of another length than the axis,
            or holds no numbers.
    """
    path, variable = contents.path, contents.variables.get(name)
    if variable is None:
        return SpaceAxis(name, size, None, {})
    if variable.dimensions != (name,):
        notify(
            f"{path.parent}: '{name}' has the dimensions ({', '.join(variable.dimensions)}): the "
            "grid is curvilinear, and its points are taken without coordinates."
        )
        return SpaceAxis(name, size, None, {})
    if variable.kind not in "iuf":
        raise ValueError(
            f"{path}: the coordinate '{name}' holds text or a type of its own, expected numbers; "
            f"store it as numbers or rename the variable; {inspection_of(path)}"
        )
    check_length(contents, variable, size)
    attributes = {
        key: value
        for key, value in variable.attributes.items()
        if key[0] != "_" and key not in CODING
    }
    values = variable.values()
    wrong = np.flatnonzero(~(np.abs(values) < 9.9e36))
    if len(wrong):
        raise ValueError(
            f"{path}: coordinate '{name}' is missing or not finite at point {wrong[0]}; write it, "
            f"or remove the variable to read the points without coordinates; {inspection_of(path)}"
        )
    axis = axis_of(name, values, attributes, variable.dtype)
    if axis.values is not None and not _monotonic(axis.values):
        values = axis.values[::-1] if axis.descending else axis.values
        steps = np.diff(values)
        where = int(np.flatnonzero(np.sign(steps) != np.sign(steps[0] or 1.0))[0])
        raise ValueError(
            f"{path}: coordinate '{name}' must increase or decrease along the axis, but goes "
            f"{values[where]:.8g}, {values[where + 1]:.8g} at point {where}; correct the file, or "
            f"roll the axis so that it does; {inspection_of(path)}"
        )
    if counts_backwards(attributes):
        raise ValueError(
            f"{path}: coordinate '{name}' counts to the west or south (units: {axis.units}), "
            "expected degrees_east or degrees_north; change the signs and the units; "
            f"{inspection_of(path)}"
        )
    if axis.role == "x" and axis.spherical and axis.values is not None:
        extent, turn = float(np.ptp(axis.values)), full_turn(attributes)
        if extent > turn * (1 + SHARE):
            raise ValueError(
                f"{path}: the longitudes of '{name}' extend over {extent:g}, more than a circle of "
                f"{turn:g}, expected each meridian once; remove those that are there twice; "
                f"{inspection_of(path)}"
            )
    return axis


def axis_of(
    name: str, values: np.ndarray, attributes: dict[str, Any], dtype: np.dtype
) -> SpaceAxis:
    """Return the axis of a coordinate, which increases or decreases, or crosses the date line.

    Args:
        name: Name of the dimension.
        values: Coordinates, float64, in the order in which they are stored.
        attributes: Attributes of the coordinate.
        dtype: Type in which it is stored.
    """
    resolution, size = _resolution(values, dtype), len(values)
    axis = SpaceAxis(name, size, values, attributes)
    if axis.role == "x" and axis.spherical and not _monotonic(values):
        values = np.unwrap(values, period=full_turn(attributes))  # a region across the date line
    descending = bool(size > 1 and values[1] < values[0])
    if descending:
        values = values[::-1]
    held = type_for(values, np.dtype(dtype).newbyteorder("="))
    return SpaceAxis(name, size, values.copy(), attributes, resolution, descending, held)


def _resolution(values: np.ndarray, stored: np.dtype) -> float:
    """Return the rounding error of values, in float32 if they are float32 numbers."""
    largest = np.abs(values).max(initial=0.0)
    exact = (values == np.round(values)).all() and (largest < 2**24 or stored != "f4")
    single = not exact and (values == values.astype("f4")).all()
    return float(np.spacing(np.asarray(largest, "f4" if single else "f8")))


def type_for(values: np.ndarray, stored: np.dtype) -> str:
    """Return the type in the file if it holds the values exactly, or else a wider one."""
    for kind in (stored, np.dtype("f4")):
        with np.errstate(invalid="ignore", over="ignore"):
            if (values.astype(kind) == values).all():
                return kind.str
    return "f8"


def _monotonic(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def reason_not_uniform(axes: Sequence[SpaceAxis]) -> str:
    """Return the reason why axes do not form a uniform grid; empty if they do."""
    for axis in axes:
        if axis.values is None:
            return f"'{axis.name}' has no coordinate variable"
        if axis.step is None and axis.too_coarse:
            return (
                f"'{axis.name}' is rounded to {axis.resolution:g}, too coarse to tell whether "
                "it is uniform"
            )
        if axis.step is None:
            return f"'{axis.name}' is not uniform"
        if axis.size < 4 or axis.size % 2:
            return f"'{axis.name}' has {axis.size} points, not an even number of at least 4"
    units = [axis.units for axis in axes]
    if units and not same_units(units[0], units[-1]) and not all(a.spherical for a in axes):
        return f"the axes have different units ({', '.join(units)})"
    return "" if axes else "there are no axes"


def ordered(path: Path, axes: Sequence[SpaceAxis]) -> tuple[SpaceAxis, ...]:
    """Return the axes in the order (y, x).

    Raises:
        ValueError: Both axes have the same role, or attributes and name of one contradict each
            other.
    """
    for axis in axes:
        if len(set(roles_by_attribute(axis.attributes).values())) > 1:
            raise ValueError(
                f"{path}: the attributes of '{axis.name}' contradict each other "
                f"({_reason(axis)}), expected all of x or all of y; correct the one that is "
                f"wrong; {inspection_of(path)}"
            )
        said, named = role_of_attributes(axis.attributes), role_of_name(axis.name, FIRM)
        if said and named and said != named:
            raise ValueError(
                f"{path}: the dimension '{axis.name}' has the attributes of the {said} axis "
                f"({_reason(axis)}); correct the name or the attributes; {inspection_of(path)}"
            )
    if len(axes) != 2:
        return tuple(axes)
    roles = [axis.role for axis in axes]
    if roles[0] and roles[0] == roles[1]:
        raise ValueError(
            f"{path}: '{axes[0].name}' and '{axes[1].name}' are both the {roles[0]} axis by their "
            "names or attributes, expected one y and one x; set data.dimensions.space or correct "
            "the attribute 'axis' of one."
        )
    if not any(roles):
        y, x = (axis.name for axis in axes)
        notify(
            f"{path.parent}: neither attributes nor names say which of '{y}' and '{x}' is x; '{y}' "
            f"is taken as y and '{x}' as x, in the order (y, x) of data.dimensions.space: set it "
            f"to [{x}, {y}] if they are the other way round."
        )
    swap = roles[0] == "x" or roles[1] == "y"
    return tuple(reversed(axes)) if swap else tuple(axes)


def _reason(axis: SpaceAxis) -> str:
    kept = ("axis", "standard_name", "units")
    return ", ".join(f"{k}: {axis.attributes[k]}" for k in kept if k in axis.attributes)
