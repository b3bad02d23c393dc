"""Finite-volume solvers with the interface of the spectral ones."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from datamodules.solvers.cpu import one_thread_without_gradients
from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume.balance import Balance
from datamodules.solvers.finite_volume.boundaries import Periodic
from datamodules.solvers.finite_volume.profile import Profile
from datamodules.solvers.finite_volume.steppers import RK4, Stepper
from datamodules.solvers.solver import Solver, substeps_of
from datamodules.solvers.variable import State, Variable


class FiniteVolumeSolver(Solver):
    """Finite-volume solver: a balance, its coefficients and a time stepper.

    Coefficients that are numbers may differ between the trajectories of a data set.

    Args:
        balance: Right-hand side, with its domain.
        coefficients: Coefficients by name: a number, a `Profile`, which may change in time, or a
            steady tensor (*space) or (batch, *space), which provenance cannot describe.
        dt: Inner time step [T].
        interval: Time between snapshots [T], a whole number of inner steps.
        stepper: Time stepper; implicit ones are in `datamodules.solvers.implicit`.
        units: Units of coefficients, by name, for files; 1 by default.

    Raises:
        ValueError: dt does not divide the interval, or a coefficient is missing.

    Example:
        Two explicit Euler steps of u_t = -u, each of which halves u:

        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Decay, Domain, ExplicitEuler
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> euler = ExplicitEuler()
        >>> solver = FiniteVolumeSolver(balance, {"r": 1.0}, dt=0.5, interval=1.0, stepper=euler)
        >>> solver.step(torch.ones(1, 1, 4)).tolist()
        [[[0.25, 0.25, 0.25, 0.25]]]
    """

    offset = 0.5  # points are the centres of cells

    def __init__(
        self,
        balance: Balance,
        coefficients: Mapping[str, float | Profile | Tensor],
        dt: float,
        interval: float,
        stepper: Stepper | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        check_finite("FiniteVolumeSolver", coefficients=coefficients, dt=dt, interval=interval)
        super().__init__()
        self.substeps = substeps_of("FiniteVolumeSolver", interval, dt)
        missing = set(balance.coefficients) - set(coefficients)
        if missing:
            raise ValueError(
                f"FiniteVolumeSolver.coefficients must give '{min(missing)}', got "
                f"{sorted(coefficients)}."
            )
        self.balance = balance
        self.dt = dt
        self.interval = interval
        self.stepper = stepper or RK4()
        self.grid = balance.domain.grid
        self.variables = balance.variables
        self.coefficients = dict(coefficients)
        self.units = dict(units or {})
        for name, value in coefficients.items():
            if isinstance(value, Profile):
                value = value.field(balance.domain, 0.0)
            tensor = torch.as_tensor(value, dtype=torch.float64)
            self.register_buffer(f"coefficient_{name}", tensor, persistent=False)
        self.moving = {
            name: value
            for name, value in self.coefficients.items()
            if isinstance(value, Profile) and not value.steady
        }

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Periodicity of the domain along each axis."""
        return tuple(isinstance(b, Periodic) for b in self.balance.domain.boundaries)

    @property
    def parameters_of_trajectories(self) -> tuple[Variable, ...]:
        return tuple(
            Variable(name, name.replace("_", " "), self.units.get(name, "1"))
            for name, value in self.coefficients.items()
            if isinstance(value, int | float)
        )

    def at(self, points: Sequence[Mapping[str, float]]) -> "FiniteVolumeSolver":
        self.check_points(points)
        ones = (1,) * self.grid.dimensions
        own = {
            name: torch.tensor([point[name] for point in points]).double().view(-1, *ones)
            for name in points[0]
        }
        return FiniteVolumeSolver(
            self.balance,
            {**self.coefficients, **own},
            self.dt,
            self.interval,
            self.stepper,
            self.units,
        )

    def values(self, time: float) -> dict[str, Tensor]:
        """Return the coefficients by name, in the precision and on the device of the solver.

        Args:
            time: Time [T] since the first snapshot of a trajectory.
        """
        found = {name: getattr(self, f"coefficient_{name}") for name in self.coefficients}
        for name, profile in self.moving.items():
            found[name] = profile.field(self.balance.domain, time).to(found[name])
        return found

    def step(self, state: State) -> State:
        return self.step_at(state, 0.0)

    def step_at(self, state: State, time: float) -> State:
        still = self.values(time)
        with one_thread_without_gradients(state.device):  # several add in another order
            for n in range(self.substeps):
                state = self.stepper.step(
                    self.balance,
                    state,
                    self.values if self.moving else lambda time: still,
                    time + n * self.dt,
                    self.dt,
                )
        return state
