import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import (
    RK4,
    Balance,
    Central,
    Closure,
    Convection,
    Decay,
    Diffusion,
    Domain,
    ExplicitEuler,
    FiniteVolumeSolver,
    Source,
    ThetaScheme,
)
from datamodules.solvers.finite_volume.theta_scheme import check_when
from datamodules.solvers.implicit import (
    Adjoint,
    Affine,
    BiCGSTAB,
    ImplicitLayer,
    ImplicitSolveError,
    Monitor,
    NewtonKrylov,
    RootSolver,
    Status,
)
from tests.datamodules.solvers.finite_volume.cells import balance, line
from tests.datamodules.solvers.implicit.steps import (
    burgers,
    dense_step,
    fields,
    linear,
    rollout,
    tracer,
)

NAMES = ("u", "v", "D")
TIGHT = ImplicitLayer(NewtonKrylov(BiCGSTAB(rtol=1e-8), rtol=1e-12))


@pytest.mark.parametrize("theta", [0.3, 0.5, 1.0])
def test_step_solves_the_dense_system(theta):
    k = tracer()
    state, *values = fields(requires_grad=False)
    coefficients = dict(zip(NAMES, values, strict=True))
    found = linear(theta=theta).step(k, state, lambda t: coefficients, 0.0, 0.1)
    assert_close(found, dense_step(k, state, coefficients, theta, 0.1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scales", [None, (0.1,)])
@pytest.mark.parametrize("theta", [0.3, 0.5, 1.0])
def test_prepared_step_is_the_step_and_so_is_its_gradient(theta, scales):
    terms = {"convection": Convection(("v", "u")), "diffusion": Diffusion("D"), "s": Source("s")}
    k = Balance(tracer().domain, tracer().variables, terms)
    state, *values = fields(requires_grad=True)
    values.append(torch.rand_like(values[0], requires_grad=True))
    coefficients = dict(zip((*NAMES, "s"), values, strict=True))
    layer = ImplicitLayer(Affine(BiCGSTAB(1e-13)), Adjoint(BiCGSTAB(1e-13)))
    scheme = ThetaScheme(theta, layer, scales=scales)
    both = (
        scheme.step(k, state, lambda t: coefficients, 0.0, 0.1),
        scheme.prepared(k, coefficients, 0.1)(state),
    )
    assert_close(*both, rtol=1e-10, atol=1e-10)
    found = [torch.autograd.grad(z.square().sum(), (state, *values)) for z in both]
    for a, b in zip(*found, strict=True):
        assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("theta", [0.5, 1.0])
def test_decay_by_the_rational_function_of_the_scheme(theta):
    # φ' = -r φ: the step multiplies by (1 - (1 - θ) z)/(1 + θ z), z = r dt = 2, without blowing up
    k, state = balance(line(8), r=Decay("r")), torch.ones(1, 1, 8)
    found = linear(theta=theta).step(k, state, lambda t: {"r": torch.tensor(20.0)}, 0.0, 0.1)
    assert_close(found, (1 - (1 - theta) * 2) / (1 + theta * 2) * state)


def integrate(scheme, k, state, coefficients, dt, time=1.0):
    for n in range(round(time / dt)):
        state = scheme.step(k, state, coefficients, n * dt, dt)
    return state


@pytest.mark.parametrize(
    ("theta", "when", "order"),
    [(1.0, "ends", 1), (1.0, "start", 1), (0.5, "ends", 2), (0.5, "middle", 2), (0.5, "start", 1)],
)
def test_measured_order_with_coefficients_in_time(theta, when, order):
    # Burgers' flux, a decay rate and a source that change in time; RK4 at a small step is exact
    k = balance(line(8), c=Convection(("phi",), Central(), 0.5), r=Decay("t"), s=Source("s"))
    start = 0.5 * torch.sin(k.domain.centres()[0])[None, None]

    def at(t):
        return {"t": torch.tensor(1 + t), "s": torch.tensor(math.sin(3 * t))}

    scheme = ThetaScheme(theta, TIGHT, when)
    exact = integrate(RK4(), k, start, at, 1 / 128)
    coarse, fine = ((integrate(scheme, k, start, at, dt) - exact).norm() for dt in (0.1, 0.05))
    assert order - 0.25 < math.log2(coarse / fine) < order + 0.5


@pytest.mark.parametrize("theta", [0.5, 1.0])
def test_measured_order_with_steady_coefficients(theta):
    k = burgers(Grid((4, 8), (1.0, 2.0)))
    state, _, _, D = fields(Grid((4, 8), (1.0, 2.0)), requires_grad=False)
    scheme = ThetaScheme(theta, TIGHT)

    def final(scheme, dt):
        return integrate(scheme, k, state, lambda t: {"D": D}, dt, 0.16)

    exact = final(RK4(), 0.001)
    coarse, fine = ((final(scheme, dt) - exact).norm() for dt in (0.04, 0.02))
    assert scheme.order - 0.25 < math.log2(coarse / fine) < scheme.order + 0.5


def test_wave_decays_at_its_analytic_rate():
    # cos x under D = 0.1: exp(-D t) up to the error of 64 cells, which is D h²/12 = 8e-5
    k = balance(line(64), d=Diffusion("D"))
    wave = torch.cos(k.domain.centres()[0])[None, None]
    final = integrate(linear(), k, wave, lambda t: {"D": torch.tensor(0.1)}, 0.05)
    assert_close(final, math.exp(-0.1) * wave, rtol=0, atol=1e-4)


def test_steady_state_is_left_alone():
    state, *values = fields(requires_grad=False)
    constant = torch.full_like(state, 3.7)
    u = torch.tensor(0.4)
    values = (u, u, values[2])
    for scheme in (linear(), ThetaScheme(0.5, TIGHT)):
        assert_close(rollout(scheme, tracer(), constant, NAMES, values, dt=10.0), constant)


def test_explicit_euler_diverges_where_implicit_steps_hold():
    # D dt/h² = 5: explicit needs at most ½
    k = balance(line(16), d=Diffusion("D"))
    h = 2 * math.pi / 16
    state = torch.randn(2, 1, 16)
    D = {"D": torch.tensor(5 * h**2)}
    explicit = integrate(ExplicitEuler(), k, state, lambda t: D, 1.0, 20.0)
    assert explicit.abs().max() > 1e10
    for theta in (0.5, 1.0):
        implicit = integrate(linear(theta=theta), k, state, lambda t: D, 1.0, 20.0)
        assert implicit.abs().max() <= state.abs().max()


def test_newton_takes_few_iterations_on_burgers_equation():
    grid = Grid((16, 32), (1.0, 2.0))
    state, _, _, D = fields(grid, requires_grad=False)
    layer = ImplicitLayer(NewtonKrylov(rtol=1e-8))
    layer.monitor = Monitor()
    rollout(ThetaScheme(0.5, layer), burgers(grid), state / 2, ("D",), (D,), dt=0.04)
    assert layer.monitor.summary()["forward/iterations_max"] <= 4


def test_coefficients_that_are_the_same_object_are_given_once():
    calls = []

    def at(t):
        calls.append(t)
        return {"r": torch.tensor(1.0)}

    k, state = balance(line(8), r=Decay("r")), torch.ones(1, 1, 8)
    linear().step(k, state, at, 0.5, 0.2)
    linear(coefficients_at="middle").step(k, state, at, 0.5, 0.2)
    linear(coefficients_at="ends").step(k, state, at, 0.5, 0.2)
    assert calls == [0.5, 0.6, 0.5, 0.7]


def test_gradients_reach_a_network_that_gives_a_coefficient_and_one_in_a_closure():
    curve = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1), nn.Softplus())
    rate = Closure(("phi",), Pointwise(curve))
    k = Balance(
        Domain(line(8)),
        (Variable("phi", "tracer", "1"),),
        {"d": Diffusion("D"), "loss": Decay("rate")},
        {"rate": rate},
    )
    field = nn.Linear(1, 8)
    scheme = ThetaScheme(0.5, TIGHT)
    state = torch.rand(2, 1, 8)
    coefficients = {"D": nn.functional.softplus(field(torch.ones(1)))}
    scheme.step(k, state, lambda t: coefficients, 0.0, 0.1).square().sum().backward()
    for parameter in (*k.parameters(), *field.parameters()):
        assert parameter.grad.abs().max() > 0


class Pointwise(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, field):
        return self.network(field.unsqueeze(-1)).squeeze(-1)


def test_gradcheck_of_a_closure_by_finite_differences_of_its_parameter():
    class Power(nn.Module):
        def __init__(self):
            super().__init__()
            self.exponent = nn.Parameter(torch.tensor(1.5))

        def forward(self, phi):
            return phi**self.exponent

    power = Power()
    k = Balance(
        Domain(line(4)),
        (Variable("phi", "tracer", "1"),),
        {"loss": Decay("rate")},
        {"rate": Closure(("phi",), power)},
    )
    scheme = ThetaScheme(0.5, ImplicitLayer(TIGHT.solver, Adjoint(BiCGSTAB(rtol=1e-12))))

    def final(exponent):
        power.exponent.data.fill_(exponent)
        return rollout(scheme, k, 1 + torch.arange(4.0).view(1, 1, 4), (), ()).sum()

    final(1.5).backward()
    difference = (final(1.5 + 1e-5) - final(1.5 - 1e-5)).item() / 2e-5
    assert_close(power.exponent.grad.item(), difference, rtol=1e-6, atol=1e-8)


def test_steps_work_in_inference_mode_with_a_network_inside():
    curve = Closure(
        ("phi",), Pointwise(nn.Sequential(nn.Linear(1, 4), nn.Softplus(), nn.Linear(4, 1)))
    )
    k = Balance(
        Domain(line(8)),
        (Variable("phi", "tracer", "1"),),
        {"c": Convection(("phi",), Central(), 0.5), "loss": Decay("rate"), "d": Diffusion("D")},
        {"rate": curve},
    )
    scheme = ThetaScheme(0.5, TIGHT, scales=(3.0,))

    def run():
        return rollout(scheme, k, torch.ones(2, 1, 8) + 1, ("D",), (torch.full((8,), 0.1),))

    with torch.inference_mode():
        found = run()
    assert_close(found, run().detach())


def test_scales_change_norms_and_not_the_solution():
    pair = (Variable("a", "a", "1"), Variable("b", "b", "K"))
    k = Balance(
        Domain(line(8)),
        pair,
        {
            "da": Diffusion("D", variable="a"),
            "exchange": Source("gain", "b"),
            "loss": Decay("r", "a"),
        },
        {"gain": Closure(("a", "r"), torch.mul)},
    )
    state = torch.rand(2, 2, 8) * torch.tensor([1e-3, 1e3]).view(2, 1)
    c = {"D": torch.tensor(0.3), "r": torch.tensor(2.0)}
    layer = ImplicitLayer(NewtonKrylov(BiCGSTAB(rtol=1e-8), rtol=1e-12))
    plain, scaled = (
        ThetaScheme(1.0, layer, scales=s).step(k, state, lambda t: c, 0.0, 0.1)
        for s in (None, (1e-3, 1e3))
    )
    # without scales the norm sees only b, and a is right to 1e-12 of b's change
    assert_close(scaled, plain, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="one entry for each of 2 variables, got 1"):
        ThetaScheme(1.0, layer, scales=(1.0,)).step(k, state, lambda t: c, 0.0, 0.1)


def test_scaled_step_has_the_gradient_of_the_plain_one():
    found = []
    for scales in (None, (7.0,)):
        state, *values = fields()
        scheme = linear(Adjoint(BiCGSTAB(rtol=1e-13)), scales=scales)
        end = rollout(scheme, tracer(), state, NAMES, values).square().sum()
        found.append(torch.autograd.grad(end, (state, *values)))
    for one, other in zip(*found, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-11)


def stiff(halvings, on_failure="raise"):
    """φ' = -r φ by Picard's iteration, which converges for θ r dt < 1 only."""
    from datamodules.solvers.implicit import Picard

    layer = ImplicitLayer(Picard(rtol=1e-12, max_iterations=200), on_failure=on_failure)
    k = balance(line(4), r=Decay("r"))
    r = torch.tensor([1.0, 30.0]).view(2, 1).expand(2, 4).clone().requires_grad_()
    scheme = ThetaScheme(1.0, layer, halvings=halvings)
    return scheme.step(k, torch.ones(2, 1, 4), lambda t: {"r": r}, 0.0, 0.1), r


def test_step_that_fails_is_an_error():
    with pytest.raises(ImplicitSolveError, match="failed for 1 of 2 samples"):
        stiff(halvings=0)
    with pytest.raises(ImplicitSolveError, match="failed for 1 of 2 samples"):
        stiff(halvings=1)  # z = 1.5 still diverges


def test_step_that_fails_is_cut_in_halves_for_that_sample_alone():
    # quarters have z = 0.75: backward Euler (1 + 3/4)⁻⁴; the other sample takes the whole step
    state, r = stiff(halvings=2)
    assert_close(state[0], torch.full((1, 4), 1 / 1.1))
    assert_close(state[1], torch.full((1, 4), 1.75**-4))
    (grad,) = torch.autograd.grad(state.sum(), r)
    # d/dr (1 + r h)⁻⁴ = -4 h (1 + r h)⁻⁵ with h = 1/40
    assert_close(grad[1], torch.full((4,), -0.1 * 1.75**-5), rtol=1e-5, atol=1e-8)
    assert_close(grad[0], torch.full((4,), -0.1 * 1.1**-2), rtol=1e-5, atol=1e-8)


class FailsFirst(RootSolver):
    """Newton's method that says of its first solve that it failed."""

    def __init__(self):
        self.solves = 0

    def solve(self, F, start):
        z, info = NewtonKrylov(BiCGSTAB(rtol=1e-12), rtol=1e-12).solve(F, start)
        self.solves += 1
        if self.solves == 1:
            info = replace(info, status=torch.full_like(info.status, int(Status.BREAKDOWN)))
        return z, info


@pytest.mark.parametrize(("when", "halves"), [("start", (3.0, 3.1)), ("middle", (3.05, 3.15))])
def test_second_half_of_a_step_has_the_coefficients_of_its_own_time(when, halves):
    # φ' = -r(t) φ, r = t², from t = 3 in two halves of 0.1: φ/(1 + 0.1 r)/(1 + 0.1 r')
    scheme = ThetaScheme(1.0, ImplicitLayer(FailsFirst()), when, halvings=1)
    k = balance(line(4), r=Decay("r"))
    found = scheme.step(k, torch.ones(1, 1, 4), lambda t: {"r": torch.tensor(t**2)}, 3.0, 0.2)
    expected = 1 / (1 + 0.1 * halves[0] ** 2) / (1 + 0.1 * halves[1] ** 2)
    assert_close(found, torch.full_like(found, expected))


def half_lost(on_failure, halvings):
    """Steps of φ' = (D φ')', D = √(φ - ½), which is no number in the second sample."""
    k = Balance(
        Domain(line(8)), (Variable("phi", "phi", "1"),),
        {"diffusion": Diffusion("D")}, {"D": Closure(("phi",), lambda phi: (phi - 0.5).sqrt())},
    )  # fmt: skip
    state = torch.stack([1.0 + 0.3 * torch.rand(1, 8), 0.3 * torch.rand(1, 8)])
    scheme = ThetaScheme(1.0, ImplicitLayer(on_failure=on_failure), halvings=halvings)
    return state, lambda u: scheme.step(k, u, lambda t: {}, 0.0, 0.01)


@pytest.mark.parametrize("halvings", [0, 2])
def test_iterate_that_is_no_number_is_a_failed_sample(halvings):
    state, step = half_lost("mask", halvings)
    found = step(state)
    assert_close(found[:1], step(state[:1]))
    assert not torch.equal(found[0], state[0])
    assert torch.equal(found[1], state[1])
    state, step = half_lost("raise", halvings)
    with pytest.raises(ImplicitSolveError, match=r"1 of 2 samples .*sample 1: not finite"):
        step(state)


def test_step_that_fails_is_masked_if_so_configured():
    state, r = stiff(halvings=0, on_failure="mask")
    assert_close(state[1], torch.ones(1, 4))
    (grad,) = torch.autograd.grad(state.sum(), r)
    assert_close(grad[1], torch.zeros(4))


def test_solver_of_the_data_may_step_implicitly():
    k = balance(line(16), d=Diffusion("D"))
    scheme = ThetaScheme(0.5, ImplicitLayer(Affine(BiCGSTAB(rtol=1e-12))))
    implicit = FiniteVolumeSolver(k, {"D": 0.3}, 0.01, 0.1, scheme)
    explicit = FiniteVolumeSolver(k, {"D": 0.3}, 0.01, 0.1)
    state = torch.randn(2, 1, 16)
    assert_close(implicit.step(state), explicit.step(state), rtol=1e-3, atol=1e-4)  # order 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"theta": 0.0}, r"theta must lie in \(0, 1\], got 0.0; use ExplicitEuler for 0"),
        ({"halvings": -1}, "halvings must be at least 0, got -1"),
        ({"scales": (1.0, 0.0)}, r"scales must be positive, got \[1.0, 0.0\]"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ThetaScheme(**options)


def test_unknown_time_of_coefficients_is_refused():
    with pytest.raises(ValueError, match="must be 'start', 'middle' or 'ends', got 'end'"):
        check_when("end")


def test_negative_diffusivity_is_refused_in_a_step():
    state, u, v, D = fields()
    with pytest.raises(ValueError, match="The diffusivity 'D' must not be negative"):
        rollout(linear(), tracer(), state, NAMES, (u, v, -D))
