"""Role of a spatial axis, x or y, and whether it is an angle, by its attributes and name.

A name is split at underscores, digits and capitals, so that `nx`, `x_c`, `xt_ocean`,
`g0_lon_2`, `west_east_stag` and `XDim` are all names of x, and `xylem` is not.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from datamodules.files.units import EAST, NORTH

Role = Literal["x", "y"]
Forms = Mapping[Role, str]
PLACE = "([bcfghpqstuv]|axis|dim|coord|grid)?"  # place of points in cells (xt, yu, lonc), or plural
WORDS: Forms = {
    "x": rf"n?x{PLACE}|west|east|easting|zonal",
    "y": rf"n?y{PLACE}|south|north|northing|meridional",
}
SPHERE: Forms = {
    "x": rf"(grid|[gnpqrstuvx])?(lon|long|longitude){PLACE}",
    "y": rf"(grid|[gnpqrstuvx])?(lat|latitude){PLACE}",
}
INDICES: Forms = {"x": f"n?i|n?xi{PLACE}|n?col(umn)?s?", "y": f"n?j|n?eta{PLACE}|n?rows?"}
FIRM = (WORDS, SPHERE)  # an index may count along either axis, if its attributes say so
DEGREES = re.compile(
    "(°|degs?|degrees?|arc_?degrees?|arc_?min(ute)?s?|arc_?sec(ond)?s?)"
    "(?P<towards>_?(n|north|e|east|s|south|w|west|t|true))?"
)
RADIANS = re.compile("rad|radians?")
SPHERICAL = ("latitude", "longitude", "grid_latitude", "grid_longitude")


def roles_by_attribute(attributes: Mapping[str, Any]) -> dict[str, Role]:
    """Return the axis (x or y) given by each of `axis`, `standard_name` and `units`."""
    axis, standard, units = (_text(attributes, key) for key in ("axis", "standard_name", "units"))
    roles: dict[str, Role] = {}
    if axis in ("x", "y"):
        roles["axis"] = "x" if axis == "x" else "y"
    if standard.endswith("longitude") or standard.startswith("projection_x"):
        roles["standard_name"] = "x"
    elif standard.endswith("latitude") or standard.startswith("projection_y"):
        roles["standard_name"] = "y"
    if units in EAST | NORTH:
        roles["units"] = "x" if units in EAST else "y"
    return roles


def role_of_attributes(attributes: Mapping[str, Any]) -> Role | None:
    """Return the axis given by the attributes, or None."""
    return next(iter(roles_by_attribute(attributes).values()), None)


def role_of_name(name: str, forms: Sequence[Forms] = (*FIRM, INDICES)) -> Role | None:
    """Return the axis given by a name, or None.

    Example:
        >>> [role_of_name(name) for name in ("g0_lat_1", "XDim", "xylem")]
        ['y', 'x', None]
    """
    found = {role for form in forms for role in form if _has(name, form[role])}
    return found.pop() if len(found) == 1 else None


def is_spherical(name: str, attributes: Mapping[str, Any]) -> bool:
    """Return whether an axis is a latitude, a longitude or another angle in degrees.

    Radians may be the lengths of a plane of 2π by 2π, unless a name says latitude or longitude.
    """
    units = _text(attributes, "units")
    if DEGREES.fullmatch(units) or _text(attributes, "standard_name") in SPHERICAL:
        return True
    named = any(_has(name, form) for form in SPHERE.values())
    return named and (units in ("", "1") or RADIANS.fullmatch(units) is not None)


def full_turn(attributes: Mapping[str, Any]) -> float:
    """Return the full circle of longitude in the units of the coordinate.

    Example:
        >>> full_turn({"units": "arcmin"}), full_turn({"units": "degrees_east"})
        (21600.0, 360.0)
    """
    units = _text(attributes, "units")
    if RADIANS.fullmatch(units):
        return 2 * math.pi
    parts = {"min": 60.0, "sec": 3600.0}
    return 360.0 * next(
        (n for part, n in parts.items() if f"arc{part}" in units.replace("_", "")), 1.0
    )


def counts_backwards(attributes: Mapping[str, Any]) -> bool:
    """Return whether the units count degrees to the west or south, such as degrees_west.

    Example:
        >>> counts_backwards({"units": "degrees_west"}), counts_backwards({"units": "degree_E"})
        (True, False)
    """
    found = DEGREES.fullmatch(_text(attributes, "units"))
    towards = (found and found["towards"]) or ""
    return towards.strip("_") in ("w", "west", "s", "south")


def _text(attributes: Mapping[str, Any], key: str) -> str:
    return "_".join(str(attributes.get(key, "")).lower().split())


def _has(name: str, form: str) -> bool:
    """Return whether one of the words of a name matches a form."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return any(re.fullmatch(form, word) for word in re.split(r"[\W\d_]+", apart.lower()))
