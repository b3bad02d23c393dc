"""Scores of ensembles, per initial condition and channel, averaged over the grid, in float64."""

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.variable import State

Members = Float[Tensor, "member batch channel *space"]
Score = Float[Tensor, "batch channel"]


def crps(members: Members, truth: State) -> Score:
    """Return the fair continuous ranked probability score (CRPS), lower is better.

    CRPS = mean over m of |x_m - y| - mean over pairs m ≠ k of ½|x_m - x_k|, which does not depend
    on the number M of members on average. Among sorted members the sum over pairs of |x_m - x_k|
    is 2 Σ_m (2m - M - 1) x_(m), so that it costs a sort and no loop over pairs.

    Args:
        members: Forecasts x of at least two members.
        truth: Truth y.

    Returns:
        Mean over the grid, in the units of the channel.

    References: C. A. T. Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917-1923.

    Example:
        Members 0 and 2, truth 3: the mean error is 2, half the distance of the pair 1:

        >>> members = torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)
        >>> crps(members, torch.full((1, 1, 1), 3.0)).tolist()
        [[1.0]]
    """
    values = members.double()
    count = len(values)
    error = (values - truth.double()).abs().mean(0)
    weights = 2 * torch.arange(1, count + 1, dtype=torch.float64, device=values.device) - count - 1
    ordered = values.sort(dim=0).values
    pairs = torch.tensordot(weights, ordered, dims=1) / (count * (count - 1))
    return (error - pairs).flatten(2).mean(2)


def ensemble_spread(members: Members) -> Score:
    """Return the unbiased variance over members, 1/(M - 1) Σ_m (x_m - x̄)².

    Args:
        members: Forecasts x of at least two members.

    Returns:
        Mean over the grid, in squared units of the channel.

    Example:
        >>> ensemble_spread(torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)).tolist()
        [[2.0]]
    """
    return members.double().var(0, correction=1).flatten(2).mean(2)


def ensemble_square_error(members: Members, truth: State) -> Score:
    """Return the squared error (x̄ - y)² of the ensemble mean.

    Args:
        members: Forecasts x, whose mean over members is x̄.
        truth: Truth y.

    Returns:
        Mean over the grid, in squared units of the channel. A reliable ensemble of M members has
        (1 + 1/M) times its spread here (Fortin et al., J. Hydrometeorol. 15 (2014) 1708-1713).

    Example:
        >>> members = torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1)
        >>> ensemble_square_error(members, torch.full((1, 1, 1), 3.0)).tolist()
        [[4.0]]
    """
    return (members.double().mean(0) - truth.double()).square().flatten(2).mean(2)
