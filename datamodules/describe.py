"""Description of a data set, from its options and the headers of its files."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from datamodules.description import DataDescription
from datamodules.files.dimensions import Dimensions
from datamodules.files.disk_array import LARGEST
from datamodules.files.input_fields import NO_INPUTS, InputNames
from datamodules.files.reader import TrajectoryReader
from datamodules.files.space_axis import CONDITION, reason_not_uniform
from datamodules.notices import notify
from datamodules.point_weights import Mask

Periodic = Literal["auto"] | bool | list[bool]
# words in the standard names of other quantities: tendency_of_ocean_relative_vorticity, components
OTHERS = frozenset({"of", "x", "y", "eastward", "northward"})


def check_options(
    variables: Sequence[str], dimensions: Dimensions, periodic: Periodic, vorticity: str | None
) -> None:
    """Check that the options of the data do not contradict each other.

    Raises:
        ValueError: An option does not fit the others.
    """
    if not variables:
        raise ValueError("data.variables must name at least one variable.")
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


def check_names(variables: Sequence[str], dimensions: Dimensions) -> None:
    """Check that no variable and no dimension is named twice.

    Raises:
        ValueError: A name is given twice.
    """
    names = (dimensions.trajectory, dimensions.time, *dimensions.space)
    for option, given in (("variables", tuple(variables)), ("dimensions", names)):
        twice = [name for name in given if given.count(name) > 1]
        if twice:
            raise ValueError(f"data.{option} names '{twice[0]}' twice, expected different names.")


def check_inputs(inputs: InputNames, channels: Sequence[str]) -> None:
    """Check that no variable is named twice among the state, static fields and forcing.

    Raises:
        ValueError: A variable is named twice.
    """
    names = [*channels, *inputs.static, *inputs.forcing]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"data.variables, data.static and data.forcing name '{twice[0]}' twice, expected "
            "different names: a field is part of the state or given to the emulator, not both."
        )


def describe(
    reader: TrajectoryReader,
    parameters: Sequence[str],
    periodic: Periodic = "auto",
    vorticity: str | None = "auto",
    known_periodic: tuple[bool, ...] | None = None,
    inputs: InputNames = NO_INPUTS,
    weights: str | None = None,
) -> DataDescription:
    """Return the description of a data set, from the trajectories of one split.

    Args:
        reader: Trajectories of any split.
        parameters: Names of the physical parameters.
        periodic: Option of the data: whether the domain is periodic along each axis.
        vorticity: Option of the data: name of the variable that is the vorticity of a flow.
        known_periodic: Periodicity of each axis in the solver that generated the data, or None.
        inputs: Options of the data: names of static fields, forcing and the mask.
        weights: Option of the data: weights of points in means over space.
    """
    time = reader.time
    mask, missing = masks_of(reader, inputs)
    kept: dict[str, str] = {
        key: str(time.attributes[key]) for key in ("units", "calendar") if key in time.attributes
    }
    return DataDescription(
        fields=reader.variables,
        axes=reader.axes,
        interval=reader.interval,
        time_unit=time.unit,
        periodic=periodic_axes(reader, periodic, known_periodic),
        vorticity=vorticity_of(reader) if vorticity == "auto" else vorticity,
        parameters=tuple(parameters),
        parameter_units=dict(reader.parameter_units),
        calendar=time.calendar if time.origin else None,
        time_attributes=kept,
        trajectory_dimension=reader.dimensions.trajectory,
        time_dimension=reader.dimensions.time,
        static=reader.static,
        forcing=reader.forcing,
        mask=mask,
        missing=missing,
        weighting=weights,
        levels=dict(reader.levels),
    )


def masks_of(reader: TrajectoryReader, inputs: InputNames) -> tuple[Mask | None, Mask | None]:
    """Return where each channel has values, and which masked points are without one in the files.

    Both are None without masked points, the second also if all masked points have a value. The
    first snapshot is read: points without a value in it are masked by the option `missing`, and
    are missing in forecasts for any mask.

    Raises:
        ValueError: No point is masked, or all points of a channel are.
    """
    if inputs.mask is None:
        return None, None
    channels = len(reader.variables)
    first = reader.read(0, reader.used.start, reader.used.start + 1)[0, :channels]
    written = np.abs(first) < LARGEST
    named = reader.read_mask()
    there = written if named is None else named
    mask = np.array(np.broadcast_to(there, (channels, *reader.space)))
    points = mask.reshape(channels, -1).sum(1)
    if not points.all():
        name = reader.variables[int(points.argmin())].name
        raise ValueError(
            f"{reader.path}: all points of '{name}' are masked by data.mask: {inputs.mask}, "
            "expected some with values; of a variable that is 1 on land write `not NAME`."
        )
    if mask.all():
        raise ValueError(
            f"{reader.path}: data.mask is {inputs.mask}, but no point is masked; leave it out."
        )
    missing = ~(mask | written)
    return torch.from_numpy(mask), torch.from_numpy(missing) if missing.any() else None


def periodic_axes(
    reader: TrajectoryReader, option: Periodic, known: tuple[bool, ...] | None
) -> tuple[bool, ...]:
    """Return whether the domain is periodic along each axis (y, x).

    The first of these decides: the option; the solver that generates the data; the files, by the
    attribute `modulo` or `topology` of a coordinate or by a full circle of longitude.

    Args:
        reader: Trajectories of any split.
        option: Option `data.periodic`; `auto` leaves it to the solver and the files.
        known: Periodicity of each axis in the solver that made the data, or None.
    """
    if isinstance(option, bool):
        return (option,) * len(reader.axes)
    if not isinstance(option, str):
        return tuple(option)
    if known is not None:
        return known
    found = tuple(axis.periodic_by_attributes for axis in reader.axes)
    spherical = any(axis.spherical for axis in reader.axes)
    walled = [a.name for a in reader.axes if not (a.periodicity[0] or CONDITION in a.attributes)]
    if walled and not spherical and not reason_not_uniform(reader.axes):
        names = f"{' and '.join(walled)} {'is' if len(walled) == 1 else 'are'}"
        notify(
            f"{reader.path.parent}: the files do not say that {names} periodic, so walls are "
            "assumed; set data.periodic: true if the domain is periodic."
        )
    return found


def vorticity_of(reader: TrajectoryReader) -> str | None:
    """Return the name of the variable that is the vorticity of a flow, or None.

    The vorticity is the variable whose CF standard name is a vertical relative vorticity, or else
    the variable named `vorticity`, unless it has the standard name of another quantity.
    """
    names = [name.strip().lower() for name in reader.standard_names]
    for variable, name in zip(reader.variables, names, strict=True):
        if name.endswith("relative_vorticity") and OTHERS.isdisjoint(name.split("_")):
            return variable.name
    for variable, name in zip(reader.variables, names, strict=True):
        if variable.name == "vorticity" and name in ("", "vorticity"):
            return variable.name
    return None
