"""Error of a rollout against the truth, and how long it stays small."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def mean_squared_error(
    forecast: Float[Tensor, "batch channel *space"], truth: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    """Return the mean over the grid of (û - u)², in squared units of each channel, in float64."""
    return (forecast.double() - truth.double()).square().flatten(2).mean(2)


def spatial_variance(
    field: Float[Tensor, "batch channel *space"],
) -> Float[Tensor, "batch channel"]:
    """Return the variance over the grid, in float64."""
    values = field.double().flatten(2)
    return (values - values.mean(2, keepdim=True)).square().mean(2)  # var takes ten times as long


def pattern_correlation(
    forecast: Float[Tensor, "batch channel *space"], truth: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    """Return the correlation over the grid of û and u, each without its spatial mean, in float64.

    It is zero where one of them is constant.
    """
    axes = tuple(range(2, truth.dim()))
    return _cosine(*(f.double() - f.double().mean(axes, keepdim=True) for f in (forecast, truth)))


def anomaly_correlation(
    forecast: Float[Tensor, "batch channel *space"],
    truth: Float[Tensor, "batch channel *space"],
    climate: Float[Tensor, "channel *space"],
) -> Float[Tensor, "batch channel"]:
    """Return Σ a b / √(Σ a² Σ b²) over the grid, a = û - climate, b = u - climate, in float64.

    Anomalies keep their spatial means. It is zero where one of them vanishes.
    """
    return _cosine(forecast.double() - climate, truth.double() - climate)


def _cosine(
    one: Float[Tensor, "batch channel *space"], two: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    one, two = one.flatten(2), two.flatten(2)
    norm = (one.square().sum(2) * two.square().sum(2)).sqrt()
    return (one * two).sum(2) / torch.where(norm == 0, 1.0, norm)


def valid_steps(error: Float[Tensor, "start lead"], threshold: float) -> Int[Tensor, " start"]:
    """Return how many leads pass, per trajectory, before √error first exceeds the threshold.

    A value that is not a number exceeds it. A trajectory that never does counts all leads.
    """
    valid = torch.sqrt(error) <= threshold
    return valid.long().cumprod(dim=1).sum(dim=1)
