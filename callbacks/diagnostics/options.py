"""Checks of the values that options of diagnostics may have."""

import math
from typing import Any

import numpy as np


def is_whole(value: Any, least: int = 1, most: int | None = None) -> bool:
    """Return whether a value is a whole number from `least` to `most`, both included."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and bool(value >= least and (most is None or value <= most))


def is_finite(value: Any, above: float = 0.0) -> bool:
    """Return whether a value is a finite number greater than `above`."""
    return math.isfinite(value) and bool(value > above)
