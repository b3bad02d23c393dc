"""A solver advances a physical state by one snapshot interval, as an emulator does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.cpu import cache_sized_parts, threads_for
from datamodules.solvers.equation import Equation, Spectrum, State, Variable
from datamodules.solvers.grid import Grid
from datamodules.solvers.spectral import SpectralModule, dealias_mask, to_field, to_spectrum
from datamodules.solvers.time_steppers import ETDRK4, TimeStepper


class Solver(nn.Module, ABC):
    """Known dynamics on a grid: the state one interval later, for a batch of trajectories.

    Attributes:
        grid: Where the states live.
        interval: Time between snapshots [T].
        variables: What the channels of a state are.
    """

    grid: Grid
    interval: float
    variables: tuple[Variable, ...]

    @abstractmethod
    def step(self, state: State) -> State:
        """Return the state one snapshot interval later."""

    def unroll(self, state: State) -> Iterator[State]:
        """Yield the states one interval later, two intervals later, ... without end."""
        while True:
            state = self.step(state)
            yield state

    def rollout(self, state: State, steps: int) -> Float[Tensor, "batch time channel *space"]:
        """Return the states at lead times of 1 to `steps` intervals."""
        return torch.stack(list(islice(self.unroll(state), steps)), dim=1)


class SpectralSolver(Solver, SpectralModule):
    """Pseudo-spectral solver: an equation and a time stepper on a periodic grid.

    Built in double precision; `.float()` gives the single-precision solver. A step first projects
    the state on the modes that the 2/3 rule keeps.

    Args:
        equation: Right-hand side, with its grid.
        dt: Inner time step [T].
        interval: Time between snapshots [T], a whole number of inner steps.
        scheme: Time stepper, built from the symbol of the equation and dt.
    """

    def __init__(
        self,
        equation: Equation,
        dt: float,
        interval: float,
        scheme: Callable[[Tensor, float], TimeStepper] = ETDRK4,
    ) -> None:
        super().__init__()
        if not (dt > 0 and interval > 0):
            raise ValueError(
                f"SpectralSolver needs dt and interval above 0, got dt={dt}, interval={interval}."
            )
        self.substeps = round(interval / dt)
        if self.substeps < 1 or abs(self.substeps * dt - interval) > 1e-9 * interval:
            raise ValueError(
                f"SpectralSolver.interval must be a whole number of dt, got interval={interval} "
                f"and dt={dt} ({interval / dt:g} steps)."
            )
        self.equation = equation
        self.dt = dt
        self.interval = interval
        self.grid = equation.grid
        self.variables = equation.variables
        self.stepper = scheme(equation.symbol(), dt)
        # what was made, not what made it: a command line hides the class behind a function
        options = list(signature(type(self.stepper).__init__).parameters)[3:]
        self.scheme = partial(
            type(self.stepper), **{name: getattr(self.stepper, name) for name in options}
        )
        self.mask = dealias_mask(self.grid).to(torch.complex128)

    def advance(self, state_hat: Spectrum, steps: int) -> Spectrum:
        """Return the spectrum `steps` inner steps later."""
        step, nonlinear = self.stepper.step, self.equation.nonlinear
        advanced = []
        with threads_for(state_hat):
            for part in cache_sized_parts(state_hat):
                for _ in range(steps):
                    part = step(part, nonlinear)
                advanced.append(part)
        return torch.cat(advanced)

    def step(self, state: State) -> State:
        state_hat = to_spectrum(state, self.grid) * self.mask
        return to_field(self.advance(state_hat, self.substeps), self.grid)
