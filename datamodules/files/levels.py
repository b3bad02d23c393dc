"""Levels at which fields are: coordinates of one value, whose dimensions are left out."""

from collections.abc import Mapping, Sequence

from datamodules.files.decoded_array import text
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.units import SECONDS, same_units, time_unit

Levels = Mapping[str, tuple[float, str]]  # value and units, by the name of the coordinate
COUNTED = {"number", "member", "ensemble", "ens", "realization", "sample", "trajectory", "run"}
VERSIONS = {"expver"}  # ERA5 and its preliminary data, which continue each other
HEIGHTS = {"air_pressure", "altitude", "depth", "height", "model_level_number"}
VERTICAL = {"lev", "level", "levels", "plev", "pressure", "pressure_level", "isobaricinhpa",
            "altitude", "depth", "height", "heightaboveground"}  # fmt: skip


def levels_of(
    contents: Contents, field: StoredVariable, dropped: Sequence[str], parameters: Sequence[str]
) -> Levels:
    """Return the levels of a field: of dimensions that were left out, and scalar vertical ones.

    Times and physical parameters are not among them, and no coordinates that are not numbers.
    """
    scalars = (text(field.attributes.get("coordinates")) or "").split()
    found = {}
    for name in dict.fromkeys([*dropped, *scalars, *VERTICAL]):
        variable = contents.variables.get(name)
        if (
            name in parameters
            or variable is None
            or variable.kind not in "iuf"
            or variable.size != 1
        ):
            continue
        if name in dropped or (variable.shape == () and _is_vertical(variable)):
            units = str(variable.attributes.get("units", ""))
            if time_unit(units) not in SECONDS and name.lower() not in VERSIONS:
                found[name] = float(variable.values().ravel()[0]), units
    return found


def level_text(level: tuple[float, str]) -> str:
    """Return value and units of a level, such as `500 hPa`."""
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
        if abs(a - b) > 1e-5 * max(abs(a), abs(b)) or (known and not same_units(unit, other_unit)):
            return f"the level {name} = {level_text(one[name])}", level_text(two[name])
    return None


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
