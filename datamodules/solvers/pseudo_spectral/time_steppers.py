r"""Exponential time steppers for û_t = L û + N(û) with diagonal L.

The linear part is integrated exactly. With h = dt and E = exp(hL), the integrating-factor schemes
apply a Runge-Kutta scheme to e^{-tL} û; the exponential time differencing (ETD) schemes integrate
N against the exact propagator, with the functions

    φ_1(z) = (e^z - 1)/z,   φ_{k+1}(z) = (φ_k(z) - 1/k!)/z,

evaluated as means over a circle around z, where direct division loses all digits near z = 0.

References: S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455 (ETDRK2, ETDRK4);
A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214-1233 (contour means).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Complex
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.pseudo_spectral.equation import Spectrum
from datamodules.solvers.pseudo_spectral.operators import SpectralModule

Nonlinear = Callable[[Spectrum], Spectrum]


def phi(order: int, z: Complex[Tensor, "*any"]) -> Complex[Tensor, "*any"]:
    """Return φ_order(z) for order 1, 2 or 3, as the mean over 64 points of a circle around z.

    The mean of an analytic function over a circle is its value at the centre; the trapezoidal rule
    with 64 points of radius 1 is exact to rounding for these entire functions.

    Args:
        order: Order of φ, 1, 2 or 3.
        z: Arguments, of any shape.

    Example:
        At zero the functions are 1/order!:

        >>> zero = torch.zeros((), dtype=torch.complex128)
        >>> [round(phi(order, zero).real.item(), 6) for order in (1, 2, 3)]
        [1.0, 0.5, 0.166667]
    """
    angles = 2 * math.pi * (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    w = z.unsqueeze(-1) + torch.polar(torch.ones_like(angles), angles)
    value = torch.exp(w)
    for k in range(order):
        value = (value - 1 / math.factorial(k)) / w
    return value.mean(-1)


class TimeStepper(SpectralModule, ABC):
    """Time stepper of step dt for û_t = L û + N(û) with a diagonal linear symbol L.

    Args:
        symbol: Linear symbol L [1/T], double precision.
        dt: Time step h [T].

    Example:
        A stepper of your own, the integrating factor with Euler's scheme. Decay at rate 1 halves û
        in a time of log 2:

        >>> class LawsonEuler(TimeStepper):
        ...     order = 1
        ...     def weights(self, symbol, dt):
        ...         return {"factor": torch.exp(dt * symbol)}
        ...     def step(self, u, nonlinear):
        ...         return self.factor * (u + self.dt * nonlinear(u))
        >>> stepper = LawsonEuler(-torch.ones(1, 3, dtype=torch.complex128), dt=math.log(2))
        >>> u = torch.ones(1, 1, 3, dtype=torch.complex128)
        >>> round(stepper.step(u, nonlinear=torch.zeros_like)[0, 0, 0].real.item(), 6)
        0.5
    """

    order: ClassVar[int]

    def __init__(self, symbol: Complex[Tensor, "channel *spectrum"], dt: float) -> None:
        check_finite("TimeStepper", dt=dt)
        super().__init__()
        self.dt = dt
        for name, weight in self.weights(symbol, dt).items():
            setattr(self, name, weight)

    @abstractmethod
    def weights(self, symbol: Tensor, dt: float) -> dict[str, Tensor]:
        """Return the complex coefficients of the scheme, by the names of their attributes.

        Args:
            symbol: Linear symbol L [1/T], double precision.
            dt: Time step h [T].
        """

    @abstractmethod
    def step(self, u: Spectrum, nonlinear: Nonlinear) -> Spectrum:
        """Return û at time t + dt.

        Args:
            u: Spectrum û at time t.
            nonlinear: Function N(û).
        """


class IFRK4(TimeStepper):
    """Classical fourth-order Runge-Kutta with integrating factor.

    Args:
        symbol: Linear symbol L [1/T], double precision.
        dt: Time step h [T].

    Example:
        Linear terms are integrated exactly: û_t = -û gives e⁻¹ after a step of one:

        >>> symbol = torch.tensor([[-1.0]], dtype=torch.complex128)
        >>> stepper = IFRK4(symbol, dt=1.0)
        >>> new = stepper.step(torch.ones_like(symbol)[None], lambda u: torch.zeros_like(u))
        >>> round(new.real.item(), 6)
        0.367879
    """

    order = 4

    def weights(self, symbol: Tensor, dt: float) -> dict[str, Tensor]:
        return {"exp_half": torch.exp(symbol * dt / 2)}

    def step(self, u: Spectrum, nonlinear: Nonlinear) -> Spectrum:
        h = self.dt
        half_u = self.exp_half * u
        k1 = self.exp_half * nonlinear(u)
        k2 = nonlinear(half_u.add(k1, alpha=h / 2))
        k3 = nonlinear(half_u.add(k2, alpha=h / 2))
        full_u = self.exp_half * half_u
        k4 = nonlinear(torch.addcmul(full_u, self.exp_half, k3, value=h))
        new = full_u.add_(k4, alpha=h / 6).addcmul_(self.exp_half, k1, value=h / 6)
        return new.addcmul_(self.exp_half, k2 + k3, value=h / 3)


class ETDRK2(TimeStepper):
    """Second-order exponential time differencing Runge-Kutta.

    References: S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455.

    Args:
        symbol: Linear symbol L [1/T], double precision.
        dt: Time step h [T].

    Example:
        A constant tendency is integrated exactly: û_t = -û + 1 gives 1 - e⁻¹ at a time of one:

        >>> symbol = torch.tensor([[-1.0]], dtype=torch.complex128)
        >>> stepper = ETDRK2(symbol, dt=1.0)
        >>> new = stepper.step(0 * symbol[None], lambda u: torch.ones_like(u))
        >>> round(new.real.item(), 6)
        0.632121
    """

    order = 2

    def weights(self, symbol: Tensor, dt: float) -> dict[str, Tensor]:
        z = symbol * dt
        return {"exp_full": torch.exp(z), "predict": dt * phi(1, z), "correct": dt * phi(2, z)}

    def step(self, u: Spectrum, nonlinear: Nonlinear) -> Spectrum:
        n_u = nonlinear(u)
        a = (self.exp_full * u).addcmul_(self.predict, n_u)
        return torch.addcmul(a, self.correct, nonlinear(a).sub_(n_u))


class ETDRK4(TimeStepper):
    """Fourth-order exponential time differencing Runge-Kutta (Cox and Matthews).

    References: S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430-455.

    Args:
        symbol: Linear symbol L [1/T], double precision.
        dt: Time step h [T].

    Example:
        A constant tendency is integrated exactly: û_t = -û + 1 gives 1 - e⁻¹ at a time of one:

        >>> symbol = torch.tensor([[-1.0]], dtype=torch.complex128)
        >>> stepper = ETDRK4(symbol, dt=1.0)
        >>> new = stepper.step(0 * symbol[None], lambda u: torch.ones_like(u))
        >>> round(new.real.item(), 6)
        0.632121
    """

    order = 4

    def weights(self, symbol: Tensor, dt: float) -> dict[str, Tensor]:
        z = symbol * dt
        phi_1, phi_2, phi_3 = (phi(k, z) for k in (1, 2, 3))
        half, stage = torch.exp(z / 2), dt / 2 * phi(1, z / 2)
        return {
            "exp_half": half,
            "exp_full": torch.exp(z),
            "stage": stage,
            "stage_c_first": (half - 1) * stage,
            "stage_c_middle": 2 * stage,
            "first": dt * (phi_1 - 3 * phi_2 + 4 * phi_3),
            "middle": dt * (2 * phi_2 - 4 * phi_3),
            "last": dt * (4 * phi_3 - phi_2),
        }

    def step(self, u: Spectrum, nonlinear: Nonlinear) -> Spectrum:
        half_u, full_u = self.exp_half * u, self.exp_full * u
        n_u = nonlinear(u)
        a = torch.addcmul(half_u, self.stage, n_u)
        n_a = nonlinear(a)
        b = half_u.addcmul_(self.stage, n_a)
        n_b = nonlinear(b)
        c = torch.addcmul(full_u, self.stage_c_first, n_u).addcmul_(self.stage_c_middle, n_b)
        n_c = nonlinear(c)
        new = full_u.addcmul_(self.first, n_u)
        return new.addcmul_(self.middle, n_a.add_(n_b)).addcmul_(self.last, n_c)
