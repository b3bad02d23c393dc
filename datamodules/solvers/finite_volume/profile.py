r"""Prescribed coefficients that are fields of space and time.

    g(x, y, t) = Σ_i a_i sin(2π (k_i x + ω_i s t) + p_i + 2π (l_i y + ω'_i s t) + q_i)

with k, l ∈ {0, ..., K - 1} waves per unit of length, phases p, q ~ U(0, K), frequencies
ω, ω' ~ U(-1, 1) and amplitudes a ~ U(-2, 2), as in Akhare et al. (2025), arXiv:2504.02260.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume.domain import Domain


class Profile(ABC):
    """Coefficient c(x, t) that is a field of space and time.

    Attributes:
        steady: Whether the field is the same at all times.

    Example:
        A steady profile of your own, the distance from the start of the x axis:

        >>> from datamodules.solvers import Grid
        >>> class Ramp(Profile):
        ...     steady = True
        ...     def field(self, domain, time=0.0):
        ...         return domain.centres()[-1]
        >>> Ramp().field(Domain(Grid((4,), (2.0,)))).tolist()
        [0.25, 0.75, 1.25, 1.75]
    """

    steady: bool

    @abstractmethod
    def field(self, domain: Domain, time: float = 0.0) -> Float[Tensor, "*space"]:
        """Return the coefficient at the cell centres, in float64.

        Args:
            domain: The cells.
            time: Time [T], counted from the start of the data.
        """


class Waves(Profile):
    """Random sine waves, mapped to [low, high] over the domain at every time.

    Args:
        waves: Number of waves.
        modes: Number K of different wavenumbers along each axis, 0 included [waves per unit of
            length]. The field is periodic where the lengths of the domain are whole numbers.
        seed: Seed of the random numbers.
        speed: Speed s; 0 is steady.
        low: Smallest value.
        high: Largest value.
        floor: Value to which smaller ones are raised; none by default.

    Raises:
        ValueError: A number is below 1, or the values are in the wrong order.

    Example:
        >>> from datamodules.solvers import Grid
        >>> waves = Waves(waves=4, modes=3, seed=0, low=0.5, high=2.0)
        >>> field = waves.field(Domain(Grid((32,), (1.0,))))
        >>> field.min().item(), field.max().item()
        (0.5, 2.0)
    """

    def __init__(
        self,
        waves: int,
        modes: int,
        seed: int,
        speed: float = 0.0,
        low: float = 0.0,
        high: float = 1.0,
        floor: float | None = None,
    ) -> None:
        check_finite("Waves", speed=speed, low=low, high=high, floor=floor)
        if waves < 1 or modes < 2:
            raise ValueError(
                f"Waves needs waves of at least 1 and modes of at least 2, got waves={waves}, "
                f"modes={modes}."
            )
        if not low < high or (floor is not None and not low <= floor < high):
            raise ValueError(
                "Waves needs low < high and a floor between them, got "
                f"low={low}, high={high}, floor={floor}."
            )
        self.waves, self.modes, self.seed, self.speed = waves, modes, seed, speed
        self.low, self.high, self.floor = low, high, floor
        self.steady = speed == 0

    def draws(self, dimensions: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return (wavenumbers, phases, frequencies) of each axis, x first, then three times a.

        Each is a tensor (waves,); the same seed gives the same waves.
        """
        generator = torch.Generator().manual_seed(self.seed)
        parts = []
        for _ in range(dimensions):
            k = torch.randint(self.modes, (self.waves,), generator=generator)
            p, w = torch.rand(2, self.waves, generator=generator, dtype=torch.float64)
            parts.append((k.double(), self.modes * p, 2 * w - 1))
        a = torch.rand(self.waves, generator=generator, dtype=torch.float64)
        return [*parts, (4 * a - 2,) * 3]

    def field(self, domain: Domain, time: float = 0.0) -> Float[Tensor, "*space"]:
        with torch.device("cpu"):
            coordinates = domain.centres()[::-1]  # x first
            *axes, (amplitude, _, _) = self.draws(len(coordinates))
            phase = torch.zeros((), dtype=torch.float64)
            for x, (k, p, w) in zip(coordinates, axes, strict=True):
                phase = phase + 2 * math.pi * (x[..., None] * k + w * self.speed * time) + p
            g = (amplitude * torch.sin(phase)).sum(-1)
            g = (g - g.min()) / (g.max() - g.min())
            value = self.low + (self.high - self.low) * g
            return value if self.floor is None else value.clamp(min=self.floor)
