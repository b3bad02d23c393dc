"""A solver advances a physical state by one snapshot interval, as an emulator does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from itertools import count, islice

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.cpu import cache_sized_parts, threads_for
from datamodules.solvers.equation import Equation, Spectrum, State, Variable
from datamodules.solvers.finite import check_finite
from datamodules.solvers.grid import Grid
from datamodules.solvers.spectral import SpectralModule, dealias_mask, to_field, to_spectrum
from datamodules.solvers.time_steppers import ETDRK4, TimeStepper


class Solver(nn.Module, ABC):
    """Known dynamics on a grid: the state one interval later, for a batch of trajectories.

    Attributes:
        grid: Where the states live.
        interval: Time between snapshots [T].
        variables: What the channels of a state are.
        offset: Where in its cell a value of a state lies, from the low edge, in cells.
        unit_system: What files say of the units of time and length.
    """

    grid: Grid
    interval: float
    variables: tuple[Variable, ...]
    offset: float = 0.0
    unit_system: str = "Non-dimensional model units; metres and seconds stand for L and T."

    @abstractmethod
    def step(self, state: State) -> State:
        """Return the state one snapshot interval later."""

    def step_at(self, state: State, time: float) -> State:
        """Return the state one interval later, where the dynamics depend on time [T].

        Args:
            state: At that time.
            time: Counted from the first snapshot of a trajectory; negative in the spin-up.
        """
        return self.step(state)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether the domain is periodic along each axis (y, x); it ends at walls by default."""
        return (False,) * self.grid.dimensions

    @property
    def parameters_of_trajectories(self) -> tuple[Variable, ...]:
        """Physical parameters that may differ between trajectories, with their units."""
        return ()

    def at(self, points: Sequence[Mapping[str, float]]) -> "Solver":
        """Return the solver of a batch of trajectories, each at an operating point of its own.

        Args:
            points: For each trajectory of the batch the parameters that differ, by name.

        Raises:
            ValueError: The solver has no such parameter, or the points differ in what they set.
        """
        self.check_points(points)
        return self

    def check_points(self, points: Sequence[Mapping[str, float]]) -> None:
        """Refuse operating points that set what is no parameter, or not the same."""
        known = [variable.name for variable in self.parameters_of_trajectories]
        for point in points:
            for name in point:
                if name not in known:
                    raise ValueError(
                        f"{type(self).__name__} has no parameter '{name}' that may differ between "
                        f"trajectories, only {', '.join(known) or 'none'}."
                    )
            if set(point) != set(points[0]):
                raise ValueError(
                    "Operating points must all set the same parameters, got "
                    f"{sorted(points[0])} and {sorted(point)}; repeat the values that are shared."
                )

    def initial_state(self) -> State:
        """Return the states in which trajectories begin, one for each operating point.

        Raises:
            ValueError: What the solver describes may begin anywhere.
        """
        raise ValueError(
            f"{type(self).__name__} has no initial state of its own; set generator.initial to a "
            "distribution of initial states."
        )

    def unroll(self, state: State) -> Iterator[State]:
        """Yield the states one interval later, two intervals later, ... without end."""
        for number in count():
            state = self.step_at(state, number * self.interval)
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
        check_finite("SpectralSolver", dt=dt, interval=interval)
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

    @property
    def periodic(self) -> tuple[bool, ...]:
        """All axes are."""
        return (True,) * self.grid.dimensions

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
