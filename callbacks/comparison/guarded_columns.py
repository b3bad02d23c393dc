"""Columns of diagnostics with error handling: an error in user code leaves a cell empty."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from callbacks.comparison.found_diagnostics import note, reason
from callbacks.diagnostics.compared import Column, Run


def has_cells(column: Column, runs: Sequence[Run]) -> bool:
    """Return whether a column has a number, or raises an error, for some run."""
    try:
        return any(column.value(run) is not None for run in runs)
    except Exception:  # a column of empty cells, which `guarded` explains
        return True


def in_unit(column: Column, unit: float, diagnostic: str) -> Column:
    """Return a column in the square of a unit, unchanged if it depends on no unit.

    Args:
        column: Column of a diagnostic.
        unit: Unit of the error, in units of the data.
        diagnostic: Name of the diagnostic, for a note about an error.
    """
    try:
        return column.in_unit(unit) if column.in_unit else column
    except Exception as error:
        note(f"{diagnostic}: column '{column.heading}' cannot change its unit: {reason(error)}")
        return column


def guarded(column: Column, diagnostic: str) -> Column:
    """Return a column whose functions return None, with a note, where they raise an error.

    Args:
        column: Column of a diagnostic.
        diagnostic: Name of the diagnostic, for a note about an error.
    """

    def safe(function: Callable[[Run], float | None]) -> Callable[[Run], float | None]:
        def value_or_none(run: Run) -> float | None:
            try:
                value = function(run)
                if value is not None:
                    column.form.format(float(value))
                return value
            except Exception as error:
                note(f"{diagnostic}: column '{column.heading}' has empty cells: {reason(error)}")
                return None

        return value_or_none

    def safe_each(run: Run) -> np.ndarray | None:
        try:
            found = column.each(run) if column.each else None
            return None if found is None else np.asarray(found, float).reshape(-1)
        except Exception as error:
            note(f"{diagnostic}: column '{column.heading}' has no intervals: {reason(error)}")
            return None

    spread = None if column.spread is None else safe(column.spread)
    return replace(column, value=safe(column.value), spread=spread, each=safe_each)
