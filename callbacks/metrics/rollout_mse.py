"""Error of a rollout against the truth, and how long it stays small."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def mean_squared_error(
    forecast: Float[Tensor, "batch channel *space"], truth: Float[Tensor, "batch channel *space"]
) -> Float[Tensor, "batch channel"]:
    """Return the mean over the grid of (û - u)², in squared units of each channel, in float64."""
    return (forecast.double() - truth.double()).square().flatten(2).mean(2)


def valid_steps(error: Float[Tensor, "start lead"], threshold: float) -> Int[Tensor, " start"]:
    """Return how many leads pass, per trajectory, before √error first exceeds the threshold.

    A value that is not a number exceeds it. A trajectory that never does counts all leads.
    """
    valid = torch.sqrt(error) <= threshold
    return valid.long().cumprod(dim=1).sum(dim=1)
