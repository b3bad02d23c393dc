"""Whether and for how long a rollout's energy stays within the band of the truth's."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def within_band(
    energy: Float[Tensor, "*any"], mean: float, std: float, width: float
) -> Bool[Tensor, "*any"]:
    """Return |E - mean| <= width · std; false for what is not a finite number."""
    return (energy - mean).abs() <= width * std


def stability_rate(survived: Int[Tensor, " start"], checks: int) -> Float[Tensor, " check"]:
    """Return, for each check, the share of trajectories that have not failed up to it."""
    number = torch.arange(1, checks + 1)
    return (survived[:, None] >= number).double().mean(0)
