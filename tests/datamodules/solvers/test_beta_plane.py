import math

import pytest
import torch
import yaml
from torch.testing import assert_close

from commands.shipped import HOME
from datamodules.solvers import (
    ETDRK2,
    ETDRK4,
    IFRK4,
    BetaPlane,
    GaussianField,
    Grid,
    SpectralSolver,
    Wave,
)
from datamodules.solvers.pseudo_spectral.operators import to_field, to_spectrum
from datamodules.solvers.pseudo_spectral.vorticity import (
    energy,
    enstrophy,
    streamfunction,
    velocity,
)

SQUARE = Grid((32, 32), (2 * math.pi, 2 * math.pi))
STRETCHED = Grid((32, 48), (2 * math.pi, 4 * math.pi))
SCHEMES = [ETDRK2, ETDRK4, IFRK4]


def random_vorticity(grid, std=3.0, batch=1):
    field = GaussianField(std, wavenumber=3.0, width=1.5)
    generator = torch.Generator().manual_seed(1)
    return torch.stack([field.sample(grid, 1, generator) for _ in range(batch)])


def test_jacobian_of_two_waves():
    # psi = cos x + cos 2y: zeta = -cos x - 4 cos 2y, u = 2 sin 2y, v = -sin x,
    # -J = -(u zeta_x + v zeta_y) = -(2 sin 2y sin x - sin x 8 sin 2y) = 6 sin x sin 2y
    y, x = SQUARE.points()
    vorticity = -torch.cos(x) - 4 * torch.cos(2 * y)
    tendency = BetaPlane(SQUARE).tendency(vorticity[None, None])
    assert_close(tendency[0, 0], 6 * torch.sin(x) * torch.sin(2 * y))


def test_jacobian_equals_the_product_on_a_finer_grid():
    # 2/3 rule: the product of fields on 32² computed without aliasing on 96², then truncated
    grid, fine = SQUARE, Grid((96, 96), SQUARE.lengths)
    vorticity = random_vorticity(grid)
    from datamodules.solvers.pseudo_spectral.operators import dealias_mask, resample

    # what the solver keeps of an unresolved field, advected on the fine grid in advective form
    kept = to_field(to_spectrum(torch.randn(1, 1, 32, 32), grid) * dealias_mask(grid), grid)
    vorticity = vorticity + kept
    on_fine = resample(vorticity, grid, fine.shape)
    u, v = velocity(on_fine, fine)
    l, k = fine.wavenumbers()
    hat = to_spectrum(on_fine, fine)
    advection = u * to_field(1j * k * hat, fine) + v * to_field(1j * l * hat, fine)
    expected = resample(advection, fine, grid.shape)
    expected = to_field(to_spectrum(expected, grid) * dealias_mask(grid), grid)
    assert_close(BetaPlane(grid).tendency(vorticity), -expected)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rossby_wave_travels_west_on_a_stretched_domain(scheme):
    # k = 3 · 2π/4π = 1.5, l = 2: ω = -βk/(k² + l²) = -20 · 1.5/6.25 = -4.8
    grid, beta, time = STRETCHED, 20.0, 0.5
    y, x = grid.points()
    solver = SpectralSolver(BetaPlane(grid, beta=beta), dt=0.01, interval=time, scheme=scheme)
    wave = torch.cos(1.5 * x + 2 * y)[None, None]
    expected = torch.cos(1.5 * x + 2 * y + 4.8 * time)[None, None]
    assert_close(solver.step(wave), expected)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_taylor_green_vortex_decays_at_the_rate_of_drag_and_viscosity(scheme):
    # zeta = cos 2x + cos 2y: J = 0, |k|² = 4, rate μ + 4ν = 0.3 + 0.2
    y, x = SQUARE.points()
    equation = BetaPlane(SQUARE, drag=0.3, viscosity=0.05)
    solver = SpectralSolver(equation, dt=0.1, interval=2.0, scheme=scheme)
    vortex = (torch.cos(2 * x) + torch.cos(2 * y))[None, None]
    assert_close(solver.step(vortex), vortex * math.exp(-0.5 * 2.0))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_balance_of_forcing_and_drag_is_steady(scheme):
    # F = 4 cos 4x, zeta = F/(μ + 16ν): no advection of a single wave
    y, x = SQUARE.points()
    equation = BetaPlane(SQUARE, drag=0.2, viscosity=0.05, forcing=(Wave(4.0, mode_x=4),))
    solver = SpectralSolver(equation, dt=0.1, interval=1.0, scheme=scheme)
    steady = (4 * torch.cos(4 * x) / (0.2 + 16 * 0.05))[None, None]
    assert_close(solver.step(steady), steady)


def test_laminar_kolmogorov_flow_follows_the_force_of_the_momentum():
    # u_t = sin(4y) - μu + ν u_yy has the steady flow u = sin(4y)/(μ + 16ν); the curl of the force
    # is -4 cos(4y). At the Reynolds number u/(4ν) = 0.016 any perturbation decays to it
    drag, viscosity = 0.1, 1.0
    forcing = (Wave(-4.0, mode_y=4),)
    equation = BetaPlane(SQUARE, drag=drag, viscosity=viscosity, forcing=forcing)
    solver = SpectralSolver(equation, dt=0.05, interval=200.0)
    state = solver.step(random_vorticity(SQUARE, std=1.0))
    u, v = velocity(state, SQUARE)
    y, _ = SQUARE.points()
    laminar = torch.sin(4 * y) / (drag + 16 * viscosity)
    assert_close(u[0, 0], laminar.expand_as(u[0, 0]), rtol=0, atol=1e-7)
    assert_close(v, torch.zeros_like(v), rtol=0, atol=1e-7)
    # what the force puts in, ⟨u sin 4y⟩ = ½/(μ + 16ν), drag and viscosity take out
    power = (u * torch.sin(4 * y)).mean()
    loss = 2 * drag * energy(state, SQUARE) + 2 * viscosity * enstrophy(state)
    assert_close(power, torch.tensor(0.5 / (drag + 16 * viscosity)), rtol=1e-6, atol=0)
    assert_close(power, loss.squeeze(), rtol=1e-6, atol=0)


def test_shipped_kolmogorov_flow_has_that_force():
    text = (HOME / "configs/data/kolmogorov64.yaml").read_text()
    equation = yaml.safe_load(text)["data"]["generator"]["solver"]["init_args"]["equation"]
    forcing = [Wave(**wave) for wave in equation["init_args"]["forcing"]]
    y, _ = SQUARE.points()
    assert_close(BetaPlane(SQUARE, forcing=forcing).force(), -4 * torch.cos(4 * y).expand(32, 32))


def test_forcing_follows_the_mode_numbers_of_a_stretched_domain():
    y, x = STRETCHED.points()
    equation = BetaPlane(STRETCHED, forcing=(Wave(2.0, mode_x=3, mode_y=-1), Wave(5.0, mode_y=4)))
    expected = 2 * torch.cos(1.5 * x - y) + 5 * torch.cos(4 * y)
    assert_close(equation.force(), expected)
    assert_close(equation.tendency(torch.zeros(1, 1, 32, 48))[0, 0], expected)


def test_energy_and_enstrophy_budgets_close():
    # dE/dt = -<ψF> - 2μE + ν<ψ∇²...> : d/dt ½<|u|²> = -<ψ ζ_t>;  d/dt ½<ζ²> = <ζ ζ_t>
    grid = STRETCHED
    drag, viscosity = 0.4, 0.03
    forcing = (Wave(3.0, mode_x=2, mode_y=1),)
    equation = BetaPlane(grid, beta=7.0, drag=drag, viscosity=viscosity, forcing=forcing)
    vorticity = random_vorticity(grid)
    rate = equation.tendency(vorticity)
    psi = streamfunction(vorticity, grid)
    force = equation.force()

    def mean(field):
        return field.mean((-2, -1))

    energy_rate = -mean(psi * rate)
    expected = -mean(psi * force) - 2 * drag * energy(vorticity, grid)
    expected = expected - 2 * viscosity * enstrophy(vorticity)
    assert_close(energy_rate, expected)
    l, k = grid.wavenumbers()
    hat = to_spectrum(vorticity, grid)
    gradient_x, gradient_y = to_field(1j * k * hat, grid), to_field(1j * l * hat, grid)
    palinstrophy = 0.5 * mean(gradient_x**2 + gradient_y**2)
    expected = mean(vorticity * force) - 2 * drag * enstrophy(vorticity)
    expected = expected - 2 * viscosity * palinstrophy
    assert_close(mean(vorticity * rate), expected)


def test_energy_grows_at_the_rate_of_its_budget():
    grid = SQUARE
    equation = BetaPlane(grid, beta=3.0, drag=0.1, viscosity=0.01, forcing=(Wave(4.0, 4),))
    vorticity = random_vorticity(grid)
    solver = SpectralSolver(equation, dt=1e-4, interval=1e-4)
    expected = -(streamfunction(vorticity, grid) * equation.tendency(vorticity)).mean((-2, -1))
    change = energy(solver.step(vorticity), grid) - energy(vorticity, grid)
    assert_close(change / 1e-4, expected, rtol=2e-3, atol=0)  # one-sided difference: O(dt)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_inviscid_flow_conserves_energy_and_enstrophy(scheme):
    grid = STRETCHED
    vorticity = random_vorticity(grid)
    solver = SpectralSolver(BetaPlane(grid, beta=5.0), dt=1e-3, interval=0.1, scheme=scheme)
    later = solver.step(vorticity)
    assert (later - vorticity).abs().max() > 0.5
    tolerance = {2: 1e-6, 4: 1e-10}[scheme.order]  # time stepping error only
    assert_close(energy(later, grid), energy(vorticity, grid), rtol=tolerance, atol=0)
    assert_close(enstrophy(later), enstrophy(vorticity), rtol=tolerance, atol=0)


def test_step_is_differentiable():
    grid = Grid((8, 8), (2 * math.pi, 2 * math.pi))
    for scheme in SCHEMES:
        equation = BetaPlane(grid, beta=1.0, drag=0.1, viscosity=0.01, forcing=(Wave(1.0, 1),))
        solver = SpectralSolver(equation, dt=0.05, interval=0.1, scheme=scheme)
        vorticity = random_vorticity(grid).requires_grad_()
        assert torch.autograd.gradcheck(solver.step, vorticity)


def test_one_dimensional_grid_is_refused():
    with pytest.raises(ValueError, match=r"BetaPlane needs a two-dimensional grid .* \(32,\)"):
        BetaPlane(Grid((32,), (1.0,)))


@pytest.mark.parametrize("name", ["drag", "viscosity"])
def test_negative_damping_is_refused(name):
    with pytest.raises(ValueError, match=rf"BetaPlane.{name} must not be negative, got -0.1"):
        BetaPlane(SQUARE, **{name: -0.1})
