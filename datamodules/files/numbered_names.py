"""Numbers in the names of files of one snapshot each, which order them in time."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

# a sign only where it cannot be a hyphen between two words
NUMBER = re.compile(r"(?:(?<=[_=])-)?\d+(?:\.\d+)?(?:[eE][-+]?\d+(?![^\W_]))?")
DAY = r"(?:\d{4}-[01]\d(?:-[0-3]\d)?|(?:1[6-9]|2[0-3])\d\d([_.])[01]\d\1[0-3]\d)"
CLOCK = r"(?:[-_T][0-2]\d(?:[-:_.]?[0-5]\d){0,2}Z?)?"
DATE = re.compile(
    rf"(?<![^\W_]){DAY}{CLOCK}(?![^\W_])|(?<!\d)(?:\d\d){{3,7}}-(?:\d\d){{3,7}}(?!\d)"
)
SIZE = re.compile(r"(?<![^\W_])\d+(?:x\d+)+(?![^\W_])")


def numbers_in(name: str) -> list[float]:
    """Return the numbers in a name, each read whole with its decimals and exponent.

    Example:
        >>> numbers_in("re100_t0.25"), numbers_in("v_5e-01"), numbers_in("u-0007")
        ([100.0, 0.25], [0.5], [7.0])
    """
    return [float(found) for found in NUMBER.findall(name)]


def without_last_number(name: str) -> str:
    """Return a name with `#` for its last number or date, not counting the size of a grid.

    Example:
        >>> without_last_number("re100_t0.25"), without_last_number("run")
        ('re100_t#', 'run')
        >>> without_last_number("a_2000-01-01"), without_last_number("re100_part3_64x64")
        ('a_#', 're100_part#_64x64')
    """
    dates = list(DATE.finditer(name))
    longer = [*dates, *SIZE.finditer(name)]
    numbers = [
        number
        for number in NUMBER.finditer(name)
        if not any(one.start() < number.end() and number.start() < one.end() for one in longer)
    ]
    last = max([*dates, *numbers], key=lambda one: one.end(), default=None)
    return f"{name[: last.start()]}#{name[last.end() :]}" if last else name


def check_order(paths: Sequence[Path]) -> None:
    """Check that the last number in the names of files orders them for certain.

    Args:
        paths: Files in the order of their last numbers.

    Raises:
        ValueError: The names differ in more than numbers, or an earlier number gives another order.
    """
    for before, path in pairwise(paths):
        one, two = before.stem, path.stem
        alike = NUMBER.sub("#", one) == NUMBER.sub("#", two)
        if not (alike and numbers_in(one) <= numbers_in(two)):
            raise ValueError(
                f"{before} and {path} hold one snapshot each and cannot be put in the order of "
                "time for certain, expected names that differ in one number, which is the last; "
                "rename them, such as to u_0001, store an array 'time' in each, or choose others "
                "by data.SPLIT.files."
            )
