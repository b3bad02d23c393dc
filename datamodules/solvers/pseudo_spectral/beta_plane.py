r"""Two-dimensional turbulence on a beta plane.

    ζ_t = -J(ψ, ζ) - βv - μζ + ν∇²ζ + F,        ∇²ψ = ζ,   (u, v) = (-ψ_y, ψ_x)

with the planetary vorticity gradient β [1/(L T)], linear drag μ [1/T], viscosity ν [L²/T] and a
steady forcing F [1/T²], on a doubly periodic rectangle. β > 0 sends Rossby waves west:
exp(i(kx + ly - ωt)) has ω = -βk/(k² + l²).

The advection J(ψ, ζ) = u ζ_x + v ζ_y is computed as the curl of the momentum flux,

    J = (∂_xx - ∂_yy)(uv) + ∂_xy(v² - u²),

which needs two inverse and two forward transforms (the advective form needs four and one). On
fields that hold only modes below N/3 both are the same to rounding.

Reference: C. Basdevant, "Technical improvements for direct numerical simulation of homogeneous
three-dimensional turbulence", J. Comput. Phys. 50 (1983) 209-214, for the form of the product.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.equation import Equation, Spectrum
from datamodules.solvers.pseudo_spectral.operators import (
    columns_of_field,
    dealias_mask,
    field_of_columns,
    inverse_squared_wavenumber,
    kept_columns,
    squared_wavenumber,
    to_spectrum,
)
from datamodules.solvers.variable import Variable


@dataclass(frozen=True)
class Wave:
    """Cosine wave of the forcing, amplitude · cos(2π(m_x x/L_x + m_y y/L_y)).

    Args:
        amplitude: Amplitude of the vorticity forcing [1/T²].
        mode_x: Integer mode number along x.
        mode_y: Integer mode number along y.

    Example:
        The forcing -4 cos(4y) of a Kolmogorov flow:

        >>> Wave(amplitude=-4.0, mode_y=4)
        Wave(amplitude=-4.0, mode_x=0, mode_y=4)
    """

    amplitude: float
    mode_x: int = 0
    mode_y: int = 0

    def __post_init__(self) -> None:
        check_finite("Wave", amplitude=self.amplitude)


class BetaPlane(Equation):
    """Vorticity equation ζ_t = -J(ψ, ζ) - βv - μζ + ν∇²ζ + F on a beta plane.

    Args:
        grid: Doubly periodic grid.
        beta: Planetary vorticity gradient β [1/(L T)]; positive sends Rossby waves west.
        drag: Linear drag μ [1/T]; positive damps.
        viscosity: Kinematic viscosity ν [L²/T], the inverse Reynolds number; positive damps.
        forcing: Cosines whose sum is the steady forcing F of vorticity [1/T²].

    Raises:
        ValueError: The grid is not two-dimensional, or drag or viscosity are negative.

    Example:
        The vorticity sin(x) has the velocity v = -cos(x), so its tendency -βv at x = 0 is β:

        >>> grid = Grid((8, 8), (2 * math.pi, 2 * math.pi))
        >>> _, x = grid.points()
        >>> tendency = BetaPlane(grid, beta=3.0).tendency(x.sin()[None, None])
        >>> round(tendency[0, 0, 0, 0].item(), 6)
        3.0
    """

    variables = (Variable("vorticity", "relative vorticity", "s-1"),)

    def __init__(
        self,
        grid: Grid,
        beta: float = 0.0,
        drag: float = 0.0,
        viscosity: float = 0.0,
        forcing: tuple[Wave, ...] = (),
    ) -> None:
        check_finite("BetaPlane", beta=beta, drag=drag, viscosity=viscosity)
        super().__init__()
        if grid.dimensions != 2:
            raise ValueError(
                f"BetaPlane needs a two-dimensional grid (y, x), got Grid.shape {grid.shape}."
            )
        for name, value in {"drag": drag, "viscosity": viscosity}.items():
            if not value >= 0:
                raise ValueError(f"BetaPlane.{name} must not be negative, got {value}.")
        self.grid = grid
        self.beta = beta
        self.drag = drag
        self.viscosity = viscosity
        self.forcing = tuple(forcing)

        kept = slice(self.columns)
        l, k = (axis[..., kept] if axis.shape[-1] > 1 else axis for axis in grid.wavenumbers())
        mask = dealias_mask(grid)[..., kept]
        minus_inverse_laplacian = inverse_squared_wavenumber(grid)[..., kept] * mask
        velocity = torch.stack(
            [1j * l * minus_inverse_laplacian, -1j * k * minus_inverse_laplacian]
        )
        self.velocity_symbol = velocity[:, None, None]
        self.uv_symbol = ((k**2 - l**2) * mask).to(velocity)
        self.v2_u2_symbol = (k * l * mask).to(velocity)
        self.force_hat = to_spectrum(self.force(), grid)[..., kept] * mask

    @property
    def columns(self) -> int:
        """Number of columns that dealiasing keeps."""
        return kept_columns(self.grid)

    def force(self) -> Tensor:
        """Return the forcing field F(y, x) [1/T²], in double precision."""
        (y, x), (ly, lx) = self.grid.points(), self.grid.lengths
        total = torch.zeros(self.grid.shape, dtype=torch.float64)
        for wave in self.forcing:
            phase = 2 * math.pi * (wave.mode_x * x / lx + wave.mode_y * y / ly)
            total = total + wave.amplitude * torch.cos(phase)
        return total

    def symbol(self) -> Tensor:
        """Return the linear symbol iβk/(k² + l²) - μ - ν(k² + l²) [1/T]."""
        _, k = self.grid.wavenumbers()
        rossby = 1j * self.beta * k * inverse_squared_wavenumber(self.grid)
        return (rossby - self.drag - self.viscosity * squared_wavenumber(self.grid))[None]

    def nonlinear(self, state_hat: Spectrum) -> Spectrum:
        """Return the spectrum of -J(ψ, ζ) + F."""
        flow = field_of_columns(state_hat * self.velocity_symbol, self.grid)
        u, v = flow.unbind()
        products = flow * v  # uv, v²
        products[1].addcmul_(u, u, value=-1)  # v² - u²
        uv_hat, v2_u2_hat = columns_of_field(products, state_hat.shape[-1]).unbind()
        tendency = torch.addcmul(self.force_hat, self.uv_symbol, uv_hat)
        return tendency.addcmul_(self.v2_u2_symbol, v2_u2_hat)
