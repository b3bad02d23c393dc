"""Levels at which fields are: coordinates of one value, whose dimensions are left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from datamodules.files.decoded_array import text
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.units import SECONDS, same_units, time_unit

Level = tuple[float | str, str]  # value and units; a name has no units
Levels = Mapping[str, Level]  # by the name of the coordinate
COUNTED = {"number", "member", "member_id", "ensemble", "ens", "realization", "sample",
           "trajectory", "run"}  # fmt: skip
VERSIONS = {"expver"}  # ERA5 and its preliminary data, which continue each other
HEIGHTS = {"air_pressure", "altitude", "depth", "height", "model_level_number"}
VERTICAL = {"lev", "level", "levels", "plev", "pressure", "pressure_level", "isobaricinhpa",
            "altitude", "depth", "height", "heightaboveground"}  # fmt: skip


def levels_of(
    contents: Contents,
    fields: Sequence[StoredVariable],
    dropped: Sequence[str],
    parameters: Sequence[str],
    select: Mapping[str, Any] = {},
) -> Levels:
    """Return the levels of fields: selected, of dimensions that were left out, and coordinates.

    A coordinate of one value is among them if it is vertical or counts members. Times and physical
    parameters are not, and no texts but names of levels and members.

    Args:
        contents: Contents of the file.
        fields: Fields with all their dimensions.
        dropped: Dimensions of one item that are left out.
        parameters: Names of physical parameters.
        select: Items of further dimensions. Of a list, which becomes channels, the first item is
            among the levels, for its units.
    """
    scalars = [
        name
        for field in fields
        for name in (text(field.attributes.get("coordinates")) or "").split()
    ]
    dimensions = {name for field in fields for name in field.dimensions}
    found: dict[str, Level] = {}
    for name, value in select.items():
        if name in dimensions and name not in parameters:
            units = _units(contents.variables.get(name))
            if _is_level(name, units):
                found[name] = float(value[0] if isinstance(value, list) else value), units
    for name in dict.fromkeys([*dropped, *scalars, *VERTICAL, *sorted(COUNTED)]):
        variable = contents.variables.get(name)
        if (
            name in parameters
            or variable is None
            or not (name in dropped or (variable.shape == () and _is_level_or_member(variable)))
        ):
            continue
        units = _units(variable)
        if variable.kind in "iuf" and variable.size == 1 and _is_level(name, units):
            found[name] = float(variable.values().ravel()[0]), units
        elif _is_level_or_member(variable):
            texts = variable.texts() or []
            if len(texts) == 1:
                found[name] = texts[0], ""
    return found


def _units(coordinate: StoredVariable | None) -> str:
    return "" if coordinate is None else str(coordinate.attributes.get("units", ""))


def _is_level(name: str, units: str) -> bool:
    """Return whether a coordinate is no time and no version of the data."""
    return time_unit(units) not in SECONDS and name.lower() not in VERSIONS


def members_of(coordinate: StoredVariable, size: int) -> list[float] | list[str] | None:
    """Return the numbers or names of the trajectories of a file, or None if it has none."""
    if coordinate.kind in "iuf" and coordinate.shape == (size,):
        return coordinate.values().tolist()
    texts = coordinate.texts()
    return texts if texts and len(texts) == size else None


def level_text(level: Level) -> str:
    """Return value and units of a level, such as `500 hPa`."""
    if isinstance(level[0], str):
        return level[0]
    return f"{level[0]:.10g} {level[1]}".removesuffix(" 1").strip()


def difference_of_levels(one: Levels, two: Levels, run: bool = False) -> tuple[str, str] | None:
    """Return the first level in which two files differ, as text for each, or None.

    Args:
        one: Levels of a file.
        two: Levels of the other.
        run: If True, the files are parts of one run, whose member must be the same too.
    """
    for name in one.keys() & two.keys():
        (a, unit), (b, other_unit) = one[name], two[name]
        if name.lower() in COUNTED and not run:
            continue
        known = unit and other_unit
        if isinstance(a, str) or isinstance(b, str):
            differ = type(a) is type(b) and a != b
        else:
            differ = abs(a - b) > 1e-5 * max(abs(a), abs(b))
        if differ or (known and not same_units(unit, other_unit)):
            return f"the level {name} = {level_text(one[name])}", level_text(two[name])
    return None


def _is_level_or_member(variable: StoredVariable) -> bool:
    """Return whether a coordinate counts members or is vertical."""
    return variable.name.lower() in COUNTED or _is_vertical(variable)


def _is_vertical(variable: StoredVariable) -> bool:
    """Return whether a coordinate is a level, by its attributes or its name."""
    said = {key: str(variable.attributes.get(key, "")).lower() for key in
            ("axis", "positive", "standard_name")}  # fmt: skip
    return bool(
        said["axis"] == "z"
        or said["positive"]
        or said["standard_name"] in HEIGHTS
        or variable.name.lower() in VERTICAL
    )
