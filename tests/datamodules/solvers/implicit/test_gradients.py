"""Gradients of implicit steps: finite differences, dense matrices and each other."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import ThetaScheme
from datamodules.solvers.implicit import (
    GMRES,
    Adjoint,
    Affine,
    BiCGSTAB,
    Fallback,
    FullUnrolling,
    ImplicitLayer,
    Monitor,
    NewtonKrylov,
    OuterUnrolling,
)
from tests.datamodules.solvers.implicit.steps import (
    burgers,
    dense_step,
    fields,
    linear,
    rollout,
    tight_solvers,
    tracer,
)

EXACT = Adjoint(BiCGSTAB(rtol=1e-13))
NAMES = ("u", "v", "D")


def gradients(scheme, k, values, names=NAMES, steps=2, dt=0.05):
    state, *coefficients = values
    weight = torch.linspace(-1, 1, state.numel()).view_as(state)
    loss = (weight * rollout(scheme, k, state, names, coefficients, steps, dt)).sum()
    return torch.autograd.grad(loss, values)


def error(found, exact):
    """Largest relative error of a list of gradients."""
    return max((f - e).norm() / e.norm() for f, e in zip(found, exact, strict=True)).item()


@pytest.mark.parametrize("theta", [0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 3])
def test_gradcheck_of_advection_diffusion(theta, steps):
    small = Grid((4, 4), (1.0, 2.0))
    state, *values = fields(small)
    scheme = linear(EXACT, theta=theta)

    def run(state, *values):
        return rollout(scheme, tracer(small), state, NAMES, values, steps)

    # along random directions; entry by entry they are compared with dense matrices below
    assert gradcheck(run, (state, *values), eps=1e-6, atol=1e-7, fast_mode=True)


@pytest.mark.parametrize("when", ["start", "middle", "ends"])
def test_gradcheck_of_a_velocity_that_changes_in_time(when):
    small = Grid((4, 4), (1.0, 2.0))
    k, (state, *values) = tracer(small), fields(small)
    change = torch.rand(4, 4, requires_grad=True)
    scheme = linear(EXACT, coefficients_at=when)

    def run(state, change, u, v, D):
        for n in range(3):
            given = lambda t: {"u": u + t * change, "v": v - t**2 * change, "D": D}  # noqa: E731
            state = scheme.step(k, state, given, 0.05 * n, 0.05)
        return state

    assert gradcheck(run, (state, change, *values), eps=1e-6, atol=1e-7, fast_mode=True)


@pytest.mark.parametrize("steps", [1, 3])
def test_gradcheck_of_burgers_equation(steps):
    small = Grid((4, 4), (1.0, 2.0))
    state, _, _, D = fields(small)
    scheme = ThetaScheme(0.5, ImplicitLayer(tight_solvers()["newton"], EXACT))

    def run(state, D):
        return rollout(scheme, burgers(small), state, ("D",), (D,), steps)

    assert gradcheck(run, (state, D), eps=1e-6, atol=1e-7, fast_mode=True)


def test_gradcheck_of_a_recurrent_fixed_point():
    # z = tanh(W z + x): one-hot cotangents leave the other samples with none
    x, W = torch.randn(2, 3, requires_grad=True), (0.2 * torch.randn(3, 3)).requires_grad_()
    layer = ImplicitLayer(NewtonKrylov(rtol=1e-13), EXACT)

    def run(x, W):
        z, _ = layer(lambda z, x, W: z - torch.tanh(z @ W.T + x), torch.zeros(2, 3), x, W)
        return z

    assert gradcheck(run, (x, W), eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("theta", [0.5, 1.0])
def test_gradients_equal_those_of_dense_matrices(theta):
    k, values = tracer(), fields()
    state, *coefficients = values
    for _ in range(2):
        state = dense_step(k, state, dict(zip(NAMES, coefficients, strict=True)), theta, 0.05)
    weight = torch.linspace(-1, 1, state.numel()).view_as(state)
    exact = torch.autograd.grad((weight * state).sum(), values)
    assert error(gradients(linear(EXACT, theta=theta), k, values), exact) < 1e-10


@pytest.mark.parametrize("mode", [FullUnrolling(), OuterUnrolling()])
def test_adjoint_equals_unrolled_on_a_linear_step(mode):
    values = fields()
    exact = gradients(linear(EXACT), tracer(), values)
    assert error(gradients(linear(mode), tracer(), values), exact) < 1e-10


@pytest.mark.parametrize("mode", [FullUnrolling(), OuterUnrolling()])
@pytest.mark.parametrize("name", ["newton", "picard", "gmres"])
def test_adjoint_equals_unrolled_on_a_nonlinear_step(name, mode):
    state, _, _, D = fields()
    solver = tight_solvers()[name]
    found, exact = (
        gradients(ThetaScheme(0.5, ImplicitLayer(solver, g)), burgers(), [state, D], ("D",))
        for g in (mode, EXACT)
    )
    assert error(found, exact) < 1e-10


def test_gradient_error_falls_with_the_tolerance_of_the_adjoint():
    values = fields()
    exact = gradients(linear(EXACT), tracer(), values, dt=0.2)
    errors = [
        error(gradients(linear(Adjoint(GMRES(rtol=rtol))), tracer(), values, dt=0.2), exact)
        for rtol in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 5e-3
    assert errors[-1] < 1e-7


def test_unrolled_newton_takes_the_steps_that_it_takes_without_a_graph():
    # the start of a step is an input of F too, and must not be differentiated as such
    state, _, _, D = fields()
    counts = []
    for mode in (FullUnrolling(), Adjoint()):
        layer = ImplicitLayer(tight_solvers()["newton"], mode)
        layer.monitor = Monitor()
        rollout(ThetaScheme(0.5, layer), burgers(), state, ("D",), (D,))
        counts.append([info.iterations.tolist() for info in layer.monitor.forward])
    assert counts[0] == counts[1]


@pytest.mark.parametrize("mode", [Adjoint(), FullUnrolling(), OuterUnrolling()])
def test_states_do_not_depend_on_how_gradients_pass(mode):
    state, *values = fields()
    k = tracer()
    expected = rollout(linear(EXACT), k, state, NAMES, values)
    assert_close(rollout(linear(mode), k, state, NAMES, values), expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        assert_close(rollout(linear(mode), k, state, NAMES, values), expected.detach())


@pytest.mark.parametrize("mode", [Adjoint(), FullUnrolling(), OuterUnrolling()])
def test_only_what_requires_a_gradient_gets_one(mode):
    state, u, v, D = fields(requires_grad=False)
    D.requires_grad_()
    rollout(linear(mode), tracer(), state, NAMES, (u, v, D)).sum().square().backward()
    assert D.grad is not None
    assert state.grad is None
    assert u.grad is None


def test_no_observation_of_a_trajectory_leaves_the_others():
    state, u, v, D = fields()
    end = rollout(linear(EXACT), tracer(), state, NAMES, (u, v, D))
    (both,) = torch.autograd.grad(end[0].square().sum(), u, retain_graph=True)
    alone = rollout(linear(EXACT), tracer(), state[:1], NAMES, (u, v, D))
    assert_close(both, torch.autograd.grad(alone.square().sum(), u)[0], rtol=1e-10, atol=1e-12)


def test_single_precision_follows_the_double():
    values = fields()
    exact = gradients(linear(EXACT), tracer(), values)
    single = [v.detach().float().requires_grad_() for v in values]
    found = gradients(linear(Adjoint(), rtol=1e-5), tracer(), single)
    assert all(g.dtype == torch.float32 for g in found)
    assert error([g.double() for g in found], exact) < 1e-4


def test_second_derivative_is_refused_and_unrolled_gives_it():
    x = torch.tensor([[0.3]], requires_grad=True)

    def derivative(mode):
        layer = ImplicitLayer(NewtonKrylov(BiCGSTAB(rtol=1e-13), rtol=1e-13), mode)
        z, _ = layer(lambda z, x: z + 0.1 * z**3 - x, x.detach(), x)
        return torch.autograd.grad(z, x, create_graph=True)[0]

    assert_close(derivative(Adjoint()), derivative(FullUnrolling()))
    with pytest.raises(ValueError, match="can be differentiated once, not twice; use gradient F"):
        torch.autograd.grad(derivative(Adjoint()), x)
    # z' = 1/(1 + 0.3 z²): z'' = -0.6 z z'³
    z = ImplicitLayer()(lambda z: z + 0.1 * z**3 - 0.3, torch.zeros(1, 1))[0].item()
    (second,) = torch.autograd.grad(derivative(FullUnrolling()), x)
    assert_close(second.item(), -0.6 * z / (1 + 0.3 * z * z) ** 3, rtol=1e-5, atol=1e-6)


def test_affine_layer_with_fallback_is_the_default_adjoint():
    # a rotation: BiCGSTAB breaks down in the adjoint and GMRES takes over
    R = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    layer = ImplicitLayer(Affine(Fallback([BiCGSTAB(), GMRES()])))
    z, _ = layer(lambda z, x: z @ R.T - x, torch.zeros(1, 2), x)
    # z = R⁻¹ x, gradient of z_2 with respect to x: row 2 of R⁻¹ = Rᵀ
    assert_close(torch.autograd.grad(z[0, 1], x)[0], torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("weight", [1.0, 0.0])  # of z² beside z: with 0 the cotangent is constant
def test_an_inner_implicit_solve_is_differentiated_once(weight):
    x, a = torch.rand(4, 3), torch.tensor(0.3, requires_grad=True)
    layer = ImplicitLayer(NewtonKrylov(rtol=1e-12), OuterUnrolling())
    z, _ = layer(lambda z, x, a: z - a * torch.cos(z) - x, x, x, a)
    (once,) = torch.autograd.grad((weight * z**2 + z).sum(), a, create_graph=True)
    with pytest.raises(ValueError, match="can be differentiated once, not twice; use gradient F"):
        torch.autograd.grad(once, a)
