"""Explicit time stepping of a balance ∂u/∂t = K(u; c(t)).

References: W. Kutta, Z. Math. Phys. 46 (1901) 435-453 (the classical scheme of fourth order).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from datamodules.solvers.finite_volume.balance import Balance, Coefficients, State

CoefficientsInTime = Callable[[float], Coefficients]


class Stepper(ABC):
    """Time stepper of a balance ∂u/∂t = K(u; c(t)).

    Example:
        A stepper of your own, Heun's, of second order: u_t = -u gives 1 - dt + dt²/2.

        >>> import torch
        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Balance, Decay, Domain
        >>> class Heun(Stepper):
        ...     order = 2
        ...     def step(self, balance, state, coefficients, time, dt):
        ...         k1 = balance.bind(coefficients(time))(state)
        ...         k2 = balance.bind(coefficients(time + dt))(state + dt * k1)
        ...         return state + dt / 2 * (k1 + k2)
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> step = Heun().prepared(balance, {"r": torch.tensor(1.0)}, dt=1.0)
        >>> step(torch.ones(1, 1, 4)).tolist()
        [[[0.5, 0.5, 0.5, 0.5]]]
    """

    @property
    @abstractmethod
    def order(self) -> int:
        """Order of the error in dt."""

    @abstractmethod
    def step(
        self,
        balance: Balance,
        state: State,
        coefficients: CoefficientsInTime,
        time: float,
        dt: float,
    ) -> State:
        """Return the state at `time` + dt.

        Args:
            balance: Right-hand side K.
            state: State u at `time`.
            coefficients: Function c(t) that returns tensors by name; the same tensors at all times
                if they are steady.
            time: Time [T] at the start of the step.
            dt: Time step [T].
        """

    def prepared(
        self, balance: Balance, coefficients: Coefficients, dt: float
    ) -> Callable[[State], State]:
        """Return u(t) ↦ u(t + dt) with coefficients that do not change in time.

        Subclasses may compute here, once for a whole rollout, what depends on coefficients alone.

        Args:
            balance: Right-hand side K.
            coefficients: Coefficients by name.
            dt: Time step [T].
        """
        return lambda state: self.step(balance, state, lambda time: coefficients, 0.0, dt)


class ExplicitEuler(Stepper):
    """Explicit Euler scheme u + dt K(u; c(t)): first order, stable only for small steps.

    Example:
        u_t = -u gives 1 - dt:

        >>> import torch
        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Balance, Decay, Domain
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> start, rate = torch.ones(1, 1, 4), {"r": torch.tensor(1.0)}
        >>> stepper = ExplicitEuler()
        >>> state = stepper.step(balance, start, lambda time: rate, 0.0, dt=1.0)
        >>> round(state[0, 0, 0].item(), 4)
        0.0
    """

    order = 1

    def step(
        self,
        balance: Balance,
        state: State,
        coefficients: CoefficientsInTime,
        time: float,
        dt: float,
    ) -> State:
        return self.prepared(balance, coefficients(time), dt)(state)

    def prepared(
        self, balance: Balance, coefficients: Coefficients, dt: float
    ) -> Callable[[State], State]:
        tendency = balance.bind(coefficients)
        return lambda state: state + dt * tendency(state)


class RK4(Stepper):
    """Classical Runge-Kutta scheme of fourth order.

    Example:
        u_t = -u gives 1 - dt + dt²/2 - dt³/6 + dt⁴/24:

        >>> import torch
        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Balance, Decay, Domain
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> start, rate = torch.ones(1, 1, 4), {"r": torch.tensor(1.0)}
        >>> stepper = RK4()
        >>> state = stepper.step(balance, start, lambda time: rate, 0.0, dt=1.0)
        >>> round(state[0, 0, 0].item(), 4)
        0.375
    """

    order = 4

    def step(
        self,
        balance: Balance,
        state: State,
        coefficients: CoefficientsInTime,
        time: float,
        dt: float,
    ) -> State:
        now, half, end = (coefficients(time + part * dt) for part in (0.0, 0.5, 1.0))
        first = balance.bind(now)
        middle = first if half is now else balance.bind(half)
        last = middle if end is half else balance.bind(end)
        k1 = first(state)
        k2 = middle(state + dt / 2 * k1)
        k3 = middle(state + dt / 2 * k2)
        k4 = last(state + dt * k3)
        return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
