"""Units in files: their symbols, and the comparison of two of them."""

import re
from fractions import Fraction

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
NAMES = {
    **dict.fromkeys(("kelvin", "kelvins", "degk", "deg_k", "degree_k", "degrees_k"), "K"),
    **dict.fromkeys(("celsius", "degc", "deg_c", "degree_c", "degrees_c", "°c"), "degC"),
    **dict.fromkeys(("degree_celsius", "degrees_celsius"), "degC"),
    **dict.fromkeys(("metre", "metres", "meter", "meters"), "m"),
    **dict.fromkeys(("kilometre", "kilometres", "kilometer", "kilometers"), "km"),
    **dict.fromkeys(("gram", "grams"), "g"),
    **dict.fromkeys(("kilogram", "kilograms"), "kg"),
    **dict.fromkeys(("pascal", "pascals"), "Pa"),
    **dict.fromkeys(("joule", "joules"), "J"),
    **dict.fromkeys(("watt", "watts"), "W"),
    **dict.fromkeys(("newton", "newtons"), "N"),
    **dict.fromkeys(("mole", "moles"), "mol"),
    **dict.fromkeys(("degree", "degrees", "deg", "°"), "degree"),
    **dict.fromkeys(("radian", "radians"), "rad"),
}
WRITTEN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−·⋅×", "0123456789-+-***")
TOKEN = re.compile(
    r"\s*(?:([*/(])|(?:(\))|([^\d\s^*/().,+-]+)|(\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?))"
    r"(?:\^?([+-]?\d{1,2}))?(?![^\s*/()]))\s*"
)


def time_unit(units: str) -> str:
    """Return the symbol of a unit of time, without the origin that may follow `since`.

    Example:
        >>> time_unit("hours since 2000-01-01"), time_unit("turnover times")
        ('h', 'turnover times')
    """
    unit = re.split(r"\s+since\b", units.strip(), flags=re.IGNORECASE)[0].strip()
    return SYMBOLS.get(unit.lower(), unit)


def same_units(one: str, other: str) -> bool:
    """Return whether two texts are the same unit, such as `m/s`, `m s-1` and `m s**-1`.

    An ambiguous unit like `W/m2 K` is the same only as itself.

    Example:
        >>> same_units("J/(kg K)", "J kg-1 kelvin^-1"), same_units("K", "degC")
        (True, False)
    """
    return _plain(one) == _plain(other)


def _plain(units: str) -> str | dict[str, Fraction]:
    """Return the power of each factor of a unit and its number, or the text if it is ambiguous."""
    text = " ".join(units.split())
    whole = text.lower().replace(" ", "_")
    if whole in EAST | NORTH:
        return "degrees_east" if whole in EAST else "degrees_north"
    try:
        return _factors(text)
    except ValueError:
        return text


def _factors(text: str) -> dict[str, Fraction]:
    """Return the power of each factor, and the number before them under the name `1`.

    Raises:
        ValueError: The text is not a product of powers, or a product follows a division.
    """
    text = text.translate(WRITTEN).replace("**", "^")
    text = re.sub(r"\^[({]([+-]?\d+)[)}]", r"^\1", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)", "*", text)
    levels: list[_Level] = [_Level()]
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            raise ValueError(text)
        place = found.end()
        sign, closed, name, number, power = found.groups()
        if sign == "(":
            levels.append(_Level())
        elif sign:
            levels[-1].join(sign)
        elif closed:
            if len(levels) == 1:
                raise ValueError(text)
            inner = levels.pop().product()
            levels[-1].multiply(inner, int(power or 1))
        else:
            factor = {_symbol(name): Fraction(1)} if name else {"1": Fraction(number)}
            levels[-1].multiply(factor, int(power or 1))
    if len(levels) > 1:
        raise ValueError(text)
    return levels[0].product() if text else {"1": Fraction(1)}


class _Level:
    """Product that is being parsed: the whole unit, or a part in parentheses."""

    def __init__(self) -> None:
        self.powers = {"1": Fraction(1)}
        self.sign, self.divided = "*", False

    def join(self, sign: str) -> None:
        """Read the sign before the next factor."""
        if self.sign:
            raise ValueError("two signs, or none before the first factor")
        self.sign = sign

    def multiply(self, factor: dict[str, Fraction], power: int) -> None:
        """Read the next factor."""
        if self.divided and self.sign != "/":
            raise ValueError("a/b c may be (a/b) c or a/(b c)")
        self.divided = self.sign == "/"
        power, self.sign = (-power if self.divided else power), ""
        for name, value in factor.items():
            if name == "1":
                if not value:
                    raise ValueError("zero is not a unit")
                self.powers[name] *= value**power
            else:
                self.powers[name] = self.powers.get(name, Fraction(0)) + value * power

    def product(self) -> dict[str, Fraction]:
        """Return what was read, without factors that cancel."""
        if self.sign:
            raise ValueError("a factor is missing at the end")
        return {name: power for name, power in self.powers.items() if power or name == "1"}


def _symbol(name: str) -> str:
    """Return the symbol of a unit that may be written in full."""
    return SYMBOLS.get(name) or NAMES.get(name.lower(), name)
