"""Numbers that were rounded: their spread about a line, and their fewest digits."""

import math

import numpy as np


def least_spread(stamps: np.ndarray) -> float:
    """Return the spread of stamps (largest minus smallest residual) about the line that fits best.

    The spread is at most 1 for uniform stamps that were rounded, or truncated, to integers.
    """
    numbers = np.arange(len(stamps))
    mean = (stamps[-1] - stamps[0]) / (len(stamps) - 1)
    low, high = mean - 1 / len(stamps), mean + 1 / len(stamps)
    for _ in range(60):  # the spread is a convex function of the slope
        third = (high - low) / 3
        left, right = (np.ptp(stamps - slope * numbers) for slope in (low + third, high - third))
        low, high = (low, high - third) if left < right else (low + third, high)
    return float(np.ptp(stamps - low * numbers))


def fewest_digits(value: float, uncertainty: float) -> tuple[int, float]:
    """Return the fewest significant digits of a number within an uncertainty, and that number."""
    if not math.isfinite(value) or value == 0:
        return 17, value
    for digits in range(1, 17):
        rounded = float(f"{value:.{digits - 1}e}")
        if abs(rounded - value) <= uncertainty:
            return digits, rounded
    return 17, value
