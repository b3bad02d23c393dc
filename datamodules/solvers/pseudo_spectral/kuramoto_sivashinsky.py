r"""Kuramoto-Sivashinsky equation, a one-dimensional model of spatiotemporal chaos.

    u_t = -½(u²)_x - u_xx - u_xxxx

on a periodic interval. The mean of u is conserved; long waves (k < 1) grow, short waves decay.
Reference: A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214-1233, section 5.
"""

import torch
from torch import Tensor

from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.equation import Equation, Spectrum
from datamodules.solvers.pseudo_spectral.operators import dealias_mask
from datamodules.solvers.variable import Variable


class KuramotoSivashinsky(Equation):
    """Kuramoto-Sivashinsky equation u_t = -½(u²)_x - u_xx - u_xxxx.

    Args:
        grid: One-dimensional periodic grid; chaos needs a length of about 22 or more.

    Raises:
        ValueError: The grid is not one-dimensional.

    Example:
        The linear terms of u = cos(x) cancel, and -½(u²)_x = ½ sin(2x) is ½ at x = π/4:

        >>> from math import pi
        >>> grid = Grid((8,), (2 * pi,))
        >>> (x,) = grid.points()
        >>> tendency = KuramotoSivashinsky(grid).tendency(x.cos()[None, None])
        >>> round(tendency[0, 0, 1].item(), 6)
        0.5
    """

    variables = (Variable("u", "height slope of a flame front", "1"),)

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        if grid.dimensions != 1:
            raise ValueError(
                "KuramotoSivashinsky needs a one-dimensional grid (x,), "
                f"got Grid.shape {grid.shape}."
            )
        self.grid = grid
        (k,) = grid.wavenumbers()
        mask = dealias_mask(grid)
        self.mask = mask.to(torch.complex128)
        self.product_symbol = -0.5j * k * mask

    def symbol(self) -> Tensor:
        """Return the linear symbol k² - k⁴ [1/T]."""
        (k,) = self.grid.wavenumbers()
        return (k**2 - k**4).to(torch.complex128)[None]

    def nonlinear(self, state_hat: Spectrum) -> Spectrum:
        """Return the spectrum of -½(u²)_x."""
        u = torch.fft.irfft(state_hat * self.mask, n=self.grid.shape[0])
        return torch.fft.rfft(u.square()) * self.product_symbol
