"""Calibration of ensembles: ranks of the truth, and forecast probabilities of exceedances."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from callbacks.metrics.ensemble import Members
from callbacks.metrics.spatial_mean import spatial_mean
from datamodules.point_weights import Weights
from datamodules.solvers.variable import State


def rank_histogram(
    members: Members, truth: State, weights: Weights | None = None
) -> Float[Tensor, "batch channel rank"]:
    """Return the share of points at which the truth has each rank among M members, 0 ... M.

    The rank is the number of members below the truth. If t members equal the truth, the point
    counts 1/(t + 1) for each of the t + 1 ranks that the truth may have.

    Args:
        members: Forecasts.
        truth: True states.
        weights: Weight w of each point, (channel, *space); None if all are equal. The share is the
            share of Σ w.

    Returns:
        Shares that add up to 1, in float64; NaN for a sample with a value that is not finite,
        unless its weight is zero.

    References: T. M. Hamill, Mon. Weather Rev. 129 (2001) 550-560.

    Example:
        Members 1 and 2. The truth is below both, above both, and equal to the second:

        >>> members = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1).expand(2, 1, 1, 4)
        >>> rank_histogram(members, torch.tensor([[[0.0, 3.0, 4.0, 2.0]]])).tolist()
        [[[0.25, 0.125, 0.625]]]
    """
    below, ties = (members < truth).sum(0), (members == truth).sum(0)
    finite, each = known(members, truth), 1 / (ties + 1).double()

    def share(rank: int) -> Float[Tensor, "batch channel"]:
        possible = (below <= rank) & (rank <= below + ties)
        return spatial_mean(torch.where(finite, each * possible, float("nan")), weights)

    return torch.stack([share(rank) for rank in range(len(members) + 1)], dim=-1)


def exceedances(
    members: Members,
    truth: State,
    threshold: Float[Tensor, " channel"],
    weights: Weights | None = None,
) -> Float[Tensor, "2 batch channel count"]:
    """Return how often k = 0 ... M members exceed a threshold, and how often the truth does so too.

    Args:
        members: Forecasts.
        truth: True states.
        threshold: Threshold of each channel.
        weights: Weight w of each point, (channel, *space); None if all are equal.

    Returns:
        Share of points at which k members exceed the threshold, and share of points at which k
        members and the truth exceed it, in float64; NaN for a sample with a value that is not
        finite, unless its weight is zero.

    Example:
        Both members exceed 1 at two points, at one of which the truth does so:

        >>> members = torch.tensor([[[[2.0, 2.0, 0.0, 0.0]]], [[[3.0, 3.0, 0.0, 2.0]]]])
        >>> truth = torch.tensor([[[2.0, 0.0, 0.0, 0.0]]])
        >>> exceedances(members, truth, torch.ones(1)).tolist()
        [[[[0.25, 0.25, 0.5]]], [[[0.0, 0.0, 0.25]]]]
    """
    level = threshold.to(truth).reshape(-1, *[1] * (truth.dim() - 2))
    count, finite = (members > level).sum(0), known(members, truth)
    event = truth > level

    def share(where: Bool[Tensor, "batch channel *space"]) -> Float[Tensor, "batch channel"]:
        return spatial_mean(torch.where(finite, where.double(), float("nan")), weights)

    counts = range(len(members) + 1)
    forecast = torch.stack([share(count == k) for k in counts], dim=-1)
    both = torch.stack([share((count == k) & event) for k in counts], dim=-1)
    return torch.stack((forecast, both))


def known(members: Members, truth: State) -> Bool[Tensor, "batch channel *space"]:
    """Return a mask of points at which the truth and all members are finite.

    Example:
        >>> known(torch.tensor([[[[1.0, torch.nan]]]]), torch.zeros(1, 1, 2)).tolist()
        [[[True, False]]]
    """
    return members.isfinite().all(0) & truth.isfinite()


def brier_score(
    forecast: Float[Tensor, "*any count"], both: Float[Tensor, "*any count"]
) -> Float[Tensor, "*any"]:
    """Return the Brier score, the mean of (k/M - o)², with o = 1 where the truth exceeds, else 0.

    Args:
        forecast: Share of points at which k = 0 ... M members exceed, as `exceedances` returns it.
        both: Share of points at which k members and the truth exceed.

    Example:
        One of two members exceeds at half of the points, and so does the truth at half of these:

        >>> brier_score(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.25, 0.0])).item()
        0.125
    """
    probability = torch.linspace(0, 1, forecast.shape[-1]).to(forecast)
    return (forecast * probability**2 + both * (1 - 2 * probability)).sum(-1)
