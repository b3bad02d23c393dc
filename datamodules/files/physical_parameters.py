"""Physical parameters of trajectories (Reynolds number, viscosity, ...), read from their file.

A name refers to the first of these that the file has: a variable with one number per trajectory or
a single one, a global attribute that is a number, or a setting of the solver that made the file,
such as `solver.equation.viscosity`, in its attribute `provenance`.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from datamodules.files.formats.format import Contents, StoredVariable

LARGEST = float(np.finfo("f4").max)  # parameters are float32 in a batch


def read_parameters(
    contents: Contents, names: Sequence[str], dimension: str, trajectories: int
) -> Float[np.ndarray, "trajectory parameter"]:
    """Return the parameters of every trajectory of a file, in the file's own units.

    Args:
        contents: Contents of the file.
        names: Names of the parameters, in this order.
        dimension: Name of the dimension that counts trajectories.
        trajectories: Number of trajectories.

    Raises:
        ValueError: A parameter is missing, or is not one finite number per trajectory.
    """
    values = np.empty((trajectories, len(names)))
    for column, name in enumerate(names):
        found = _number(contents, name, dimension, trajectories)
        values[:, column] = found
        bad = ~(np.abs(values[:, column]) <= LARGEST)
        if bad.any():
            raise ValueError(
                f"{contents.path}: parameter '{name}' is {values[bad, column][0]:g} at trajectory "
                f"{int(bad.argmax())}, expected a finite number of "
                "float32; correct the file, or name another in data.parameters."
            )
    return values


def _number(contents: Contents, name: str, dimension: str, trajectories: int) -> np.ndarray | float:
    """Return a parameter as one number, or one per trajectory, with NaN for missing values."""
    path, variable = contents.path, contents.variables.get(name)
    if variable is not None:
        if not _fits(variable, dimension, trajectories):
            raise ValueError(
                f"{path}: parameter '{name}' is a variable of type {variable.dtype} and shape "
                f"({_sizes(variable)}), expected numbers of shape ({dimension}: {trajectories}) or "
                "a single one; store one number per trajectory, or name another in "
                "data.parameters."
            )
        return variable.values()
    value = _attributes(contents).get(name)
    if value is None:
        names = ", ".join(_names(contents, dimension, trajectories))
        known = f", only {names}" if names else "; it has no parameters"
        raise ValueError(
            f"{path} has no parameter '{name}'{known}; set data.parameters "
            "to names of variables with one number per trajectory, or of global attributes."
        )
    if not is_number(value):
        raise ValueError(
            f"{path}: parameter '{name}' is {value!r}, expected a number; name another in "
            "data.parameters, or store the number."
        )
    return float(np.asarray(value).item())


def _fits(variable: StoredVariable, dimension: str, trajectories: int) -> bool:
    """Return whether a variable is one number, or one per trajectory."""
    shaped = variable.dimensions in ((), (dimension,)) and variable.size in (1, trajectories)
    return shaped and variable.kind in "iuf"


def _sizes(variable: StoredVariable) -> str:
    pairs = zip(variable.dimensions, variable.shape, strict=True)
    return ", ".join(f"{name}: {size}" for name, size in pairs)


def is_number(value: object) -> bool:
    """Return whether an attribute is one number."""
    array = np.asarray(value)
    return array.dtype.kind in "iuf" and array.size == 1


def _attributes(contents: Contents) -> dict[str, Any]:
    """Return the global attributes, and the settings in `provenance` by their dotted names."""
    found = dict(contents.attributes)
    try:
        settings = json.loads(found.get("provenance", "{}"))
    except (TypeError, ValueError):  # an attribute of that name by another program
        settings = {}
    flat = _flat(settings) if isinstance(settings, dict) else {}
    return found | {name: value for name, value in flat.items() if name not in found}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted names such as solver.equation.viscosity."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {}
        flat |= inner or {f"{prefix}{name}": value}
    return flat


def _names(contents: Contents, dimension: str, trajectories: int) -> list[str]:
    """Return the names of possible parameters; among settings of a solver only its equation's."""
    variables = [
        name
        for name, variable in contents.variables.items()
        if _fits(variable, dimension, trajectories) and name not in contents.coordinates
    ]
    own = contents.attributes
    attributes = [
        name
        for name, value in _attributes(contents).items()
        if is_number(value) and (name in own or name.startswith("solver.equation."))
    ]
    return [*variables, *attributes]
