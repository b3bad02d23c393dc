r"""Coarsenings T of states: averages, truncated spectra, or a learned encoder.

A latent is z(lead, factor) = T(u_{n + lead}; factor), a field on a grid that is coarser by the
factor. Jiang et al. (2025) use averages and argue (section 4.3) that a learned T makes training
unstable. The reason is that latents without information are easy to predict: `LearnedCoarsening`
therefore has to retain the information of the averages, and raises an error if it does not.
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
from emulators.networks.batches import sequential
from emulators.networks.interface import coarsen
from emulators.networks.layers import Convolution, PeriodicOnly, SiLU, check_dimensions

Coarse = Float[Tensor, "batch channel *coarse"]


class Coarsening(nn.Module, ABC):
    """Map from a standardised state to a coarse field.

    Every implementation takes these three arguments first; the emulator supplies them.

    Args:
        channels: Number of channels of a state.
        dimensions: Number of spatial dimensions, 1 or 2.
        factors: Coarsening factors of the latents.

    Example:
        A coarsening of your own, which takes every factor-th point:

        >>> class Sampling(Coarsening):
        ...     def forward(self, field, factor):
        ...         return field[..., ::factor]
        >>> sampling = Sampling(channels=1, dimensions=1, factors=[2])
        >>> sampling(torch.tensor([[[1.0, 3.0, 5.0, 7.0]]]), 2).tolist()
        [[[1.0, 5.0]]]
    """

    def __init__(self, channels: int, dimensions: int, factors: Sequence[int]) -> None:
        super().__init__()
        check_dimensions(type(self).__name__, dimensions)

    @abstractmethod
    def forward(self, field: State, factor: int) -> Coarse:
        """Return the coarse field.

        Args:
            field: Standardised states.
            factor: Coarsening factor along every axis, a divisor of the number of points.
        """

    def objective(self, field: State) -> Float[Tensor, ""] | None:
        """Return an additional term of the training objective (a scalar), or None."""
        return None

    def check(self, steps: int) -> None:
        """Check that the latents carry information.

        Args:
            steps: Number of training steps so far.

        Raises:
            ValueError: The latents have collapsed.
        """


CoarseningFactory = Callable[[int, int, Sequence[int]], Coarsening]


class Pooling(Coarsening):
    """Averages over blocks of grid points (Jiang et al. 2025).

    Args:
        channels: Number of channels of a state.
        dimensions: Number of spatial dimensions, 1 or 2.
        factors: Coarsening factors of the latents.

    Example:
        >>> pooling = Pooling(channels=1, dimensions=1, factors=[2])
        >>> pooling(torch.tensor([[[1.0, 3.0, 5.0, 7.0]]]), 2).tolist()
        [[[2.0, 6.0]]]
    """

    def forward(self, field: State, factor: int) -> Coarse:
        return coarsen(field, factor)


class SpectralTruncation(Coarsening, PeriodicOnly):
    """Truncation to the Fourier modes that the coarse grid resolves, without aliasing or damping.

    Args:
        channels: Number of channels of a state.
        dimensions: Number of spatial dimensions, 1 or 2.
        factors: Coarsening factors of the latents.

    Example:
        A cosine keeps its amplitude, and the mode 3 that the coarse grid cannot resolve is removed:

        >>> x = torch.arange(8) * (2 * pi / 8)
        >>> field = (x.cos() + (3 * x).cos())[None, None]
        >>> coarse = SpectralTruncation(channels=1, dimensions=1, factors=[2])(field, 2)
        >>> (coarse.numpy().round(5) + 0.0).tolist()
        [[[1.0, 0.0, -1.0, 0.0]]]
    """

    def forward(self, field: State, factor: int) -> Coarse:
        if factor == 1:
            return field
        shape = tuple(field.shape[2:])
        grid = Grid(shape, (2 * pi,) * len(shape))
        exact = field.to(torch.promote_types(field.dtype, torch.float32))
        return resample(exact, grid, tuple(size // factor for size in shape)).to(field.dtype)


class LearnedCoarsening(Coarsening):
    """Encoder that is trained together with the emulator.

    For each factor r it is a convolution, a convolution of r points with stride r, and a
    normalisation over batch and space, z = BN(W_r * silu(W * u)). A decoder D reconstructs the
    averages of the state from z: weight · mean (D(z) - pool(u))² is added to the training
    objective. Without it constant latents, the easiest to predict, would win. No gradient flows
    through the targets.

    Args:
        channels: Number of channels of a state.
        dimensions: Number of spatial dimensions, 1 or 2.
        factors: Coarsening factors of the latents.
        width: Number of channels within encoder and decoder.
        weight: Weight of the decoder's error in the training objective.
        patience: Number of training steps before the latents are checked for collapse.

    Raises:
        ValueError: The width or the weight is out of its range.

    Example:
        >>> encoder = LearnedCoarsening(channels=2, dimensions=1, factors=[4])
        >>> encoder(torch.zeros(3, 2, 16), 4).shape
        torch.Size([3, 2, 4])
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
                SiLU(),
                strided(width, channels, factor, stride=factor),
                normalise(channels, affine=False),
            )
            self.decoders[str(factor)] = nn.Sequential(
                Convolution(dimensions, channels, width, 3),
                SiLU(),
                Convolution(dimensions, width, channels, 3),
            )
        self.register_buffer("unexplained", torch.ones(len(self.factors)))

    def forward(self, field: State, factor: int) -> Coarse:
        return sequential(self.encoders[str(factor)], field)

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
                    f"The learned coarsening by factor {factor} has collapsed: after {steps} steps "
                    f"its latents do not explain {100 * share:.0f} % of the variance of the "
                    "averaged state; raise model.coarsening.weight, lower the learning rate or use "
                    "Pooling."
                )
