"""Check that numbers in options are neither NaN nor infinite."""

from collections.abc import Mapping, Sequence
from math import isfinite


def check_finite(owner: str, **options: object) -> None:
    """Check that all numbers, also in nested lists and mappings, are finite.

    Args:
        owner: Class whose options they are.
        options: Options by name; values that are not numbers pass.

    Raises:
        ValueError: A number is not finite; the message names the option.
    """
    for name, value in options.items():
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{owner}.{name} must be a finite number, got {value}.")
        if isinstance(value, Mapping):
            check_finite(f"{owner}.{name}", **{str(key): item for key, item in value.items()})
        elif isinstance(value, Sequence) and not isinstance(value, str):
            check_finite(owner, **{f"{name}[{n}]": item for n, item in enumerate(value)})
