"""Scores of ensembles, per initial condition and channel, averaged over the grid, in float64."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from callbacks.metrics.spatial_mean import spatial_mean
from datamodules.point_weights import Weights, apply_weights
from datamodules.solvers.variable import State

Members = Float[Tensor, "member batch channel *space"]
Score = Float[Tensor, "batch channel"]
ROWS = 64  # members whose distances from all others are in memory at once


def crps(members: Members, truth: State, weights: Weights | None = None) -> Score:
    """Return the fair continuous ranked probability score (CRPS), lower is better.

    CRPS = mean over m of |x_m - y| - mean over pairs m ≠ k of ½|x_m - x_k|, which does not depend
    on the number M of members on average. Among sorted members the sum over pairs of |x_m - x_k|
    is 2 Σ_m (2m - M - 1) x_(m), so that it costs a sort and no loop over pairs.

    Args:
        members: Forecasts x. The score of one member is its absolute error.
        truth: Truth y.
        weights: Weight w of each point in the mean, (channel, *space); None if all are equal.

    Returns:
        Mean over the grid, Σ w CRPS / Σ w, in the units of the channel.

    References: C. A. T. Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917-1923.

    Example:
        Members 0 and 2, truth 3: the mean error is 2, half the distance of the pair 1:

        >>> members = torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)
        >>> crps(members, torch.full((1, 1, 1), 3.0)).tolist()
        [[1.0]]
    """
    count = len(members)
    error = (members.double() - truth.double()).abs().mean(0)
    if count == 1:
        return spatial_mean(error, weights)
    rank = 2 * torch.arange(1, count + 1, dtype=torch.float64, device=error.device) - count - 1
    ordered = sorted_members(members).double()
    pairs = torch.tensordot(rank, ordered, dims=1) / (count * (count - 1))
    return spatial_mean(error - pairs, weights)


def sorted_members(members: Members) -> Members:
    """Return the values of all members at each point in ascending order; NaN if one is NaN.

    On a CPU they are compared pair by pair in the order of Batcher's odd-even merge sort, which
    sorts all points at once and is 2 to 4 times as fast as `torch.sort`.

    Args:
        members: Forecasts of any number of members.

    References: K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint
    Computer Conference 32 (1968) 307-314.

    Example:
        >>> sorted_members(torch.tensor([3.0, 1.0, 2.0]).reshape(3, 1, 1, 1)).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    if members.device.type != "cpu":
        return members.sort(dim=0).values
    values, count, merged = list(members), len(members), 1
    while merged < count:  # runs of this length are in order
        apart = merged
        while apart:
            for first in range(apart % merged, count - apart, 2 * apart):
                for low in range(first, min(first + apart, count - apart)):
                    high = low + apart
                    if low // (2 * merged) == high // (2 * merged):
                        pair = values[low], values[high]
                        values[low], values[high] = torch.minimum(*pair), torch.maximum(*pair)
            apart //= 2
        merged *= 2
    return torch.stack(values)


def energy_score(
    members: Members,
    truth: State,
    std: Float[Tensor, " channel"],
    weights: Weights | None = None,
) -> Float[Tensor, " batch"]:
    """Return the fair energy score of whole fields, lower is better.

    ES = (1/M) Σ_m ‖x_m - y‖ - 1/(2 M (M - 1)) Σ_m Σ_k ‖x_m - x_k‖, with ‖v‖² the mean over channels
    of Σ w v² / Σ w / σ². Other than the CRPS it depends on correlations between points.

    Args:
        members: Forecasts x. The score of one member is its root mean square error.
        truth: Truth y.
        std: Standard deviation σ of each channel.
        weights: Weight w of each point in the mean, (channel, *space); None if all are equal.

    Returns:
        Score of each sample in standard deviations, in float64.

    References: T. Gneiting and A. E. Raftery, J. Am. Stat. Assoc. 102 (2007) 359-378, section 4.3.

    Example:
        Two points. Members 0 and (6, 8), truth 0: the mean error is 5/√2, half the distance of the
        pair as much.

        >>> members = torch.tensor([[0.0, 0.0], [6.0, 8.0]]).reshape(2, 1, 1, 2)
        >>> energy_score(members, torch.zeros(1, 1, 2), torch.ones(1)).tolist()
        [0.0]
    """
    count = len(members)
    if count == 1:
        square = (members[0].double() - truth.double()).square()
        return (spatial_mean(square, weights) / std.to(square).square()).mean(1).sqrt()
    fields = torch.cat((truth[None], members)).double()
    channels, *space = fields.shape[2:]
    shape = (channels, *[1] * len(space))
    fields = fields / std.to(fields).reshape(shape)
    if weights is None:
        fields = fields / fields[0, 0, 0].numel() ** 0.5
    else:
        share = weights / weights.flatten(1).sum(1).reshape(shape)
        fields = apply_weights(fields, share.sqrt())
    points = fields.flatten(2).transpose(0, 1) / channels**0.5
    # products of fields would have rounding errors as large as in the largest distance
    first, others = points[:, :1], points[:, 1:]  # of the truth, and of the members
    distance = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = sum(distance(part, others).sum((1, 2)) for part in others.split(ROWS, dim=1))
    return distance(first, others)[:, 0].mean(1) - pairs / (2 * count * (count - 1))


def ensemble_spread(members: Members, weights: Weights | None = None) -> Score:
    """Return the unbiased variance over members, 1/(M - 1) Σ_m (x_m - x̄)².

    Args:
        members: Forecasts x of at least two members.
        weights: Weight w of each point in the mean, (channel, *space); None if all are equal.

    Returns:
        Mean over the grid, in squared units of the channel.

    Example:
        >>> ensemble_spread(torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)).tolist()
        [[2.0]]
    """
    return spatial_mean(members.double().var(0, correction=1), weights)


def ensemble_square_error(members: Members, truth: State, weights: Weights | None = None) -> Score:
    """Return the squared error (x̄ - y)² of the ensemble mean.

    Args:
        members: Forecasts x, whose mean over members is x̄.
        truth: Truth y.
        weights: Weight w of each point in the mean, (channel, *space); None if all are equal.

    Returns:
        Mean over the grid, in squared units of the channel. A reliable ensemble of M members has
        (1 + 1/M) times its spread here (Fortin et al., J. Hydrometeorol. 15 (2014) 1708-1713).

    Example:
        >>> members = torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)
        >>> ensemble_square_error(members, torch.full((1, 1, 1), 3.0)).tolist()
        [[4.0]]

        Two points with the errors 2 and 0, of which the second counts three times as much:

        >>> members, truth = members.expand(2, 1, 1, 2), torch.tensor([[[3.0, 1.0]]])
        >>> ensemble_square_error(members, truth, torch.tensor([[0.5, 1.5]])).tolist()
        [[1.0]]
    """
    return spatial_mean((members.double().mean(0) - truth.double()).square(), weights)
