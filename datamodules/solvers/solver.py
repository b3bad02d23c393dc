"""Base class of solvers, which advance a physical state by one snapshot interval."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.grid import Grid
from datamodules.solvers.variable import State, Variable


def substeps_of(owner: str, interval: float, dt: float, option: str = "dt") -> int:
    """Return how many steps of dt make an interval.

    Args:
        owner: Class whose options they are.
        interval: Time between snapshots [T].
        dt: Inner time step [T].
        option: Option that sets dt.

    Raises:
        ValueError: One of them is not above 0, or the interval is not a whole number of dt.
    """
    if not (dt > 0 and interval > 0):
        raise ValueError(
            f"{owner} needs dt and interval above 0, got dt={dt}, interval={interval}."
        )
    steps = round(interval / dt)
    if steps < 1 or abs(steps * dt - interval) > 1e-6 * interval:
        raise ValueError(
            f"{owner}.interval must be a whole number of dt, got interval={interval} and dt={dt} "
            f"({interval / dt:g} steps), so that no step would hit the snapshots; change {option}."
        )
    return steps


class Solver(nn.Module, ABC):
    """Known dynamics on a grid: the state one interval later, for a batch of trajectories.

    States are (batch, channel, *space), in physical units.

    Attributes:
        grid: Grid of the states.
        interval: Time between snapshots [T].
        variables: Names and units of the channels of a state.
        offset: Position of a value within its cell, from the lower edge [cells].
        unit_system: Note on the units of time and length for files.

    Example:
        A solver implements `step`; `unroll` and `rollout` follow:

        >>> class Decay(Solver):
        ...     interval = 1.0
        ...     def step(self, state):
        ...         return state / 2
        >>> Decay().rollout(torch.full((1, 1, 1), 8.0), steps=3).flatten().tolist()
        [4.0, 2.0, 1.0]
    """

    grid: Grid
    interval: float
    variables: tuple[Variable, ...]
    offset: float = 0.0
    unit_system: str = "Non-dimensional model units; metres and seconds stand for L and T."

    @abstractmethod
    def step(self, state: State) -> State:
        """Return the state one snapshot interval later.

        Args:
            state: States (batch, channel, *space), in physical units.
        """

    def step_at(self, state: State, time: float) -> State:
        """Return the state one interval later, where the dynamics depend on time [T].

        Args:
            state: State at that time.
            time: Time [T] since the first snapshot of a trajectory; negative in the spin-up.
        """
        return self.step(state)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Periodicity of the domain along each axis (y, x); none is periodic by default."""
        return (False,) * self.grid.dimensions

    @property
    def parameters_of_trajectories(self) -> tuple[Variable, ...]:
        """Physical parameters that may differ between trajectories, with their units."""
        return ()

    def at(self, points: Sequence[Mapping[str, float]]) -> "Solver":
        """Return the solver of a batch of trajectories, each at its own operating point.

        Args:
            points: Parameters of each trajectory of the batch, by name.

        Raises:
            ValueError: The solver has no such parameter, or the points differ in what they set.
        """
        self.check_points(points)
        return self

    def on(self, shape: Sequence[int]) -> "Solver":
        """Return the solver of the same dynamics on another number of points of its domain.

        Args:
            shape: Number of points along each axis.

        Raises:
            NotImplementedError: The solver has one grid only.
        """
        raise NotImplementedError(
            f"{type(self).__name__} is made for one grid; leave data.generator.coarse_spin_up out, "
            "or write its method `on`."
        )

    def check_points(self, points: Sequence[Mapping[str, float]]) -> None:
        """Check that operating points all set the same, known parameters.

        Raises:
            ValueError: The solver has no such parameter, or the points differ in what they set.
        """
        known = [variable.name for variable in self.parameters_of_trajectories]
        for point in points:
            for name in point:
                if name not in known:
                    others = f", only {', '.join(known)}" if known else "; it has none"
                    raise ValueError(
                        f"{type(self).__name__} has no parameter '{name}' that may differ between "
                        f"trajectories{others}."
                    )
            if set(point) != set(points[0]):
                raise ValueError(
                    "Operating points must all set the same parameters, got "
                    f"{sorted(points[0])} and {sorted(point)}; repeat the values that are shared."
                )

    def initial_state(self) -> State:
        """Return the initial states of trajectories, one for each operating point.

        Raises:
            ValueError: The solver prescribes no initial state.
        """
        raise ValueError(
            f"{type(self).__name__} has no initial state of its own; set data.generator.initial, "
            "or initial of each of data.generator.splits, to a distribution of initial states."
        )

    def unroll(self, state: State) -> Iterator[State]:
        """Yield the states at leads 1, 2, 3, ... without end.

        Args:
            state: State at lead 0, the first snapshot of a trajectory.
        """
        for number in count():
            state = self.step_at(state, number * self.interval)
            yield state

    def rollout(self, state: State, steps: int) -> Float[Tensor, "batch time channel *space"]:
        """Return the states at leads of 1 to `steps`, (batch, time, channel, *space).

        Args:
            state: State at lead 0, the first snapshot of a trajectory; it is not in the result.
            steps: Number of snapshot intervals.
        """
        return torch.stack(list(islice(self.unroll(state), steps)), dim=1)
