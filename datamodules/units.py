"""Units of files: their symbols, and whether two of them mean the same."""

import re

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SECONDS["week"] = 7 * SECONDS["d"]
SYMBOLS = {
    **dict.fromkeys(("nanosecond", "nanoseconds", "nanosec", "nanosecs", "ns"), "ns"),
    **dict.fromkeys(("microsecond", "microseconds", "microsec", "microsecs", "us"), "us"),
    **dict.fromkeys(("millisecond", "milliseconds", "millisec", "millisecs", "msec", "ms"), "ms"),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), "s"),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), "min"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), "h"),
    **dict.fromkeys(("day", "days", "d"), "d"),
    **dict.fromkeys(("week", "weeks"), "week"),
}
NORTH = {"degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen"}
EAST = {"degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee"}


def time_unit(units: str) -> str:
    """Return the symbol of a unit of time, without the origin that may follow `since`.

    Example:
        >>> time_unit("hours since 2000-01-01"), time_unit("turnover times")
        ('h', 'turnover times')
    """
    unit = re.split(r"\s+since\b", units.strip(), flags=re.IGNORECASE)[0].strip()
    return SYMBOLS.get(unit.lower(), unit)


def in_seconds(value: float, unit: str) -> float | None:
    """Return a time in seconds, or None where the length of its unit is not known."""
    return value * SECONDS[unit] if unit in SECONDS else None


def same_units(one: str, other: str) -> bool:
    """Return whether two units are written for the same one: `m/s`, `m s-1` and `m s**-1`.

    Example:
        >>> same_units("m/s", "m s**-1"), same_units("K", "degC")
        (True, False)
    """
    return _plain(one) == _plain(other)


def _plain(units: str) -> list[str]:
    """Return the factors of a unit, each with its power, in alphabetical order."""
    parts = [part.strip() for part in units.replace("**", "^").split("/")]
    factors = []
    for place, part in enumerate(parts):
        for factor in part.replace("·", " ").replace("*", " ").replace(".", " ").split():
            found = re.fullmatch(r"([^\d^+-]+)\^?([+-]?\d+)?", factor)
            name, power = (found[1], int(found[2] or 1)) if found else (factor, 1)
            factors.append(f"{name}^{-power if place else power}")
    return sorted(factor for factor in factors if factor != "1^1")
