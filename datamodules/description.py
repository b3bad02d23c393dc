"""Description of a data set: fields, grid, times, units, parameters and statistics.

Emulators and callbacks are given a `DataDescription` and not the data module, so that they do not
depend on files. An emulator keeps the description of its training data in its checkpoint.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from datamodules.description_difference import first_difference
from datamodules.files.dimensions import Dimensions
from datamodules.files.levels import Levels
from datamodules.files.space_axis import SpaceAxis, from_description, reason_not_uniform
from datamodules.point_weights import (
    Mask,
    Weights,
    latitude_weights,
    packed,
    point_weights,
    unpacked,
)
from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite import check_finite
from datamodules.solvers.variable import State
from datamodules.statistics import Statistics

# values of entries that are missing in the checkpoints of earlier versions
DEFAULTS: dict[str, Any] = {
    "variables": [],
    "shape": [],
    "domain lengths": None,
    "interval": float("nan"),
    "time unit": "1",
    "calendar": None,
    "parameters": [],
    "units": None,
    "parameter units": {},
    "axes": None,
    "periodic": None,
    "long names": None,
    "vorticity": None,
    "dimensions": ["trajectory", "time"],
    "time attributes": {},
    "hashes": {},
    "increment std": None,
    "static": [],
    "forcing": [],
    "weighting": None,
    "mask": None,
    "missing": None,
    "levels": {},
}
# entries that earlier versions lack because their data had none of these
NONE_BEFORE = frozenset({"parameters", "static", "forcing", "weighting", "mask", "missing"})


@dataclass(frozen=True, eq=False)
class DataDescription:
    """Description of a data set, the same for all its splits.

    It is made without reading fields, and holds statistics and content hashes if they are known.
    Two descriptions are compared by `difference`.

    Args:
        fields: Name, long name and units of each channel.
        axes: Spatial axes in the order (y, x) or (x,), each with its name, its number of points and
            its coordinates, if it has any.
        interval: Time between snapshots [time_unit].
        time_unit: Symbol of the unit of time, such as `h`; `1` if there is none.
        periodic: Whether the domain is periodic along each axis.
        vorticity: Name of the field that is the vorticity of a flow, or None.
        parameters: Names of the physical parameters of the trajectories.
        parameter_units: Units of each parameter by name; empty where they are not known.
        calendar: Calendar of the times, or None where they do not count from a date.
        time_attributes: Units with their origin, and calendar, as the files have them.
        trajectory_dimension: Name of the dimension that counts trajectories.
        time_dimension: Name of the dimension of time.
        statistics: Mean and standard deviations of the training split, or None.
        hashes: Known content hashes, by split.
        static: Fields without time that are given to the emulator at every step.
        forcing: Fields known ahead of time that are given to the emulator at every step.
        mask: True where a channel has values, False at masked points such as land,
            (channel, *space); or None if no point is masked.
        missing: True at masked points without a value in the files, which have none in forecasts
            either, (channel, *space); or None if there are no such points.
        weighting: `latitude` if means over space weight points by their area, or None.
        levels: Value and units of each coordinate of one value that fields are at, such as a level;
            of levels that are channels, the first.
        unknown: Entries that the checkpoint of an earlier version lacks; `difference` skips them.

    Example:
        >>> wind = Variable("u", "wind", "m s-1")
        >>> data = DataDescription.on_grid([wind], Grid((64,), (22.0,)), 6.0, time_unit="h")
        >>> data.shape, data.channels, data.periodic
        ((64,), 1, (True,))
        >>> data.difference(replace(data, interval=1.0))
        'data with interval 1 h, these data have 6 h'
    """

    fields: tuple[Variable, ...]
    axes: tuple[SpaceAxis, ...]
    interval: float
    time_unit: str
    periodic: tuple[bool, ...]
    vorticity: str | None = None
    parameters: tuple[str, ...] = ()
    parameter_units: Mapping[str, str] = field(default_factory=dict)
    calendar: str | None = None
    time_attributes: Mapping[str, str] = field(default_factory=dict)
    trajectory_dimension: str = "trajectory"
    time_dimension: str = "time"
    statistics: Statistics | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    static: tuple[Variable, ...] = ()
    forcing: tuple[Variable, ...] = ()
    mask: Mask | None = None
    missing: Mask | None = None
    weighting: str | None = None
    levels: Levels = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if "interval" not in self.unknown:
            check_finite("DataDescription", interval=self.interval)
        check_finite("DataDescription", levels=self.levels)
        if self.weighting not in (None, "latitude"):
            raise ValueError(f"data.weights must be latitude or null, got '{self.weighting}'.")

    @classmethod
    def on_grid(
        cls,
        fields: Sequence[Variable],
        grid: Grid,
        interval: float,
        units: str = "1",
        time_unit: str = "1",
        **entries: Any,
    ) -> "DataDescription":
        """Return the description of fields on a uniform grid, periodic unless `entries` differ.

        Args:
            fields: Name, long name and units of each channel.
            grid: Points and lengths [units] of the domain.
            interval: Time between snapshots [time_unit].
            units: Units of length.
            time_unit: Symbol of the unit of time.
            entries: Further arguments of the class.
        """
        axes = tuple(
            SpaceAxis(name, len(values), values.numpy(), {"units": units})
            for name, values in zip(("y", "x")[-grid.dimensions :], grid.coordinates(), strict=True)
        )
        entries = {"periodic": (True,) * len(axes), **entries}
        return cls(tuple(fields), axes, interval, time_unit, **entries)

    # Fields -------------------------------------------------------------------------------------

    @property
    def variables(self) -> list[str]:
        """Names of the fields."""
        return [field.name for field in self.fields]

    @property
    def channels(self) -> int:
        """Number of fields."""
        return len(self.fields)

    # Space --------------------------------------------------------------------------------------

    @property
    def dimensions(self) -> int:
        """Number of spatial dimensions."""
        return len(self.axes)

    @property
    def dimension_names(self) -> Dimensions:
        """Names of the dimensions, space in the order of the axes of a field: (y, x)."""
        space = tuple(axis.name for axis in self.axes)
        return Dimensions(self.trajectory_dimension, self.time_dimension, space)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of a field along each axis."""
        return tuple(axis.size for axis in self.axes)

    @cached_property
    def uniform_grid(self) -> Grid | None:
        """Grid of uniform coordinates, periodic or not; None if the coordinates are not uniform."""
        if self._not_uniform:
            return None
        lengths = (axis.step * axis.size for axis in self.axes if axis.step is not None)
        return Grid(self.shape, tuple(lengths))

    @cached_property
    def grid(self) -> Grid | None:
        """Uniform grid that is periodic along all axes, or None: see `no_grid`."""
        return None if self.no_grid else self.uniform_grid

    @cached_property
    def weights(self) -> Weights | None:
        """Weight of each point of each channel in means over space, or None if all are 1.

        The weights are zero at masked points and have the mean 1 over the points of each channel.
        """
        area = latitude_weights(self.axes) if self.weighting == "latitude" else None
        return point_weights(self.channels, self.mask, area)

    def weights_on(self, device: torch.device) -> Weights | None:
        """Return `weights` on a device, in one plane of memory if channels have equal ones."""
        weights = self.weights
        if weights is None or weights.stride(0):
            return None if weights is None else weights.to(device)
        return weights[:1].to(device).expand_as(weights)

    @property
    def mask_and_weighting(self) -> dict[str, str]:
        """Hash of the mask and name of the weighting, each only if the data have one."""
        entries = {} if self.weighting is None else {"weighting": self.weighting}
        if self.mask is not None:
            bits = np.packbits(self.mask.cpu().numpy()).tobytes()
            entries["mask"] = hashlib.sha256(bits).hexdigest()[:16]
        return entries

    def with_missing(self, state: State) -> State:
        """Return a state as it is stored in files: NaN at points without values.

        Args:
            state: States (batch, channel, *space).
        """
        if self.missing is None:
            return state
        return state.masked_fill(self.missing.to(state.device), float("nan"))

    @cached_property
    def no_grid(self) -> str:
        """Reason why there is no uniform periodic grid; empty if there is one."""
        if self.mask is not None:
            return "points are masked"
        if self._not_uniform:
            return self._not_uniform
        walls = [a.name for a, p in zip(self.axes, self.periodic, strict=True) if not p]
        if not walls:
            return ""
        return f"'{walls[0]}' is not periodic (set data.periodic if it is)"

    @cached_property
    def _not_uniform(self) -> str:
        """Reason why there is no uniform grid; empty if there is one."""
        return reason_not_uniform(self.axes)

    @cached_property
    def spherical(self) -> bool:
        """True if an axis is a latitude or longitude."""
        return any(axis.spherical for axis in self.axes)

    @property
    def coordinates(self) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
        """Values and attributes of the spatial coordinates, for the axes that have some."""
        return {
            axis.name: (axis.values.astype(axis.dtype), axis.attributes)
            for axis in self.axes
            if axis.values is not None
        }

    @property
    def units(self) -> tuple[str, str]:
        """Units of length and of time."""
        return self.axes[-1].units if self.axes else "1", self.time_unit

    # In a checkpoint ----------------------------------------------------------------------------

    def with_statistics(self, statistics: Statistics) -> "DataDescription":
        """Return the description with the statistics of the training split."""
        return replace(self, statistics=statistics)

    def to_dict(self) -> dict[str, Any]:
        """Return what an emulator depends on, as plain numbers and strings for a checkpoint.

        The lengths of the domain are rounded to five digits.
        """
        grid = self.uniform_grid
        entries = {
            "variables": self.variables,
            "shape": list(self.shape),
            "domain lengths": [float(f"{length:.5g}") for length in grid.lengths] if grid else None,
            "interval": float(self.interval),
            "time unit": self.time_unit,
            "calendar": self.calendar,
            "parameters": list(self.parameters),
            "units": [field.units for field in self.fields],
            "parameter units": dict(self.parameter_units),
            "axes": [axis.describe() for axis in self.axes],
            "periodic": list(self.periodic),
            "long names": [field.long_name for field in self.fields],
            "vorticity": self.vorticity,
            "dimensions": [self.trajectory_dimension, self.time_dimension],
            "time attributes": dict(self.time_attributes),
            "hashes": dict(self.hashes),
            "levels": {name: list(level) for name, level in self.levels.items()},
        }
        for name in ("static", "forcing"):
            if fields := getattr(self, name):
                entries[name] = [[one.name, one.long_name, one.units] for one in fields]
        if self.weighting is not None:
            entries["weighting"] = self.weighting
        if self.mask is not None:
            entries["mask"] = packed(self.mask)
        if self.missing is not None:
            entries["missing"] = packed(self.missing)
        if self.statistics is not None:
            entries["mean"] = self.statistics.mean.tolist()
            entries["std"] = self.statistics.std.tolist()
            entries["increment std"] = self.statistics.increment_std.tolist()
        return {name: value for name, value in entries.items() if name not in self.unknown}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "DataDescription":
        """Return the description that `to_dict` made, perhaps of an earlier version."""
        if "variables" not in entries:  # without names, their units mean nothing
            entries = {k: v for k, v in entries.items() if k not in ("units", "long names")}
        known = {**DEFAULTS, **entries}
        names, shape, axes = known["variables"], known["shape"], known["axes"]
        labels, units = known["long names"] or names, known["units"] or ["1"] * len(names)
        trajectory, time = known["dimensions"]
        return cls(
            fields=tuple(map(Variable, names, labels, units)),
            axes=axes_of(shape, known["domain lengths"])
            if axes is None
            else tuple(map(from_description, axes)),
            interval=known["interval"],
            time_unit=known["time unit"],
            periodic=tuple(known["periodic"] or [True] * len(shape)),
            vorticity=known["vorticity"],
            parameters=tuple(known["parameters"]),
            parameter_units=known["parameter units"],
            calendar=known["calendar"],
            time_attributes=known["time attributes"],
            trajectory_dimension=trajectory,
            time_dimension=time,
            statistics=statistics_of(known),
            hashes=known["hashes"],
            static=tuple(Variable(*one) for one in known["static"]),
            forcing=tuple(Variable(*one) for one in known["forcing"]),
            mask=None if known["mask"] is None else unpacked(known["mask"]),
            missing=None if known["missing"] is None else unpacked(known["missing"]),
            weighting=known["weighting"],
            levels={name: tuple(level) for name, level in known["levels"].items()},
            unknown=frozenset(DEFAULTS.keys() - entries.keys() - NONE_BEFORE),
        )

    def difference(self, earlier: "DataDescription") -> str | None:
        """Return the first difference to other data that matters to an emulator, as a clause.

        Long names, vorticity, statistics and hashes are not compared, as they do not change the
        steps of an emulator.

        Args:
            earlier: Description of the other data, for instance of the training data.

        Returns:
            'data with NAME VALUE, these data have VALUE', or None if they do not differ.
        """
        found = first_difference(earlier, self, self.unknown | earlier.unknown)
        return found and f"data with {found[0]} {found[1]}, these data have {found[2]}"


def axes_of(shape: Sequence[int], lengths: Sequence[float] | None) -> tuple[SpaceAxis, ...]:
    """Return axes from the lengths in a description that was saved without coordinates."""
    names = ("y", "x")[2 - len(shape) :]
    if lengths is None:
        return tuple(SpaceAxis(n, size, None, {}) for n, size in zip(names, shape, strict=True))
    return tuple(
        SpaceAxis(name, size, np.arange(size) * (length / size), {})
        for name, size, length in zip(names, shape, lengths, strict=True)
    )


def statistics_of(entries: Mapping[str, Any]) -> Statistics | None:
    """Return the statistics in the dictionary of a description; NaN for missing increments."""
    if "mean" not in entries or "std" not in entries:
        return None
    nothing = [float("nan")] * len(entries["mean"])
    increments = entries["increment std"] or nothing
    values = entries["mean"], entries["std"], increments
    return Statistics(*(torch.tensor(value, dtype=torch.float32) for value in values))
