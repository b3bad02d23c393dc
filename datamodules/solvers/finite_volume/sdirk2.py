r"""Alexander's diagonally implicit Runge-Kutta scheme: second order and L-stable.

    z = u_n + γ Δt K(z),    w = u_n + (1 - γ)/γ (z - u_n),    u_{n+1} = w + γ Δt K(u_{n+1}),

with γ = 1 - 1/√2: two steps of backward Euler of length γ Δt, the second from an extrapolated
state. A mode that decays much faster than Δt ends at its equilibrium, as with backward Euler;
Crank-Nicolson makes it oscillate.

Reference: R. Alexander, SIAM J. Numer. Anal. 14 (1977) 1006-1021.
"""

import math

from datamodules.solvers.finite_volume.balance import Balance, State
from datamodules.solvers.finite_volume.steppers import CoefficientsInTime, Stepper
from datamodules.solvers.finite_volume.theta_scheme import ThetaScheme
from datamodules.solvers.implicit.layer import ImplicitLayer

GAMMA = 1 - 1 / math.sqrt(2)


class SDIRK2(Stepper):
    """Alexander's SDIRK scheme: two stages like backward Euler's, second order, L-stable.

    Args:
        euler: Solver of the stages: a `ThetaScheme` with theta 1. If coefficients change in time,
            the scheme is of second order only where it evaluates them at the ends.

    Raises:
        ValueError: theta is not 1.
        ImplicitSolveError: A stage did not converge, unless the layer masks it.

    Example:
        u_t = -u gives 2γ/(1 + γ)² at dt = 1:

        >>> import torch
        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Balance, Decay, Domain
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> start, rate = torch.ones(1, 1, 4), {"r": torch.tensor(1.0)}
        >>> stepper = SDIRK2(ThetaScheme(theta=1.0))
        >>> state = stepper.step(balance, start, lambda time: rate, 0.0, dt=1.0)
        >>> round(state[0, 0, 0].item(), 4)
        0.3504
    """

    order = 2

    def __init__(self, euler: ThetaScheme) -> None:
        if euler.theta != 1:
            raise ValueError(
                f"SDIRK2.euler must be a ThetaScheme with theta 1, got {euler.theta}; its stages "
                "are steps of backward Euler."
            )
        self.euler = euler

    @property
    def layer(self) -> ImplicitLayer:
        """Implicit layer of the stages."""
        return self.euler.layer

    def step(
        self,
        balance: Balance,
        state: State,
        coefficients: CoefficientsInTime,
        time: float,
        dt: float,
    ) -> State:
        part = GAMMA * dt
        stage = self.euler.step(balance, state, coefficients, time, part)
        ahead = state + (1 - GAMMA) / GAMMA * (stage - state)
        return self.euler.step(balance, ahead, coefficients, time + dt - part, part)
