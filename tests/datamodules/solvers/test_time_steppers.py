import math
from cmath import exp

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import (
    BetaPlane,
    GaussianField,
    Grid,
    KuramotoSivashinsky,
    SpectralSolver,
    TimeStepper,
    Wave,
)
from datamodules.solvers.pseudo_spectral.time_steppers import ETDRK2, ETDRK4, IFRK4, phi

SCHEMES = TimeStepper.__subclasses__()


def turbulence():
    grid = Grid((32, 32), (2 * math.pi, 2 * math.pi))
    equation = BetaPlane(grid, beta=5.0, drag=0.1, viscosity=0.02, forcing=(Wave(4.0, 4),))
    field = GaussianField(4.0, wavenumber=4.0, width=2.0)
    return equation, field, 0.4, 0.02


def flame():
    grid = Grid((32,), (32.0,))
    return KuramotoSivashinsky(grid), GaussianField(1.0, wavenumber=0.7, width=0.3), 2.0, 0.04


@pytest.mark.parametrize("system", [turbulence, flame])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_measured_order(scheme, system):
    equation, field, time, dt = system()
    state = field.sample(equation.grid, 1, torch.Generator().manual_seed(3))[None]

    def final(step):
        return SpectralSolver(equation, step, time, scheme).step(state)

    exact = final(dt / 32)
    coarse, fine = ((final(step) - exact).norm() for step in (dt / 2, dt / 4))
    order = math.log2(coarse / fine)
    assert scheme.order - 0.25 < order < scheme.order + 0.5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_linear_equation_is_exact(scheme):
    symbol = torch.tensor([-3.0 + 5.0j, 0.0, 0.5j])[None]
    stepper = scheme(symbol, 0.7)
    u = torch.ones(1, 1, 3, dtype=torch.complex128)
    assert_close(stepper.step(u, torch.zeros_like)[0], torch.exp(0.7 * symbol))


@pytest.mark.parametrize("z", [1e-8, -1e-3, -0.5 + 2j, -40.0, 3j])
def test_phi_functions_equal_their_definition(z):
    # series for small arguments, direct division for large ones
    for order in (1, 2, 3):
        if abs(z) < 0.1:
            expected = sum(z**n / math.factorial(n + order) for n in range(12))
        else:
            expected = torch.exp(torch.tensor(z, dtype=torch.complex128)).item()
            for k in range(order):
                expected = (expected - 1 / math.factorial(k)) / z
        value = phi(order, torch.tensor(z, dtype=torch.complex128))
        assert_close(value, torch.tensor(expected, dtype=torch.complex128), rtol=1e-12, atol=1e-14)


def exponential_order_2(u, z, h, f):
    # Cox and Matthews, equations 81 and 82
    a = exp(z) * u + h * f(u) * (exp(z) - 1) / z
    return a + h * (f(a) - f(u)) * (exp(z) - 1 - z) / z**2


def exponential_order_4(u, z, h, f):
    # Cox and Matthews, equations 26 to 29, with L h = z
    half = h * (exp(z / 2) - 1) / z
    a = exp(z / 2) * u + half * f(u)
    b = exp(z / 2) * u + half * f(a)
    c = exp(z / 2) * a + half * (2 * f(b) - f(u))
    first = (-4 - z + exp(z) * (4 - 3 * z + z**2)) / z**3
    middle = 2 * (2 + z + exp(z) * (z - 2)) / z**3
    last = (-4 - 3 * z - z**2 + exp(z) * (4 - z)) / z**3
    return exp(z) * u + h * (first * f(u) + middle * (f(a) + f(b)) + last * f(c))


def integrating_factor(u, z, h, f):
    # classical Runge-Kutta for v(t) = exp(-z t/h) u, from t = 0
    def g(s, v):
        return exp(-z * s) * f(exp(z * s) * v)

    k1 = g(0, u)
    k2 = g(0.5, u + h / 2 * k1)
    k3 = g(0.5, u + h / 2 * k2)
    k4 = g(1, u + h * k3)
    return exp(z) * (u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))


FORMULAS = {ETDRK2: exponential_order_2, ETDRK4: exponential_order_4, IFRK4: integrating_factor}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_step_is_the_formula(scheme):
    symbols, h = [-3.0 + 5.0j, 0.8 - 0.5j], 0.7

    def quadratic(u):
        return u * u + 0.5j

    stepper = scheme(torch.tensor(symbols)[None], h)
    u = torch.tensor([0.3 - 0.2j, -0.4 + 0.1j])[None, None]
    wanted = [
        FORMULAS[scheme](v.item(), h * L, h, quadratic)
        for v, L in zip(u[0, 0], symbols, strict=True)
    ]
    assert_close(stepper.step(u, quadratic)[0, 0], torch.tensor(wanted), rtol=1e-10, atol=1e-12)
