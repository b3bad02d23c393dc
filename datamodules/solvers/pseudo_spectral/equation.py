"""An equation of motion on a periodic grid, split for exponential time stepping.

In Fourier space û_t = L û + N(û): the linear `symbol` L is diagonal, the `nonlinear` tendency N
holds all other terms (products, forcing), dealiased. Both are on the right-hand side, so damping
has a negative real part.
"""

from abc import ABC, abstractmethod
from inspect import signature
from typing import ClassVar

from jaxtyping import Complex
from torch import Tensor

from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.operators import SpectralModule, to_field, to_spectrum
from datamodules.solvers.variable import State, Variable

Spectrum = Complex[Tensor, "batch channel *spectrum"]


class Equation(SpectralModule, ABC):
    """Right-hand side û_t = L û + N(û) on a periodic grid.

    Attributes:
        variables: Names and units of the channels of a state.
        grid: Periodic grid of the states.

    Example:
        An equation of your own, advection u_t = -u_x: the tendency of sin(x) is -1 at x = 0.

        >>> from math import pi
        >>> import torch
        >>> class Advection(Equation):
        ...     variables = (Variable("u", "tracer", "1"),)
        ...     def __init__(self, grid):
        ...         super().__init__()
        ...         self.grid = grid
        ...     def symbol(self):
        ...         (k,) = self.grid.wavenumbers()
        ...         return -1j * k[None]
        ...     def nonlinear(self, state_hat):
        ...         return torch.zeros_like(state_hat)
        >>> grid = Grid((8,), (2 * pi,))
        >>> (x,) = grid.points()
        >>> round(Advection(grid).tendency(x.sin()[None, None])[0, 0, 0].item(), 6)
        -1.0
    """

    variables: ClassVar[tuple[Variable, ...]]
    grid: Grid

    @abstractmethod
    def symbol(self) -> Complex[Tensor, "channel *spectrum"]:
        """Return the linear symbol L [1/T] in double precision."""

    @property
    def columns(self) -> int:
        """Number of columns of a spectrum that `nonlinear` takes and returns; all by default.

        An equation whose nonlinear tendency is zero beyond `kept_columns` can leave them out: the
        solver then computes with these columns alone.
        """
        return self.grid.spectrum_shape[-1]

    @abstractmethod
    def nonlinear(self, state_hat: Spectrum) -> Spectrum:
        """Return the nonlinear tendency N(û), dealiased.

        Args:
            state_hat: First `columns` columns of the spectrum û of the state, which `to_spectrum`
                returns.
        """

    def on(self, grid: Grid) -> "Equation":
        """Return the equation on another grid, in double precision.

        An equation keeps the arguments of its constructor as attributes.
        """
        names = list(signature(type(self).__init__).parameters)[1:]
        return type(self)(
            **{name: grid if name == "grid" else getattr(self, name) for name in names}
        )

    def tendency(self, state: State) -> State:
        """Return ∂u/∂t in physical space, in the units of the state over [T].

        Args:
            state: States u in physical space.
        """
        state_hat = to_spectrum(state, self.grid)
        total = self.symbol().to(state_hat) * state_hat
        total[..., : self.columns] += self.nonlinear(state_hat[..., : self.columns])
        return to_field(total, self.grid)
