r"""Velocity, energy and enstrophy of two-dimensional incompressible flow from its vorticity.

Signs: ∇²ψ = ζ, (u, v) = (-∂ψ/∂y, ∂ψ/∂x), ζ = ∂v/∂x - ∂u/∂y. Positive vorticity turns
counter-clockwise. Fields have shape (..., y, x). `energy` and `enstrophy` are means over the doubly
periodic domain, per unit mass.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.operators import (
    inverse_squared_wavenumber,
    parseval_weights,
    to_field,
    to_spectrum,
)

Field = Float[Tensor, "*batch y x"]


@lru_cache(maxsize=32)
def _energy_weights(grid: Grid, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return w with energy = Σ w (Re ζ̂)² + Σ w (Im ζ̂)², each column twice in a row."""
    weights = -0.5 * _inverse_laplacian(grid, dtype, device) * parseval_weights(grid, dtype, device)
    return weights.repeat_interleave(2, dim=-1)


@lru_cache(maxsize=32)
def _inverse_laplacian(grid: Grid, dtype: torch.dtype, device: torch.device) -> Tensor:
    return -inverse_squared_wavenumber(grid).to(dtype=dtype, device=device)


def streamfunction(vorticity: Field, grid: Grid) -> Field:
    """Return the streamfunction ψ [L²/T], with ∇²ψ = ζ and zero mean.

    Args:
        vorticity: Vorticity ζ [1/T]; its mean is ignored.
        grid: Doubly periodic grid of the fields.

    Example:
        The vorticity sin(x) has the streamfunction -sin(x):

        >>> from math import pi
        >>> grid = Grid((4, 4), (2 * pi, 2 * pi))
        >>> psi = streamfunction(grid.points()[1].sin(), grid)
        >>> (psi[0].numpy().round(6) + 0.0).tolist()
        [0.0, -1.0, 0.0, 1.0]
    """
    inverse = _inverse_laplacian(grid, vorticity.dtype, vorticity.device)
    return to_field(inverse * to_spectrum(vorticity, grid), grid)


def velocity(vorticity: Field, grid: Grid) -> tuple[Field, Field]:
    """Return the velocity (u, v) = (-∂ψ/∂y, ∂ψ/∂x) [L/T], eastward and northward.

    Args:
        vorticity: Vorticity ζ [1/T]; its mean is ignored.
        grid: Doubly periodic grid of the fields.

    Example:
        The vorticity sin(x) has the velocity v = -cos(x):

        >>> from math import pi
        >>> grid = Grid((4, 4), (2 * pi, 2 * pi))
        >>> u, v = velocity(grid.points()[1].sin(), grid)
        >>> (v[0].numpy().round(6) + 0.0).tolist()
        [-1.0, 0.0, 1.0, 0.0]
    """
    inverse = _inverse_laplacian(grid, vorticity.dtype, vorticity.device)
    l, k = (axis.to(inverse) for axis in grid.derivative_wavenumbers())
    psi_hat = inverse * to_spectrum(vorticity, grid)
    return to_field(-1j * l * psi_hat, grid), to_field(1j * k * psi_hat, grid)


def vorticity_of(u: Field, v: Field, grid: Grid) -> Field:
    """Return the vorticity ζ = ∂v/∂x - ∂u/∂y [1/T].

    Args:
        u: Eastward velocity [L/T].
        v: Northward velocity [L/T].
        grid: Doubly periodic grid of the fields.

    Example:
        The velocity v = sin(x) has the vorticity cos(x):

        >>> from math import pi
        >>> grid = Grid((4, 4), (2 * pi, 2 * pi))
        >>> v = grid.points()[1].sin()
        >>> (vorticity_of(0 * v, v, grid)[0].numpy().round(6) + 0.0).tolist()
        [1.0, 0.0, -1.0, 0.0]
    """
    l, k = (axis.to(u) for axis in grid.derivative_wavenumbers())
    return to_field(1j * k * to_spectrum(v, grid) - 1j * l * to_spectrum(u, grid), grid)


def energy(vorticity: Field, grid: Grid) -> Float[Tensor, "*batch"]:
    """Return the kinetic energy, the domain mean of ½(u² + v²) or of -½ψζ [L²/T²].

    Args:
        vorticity: Vorticity ζ [1/T]; its mean is ignored.
        grid: Doubly periodic grid of the fields.

    Example:
        The vorticity sin(2x) has the velocity -½cos(2x), and the mean of ⅛cos² is 1/16:

        >>> from math import pi
        >>> grid = Grid((8, 8), (2 * pi, 2 * pi))
        >>> round(energy((2 * grid.points()[1]).sin(), grid).item(), 6)
        0.0625
    """
    weights = _energy_weights(grid, vorticity.dtype, vorticity.device)
    parts = torch.view_as_real(to_spectrum(vorticity, grid)).flatten(-2)
    return (parts.square() * weights).sum(grid.axes)


def enstrophy(vorticity: Field) -> Float[Tensor, "*batch"]:
    """Return the enstrophy, the domain mean of ½ζ² [1/T²].

    Args:
        vorticity: Vorticity ζ [1/T].

    Example:
        >>> from math import pi
        >>> _, x = Grid((8, 8), (2 * pi, 2 * pi)).points()
        >>> round(enstrophy(x.sin()).item(), 6)
        0.25
    """
    return 0.5 * vorticity.square().mean((-2, -1))
