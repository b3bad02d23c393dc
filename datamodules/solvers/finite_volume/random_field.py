"""A smooth random coefficient."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume.domain import Domain
from datamodules.solvers.finite_volume.profile import Profile

WAVES = 256  # of a random field; its values are Gaussian to about 1/√256


class RandomField(Profile):
    r"""Smooth random field between two bounds.

    low + (high - low) Φ(g) with g Gaussian, of correlation exp(-r²/(2 ℓ²)), by random waves

        g(x) = √(2/N) Σ cos(k_n·x + φ_n),   k_n ~ N(0, 1/ℓ²),   φ_n ~ U(0, 2π)

    and Φ the normal distribution function, so that values are uniform between the bounds. It is a
    function of space: the same on any grid. Not periodic.

    Args:
        low: Lower bound.
        high: Upper bound.
        length: Correlation length ℓ [L].
        seed: Seed of the waves.

    References: A. Rahimi and B. Recht, NIPS 2007 (random Fourier features).

    Example:
        >>> from datamodules.solvers import Grid
        >>> domain = Domain(Grid((16, 16), (1.0, 1.0)))
        >>> field = RandomField(low=1.0, high=3.0, length=0.2).field(domain)
        >>> bool(field.min() > 1.0 and field.max() < 3.0)
        True
    """

    steady = True

    def __init__(self, low: float, high: float, length: float, seed: int = 0) -> None:
        check_finite("RandomField", low=low, high=high, length=length)
        if not (high > low and length > 0):
            raise ValueError(
                f"RandomField needs high above low and a length above 0, got low={low}, "
                f"high={high} and length={length}; give a number where nothing varies."
            )
        self.low = low
        self.high = high
        self.length = length
        self.seed = seed

    def field(self, domain: Domain, time: float = 0.0) -> Float[Tensor, "*space"]:
        with torch.device("cpu"):
            generator = torch.Generator().manual_seed(self.seed)
            shape = (domain.grid.dimensions, WAVES)
            k = torch.randn(shape, generator=generator, dtype=torch.float64) / self.length
            phases = torch.rand(WAVES, generator=generator, dtype=torch.float64) * (2 * math.pi)
            points = torch.stack(domain.centres(), -1)
            g = math.sqrt(2 / WAVES) * torch.cos(points @ k + phases).sum(-1)
            return self.low + (self.high - self.low) * torch.special.ndtr(g)
