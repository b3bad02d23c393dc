"""Scores of ensembles, per initial condition and channel, averaged over the grid, in float64."""

import torch
from jaxtyping import Float
from torch import Tensor

Members = Float[Tensor, "member batch channel *space"]
State = Float[Tensor, "batch channel *space"]
Score = Float[Tensor, "batch channel"]


def crps(members: Members, truth: State) -> Score:
    """Return the fair CRPS: mean |x_m - y| - mean over pairs m ≠ k of ½|x_m - x_k|.

    Among sorted members the sum over pairs of |x_m - x_k| is 2 Σ_m (2m - M - 1) x_(m).
    """
    values = members.double()
    count = len(values)
    error = (values - truth.double()).abs().mean(0)
    weights = 2 * torch.arange(1, count + 1, dtype=torch.float64, device=values.device) - count - 1
    ordered = values.sort(dim=0).values
    pairs = torch.tensordot(weights, ordered, dims=1) / (count * (count - 1))
    return (error - pairs).flatten(2).mean(2)


def ensemble_spread(members: Members) -> Score:
    """Return the unbiased variance among members."""
    return members.double().var(0, correction=1).flatten(2).mean(2)


def ensemble_square_error(members: Members, truth: State) -> Score:
    """Return the squared error of the mean of the members."""
    return (members.double().mean(0) - truth.double()).square().flatten(2).mean(2)
