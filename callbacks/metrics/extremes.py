"""Empirical return periods."""

import numpy as np
from jaxtyping import Float


def until_not_finite(series: Float[np.ndarray, "start time"]) -> Float[np.ndarray, " value"]:
    """Return the values of all series together, each up to its first value that is not finite.

    Args:
        series: Values of each initial condition over time.

    Example:
        >>> until_not_finite(np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])).tolist()
        [1.0, 4.0, 5.0, 6.0]
    """
    return series[np.isfinite(series).cumprod(axis=1).astype(bool)]


until_bad = until_not_finite
"""Former name, accepted until 0.3."""


def return_levels(
    series: Float[np.ndarray, " time"], interval: float, periods: Float[np.ndarray, " period"]
) -> Float[np.ndarray, " period"]:
    """Return the level that is exceeded once in each return period, on average.

    The m-th of n ascending values has the return period interval / (1 - m/(n + 1)) (Weibull's
    plotting position); levels are interpolated in its logarithm. Values after the first that is
    not finite are left out.

    Args:
        series: Values at equal intervals.
        interval: Time between two values [T].
        periods: Return periods [T].

    Returns:
        Levels in the units of the series; NaN beyond the longest period of the data, and for a
        series without finite values.

    References: L. Makkonen, J. Appl. Meteorol. Climatol. 45 (2006) 334-340, on plotting positions.

    Example:
        Three values have the periods 4/3, 2 and 4; a period of 8 is beyond the data:

        >>> levels = return_levels(np.array([3.0, 1.0, 2.0]), 1.0, np.array([2.0, 4.0, 8.0]))
        >>> levels.round(6).tolist()
        [2.0, 3.0, nan]
    """
    values = np.sort(until_not_finite(series[None]))
    if not len(values):
        return np.full(len(periods), np.nan)
    rank = np.arange(1, len(values) + 1)
    empirical = interval / (1 - rank / (len(values) + 1))
    return np.interp(np.log(periods), np.log(empirical), values, right=np.nan)
