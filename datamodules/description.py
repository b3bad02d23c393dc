"""What callbacks and emulators may know of the data: where, how often and what in which units."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from datamodules.files.netcdf import Dimensions
from datamodules.files.reader import TrajectoryReader
from datamodules.files.space_axis import from_description
from datamodules.files.time_axis import same_time
from datamodules.files.units import same_units
from datamodules.notices import notify
from datamodules.solvers import Grid, Variable

Periodic = Literal["auto"] | bool | list[bool]
# words of standard names of other things: tendency_of_ocean_relative_vorticity, a component
OTHERS = frozenset({"of", "x", "y", "eastward", "northward"})


def check_options(
    variables: Sequence[str], dimensions: Dimensions, periodic: Periodic, vorticity: str | None
) -> None:
    """Refuse options of the data that contradict each other.

    Raises:
        ValueError: A variable or dimension is named twice, or an option does not fit the others.
    """
    if not variables:
        raise ValueError("data.variables must name at least one variable.")
    names = (dimensions.trajectory, dimensions.time, *dimensions.space)
    for option, given in (("variables", tuple(variables)), ("dimensions", names)):
        twice = [name for name in given if given.count(name) > 1]
        if twice:
            raise ValueError(f"data.{option} names '{twice[0]}' twice, expected different names.")
    if not dimensions.space:
        raise ValueError("data.dimensions.space must name the spatial dimensions, (y, x) or (x,).")
    if isinstance(periodic, list) and len(periodic) != len(dimensions.space):
        raise ValueError(
            f"data.periodic must have one entry for each axis (y, x), {len(dimensions.space)}, got "
            f"{periodic}."
        )
    if vorticity not in (None, "auto", *variables):
        raise ValueError(
            f"data.vorticity is '{vorticity}', expected one of data.variables "
            f"({', '.join(variables)}), 'auto' or null."
        )


class DataFacts(ABC):
    """Facts of a data set that do not depend on the split.

    A subclass has a list of names of `parameters`, too.

    Args:
        variables: Names of the variables that are channels.
        dimensions: Names of the dimensions.
        periodic: Whether the domain is periodic along each axis, in the order (y, x).
        vorticity: Name of the variable that is the vorticity of a flow.
    """

    def __init__(
        self,
        variables: Sequence[str],
        dimensions: Dimensions,
        periodic: Periodic = "auto",
        vorticity: str | None = "auto",
    ) -> None:
        super().__init__()
        check_options(variables, dimensions, periodic, vorticity)
        self.variables = list(variables)
        self._asked = dimensions
        self._periodic = periodic
        self._vorticity = vorticity
        self.channels = len(self.variables)
        self.dimensions = len(dimensions.space)

    parameters: list[str]

    @abstractmethod
    def any_reader(self) -> TrajectoryReader:
        """Return some trajectories of the data set; all agree in what is asked here."""

    def known_periodic(self) -> tuple[bool, ...] | None:
        """Return which axes are periodic by what is known beside the files, or None."""
        return None

    @property
    def dimension_names(self) -> Dimensions:
        """Names of the dimensions, space in the order in which fields are read: (y, x)."""
        return self.any_reader().dimensions

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of a field along each axis."""
        return tuple(self.any_reader().space)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether the domain is periodic along each axis (y, x).

        It is what the option says, or the solver that makes the data, or the files: by the
        attribute `modulo` or `topology` of a coordinate, or by a full circle of longitude.
        """
        given = self._periodic
        if isinstance(given, bool):
            return (given,) * self.dimensions
        if not isinstance(given, str):
            return tuple(given)
        known = self.known_periodic()
        if known is not None:
            return known
        reader = self.any_reader()
        found = tuple(axis.said_periodic for axis in reader.axes)
        if not all(found) and not reader.no_grid and not self.spherical:
            names = " and ".join(a.name for a, p in zip(reader.axes, found, strict=True) if not p)
            notify(
                f"{reader.path.parent}: the files do not say that {names} is periodic, so it is "
                "taken to end at walls; set data.periodic: true if it is."
            )
        return found

    @property
    def uniform_grid(self) -> Grid | None:
        """Grid of uniform coordinates, whatever lies beyond its edges, or None."""
        return self.any_reader().grid

    @property
    def grid(self) -> Grid | None:
        """Uniform grid that is periodic along all axes, or None: see `no_grid`."""
        return None if self.no_grid else self.uniform_grid

    @property
    def no_grid(self) -> str:
        """Reason why there is no uniform periodic grid, or nothing if there is one."""
        reader = self.any_reader()
        if reason := reader.no_grid:
            return reason
        walls = [a.name for a, p in zip(reader.axes, self.periodic, strict=True) if not p]
        if not walls:
            return ""
        return f"'{walls[0]}' is not periodic (set data.periodic if it is)"

    @property
    def spherical(self) -> bool:
        """Whether an axis is a latitude or longitude."""
        return any(axis.spherical for axis in self.any_reader().axes)

    @property
    def vorticity(self) -> str | None:
        """Name of the variable that is the vorticity of a flow, or None.

        It is the one that the option names, or the one whose CF standard name is that of a vertical
        relative vorticity, or the one called `vorticity`, unless its standard name is another.
        """
        if self._vorticity != "auto":
            return self._vorticity
        reader = self.any_reader()
        names = [name.strip().lower() for name in reader.standard_names]
        for variable, name in zip(reader.variables, names, strict=True):
            if name.endswith("relative_vorticity") and OTHERS.isdisjoint(name.split("_")):
                return variable.name
        for variable, name in zip(reader.variables, names, strict=True):
            if variable.name == "vorticity" and name in ("", "vorticity"):
                return variable.name
        return None

    @property
    def interval(self) -> float:
        """Time between snapshots, in the units of the files."""
        return self.any_reader().interval

    @property
    def units(self) -> tuple[str, str]:
        """Units of length and of time."""
        reader = self.any_reader()
        return reader.axes[-1].units, reader.time.unit

    @property
    def coordinates(self) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        """Values and attributes of the spatial coordinates, where the files have them."""
        return self.any_reader().coordinates

    @property
    def time_attributes(self) -> Mapping[str, Any]:
        """Attributes of the time axis of the files: units with their origin, calendar."""
        return self.any_reader().time.attributes

    @property
    def fields(self) -> tuple[Variable, ...]:
        """Name, long name and units of each channel."""
        return self.any_reader().variables

    def description(self) -> dict[str, Any]:
        """Return what an emulator depends on, as plain numbers and strings."""
        grid, (_, unit), time = self.uniform_grid, self.units, self.any_reader().time
        return {
            "variables": list(self.variables),
            "shape": list(self.shape),
            "domain lengths": [float(f"{length:.5g}") for length in grid.lengths] if grid else None,
            "interval": float(f"{self.interval:.5g}"),
            "time unit": unit,
            "calendar": time.calendar if time.origin else None,
            "parameters": list(self.parameters),
            "units": [field.units for field in self.fields],
            "parameter units": dict(self.any_reader().parameter_units),
            "axes": [axis.describe() for axis in self.any_reader().axes],
            "periodic": list(self.periodic),
        }

    def difference(self, earlier: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
        """Return in what other data, by their description, differ from these.

        Args:
            earlier: What `description` returned; an earlier version of it may lack entries.

        Returns:
            What differs, what it was and what it is now, or None if nothing does.
        """
        now = self.description()
        earlier = {"parameters": [], **earlier}
        for name in ("variables", "shape", "parameters", "periodic"):
            if name in earlier and earlier[name] != now[name]:
                return name, earlier[name], now[name]
        steps = [(known["interval"], known.get("time unit", now["time unit"]))
                 for known in (earlier, now) if "interval" in known]  # fmt: skip
        if len(steps) == 2 and not same_time(*steps):
            texts = [f"{step:g} {unit}".removesuffix(" 1") for step, unit in steps]
            return "interval", *texts
        calendars = earlier.get("calendar"), now["calendar"]
        if all(calendars) and calendars[0] != calendars[1]:
            return "calendar", *calendars
        for one, two in zip(earlier.get("units", ()), now["units"], strict=False):
            if not same_units(one, two):
                return "units", earlier["units"], now["units"]
        for name, units in earlier.get("parameter units", {}).items():
            present = now["parameter units"][name]
            if units and present and not same_units(units, present):
                return f"units of parameter '{name}'", units, present
        axes = self.any_reader().axes
        if "axes" not in earlier:
            lengths = earlier.get("domain lengths")
            if lengths is not None and lengths != now["domain lengths"]:
                return "domain lengths", lengths, now["domain lengths"]
            if any(axis.descending for axis in axes):
                return (
                    "rows",
                    "in the order of the file (earlier version)",
                    "increasing coordinates",
                )
            return None
        for saved, axis in zip(earlier["axes"], axes, strict=False):
            if different := from_description(saved).difference(axis):
                return "the grid", *different
        return None
