"""Errors of a rollout against the truth, and the lead time up to which they stay small."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def mean_squared_error(
    forecast: Float[Tensor, "batch channel *space"], truth: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    """Return the mean over the grid of (û - u)².

    Args:
        forecast: Forecast û.
        truth: True state u.

    Returns:
        Error in squared units of each channel, in float64.

    Example:
        >>> mean_squared_error(torch.full((1, 1, 8), 5.0), torch.full((1, 1, 8), 2.0)).tolist()
        [[9.0]]
    """
    return (forecast.double() - truth.double()).square().flatten(2).mean(2)


def spatial_variance(
    field: Float[Tensor, "batch channel *space"],
) -> Float[Tensor, "batch channel"]:
    """Return the variance over the grid.

    Args:
        field: States.

    Returns:
        Variance in squared units of each channel, in float64.

    Example:
        >>> spatial_variance(torch.tensor([[[1.0, 3.0, 1.0, 3.0]]])).tolist()
        [[1.0]]
    """
    values = field.double().flatten(2)
    return (values - values.mean(2, keepdim=True)).square().mean(2)  # faster than torch.var


def pattern_correlation(
    forecast: Float[Tensor, "batch channel *space"], truth: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    """Return the correlation over the grid of û and u, each without its spatial mean.

    Args:
        forecast: Forecast û.
        truth: True state u.

    Returns:
        Correlation in [-1, 1], in float64; zero where one of the fields is constant.

    Example:
        A wave that is displaced by half its length has the correlation -1:

        >>> wave = torch.tensor([[[0.0, 1.0, 0.0, -1.0]]])
        >>> pattern_correlation(1 - 2 * wave, wave).tolist()
        [[-1.0]]
    """
    axes = tuple(range(2, truth.dim()))
    return _cosine(*(f.double() - f.double().mean(axes, keepdim=True) for f in (forecast, truth)))


def anomaly_correlation(
    forecast: Float[Tensor, "batch channel *space"],
    truth: Float[Tensor, "batch channel *space"],
    climate: Float[Tensor, "channel *space"],
) -> Float[Tensor, "batch channel"]:
    """Return the anomaly correlation Σ a b / √(Σ a² Σ b²), a = û - climate, b = u - climate.

    Anomalies keep their spatial means, as in the WMO's uncentred definition.

    Args:
        forecast: Forecast û.
        truth: True state u.
        climate: Mean state of the reference.

    Returns:
        Correlation in [-1, 1], in float64; zero where one of the anomalies vanishes.

    References: D. S. Wilks, "Statistical Methods in the Atmospheric Sciences", section on the
    anomaly correlation.

    Example:
        The anomalies are (1, 0) and (1, 1), with 45° between them:

        >>> climate = torch.tensor([[2.0, 2.0]])
        >>> forecast, truth = torch.tensor([[[3.0, 2.0]]]), torch.tensor([[[3.0, 3.0]]])
        >>> round(anomaly_correlation(forecast, truth, climate).item() ** 2, 6)
        0.5
    """
    return _cosine(forecast.double() - climate, truth.double() - climate)


def _cosine(
    one: Float[Tensor, "batch channel *space"], two: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    one, two = one.flatten(2), two.flatten(2)
    norm = (one.square().sum(2) * two.square().sum(2)).sqrt()
    return (one * two).sum(2) / torch.where(norm == 0, 1.0, norm)


def valid_steps(error: Float[Tensor, "start lead"], threshold: float) -> Int[Tensor, " start"]:
    """Return the number of leads before √error first exceeds a threshold.

    Args:
        error: Squared error of each trajectory at each lead.
        threshold: Largest √error, in the unit of √error. NaN exceeds it.

    Returns:
        Number of leads of each trajectory; all leads where the threshold is never exceeded.

    Example:
        >>> valid_steps(torch.tensor([[0.1, 0.2, 4.0, 0.1], [0.0, 0.0, 0.0, 0.0]]), 1.0).tolist()
        [2, 4]
    """
    valid = torch.sqrt(error) <= threshold
    return valid.long().cumprod(dim=1).sum(dim=1)
