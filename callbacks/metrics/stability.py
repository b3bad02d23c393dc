"""Stability of rollouts: energy within the band of the reference."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def within_band(
    energy: Float[Tensor, "*any"], mean: float, std: float, width: float
) -> Bool[Tensor, "*any"]:
    """Return whether energies lie within the band, |E - mean| <= width · std.

    Args:
        energy: Energies E.
        mean: Mean energy of the reference, in the same units.
        std: Standard deviation of the reference's energy.
        width: Half width of the band [standard deviations].

    Returns:
        True within the band; False outside and for values that are not finite.

    Example:
        >>> within_band(torch.tensor([1.5, 3.0, float("nan")]), 1.0, 0.5, width=3.0).tolist()
        [True, False, False]
    """
    return (energy - mean).abs() <= width * std


def stability_rate(survived: Int[Tensor, " start"], checks: int) -> Float[Tensor, " check"]:
    """Return the share of trajectories that are stable up to each check.

    Args:
        survived: Number of checks that each trajectory passed before its first failure.
        checks: Number of checks.

    Returns:
        Share in [0, 1] for each check, in float64; it never increases.

    Example:
        >>> stability_rate(torch.tensor([3, 1]), checks=3).tolist()
        [1.0, 0.5, 0.5]
    """
    number = torch.arange(1, checks + 1)
    return (survived[:, None] >= number).double().mean(0)
