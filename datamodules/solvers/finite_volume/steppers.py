"""Explicit time stepping of a balance ∂u/∂t = K(u; c(t)).

References: W. Kutta, Z. Math. Phys. 46 (1901) 435-453 (the classical scheme of fourth order).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from datamodules.solvers.finite_volume.balance import Balance, Coefficients, State

CoefficientsInTime = Callable[[float], Coefficients]


class Stepper(ABC):
    """One step of length dt."""

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
            balance: K.
            state: u at `time`.
            coefficients: c(t), tensors by name; the same tensors at all times if they are steady.
            time: Now [T].
            dt: Step [T].
        """

    def prepared(
        self, balance: Balance, coefficients: Coefficients, dt: float
    ) -> Callable[[State], State]:
        """Return u(t) ↦ u(t + dt) with coefficients that do not change in time.

        What follows from the coefficients alone may be computed here, once for a whole rollout.

        Args:
            balance: K.
            coefficients: Tensors by name.
            dt: Step [T].
        """
        return lambda state: self.step(balance, state, lambda time: coefficients, 0.0, dt)


class ExplicitEuler(Stepper):
    """u + dt K(u; c(t)). First order, stable only for small steps."""

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
    """The classical Runge-Kutta scheme of fourth order."""

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
