"""Errors of a rollout against the truth, and the lead time up to which they stay small."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from callbacks.metrics.spatial_mean import spatial_mean
from datamodules.point_weights import Weights


def mean_squared_error(
    forecast: Float[Tensor, "batch channel *space"],
    truth: Float[Tensor, "batch channel *space"],
    weights: Weights | None = None,
) -> Float[Tensor, "batch channel"]:
    """Return the mean over the grid of (û - u)², Σ w (û - u)² / Σ w.

    Args:
        forecast: Forecast û.
        truth: True state u.
        weights: Weight w of each point, (channel, *space); None if all are equal.

    Returns:
        Error in squared units of each channel, in float64.

    Example:
        >>> mean_squared_error(torch.full((1, 1, 8), 5.0), torch.full((1, 1, 8), 2.0)).tolist()
        [[9.0]]

        Errors of 1 and 3, of which the second counts three times as much, (1 + 3 · 9) / 4:

        >>> forecast, truth = torch.tensor([[[1.0, 3.0]]]), torch.zeros(1, 1, 2)
        >>> mean_squared_error(forecast, truth, torch.tensor([[0.5, 1.5]])).tolist()
        [[7.0]]
    """
    return spatial_mean((forecast.double() - truth.double()).square(), weights)


def spatial_variance(
    field: Float[Tensor, "batch channel *space"], weights: Weights | None = None
) -> Float[Tensor, "batch channel"]:
    """Return the variance over the grid, Σ w (u - ⟨u⟩)² / Σ w with ⟨u⟩ = Σ w u / Σ w.

    Args:
        field: States u.
        weights: Weight w of each point, (channel, *space); None if all are equal.

    Returns:
        Variance in squared units of each channel, in float64.

    Example:
        >>> spatial_variance(torch.tensor([[[1.0, 3.0, 1.0, 3.0]]])).tolist()
        [[1.0]]

        With weights of 1 and 3 the mean of 0 and 4 is 3, the variance (9 + 3 · 1) / 4:

        >>> spatial_variance(torch.tensor([[[0.0, 4.0]]]), torch.tensor([[1.0, 3.0]])).tolist()
        [[3.0]]
    """
    values = field.double().flatten(2)
    weights = None if weights is None else weights.flatten(1)
    mean = spatial_mean(values, weights)[..., None]
    return spatial_mean((values - mean).square(), weights)  # faster than torch.var


def pattern_correlation(
    forecast: Float[Tensor, "batch channel *space"],
    truth: Float[Tensor, "batch channel *space"],
    weights: Weights | None = None,
) -> Float[Tensor, "batch channel"]:
    """Return the correlation Σ w a b / √(Σ w a² Σ w b²), a = û - ⟨û⟩, b = u - ⟨u⟩.

    The means over the grid, ⟨û⟩ and ⟨u⟩, have the same weights w.

    Args:
        forecast: Forecast û.
        truth: True state u.
        weights: Weight w of each point, (channel, *space); None if all are equal.

    Returns:
        Correlation in [-1, 1], in float64; zero where one of the fields is constant.

    Example:
        A wave that is displaced by half its length has the correlation -1:

        >>> wave = torch.tensor([[[0.0, 1.0, 0.0, -1.0]]])
        >>> pattern_correlation(1 - 2 * wave, wave).tolist()
        [[-1.0]]

        Where a point is masked, the others decide:

        >>> forecast, truth = torch.tensor([[[9.0, 1.0, 2.0]]]), torch.tensor([[[0.0, 3.0, 5.0]]])
        >>> pattern_correlation(forecast, truth, torch.tensor([[0.0, 1.0, 1.0]])).tolist()
        [[1.0]]
    """
    if weights is None:
        axes = tuple(range(2, truth.dim()))
        means = [field.double().mean(axes, keepdim=True) for field in (forecast, truth)]
    else:
        ones = [1] * (truth.dim() - 2)
        means = [
            spatial_mean(field.double(), weights).reshape(*field.shape[:2], *ones)
            for field in (forecast, truth)
        ]
    return _cosine(forecast.double() - means[0], truth.double() - means[1], weights)


def anomaly_correlation(
    forecast: Float[Tensor, "batch channel *space"],
    truth: Float[Tensor, "batch channel *space"],
    climate: Float[Tensor, "channel *space"],
    weights: Weights | None = None,
) -> Float[Tensor, "batch channel"]:
    """Return the anomaly correlation Σ w a b / √(Σ w a² Σ w b²), a = û - climate, b = u - climate.

    Anomalies keep their spatial means, as in the WMO's uncentred definition.

    Args:
        forecast: Forecast û.
        truth: True state u.
        climate: Mean state of the reference.
        weights: Weight w of each point, (channel, *space); None if all are equal.

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
    return _cosine(forecast.double() - climate, truth.double() - climate, weights)


def _cosine(
    one: Float[Tensor, "batch channel *space"],
    two: Float[Tensor, "batch channel *space"],
    weights: Weights | None,
) -> Float[Tensor, "batch channel"]:
    def total(product: Tensor) -> Tensor:
        return product.flatten(2).sum(2) if weights is None else spatial_mean(product, weights)

    norm = (total(one.square()) * total(two.square())).sqrt()
    return total(one * two) / torch.where(norm == 0, 1.0, norm)


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
