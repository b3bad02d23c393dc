"""Infiltration against closed forms, orders of convergence, and what is conserved."""

import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import Closure, ExplicitEuler
from datamodules.solvers.infiltration import Arrhenius, Infiltration, ideal_gas
from tests.datamodules.solvers.infiltration.preforms import HOUR, at_rest, given, implicit, slab


def fast(porosity):
    """A diffusivity without resistance."""
    return torch.full_like(porosity, 1e4)


def steady(porosity):
    """A diffusivity that pores do not change."""
    return torch.full_like(porosity, 1e-3)


def integrate(stepper, k, state, values, dt, time):
    for n in range(round(time / dt)):
        state = stepper.step(k, state, lambda t: values, n * dt, dt)
    return state


def step(k, state, values, dt, theta=1.0):
    return implicit(theta, rtol=1e-11).step(k, state, lambda t: values, 0.0, dt)


def growing_cylinders(values, start, time):
    """ε of uniform infiltration: radii grow at V k_s C, and ε = ε₀^((r/r_f)²)."""
    C = ideal_gas(values["mole_fraction"], values["pressure"], values["temperature_left"])
    speed = values["molar_volume"] * Arrhenius()(values["temperature_left"]) * C
    bare = torch.log(values["initial_porosity"])
    first = values["fibre_radius"] * torch.sqrt(math.log(start) / bare)
    return torch.exp(bare * ((first + speed * time) / values["fibre_radius"]) ** 2)


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_uniform_infiltration_is_that_of_growing_cylinders_at_the_order_of_the_scheme(theta):
    k, values = slab(4, closures={"diffusivity": Closure(("porosity",), fast)}), given()
    state = at_rest(k, values, 0.55)
    exact = growing_cylinders(values, 0.55, 10 * HOUR)
    coarse, fine = (
        (integrate(implicit(theta), k, state, values, dt, 10 * HOUR)[0, 1] - exact).abs().max()
        for dt in (2 * HOUR, HOUR)
    )
    order = 2 if theta == 0.5 else 1
    assert order - 0.25 < math.log2(coarse / fine) < order + 0.5
    assert fine < 0.01 * exact


def thiele(cells):
    """Concentration of steady gas between two walls, and its distance from cosh(φ ξ)/cosh φ.

    With V = 0 pores stay; -1 < ξ < 1 across the slab; φ² = k_s S_v (L/2)²/D = 1.76 for L = 5 cm.
    """
    k = slab(cells, 0.05, {"diffusivity": Closure(("porosity",), steady)})
    values = given(molar_volume=0.0)
    state = step(k, at_rest(k, values, 0.55), values, 1e9)
    rate = k.bind(values).fields_at(state)["rate"].mean()
    phi = torch.sqrt(rate / 1e-3) * 0.025
    (x,) = k.domain.centres()
    C = ideal_gas(values["mole_fraction"], values["pressure"], values["temperature_left"])
    return state[0, 0], C * torch.cosh(phi * (x / 0.025 - 1)) / torch.cosh(phi), phi


def test_steady_gas_has_the_profile_of_thiele_at_second_order():
    errors = []
    for cells in (16, 32):
        found, exact, phi = thiele(cells)
        errors.append((found - exact).abs().max())
    assert 1.2 < phi < 1.4
    assert errors[-1] < 1e-3 * exact.max()
    assert 1.75 < math.log2(errors[0] / errors[1]) < 2.5


def test_error_of_porosity_is_of_second_order_in_the_cells():
    values = given(temperature_left=1323.0, temperature_right=1323.0)
    means = []
    for cells in (8, 16, 32):
        k = slab(cells, 0.04)
        means.append(integrate(implicit(), k, at_rest(k, values), values, HOUR, 5 * HOUR)[0, 1])
    first, second, third = (m.mean() for m in means)
    assert 1.75 < math.log2((first - second) / (second - third)) < 2.5


def test_step_conserves_matter():
    """What the walls let in is stored as gas or deposited; what is deposited closes pores."""
    c = given(temperature_left=1323.0, temperature_right=1223.0)
    k, dt = Infiltration(Grid((6, 8), (0.02, 0.04))), 1800.0
    old = at_rest(k, c, 0.5)
    new = step(k, old, c, dt)
    f = k.bind(c).fields_at(new)
    cell = 0.02 / 6 * 0.04 / 8  # area; per metre of depth
    deposited = dt * f["reaction"].sum() * cell
    solid = (old[0, 1] - new[0, 1]).sum() * cell / (0.0401 / 3210)
    assert_close(solid, deposited, rtol=1e-9, atol=0.0)
    C, D = new[0, 0], f["diffusivity"][0]
    inflow = 0
    for edge, feed, across, along in (
        ((slice(None), 0), 1500 / (8.314 * 1323), 0.04 / 8, 0.02 / 6),
        ((slice(None), -1), 1500 / (8.314 * 1223), 0.04 / 8, 0.02 / 6),
        ((0, slice(None)), 1500 / (8.314 * new[0, 2, 0]), 0.02 / 6, 0.04 / 8),
        ((-1, slice(None)), 1500 / (8.314 * new[0, 2, -1]), 0.02 / 6, 0.04 / 8),
    ):
        inflow += dt * (D[edge] * (feed - C[edge]) / (across / 2)).sum() * along
    stored = (new[0, 1] * (new[0, 0] - old[0, 0])).sum() * cell
    assert_close(inflow, deposited + stored, rtol=1e-7, atol=0.0)
    assert stored.abs() < 1e-4 * deposited  # the gas is nearly steady
    lost = (new[0, 0] * (old[0, 1] - new[0, 1])).sum() * cell  # ∂(εC)/∂t instead of ε ∂C/∂t
    assert 0 < lost < 3e-6 * deposited  # V C = 1.8e-6


def test_step_conserves_energy():
    c = given(temperature_left=1323.0, temperature_right=1223.0, reaction_enthalpy=-5e6)
    k, dt = Infiltration(Grid((6, 8), (0.02, 0.04))), 5.0
    old = at_rest(k, c, 0.5)
    new = step(k, old, c, dt)
    f = k.bind(c).fields_at(new)
    conductivity, T = f["conductivity"][0], new[0, 2]
    flux = sum(
        (conductivity[:, end] * (outside - T[:, end]) / (0.04 / 16)).sum() * 0.02 / 6
        for end, outside in ((0, 1323.0), (-1, 1223.0))
    )
    cell = 0.02 / 6 * 0.04 / 8
    heat = 5e6 * f["reaction"].sum() * cell
    stored = ((1 - new[0, 1]) * 3210 * 1300 * (T - old[0, 2])).sum() * cell
    assert heat > 0.1 * stored > 0
    assert_close(stored, dt * (flux + heat), rtol=1e-7, atol=0.0)


def test_heat_of_a_uniform_reaction_has_a_parabolic_profile():
    # λ T'' = -q, q = -ΔH k_s S C > 0: T = T_wall + q x (L - x)/(2 λ); k_s without temperature
    laws = {
        "diffusivity": Closure(("porosity",), fast),
        "rate_constant": Closure(("temperature",), Arrhenius(3.12e-5, 0.0)),
    }
    k, errors = None, []
    values = given(molar_volume=0.0, reaction_enthalpy=-2e5)
    for cells in (16, 32):
        k = slab(cells, 0.04, laws)
        state = step(k, at_rest(k, values, 0.5), values, 1e9)
        f = k.bind(values).fields_at(state)
        (x,) = k.domain.centres()
        q, conductivity = 2e5 * f["reaction"].mean(), 20 * 0.5**1.5 + 0.1
        exact = q * x * (0.04 - x) / (2 * conductivity)
        errors.append((state[0, 2] - 1273 - exact).abs().max())
    assert exact.max() > 1.0
    assert errors[-1] < 0.01 * exact.max()
    assert 1.75 < math.log2(errors[0] / errors[1]) < 2.5


def test_explicit_steps_diverge_where_implicit_ones_hold():
    # explicit gas needs Δt below ε Δx²/(4 D) = 2.4e-4 s; the implicit step is 10⁷ times that
    k, values = Infiltration(Grid((16, 32), (0.02, 0.04))), given()
    state = at_rest(k, values)
    state[:, 0] = state[:, 0] * (1 + 0.01 * torch.randn(16, 32))
    small = integrate(ExplicitEuler(), k, state, values, 1e-4, 0.01)
    large = integrate(ExplicitEuler(), k, state, values, 5e-4, 0.01)
    assert small[:, 0].max() < 0.15
    assert large[:, 0].abs().max() > 1e3
    held = integrate(implicit(), k, state, values, HOUR, 3 * HOUR)
    assert 0 < held[:, 0].min() < held[:, 0].max() < 0.15
    assert 0.4 < held[:, 1].min() < held[:, 1].max() < 0.6
