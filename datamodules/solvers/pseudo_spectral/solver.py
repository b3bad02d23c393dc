"""A pseudo-spectral solver: an equation and a time stepper on a periodic grid."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature

import torch
from torch import Tensor

from datamodules.solvers.cpu import by_parts, threads_for
from datamodules.solvers.finite import check_finite
from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.equation import Equation, Spectrum
from datamodules.solvers.pseudo_spectral.operators import (
    SpectralModule,
    dealias_mask,
    to_field,
    to_spectrum,
)
from datamodules.solvers.pseudo_spectral.time_steppers import ETDRK4, TimeStepper
from datamodules.solvers.solver import Solver, substeps_of
from datamodules.solvers.variable import State


class SpectralSolver(Solver, SpectralModule):
    """Pseudo-spectral solver: an equation and a time stepper on a periodic grid.

    Built in double precision; `.float()` gives the single-precision solver. A step first projects
    the state on the modes that the 2/3 rule keeps.

    Args:
        equation: Right-hand side, with its grid.
        dt: Inner time step [T].
        interval: Time between snapshots [T], a whole number of inner steps.
        scheme: Time stepper, built from the symbol of the equation and dt.

    Raises:
        ValueError: dt or interval are not positive, or dt does not divide the interval.

    Example:
        The vorticity sin(x) decays by e⁻¹ in a time of one at unit viscosity:

        >>> from math import pi
        >>> from datamodules.solvers import BetaPlane, Grid
        >>> grid = Grid((8, 8), (2 * pi, 2 * pi))
        >>> wave = grid.points()[1].sin()[None, None]
        >>> solver = SpectralSolver(BetaPlane(grid, viscosity=1.0), dt=0.1, interval=1.0)
        >>> round((solver.step(wave).max() / wave.max()).item(), 6)
        0.367879
    """

    def __init__(
        self,
        equation: Equation,
        dt: float,
        interval: float,
        scheme: Callable[[Tensor, float], TimeStepper] = ETDRK4,
    ) -> None:
        check_finite("SpectralSolver", dt=dt, interval=interval)
        super().__init__()
        self.substeps = substeps_of("SpectralSolver", interval, dt)
        self.equation = equation
        self.dt = dt
        self.interval = interval
        self.grid = equation.grid
        self.variables = equation.variables
        kept = slice(equation.columns)
        self.stepper = scheme(equation.symbol()[..., kept], dt)
        # the class that was made: from a command line, `scheme` is a function around it
        options = list(signature(type(self.stepper).__init__).parameters)[3:]
        self.scheme = partial(
            type(self.stepper), **{name: getattr(self.stepper, name) for name in options}
        )
        self.mask = dealias_mask(self.grid)[..., kept].to(torch.complex128)

    def on(self, shape: Sequence[int]) -> "SpectralSolver":
        """Return the solver on another number of points, in double precision.

        The time step is the longest that divides the interval and is no longer than dt times the
        ratio of the grid spacings, so that the solution moves no further in units of the spacing.
        """
        grid = Grid(tuple(shape), self.grid.lengths)
        ratio = min(old / new for old, new in zip(self.grid.shape, grid.shape, strict=True))
        substeps = math.ceil(self.substeps / ratio)
        equation = self.equation.on(grid)
        return SpectralSolver(equation, self.interval / substeps, self.interval, self.scheme)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Periodicity of the domain along each axis: it is periodic along all."""
        return (True,) * self.grid.dimensions

    def advance(self, state_hat: Spectrum, steps: int) -> Spectrum:
        """Return the spectrum after a number of inner steps.

        Args:
            state_hat: First `equation.columns` columns of a dealiased spectrum.
            steps: Number of inner steps of length dt.
        """

        def advanced(part: Spectrum) -> Spectrum:
            with threads_for(self.grid.shape, part.device):
                for _ in range(steps):
                    part = self.stepper.step(part, self.equation.nonlinear)
            return part

        return by_parts(advanced, state_hat)

    def step(self, state: State) -> State:
        state_hat = to_spectrum(state, self.grid)[..., : self.equation.columns] * self.mask
        return to_field(self.advance(state_hat, self.substeps), self.grid)
