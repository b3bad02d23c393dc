"""Small NetCDF files for tests, written without the project's own writer."""

import netCDF4
import numpy as np


def write_file(
    path,
    shape=(3, 20, 8, 8),
    names=("vorticity",),
    dims=("trajectory", "time", "y", "x"),
    interval=0.5,
    lengths=(2.0, 2.0),
    seed=0,
    format="NETCDF4",
    fields=None,
    kind="f4",
    periodic=True,
    **options,
):
    """Write standard normal fields and return them, (name -> array)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    values = fields or {name: rng.standard_normal(shape).astype(kind) for name in names}
    with netCDF4.Dataset(path, "w", format=format) as file:
        for dim, size in zip(dims, shape, strict=True):
            file.createDimension(dim, size)
        if "time" in dims:
            file.createVariable("time", "f8", ("time",))[:] = (
                np.arange(shape[dims.index("time")]) * interval
            )
        for dim, length in zip(dims[-len(lengths) :], lengths, strict=True):
            size = shape[dims.index(dim)]
            coordinate = file.createVariable(dim, "f8", (dim,))
            coordinate[:] = np.arange(size) * length / size
            if periodic:
                coordinate.modulo = length
        for name, array in values.items():
            file.createVariable(name, kind, dims, **options)[:] = array
    return values
