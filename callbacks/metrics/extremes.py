"""Empirical return periods."""

import numpy as np
from jaxtyping import Float


def until_bad(series: Float[np.ndarray, "start time"]) -> Float[np.ndarray, " value"]:
    """Return the values of all series together, of each those before the first not finite."""
    return series[np.isfinite(series).cumprod(axis=1).astype(bool)]


def return_levels(
    series: Float[np.ndarray, " time"], interval: float, periods: Float[np.ndarray, " period"]
) -> Float[np.ndarray, " period"]:
    """Return the level that is exceeded once in each period, from values `interval` apart.

    The m-th of n ascending values has the period interval / (1 - m/(n + 1)). Beyond the longest of
    them, and for a series without finite values, the level is NaN. Values after the first that is
    not finite are left out.
    """
    values = np.sort(until_bad(series[None]))
    if not len(values):
        return np.full(len(periods), np.nan)
    rank = np.arange(1, len(values) + 1)
    empirical = interval / (1 - rank / (len(values) + 1))
    return np.interp(np.log(periods), np.log(empirical), values, right=np.nan)
