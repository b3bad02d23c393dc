"""Differences between the best method and the others, and whether they are more than chance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from callbacks.comparison.chance import paired_interval
from callbacks.diagnostics.compared import Column, Method


class Difference(NamedTuple):
    """Difference between the scores of the best method and of another one.

    Attributes:
        other: Name of the other method.
        difference: Mean score of the best method minus mean score of the other one.
        low: Lower end of the 95 % interval, or None if there are too few numbers for one.
        high: Upper end of the interval, or None.
    """

    other: str
    difference: float
    low: float | None
    high: float | None

    @property
    def more_than_chance(self) -> bool:
        """True if the interval does not contain zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Best(NamedTuple):
    """Method with the best mean of a score, and its differences to the others.

    Attributes:
        heading: Heading of the column.
        name: Name of the method.
        others: Differences to the other methods with a finite score, the next best first.
        more_than_chance: True if there are others, and all differences are more than chance.
    """

    heading: str
    name: str
    others: list[Difference]

    @property
    def more_than_chance(self) -> bool:
        return bool(self.others) and all(one.more_than_chance for one in self.others)


def best_of(column: Column, groups: Sequence[Method], independent: int | None) -> Best | None:
    """Return the best method of a column; None if it has no best, or no finite number.

    Where two methods or more have weights, others, such as the solver of the data, take no part.

    Args:
        column: Column of the table.
        groups: Methods that are compared.
        independent: Number of independent initial conditions, or None if it is unknown.

    Example:
        Errors of two methods from three initial conditions:

        >>> from pathlib import Path
        >>> import xarray
        >>> from callbacks.diagnostics.compared import Run, methods
        >>> runs = [
        ...     Run(name, xarray.Dataset({"error": ("initial_condition", errors)}), {}, Path(name))
        ...     for name, errors in (("fno", [1.0, 2.0, 3.0]), ("unet", [2.0, 3.1, 3.9]))
        ... ]
        >>> column = Column(
        ...     "error", lambda run: run.mean("error"), best="least",
        ...     each=lambda run: run.each("error"),
        ... )
        >>> found = best_of(column, methods(runs), independent=None)
        >>> found.name, found.others[0].other, found.more_than_chance
        ('fno', 'unet', True)
    """
    if column.best is None:
        return None
    sign = 1 if column.best == "least" else -1
    known: list[tuple[float, int, Method]] = []
    for group in competing(groups):
        values = [value for run in group.runs if (value := column.value(run)) is not None]
        if values and np.isfinite(np.mean(values)):
            known.append((sign * float(np.mean(values)), len(known), group))
    if not known:
        return None
    (mean, _, first), *others = sorted(known)
    found = []
    for value, _, group in others:
        low, high = interval(column, first, group, independent)
        found.append(Difference(group.name, sign * (mean - value), low, high))
    return Best(column.heading, first.name, found)


def competing(groups: Sequence[Method]) -> Sequence[Method]:
    """Return the methods with weights; all methods if fewer than two have any."""
    trained = with_weights(groups)
    return trained if len(trained) > 1 else groups


def with_weights(groups: Sequence[Method]) -> list[Method]:
    """Return the methods that are not references without weights."""
    return [group for group in groups if group.has_weights]


def interval(
    column: Column, first: Method, second: Method, independent: int | None
) -> tuple[float | None, float | None]:
    """Return the ends of the interval of a difference, or None twice if there is none."""
    rows = [each_seed(column, method) for method in (first, second)]
    if rows[0] is None or rows[1] is None or rows[0].shape[1] != rows[1].shape[1]:
        return None, None
    _, low, high = paired_interval(rows[0], rows[1], independent)
    ends = float(low), float(high)
    return ends if np.isfinite(ends).all() else (None, None)


def each_seed(column: Column, method: Method) -> np.ndarray | None:
    """Return the scores (seed, initial condition) of a method; None if some are not finite."""
    if column.each is None:
        return None
    rows = [column.each(run) for run in method.runs]
    known = [row for row in rows if row is not None]
    if len(known) < len(rows) or len({len(row) for row in known}) > 1:
        return None
    found = np.stack(known)
    return found if np.isfinite(found).all() else None
