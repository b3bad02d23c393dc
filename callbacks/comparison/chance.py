"""Confidence intervals of the difference between two methods."""

from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
"""Probability with which an interval contains the difference."""


class Interval(NamedTuple):
    """Difference between the mean scores of two methods, with its confidence interval.

    Attributes:
        difference: Mean score of the first method minus mean score of the second, (...).
        low: Lower end of the interval, (...).
        high: Upper end of the interval, (...).
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def excludes_zero(self) -> np.ndarray:
        """True where the difference is more than chance."""
        return (self.low > 0) | (self.high < 0)


def paired_interval(
    first: np.ndarray, second: np.ndarray, independent: int | None = None
) -> Interval:
    """Return the difference between the means of two methods, with its confidence interval.

    Both methods forecast from the same initial conditions, so that scores are paired by initial
    condition; the seeds of their trainings are independent. The variance of the difference is

        V_1 / S_1 + V_2 / S_2 + V_d / n - E_1 / (S_1 n) - E_2 / (S_2 n),

    with V the variance over the S seeds of a method's means, V_d the variance over the initial
    conditions of the paired differences of means over seeds, n the number of independent initial
    conditions, and E the variance of the interaction between seed and initial condition, which both
    V and V_d contain. It is at least the part of the seeds, and the part of the initial conditions.
    The interval is Student's t with the degrees of freedom of Satterthwaite (1946). Of a method
    with a single seed the variance over seeds is unknown and left out: the interval then holds for
    this trained network, not for another seed.

    The percentiles of a bootstrap that resamples seeds and initial conditions have no such degrees
    of freedom: with three seeds and eight initial conditions their 95 % interval contains the
    difference in 80 % of all cases if nearly all variance is of the seeds, and in 89 % if much of
    it is of the initial conditions. Where the interaction is the whole variance, this interval is
    wider than necessary: it contains the difference in more than 99 %. All of these are in
    `tests/callbacks/test_chance.py`.

    Args:
        first: Scores of the first method, (..., seed, initial condition).
        second: Scores of the second method, (..., seed, initial condition).
        independent: Number of independent initial conditions; by default all of them.

    Returns:
        Difference and interval, without end where there are fewer than two independent initial
        conditions.

    Example:
        Scores from three initial conditions that differ by 1, 2 and 3: t = 4.303 standard errors of
        1/√3 around their mean:

        >>> found = paired_interval(np.array([[11.0, 7.0, 5.0]]), np.array([[10.0, 5.0, 2.0]]))
        >>> [round(float(number), 3) for number in found]
        [2.0, -0.484, 4.484]
        >>> bool(found.excludes_zero)
        False
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    starts = first.shape[-1]
    count = starts if independent is None else min(independent, starts)
    difference = first.mean((-2, -1)) - second.mean((-2, -1))
    if count < 2:
        endless = np.full(difference.shape, np.inf)
        return Interval(difference, -endless, endless)
    paired = first.mean(-2) - second.mean(-2)
    of_starts = paired.var(-1, ddof=1) / count
    of_seeds, interaction = np.zeros(difference.shape), np.zeros(difference.shape)
    squares = (of_starts**2) / (count - 1)
    for scores in (first, second):
        seeds = scores.shape[-2]
        if seeds < 2:
            continue
        own = scores.mean(-1).var(-1, ddof=1) / seeds
        rest = scores - scores.mean(-1, keepdims=True) - scores.mean(-2, keepdims=True)
        rest = rest + scores.mean((-2, -1), keepdims=True)
        freedom = (seeds - 1) * (count - 1)
        error = (rest**2).sum((-2, -1)) / ((seeds - 1) * (starts - 1)) / (seeds * count)
        of_seeds, interaction = of_seeds + own, interaction + error
        squares = squares + own**2 / (seeds - 1) + error**2 / freedom
    variance = of_seeds + of_starts - interaction
    variance = np.maximum(variance, np.maximum(of_seeds, of_starts))
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(squares > 0, variance**2 / squares, 1.0)
    half = t_quantile(np.maximum(freedom, 1.0)) * np.sqrt(variance)
    return Interval(difference, difference - half, difference + half)


def t_quantile(freedom: np.ndarray, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return the t below which |Student's t| lies with a probability.

    With t = √ν tan θ the probability is the integral of cos^(ν-1) from 0 to θ over its integral to
    π/2.

    Args:
        freedom: Degrees of freedom ν, at least 1; numbers above 1,000 count as 1,000.
        confidence: Probability.

    Example:
        Tables of the t distribution have 12.706, 2.228 and 1.962:

        >>> t_quantile(np.array([1.0, 10.0, 1000.0])).round(3).tolist()
        [12.706, 2.228, 1.962]
    """
    freedom = np.minimum(np.asarray(freedom, float), 1000.0)
    known, inverse = np.unique(freedom, return_inverse=True)
    angle = np.linspace(0.0, np.pi / 2, 2001)
    found = np.empty(len(known))
    for number, own in enumerate(known):
        density = np.cos(angle).clip(0.0) ** (own - 1)
        area = np.concatenate(([0.0], np.cumsum(density[1:] + density[:-1])))
        found[number] = np.sqrt(own) * np.tan(np.interp(confidence * area[-1], area, angle))
    return found[inverse].reshape(freedom.shape)
