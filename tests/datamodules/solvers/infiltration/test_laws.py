import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers.infiltration import (
    Arrhenius,
    Clamp,
    Conductivity,
    HeatCapacity,
    PoreDiffusivity,
    Sealing,
    ideal_gas,
    overlapping_fibres,
)

T, P, BARE, RADIUS = torch.tensor([1273.0, 1e4, 0.6, 7e-6], dtype=torch.float64)


def test_rate_constant():
    # 2.62 exp(-1.2e5/(8.314 · 1273)) = 2.62 exp(-11.33817) = 2.62 · 1.19096e-5
    assert_close(Arrhenius()(T), torch.tensor(3.1203e-5), rtol=1e-4, atol=0.0)
    assert Arrhenius()(T + 1) > Arrhenius()(T)


def test_surface_of_bare_fibres():
    # -2 ε₀ ln ε₀/r_f = 1.2 · 0.510826/7e-6
    assert_close(overlapping_fibres(BARE, BARE, RADIUS), torch.tensor(87570.1), rtol=1e-5, atol=0.0)


def test_surface_is_the_loss_of_porosity_over_growth_of_random_cylinders():
    # cylinders of length Λ per volume: ε(r) = exp(-π Λ r²), S = -dε/dr
    r = torch.linspace(7e-6, 2e-5, 5, requires_grad=True)
    porosity = 0.6 ** ((r / 7e-6) ** 2)
    (slope,) = torch.autograd.grad(porosity.sum(), r)
    assert_close(overlapping_fibres(porosity.detach(), BARE, RADIUS), -slope)


def test_half_of_the_surface_is_sealed_at_the_sealing_porosity():
    surface = torch.tensor(3.0)
    seal = Sealing(0.02, 0.01)
    assert_close(seal(surface, torch.tensor(0.02)), torch.tensor(1.5))
    # 3/(1 + e⁻¹) open side, 3/(1 + e) closed side
    assert_close(seal(surface, torch.tensor(0.03)), torch.tensor(3 / (1 + math.exp(-1))))
    assert_close(seal(surface, torch.tensor(0.01)), torch.tensor(3 / (1 + math.exp(1))))


def test_diffusivity_of_bare_fibres():
    # D_m = 4.5e-5 (1273/298)^1.75 10.1325 = 5.7871e-3; r_p = 1.2/87570 = 1.37033e-5,
    # D_K = 2/3 r_p √(8 · 8.314 · 1273/(0.1495 π)) = 3.8787e-3; 0.6^{5/3} = 0.42682
    D_m = 4.5e-5 * (1273 / 298) ** 1.75 * 10.1325
    D_K = 2 / 3 * 1.2 / 87570.1 * math.sqrt(8 * 8.314 * 1273 / (math.pi * 0.1495))
    found = PoreDiffusivity()(BARE, torch.tensor(87570.1), T, P)
    assert_close(found, torch.tensor(0.6 ** (5 / 3) / (1 / D_m + 1 / D_K)))
    assert_close(found, torch.tensor(9.9e-4), rtol=5e-3, atol=0.0)  # to the two digits published


def test_molecules_meet_each_other_where_pores_are_wide_and_walls_where_pressure_is_low():
    D, wide, narrow = PoreDiffusivity(), torch.tensor(1e-3), torch.tensor(1e9)
    assert_close(D(BARE, wide, T, 2 * P), D(BARE, wide, T, P) / 2, rtol=1e-4, atol=0.0)
    assert_close(D(BARE, narrow, T, 2 * P), D(BARE, narrow, T, P), rtol=1e-3, atol=0.0)
    assert_close(D(BARE, narrow / 2, T, P), 2 * D(BARE, narrow, T, P), rtol=1e-3, atol=0.0)


def test_conductivity_and_heat_capacity():
    # 20 · 0.25^{3/2} + 0.2 · 0.75 = 2.65; 0.25 · 3210 · 1300 = 1043250
    assert_close(Conductivity()(torch.tensor(0.75)), torch.tensor(2.65))
    assert_close(HeatCapacity()(torch.tensor(0.75)), torch.tensor(1043250.0))


def test_concentration_of_the_gas():
    # 0.15 · 1e4/(8.314 · 1273) = 0.14173
    found = ideal_gas(torch.tensor(0.15), P, T)
    assert_close(found, torch.tensor(0.14173), rtol=1e-4, atol=0.0)


def test_porosity_is_kept_within_bounds():
    found = Clamp(0.1, 0.9)(torch.tensor([-1.0, 0.5, 2.0]))
    assert_close(found, torch.tensor([0.1, 0.5, 0.9]))


@pytest.mark.parametrize(
    ("law", "options", "message"),
    [
        (Arrhenius, {"prefactor": 0.0}, "prefactor above 0 m/s .* got 0.0 and 120000.0"),
        (Arrhenius, {"activation_energy": -1.0}, "at least 0 J/mol, got 2.62 and -1.0"),
        (Sealing, {"porosity": 0.0}, r"porosity in \(0, 1\) .* got 0.0 and 0.002"),
        (Sealing, {"width": 0.0}, "a width above 0, got 0.02 and 0.0"),
        (PoreDiffusivity, {"molar_mass": 0.0}, "above 0, got 0.0 and 4.5e-05; 149.5 g/mol"),
        (PoreDiffusivity, {"reference": -1.0}, "above 0, got 0.1495 and -1.0"),
        (Conductivity, {"solid": -20.0}, "solid above 0 .* got -20.0 and 0.2"),
        (Conductivity, {"gas": -0.2}, "gas of at least 0 .* got 20.0 and -0.2"),
        (HeatCapacity, {"density": 0.0}, "above 0, got 0.0 and 1300.0"),
        (HeatCapacity, {"specific_heat": 0.0}, "above 0, got 3210.0 and 0.0"),
    ],
)
def test_laws_refuse_what_is_not_physical(law, options, message):
    with pytest.raises(ValueError, match=message):
        law(**options)
