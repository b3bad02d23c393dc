import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers.finite_volume import (
    RK4,
    SDIRK2,
    Central,
    Convection,
    Decay,
    Source,
    ThetaScheme,
)
from datamodules.solvers.implicit import BiCGSTAB, ImplicitLayer, NewtonKrylov
from tests.datamodules.solvers.finite_volume.cells import balance, line
from tests.datamodules.solvers.implicit.steps import linear
from tests.datamodules.solvers.implicit.test_theta_scheme import integrate


@pytest.mark.parametrize("z", [0.5, 20.0])
def test_decay_by_the_rational_function_of_the_scheme(z):
    # φ' = -r φ, z = r dt: the step multiplies by (1 - (1 - 2γ) z)/(1 + γ z)², γ = 1 - 1/√2
    k, state, gamma = balance(line(8), r=Decay("r")), torch.ones(1, 1, 8), 1 - math.sqrt(0.5)
    scheme = SDIRK2(linear(theta=1.0))
    found = scheme.step(k, state, lambda t: {"r": torch.tensor(10 * z)}, 0.0, 0.1)
    assert_close(found, (1 - (1 - 2 * gamma) * z) / (1 + gamma * z) ** 2 * state)


def test_what_is_stiff_ends_at_its_balance():
    # φ' = -r φ + s with r dt = 10⁸: φ = s/r, where Crank-Nicolson keeps minus the start
    k, state = balance(line(8), r=Decay("r"), s=Source("s")), torch.ones(1, 1, 8)
    given = {"r": torch.tensor(1e9), "s": torch.tensor(3e9)}
    found = SDIRK2(linear(theta=1.0)).step(k, state, lambda t: given, 0.0, 0.1)
    assert_close(found, 3 * state, rtol=1e-7, atol=0.0)


@pytest.mark.parametrize(("when", "order"), [("ends", 2), ("start", 1)])
def test_measured_order_with_coefficients_in_time(when, order):
    k = balance(line(8), c=Convection(("phi",), Central(), 0.5), r=Decay("t"), s=Source("s"))
    start = 0.5 * torch.sin(k.domain.centres()[0])[None, None]

    def at(t):
        return {"t": torch.tensor(1 + t), "s": torch.tensor(math.sin(3 * t))}

    layer = ImplicitLayer(NewtonKrylov(BiCGSTAB(rtol=1e-8), rtol=1e-12))
    scheme = SDIRK2(ThetaScheme(1.0, layer, when))
    exact = integrate(RK4(), k, start, at, 1 / 128)
    coarse, fine = ((integrate(scheme, k, start, at, dt) - exact).norm() for dt in (0.1, 0.05))
    assert order - 0.25 < math.log2(coarse / fine) < order + 0.5


def test_stages_must_be_backward_euler():
    with pytest.raises(ValueError, match=r"must be a ThetaScheme with theta 1, got 0.5"):
        SDIRK2(ThetaScheme(0.5))
