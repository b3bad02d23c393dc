r"""T, which makes coarse fields of states: by averages, by truncated spectra, or by learning.

A latent is z(lead, factor) = T(u_{n + lead}; factor), a field on a grid that is coarser by the
factor. Averages are those of Jiang et al. (2025); the paper argues (section 4.3) that a learned T
makes training unstable. What makes it so is that latents which carry nothing are easy to predict:
`LearnedCoarsening` therefore has to keep what the averages know, and says so if it does not.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers import Grid, resample
from datamodules.solvers.finite import check_finite
from datamodules.solvers.variable import State
from emulators.networks.interface import coarsen
from emulators.networks.layers import Convolution, PeriodicOnly, check_dimensions

Coarse = Float[Tensor, "batch channel *coarse"]


class Coarsening(nn.Module, ABC):
    """Map from a standardised state to a coarse field.

    Every implementation takes these three arguments first; the emulator supplies them.

    Args:
        channels: Fields of a state.
        dimensions: Spatial dimensions, 1 or 2.
        factors: Coarsening factors that are asked for.
    """

    def __init__(self, channels: int, dimensions: int, factors: Sequence[int]) -> None:
        super().__init__()
        check_dimensions(type(self).__name__, dimensions)

    @abstractmethod
    def forward(self, field: State, factor: int) -> Coarse:
        """Return the coarse field."""

    def objective(self, field: State) -> Float[Tensor, ""] | None:
        """Return what is added to the training objective, or None."""
        return None

    def check(self, steps: int) -> None:
        """Raise if the latents have become useless after so many optimiser steps."""


TransformFactory = Callable[[int, int, Sequence[int]], Coarsening]


class Pooling(Coarsening):
    """Averages over blocks of points (Jiang et al. 2025)."""

    def forward(self, field: State, factor: int) -> Coarse:
        return coarsen(field, factor)


class SpectralTruncation(Coarsening, PeriodicOnly):
    """The modes that the coarse grid resolves: no aliases, no damping of those that are kept."""

    def forward(self, field: State, factor: int) -> Coarse:
        if factor == 1:
            return field
        shape = tuple(field.shape[2:])
        grid = Grid(shape, (2 * pi,) * len(shape))
        exact = field.to(torch.promote_types(field.dtype, torch.float32))
        return resample(exact, grid, tuple(size // factor for size in shape)).to(field.dtype)


class LearnedCoarsening(Coarsening):
    """An encoder that is trained with the emulator.

    Per factor r: a convolution, one of r points every r points, and a normalisation over batch and
    space, z = BN(W_r * silu(W * u)). A decoder has to find the averages of the state in z:
    weight · mean (D(z) - pool(u))² is added to the objective, without which the easiest latents to
    predict, constant ones, would win. Targets are not differentiated.

    Args:
        channels: Fields of a state.
        dimensions: Spatial dimensions, 1 or 2.
        factors: Coarsening factors that are asked for.
        width: Channels within the encoder.
        weight: Of the decoder's error.
        patience: Optimiser steps before the latents are judged.
    """

    def __init__(
        self,
        channels: int,
        dimensions: int,
        factors: Sequence[int],
        width: int = 16,
        weight: float = 1.0,
        patience: int = 500,
    ) -> None:
        check_finite("LearnedCoarsening", weight=weight)
        super().__init__(channels, dimensions, factors)
        if width < 1 or weight < 0:
            raise ValueError(
                "LearnedCoarsening needs width of at least 1 and weight of at least 0, got "
                f"width={width}, weight={weight}."
            )
        self.weight = weight
        self.patience = patience
        self.factors = sorted(set(factors))
        strided = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions]
        normalise = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}[dimensions]
        self.encoders, self.decoders = nn.ModuleDict(), nn.ModuleDict()
        for factor in self.factors:
            self.encoders[str(factor)] = nn.Sequential(
                Convolution(dimensions, channels, width, 3),
                nn.SiLU(),
                strided(width, channels, factor, stride=factor),
                normalise(channels, affine=False),
            )
            self.decoders[str(factor)] = nn.Sequential(
                Convolution(dimensions, channels, width, 3),
                nn.SiLU(),
                Convolution(dimensions, width, channels, 3),
            )
        self.register_buffer("unexplained", torch.ones(len(self.factors)))

    def forward(self, field: State, factor: int) -> Coarse:
        return self.encoders[str(factor)](field)

    def objective(self, field: State) -> Float[Tensor, ""]:
        total, shares = torch.zeros((), device=field.device), []
        for factor in self.factors:
            average = coarsen(field, factor)
            found = self.decoders[str(factor)](self(field, factor)).to(average.dtype)
            error = (found - average).square().mean()
            shares.append(error.detach() / average.var())
            total = total + error
        self.unexplained.lerp_(torch.stack(shares).to(self.unexplained), 0.02)
        return self.weight * total

    def check(self, steps: int) -> None:
        for factor, share in zip(self.factors, self.unexplained.tolist(), strict=True):
            if steps >= self.patience and not share < 0.9:
                raise ValueError(
                    f"The learned transform of factor {factor} has collapsed: after {steps} steps "
                    f"{100 * share:.0f} % of the variance of the averaged state cannot be found in "
                    "its latents; raise model.coarsening.weight, lower the learning rate or use "
                    "Pooling."
                )
