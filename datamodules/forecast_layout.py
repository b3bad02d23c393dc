"""Layout of forecasts in files and in memory: dimensions, coordinates and fields."""

from typing import Any

import numpy as np

from datamodules.description import DataDescription
from datamodules.files.growing_file import Definition, NewVariable
from datamodules.files.netcdf_writer import global_attributes


def forecast_layout(
    data: DataDescription,
    index: np.ndarray,
    length: int,
    about: dict[str, Any],
    members: int | None = None,
    parameters: np.ndarray | None = None,
) -> Definition:
    """Return the definition of forecasts: dimensions, coordinates and fields.

    Args:
        data: Description of the data.
        index: Number of each initial condition, (trajectory,).
        length: Number of states that will be stored of each forecast.
        about: Provenance of the forecasts, as JSON values.
        members: Number of members from each initial condition; None for no such dimension.
        parameters: Physical parameters of each forecast, (trajectory, parameter), or None.
    """
    names, valid_name = data.dimension_names, valid_time_name(data)
    trajectory, time = (names.trajectory,), (names.time,)
    number = {"long_name": "number of the initial condition", "units": "1"}
    parameter = {"long_name": "physical parameter, on which the emulator is conditioned"}
    period = {"long_name": "lead time", "standard_name": "forecast_period"}
    valid = {"long_name": "time of the forecast state", **data.time_attributes}
    known = () if parameters is None else parameters.T
    variables = [
        *(
            NewVariable(name, values.dtype.str, (name,), attributes, values)
            for name, (values, attributes) in data.coordinates.items()
        ),
        NewVariable(names.trajectory, "i4", trajectory, number, index.astype("i4")),
        *(
            NewVariable(name, "f8", trajectory, parameter, values.astype("f8"))
            for name, values in zip(data.parameters, known, strict=True)
        ),
        NewVariable(names.time, "f8", time, {**period, "units": data.units[1], "axis": "T"}),
        NewVariable(valid_name, "f8", trajectory + time, valid),
    ]
    ensemble: dict[str, int] = {}
    if members is not None:
        name, count = member_name(data), np.arange(members, dtype="i4")
        ensemble = {name: members}
        label = {"long_name": "member of the ensemble", "standard_name": "realization"}
        variables.append(NewVariable(name, "i4", (name,), label, count))
    dimensions = (*trajectory, *ensemble, *time, *names.space)
    for field in data.fields:
        labels = {"long_name": field.long_name, "units": field.units, "coordinates": valid_name}
        variables.append(NewVariable(field.name, "f4", dimensions, labels))
    sizes = {names.trajectory: len(index), **ensemble, names.time: length}
    sizes |= dict(zip(names.space, data.shape, strict=True))
    attributes = global_attributes("Forecast of a neural emulator", provenance=about, comment="")
    return Definition(sizes, names.time, tuple(variables), attributes)


def valid_time_name(data: DataDescription) -> str:
    """Return the name of the variable of the times at which forecast states are valid."""
    return "verification_time" if data.time_dimension == "valid_time" else "valid_time"


def member_name(data: DataDescription) -> str:
    """Return the name of the dimension of the members of an ensemble."""
    names = data.dimension_names
    taken = {names.trajectory, names.time, *names.space, *data.variables, *data.parameters}
    return "ensemble_member" if "member" in taken else "member"


def check_names(data: DataDescription) -> None:
    """Check that no two parts of a forecast would have the same name.

    Raises:
        ValueError: Two dimensions, variables or parameters have the same name.
    """
    names = data.dimension_names
    taken = [names.trajectory, names.time, *names.space, valid_time_name(data)]
    taken += [*data.variables, *data.parameters]
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise ValueError(
            f"a forecast would have two things called '{twice[0]}' (dimensions, "
            f"'{valid_time_name(data)}', variables and parameters); set "
            "data.dimensions.trajectory to another name, or rename it in the files."
        )
