"""Atomic writing of trajectories to NetCDF files.

A field is `variable(trajectory, time, y, x)`, or without `trajectory`, or without `y`; names are
free (`Dimensions`). Generated files follow CF-1.11, with seconds and metres in place of the
solver's own units, and have their provenance and a content hash as attributes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.atomic import atomic_file as atomic_file
from datamodules.files.atomic import (
    atomic_write as atomic_write,  # imported from here by other modules
)
from datamodules.files.atomic import writing as writing
from datamodules.files.provenance import canonical, content_hash
from datamodules.solvers import Grid, Solver, Variable

TIME_ATTRIBUTES = {
    "units": "seconds since 2000-01-01 00:00:00",
    "calendar": "standard",
    "standard_name": "time",
    "long_name": "time",
    "axis": "T",
    "units_metadata": "leap_seconds: none",
}


def define(
    dataset: netCDF4.Dataset,
    variables: Sequence[Variable],
    grid: Grid,
    sizes: dict[str, int],
    offset: float = 0.0,
    periodic: Sequence[bool] = (),
) -> None:
    """Create dimensions, coordinates and fields of a file.

    Coordinates of periodic axes have their period in the attribute `modulo`, as in Ferret.

    Fields are contiguous float32, one snapshot after the other: without chunks and compression,
    random windows are read up to twice as fast.

    Args:
        dataset: Open file.
        variables: Name, long name and units of each field.
        grid: Grid of the fields.
        sizes: Sizes of the dimensions before space, by name.
        offset: Position of the values above the lower edges of their cells [cells].
        periodic: Whether the domain is periodic along each axis.
    """
    names = ("y", "x")[-grid.dimensions :]
    for name, size in {**sizes, **dict(zip(names, grid.shape, strict=True))}.items():
        dataset.createDimension(name, size)
    around = dict(zip(names, periodic, strict=False))
    for name, values in zip(names, grid.coordinates(), strict=True):
        coordinate = dataset.createVariable(name, "f8", (name,))
        coordinate.setncatts(
            {
                "standard_name": f"projection_{name}_coordinate",
                "long_name": f"{name} coordinate",
                "units": "m",
                "axis": name.upper(),
            }
        )
        coordinate[:] = values.numpy() + offset * float(values[1])
        if around.get(name):
            coordinate.modulo = float(values[1]) * len(values)
    time = dataset.createVariable("time", "f8", ("time",))
    time.setncatts(TIME_ATTRIBUTES)
    for variable in variables:
        field = dataset.createVariable(variable.name, "f4", (*sizes, *names), contiguous=True)
        field.setncatts({"long_name": variable.long_name, "units": variable.units})


def global_attributes(title: str, **attributes: object) -> dict[str, str]:
    """Return the global attributes that CF requires, then others; structured ones as JSON."""
    from importlib.metadata import version

    return {
        "Conventions": "CF-1.11",
        "title": title,
        "institution": "not specified",
        "source": f"implicit-emulators {version('implicit-emulators')}",
        "history": "written by implicit-emulators",
        "references": "not specified",
        "comment": Solver.unit_system,
        **{k: v if isinstance(v, str) else canonical(v) for k, v in attributes.items()},
    }


def write_trajectories(
    path: Path,
    segments: Iterable[np.ndarray],
    shape: tuple[int, int],
    variables: Sequence[Variable],
    grid: Grid,
    interval: float,
    first_trajectory: int,
    title: str,
    provenance: dict[str, Any],
    parameters: Mapping[Variable, Sequence[float]] | None = None,
    offset: float = 0.0,
    comment: str = Solver.unit_system,
    periodic: Sequence[bool] = (),
) -> str:
    """Write one file of trajectories from consecutive segments and return its content hash.

    Args:
        path: Path of the file.
        segments: Arrays (trajectory, time, channel, *space), one after the other in time.
        shape: Number of trajectories and of snapshots.
        variables: Name, long name and units of each channel.
        grid: Grid of the fields.
        interval: Time between snapshots [T]; the first is at time 0.
        first_trajectory: Number of the first trajectory within its split.
        title: Title of the file.
        provenance: Settings that determine the data, stored as the attribute `provenance`.
        parameters: Physical parameters with one value for each trajectory.
        offset: Position of the values above the lower edges of their cells [cells].
        comment: Comment on the units.
        periodic: Whether the domain is periodic along each axis.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    trajectories, times = shape
    with atomic_file(path) as temporary:
        with netCDF4.Dataset(temporary, "w", format="NETCDF4") as dataset:
            dataset.set_fill_off()
            sizes = {"trajectory": trajectories, "time": times}
            define(dataset, variables, grid, sizes, offset, periodic)
            number = dataset.createVariable("trajectory", "i4", ("trajectory",))
            number.setncatts({"long_name": "number of the trajectory in its split", "units": "1"})
            number[:] = np.arange(first_trajectory, first_trajectory + trajectories)
            for parameter, values in (parameters or {}).items():
                own = dataset.createVariable(parameter.name, "f8", ("trajectory",))
                own.setncatts({"long_name": parameter.long_name, "units": parameter.units})
                own[:] = values
            dataset["time"][:] = np.arange(times) * interval
            dataset.setncatts(global_attributes(title, comment=comment, provenance=provenance))
            start = 0
            for segment in segments:
                for channel, variable in enumerate(variables):
                    stop = start + segment.shape[1]
                    dataset[variable.name][:, start:stop] = segment[:, :, channel]
                start = stop
        names = [variable.name for variable in variables]
        digest = content_hash({name: open_array(temporary, name) for name in names}, provenance)
        with netCDF4.Dataset(temporary, "a") as dataset:
            dataset.setncattr("content_hash", digest)
    return digest
