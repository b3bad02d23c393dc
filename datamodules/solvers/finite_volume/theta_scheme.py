r"""Implicit time stepping of a balance ∂u/∂t = K(u; c(t)).

    F(z) = z - u_n - Δt [(1 - θ) K(u_n; c_n) + θ K(z; c_{n+1})] = 0,    u_{n+1} = z

θ = 1 is backward Euler, θ = ½ Crank-Nicolson. In Akhare et al. (2025), arXiv:2504.02260, the
coefficients are evaluated once a step, at its start, which is of first order where they change in
time; at the middle or at both ends the scheme keeps its second order.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume.balance import (
    AffineTendency,
    Balance,
    Coefficients,
    State,
    Tendency,
)
from datamodules.solvers.finite_volume.matrix import Matrix
from datamodules.solvers.finite_volume.steppers import CoefficientsInTime, Stepper
from datamodules.solvers.finite_volume.system import System
from datamodules.solvers.implicit.batched import choose
from datamodules.solvers.implicit.layer import ImplicitLayer
from datamodules.solvers.implicit.residual import AffineMap, Map, Quasilinear, Residual

When = Literal["start", "middle", "ends"]


def check_when(coefficients_at: str) -> None:
    """Check that the time of the coefficients is a known option."""
    if coefficients_at not in ("start", "middle", "ends"):
        raise ValueError(
            "ThetaScheme.coefficients_at must be 'start', 'middle' or 'ends', got "
            f"'{coefficients_at}'."
        )


class ThetaScheme(Stepper):
    """θ-scheme through the implicit layer.

    Coefficients are inputs of the layer, so that gradients reach the network that gave them; it is
    evaluated once for each set of coefficients and never by the solver. Parameters of the balance's
    own closures and terms are differentiated too.

    Args:
        theta: Implicit share θ of the step: 1 for backward Euler, ½ for Crank-Nicolson.
        layer: Implicit layer with solver and gradient; Newton-Krylov and the adjoint by default.
            `Affine` is enough where K is affine in u.
        coefficients_at: Time within the step at which coefficients are evaluated.
        halvings: Number of times that a step that does not converge is halved before the layer's
            `on_failure` applies.
        scales: Typical size of each variable, where they differ: the solver's norms are of u/scale.

    Raises:
        ValueError: θ lies outside (0, 1], or another setting is out of range.
        ImplicitSolveError: A step did not converge, unless the layer masks it.

    Example:
        u_t = -u gives (1 - dt/2)/(1 + dt/2):

        >>> import torch
        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Balance, Decay, Domain
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> start, rate = torch.ones(1, 1, 4), {"r": torch.tensor(1.0)}
        >>> stepper = ThetaScheme(theta=0.5)
        >>> state = stepper.step(balance, start, lambda time: rate, 0.0, dt=1.0)
        >>> round(state[0, 0, 0].item(), 4)
        0.3333
    """

    def __init__(
        self,
        theta: float = 0.5,
        layer: ImplicitLayer | None = None,
        coefficients_at: When = "start",
        halvings: int = 0,
        scales: Sequence[float] | None = None,
    ) -> None:
        check_finite("ThetaScheme", theta=theta, scales=scales)
        if not 0 < theta <= 1:
            raise ValueError(
                f"ThetaScheme.theta must lie in (0, 1], got {theta}; use ExplicitEuler for 0."
            )
        check_when(coefficients_at)
        if halvings < 0:
            raise ValueError(f"ThetaScheme.halvings must be at least 0, got {halvings}.")
        if scales is not None and not all(scale > 0 for scale in scales):
            raise ValueError(f"ThetaScheme.scales must be positive, got {list(scales)}.")
        self.theta = theta
        self.layer = layer or ImplicitLayer()
        self.coefficients_at = coefficients_at
        self.halvings = halvings
        self.scales = None if scales is None else tuple(scales)

    @property
    def order(self) -> int:
        """Order of convergence in dt: 2 for θ = ½ (1 if varying coefficients are kept), else 1."""
        return 2 if self.theta == 0.5 else 1

    def step(
        self,
        balance: Balance,
        state: State,
        coefficients: CoefficientsInTime,
        time: float,
        dt: float,
    ) -> State:
        return self.advance(balance, state, coefficients, time, dt, self.halvings)

    def prepared(
        self, balance: Balance, coefficients: Coefficients, dt: float
    ) -> Callable[[State], State]:
        tendency = balance.bind(coefficients)
        if tendency.nonlinear or self.halvings or self.scales:
            return super().prepared(balance, coefficients, dt)
        K = tendency.affine()
        explicit, implicit = K.matrix((1 - self.theta) * dt), K.matrix(-self.theta * dt)
        system = System(explicit, implicit)
        inputs = [*explicit.tensors(), *implicit.tensors()]
        if not K.homogeneous:
            inputs.append(dt * K.constant(balance.domain.grid.shape))

        def step(state: State) -> State:
            return self.layer(system, state, state, *inputs)[0]

        return step

    def advance(
        self,
        balance: Balance,
        state: State,
        coefficients: CoefficientsInTime,
        time: float,
        dt: float,
        halvings: int,
    ) -> State:
        """Return the state at `time` + dt; samples that failed are solved again in two halves.

        Args:
            balance: Right-hand side K.
            state: State at `time`.
            coefficients: Function c(t) that returns tensors by name.
            time: Time [T] at the start of the step.
            dt: Time step [T].
            halvings: Number of times that the step may still be halved.
        """
        now, then = self.evaluate(coefficients, time, dt)
        names = balance.coefficients
        inputs = [now[name] for name in names]
        if then is not now:
            inputs += [then[name] for name in names]
        scale = scale_of(self.scales, state)
        step = ThetaStep(balance, names, self.theta, dt, self.scales)
        start = state if scale is None else state / scale
        solve = self.layer.attempt if halvings else self.layer
        z, info = solve(step, start, state, *inputs)
        new = z if scale is None else z * scale
        if halvings and not info.converged.all():
            half = state
            for part in (0.0, 0.5):
                begin = time + part * dt
                half = self.advance(balance, half, coefficients, begin, dt / 2, halvings - 1)
            new = choose(info.converged, new, half)
        return new

    def evaluate(
        self, coefficients: CoefficientsInTime, time: float, dt: float
    ) -> tuple[Coefficients, Coefficients]:
        """Return the coefficients that the scheme uses at the start and at the end of a step.

        Args:
            coefficients: Function c(t) that returns tensors by name.
            time: Time [T] at the start of the step.
            dt: Time step [T].
        """
        if self.coefficients_at == "ends":
            return coefficients(time), coefficients(time + dt)
        once = coefficients(time + (dt / 2 if self.coefficients_at == "middle" else 0.0))
        return once, once


def scale_of(scales: Sequence[float] | None, state: Tensor) -> Tensor | None:
    """Return the scale of each channel as (channel, 1, ..., 1), or None without scales."""
    if scales is None:
        return None
    if len(scales) != state.shape[1]:
        raise ValueError(
            f"ThetaScheme.scales must have one entry for each of {state.shape[1]} variables, got "
            f"{len(scales)}."
        )
    return state.new_tensor(scales).view(-1, *[1] * (state.dim() - 2))


class ThetaStep(Residual):
    """Residual F of one step, scaled: [s z - u_n - Δt ((1 - θ) K(u_n) + θ K(s z))]/s.

    Args:
        balance: K.
        names: Names of the coefficients, in the order in which `bind` takes them.
        theta: θ.
        dt: Δt [T].
        scales: s of each variable; None for 1.
    """

    def __init__(
        self,
        balance: Balance,
        names: Sequence[str],
        theta: float,
        dt: float,
        scales: Sequence[float] | None,
    ) -> None:
        self.balance = balance
        self.names = names
        self.theta = theta
        self.dt = dt
        self.scales = scales

    def parameters(self) -> tuple[Tensor, ...]:
        return tuple(self.balance.parameters())

    def bind(self, *inputs: Tensor) -> Map:
        state, *values = inputs
        count = len(self.names)
        now = dict(zip(self.names, values[:count], strict=True))
        tendency = self.balance.bind(now)
        known = state
        if self.theta < 1:
            known = state + (1 - self.theta) * self.dt * tendency(state)
        if len(values) > count:
            tendency = self.balance.bind(dict(zip(self.names, values[count:], strict=True)))
        scale = scale_of(self.scales, state)
        known = known if scale is None else known / scale
        if tendency.nonlinear:
            return BoundStep(tendency, known, self.theta * self.dt, scale)
        return AffineStep(tendency.lagged(state), known, self.theta * self.dt, scale)


class BoundStep(Quasilinear):
    """Residual z ↦ F(z) of a step whose inputs are given.

    Args:
        tendency: K of the end of the step.
        known: [u_n + (1 - θ) Δt K(u_n)]/s.
        dt: θ Δt.
        scale: s; None for 1.
    """

    def __init__(self, tendency: Tendency, known: Tensor, dt: float, scale: Tensor | None) -> None:
        self.tendency = tendency
        self.known = known
        self.dt = dt
        self.scale = scale

    def lagged(self, previous: Tensor) -> Map:
        at = previous if self.scale is None else previous * self.scale
        return AffineStep(self.tendency.lagged(at), self.known, self.dt, self.scale)


class AffineStep(AffineMap, Quasilinear):
    """Affine `BoundStep`: the step with coefficients that are given or lagged.

    Args:
        tendency: K with given coefficients.
        known: [u_n + (1 - θ) Δt K(u_n)]/s.
        dt: θ Δt.
        scale: s; None for 1.
    """

    def __init__(
        self, tendency: AffineTendency, known: Tensor, dt: float, scale: Tensor | None
    ) -> None:
        self.tendency = tendency
        self.known = known
        self.dt = dt
        self.scale = scale

        self._matrices: dict[bool, Matrix] = {}
        self._transposed: Matrix | None = None

    def __call__(self, z: Tensor) -> Tensor:
        if self.scale is None:
            return torch.sub(z, self.tendency(z), alpha=self.dt) - self.known
        return z - self.dt * self.tendency(z * self.scale) / self.scale - self.known

    def linear(self, v: Tensor) -> Tensor:
        # the scale drops out: no variable meets another
        graph = torch.is_grad_enabled()  # a matrix made without a graph passes no gradient
        if graph not in self._matrices:
            self._matrices[graph] = self.tendency.matrix(-self.dt)
        return self._matrices[graph](v)

    def transposed(self, w: Tensor) -> Tensor:
        self._transposed = self._transposed or self.tendency.matrix(-self.dt).transposed()
        return self._transposed(w)

    def lagged(self, previous: Tensor) -> Map:
        return self
