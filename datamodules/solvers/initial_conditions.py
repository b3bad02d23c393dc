"""Random initial states, drawn one by one, so that they do not depend on the batch size."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.operators import (
    dealias_mask,
    squared_wavenumber,
    to_field,
    to_spectrum,
)


class InitialCondition(ABC):
    """Distribution of initial states.

    Example:
        A distribution of your own, a sine wave of random phase, whose mean square is 1/2:

        >>> from math import pi
        >>> class Wave(InitialCondition):
        ...     def sample(self, grid, channels, generator):
        ...         phase = torch.rand(channels, 1, generator=generator, dtype=torch.float64)
        ...         (x,) = grid.points()
        ...         return torch.sin(2 * pi * (x / grid.lengths[0] + phase))
        >>> state = Wave().sample(Grid((16,), (3.0,)), 1, torch.Generator().manual_seed(0))
        >>> round(state.square().mean().item(), 6)
        0.5
    """

    @abstractmethod
    def sample(
        self, grid: Grid, channels: int, generator: torch.Generator
    ) -> Float[Tensor, "channel *space"]:
        """Return one random state.

        Args:
            grid: Grid of the state.
            channels: Number of channels.
            generator: Random number generator of this trajectory, on the CPU.

        Returns:
            State in double precision, on the CPU.
        """


class GaussianField(InitialCondition):
    """Gaussian random field with zero mean and an isotropic spectrum around one wavenumber.

    White noise filtered by exp(-½ ((|k| - k₀)/w)²), without the modes that the 2/3 rule removes,
    then scaled to a standard deviation.

    Args:
        std: Standard deviation over the domain, in the units of the variable.
        wavenumber: Centre k₀ of the spectrum [1/L], angular.
        width: Width w of the spectrum [1/L].

    Raises:
        ValueError: A number is not positive.

    Example:
        >>> from math import pi
        >>> generator = torch.Generator().manual_seed(0)
        >>> state = GaussianField(std=2.0).sample(Grid((32, 32), (2 * pi, 2 * pi)), 1, generator)
        >>> tuple(state.shape), round(state.square().mean().sqrt().item(), 6)
        ((1, 32, 32), 2.0)
    """

    def __init__(self, std: float = 1.0, wavenumber: float = 4.0, width: float = 2.0) -> None:
        check_finite("GaussianField", std=std, wavenumber=wavenumber, width=width)
        if not (std > 0 and wavenumber > 0 and width > 0):
            raise ValueError(
                "GaussianField needs std, wavenumber and width above 0, "
                f"got std={std}, wavenumber={wavenumber}, width={width}."
            )
        self.std = std
        self.wavenumber = wavenumber
        self.width = width

    def sample(self, grid: Grid, channels: int, generator: torch.Generator) -> Tensor:
        squared = squared_wavenumber(grid)
        shape = torch.exp(-0.5 * ((squared.sqrt() - self.wavenumber) / self.width) ** 2)
        shape = shape * dealias_mask(grid) * (squared > 0)
        noise = torch.randn((channels, *grid.shape), generator=generator, dtype=torch.float64)
        field = to_field(to_spectrum(noise, grid) * shape, grid)
        return field * (self.std / field.square().mean(grid.axes, keepdim=True).sqrt())
