"""Coordinates of the points of a grid in variables that do not have the name of a dimension.

The attribute `coordinates` of a field names them (CF conventions, section 5), such as `lat(y, x)`
of a projected grid. They are compared between files, so that a file of another region, or with the
rows in the opposite order, is not taken for one of the same grid.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from datamodules.files.decoded_array import text
from datamodules.files.formats.format import Contents, StoredVariable

SHARE = 1e-4  # tolerated difference, relative to the extent over the grid

Points = Mapping[str, np.ndarray]


def auxiliary_points(contents: Contents, field: StoredVariable, space: Sequence[str]) -> Points:
    """Return the auxiliary coordinates of some points: the corners of the grid and its middle.

    Coordinates of dimensions that have coordinates of their own are left out.

    Args:
        contents: Contents of the file in the scope of the field.
        field: Field whose attribute `coordinates` is read.
        space: Names of the spatial dimensions.

    Returns:
        Values by the name of the coordinate, in the order of the file.
    """
    found = {}
    for name in (text(field.attributes.get("coordinates", "")) or "").split():
        variable = contents.variables.get(name)
        if variable is None or variable.kind not in "iuf" or not variable.size:
            continue
        along = [dimension for dimension in variable.dimensions if dimension in space]
        if not any(dimension not in contents.variables for dimension in along):
            continue
        sizes = dict(zip(variable.dimensions, variable.shape, strict=True))
        ends = [(0, size - 1) if n in along else (0,) for n, size in sizes.items()]
        middle = tuple(size // 2 if n in along else 0 for n, size in sizes.items())
        array = variable.open()
        points = [float(array[place]) for place in (*product(*ends), middle)]
        array.close()
        found[name] = np.array(points)
    return found


def difference_of_points(one: Points, two: Points) -> tuple[str, str] | None:
    """Return the first auxiliary coordinate in which two files differ, as text for each, or None.

    Example:
        >>> difference_of_points({"lat": np.array([30.0, 60.0])}, {"lat": np.array([60.0, 30.0])})
        ("'lat' = 30 at its first point", '60')
    """
    for name in [name for name in one if name in two]:
        own, other = one[name], two[name]
        if own.shape != other.shape:
            return f"a coordinate '{name}' with other dimensions", "others"
        slack = SHARE * float(np.nanmax(own) - np.nanmin(own)) if np.isfinite(own).any() else 0.0
        differ = ~np.isclose(own, other, rtol=1e-6, atol=slack, equal_nan=True)
        if differ.any():
            place = int(np.flatnonzero(differ)[0])
            where = "first" if place == 0 else "middle" if place == len(own) - 1 else "last"
            return f"'{name}' = {own[place]:.6g} at its {where} point", f"{other[place]:.6g}"
    return None
