import warnings

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules.solvers.implicit import (
    Adjoint,
    BiCGSTAB,
    FullUnrolling,
    ImplicitLayer,
    ImplicitSolveError,
    Monitor,
    NewtonKrylov,
    Picard,
    SolveInfo,
    Status,
)
from datamodules.solvers.implicit.differentiation.adjoint import check_policy


def cubic(z, x):
    return z + z**3 - x


def test_batch_axis_comes_first_and_shared_inputs_are_allowed():
    a = torch.tensor(0.5, requires_grad=True)
    x = torch.tensor([[2.0], [4.0]])
    z, info = ImplicitLayer()(lambda z, x, a: a * z - x, torch.zeros(2, 1), x, a)
    assert info.converged.tolist() == [True, True]
    assert_close(z.detach(), torch.tensor([[4.0], [8.0]]), rtol=1e-5, atol=1e-5)
    # z = x/a: Σ dz/da = -Σ x/a² = -24
    assert_close(torch.autograd.grad(z.sum(), a)[0].item(), -24.0, rtol=1e-4, atol=1e-4)


def test_sample_that_fails_is_an_error_that_names_it():
    layer = ImplicitLayer(NewtonKrylov())
    x = torch.tensor([[2.0], [2.0]])
    with pytest.raises(
        ImplicitSolveError, match=r"failed for 1 of 2 samples \(sample 1: "
    ) as error:
        layer(lambda z, x: torch.cat((z[:1] - x[:1], z[1:] ** 2 + 1)), torch.full((2, 1), 0.7), x)
    assert error.value.info.converged.tolist() == [True, False]
    assert "take a smaller time step" in str(error.value)


@pytest.mark.parametrize("gradient", [Adjoint(), FullUnrolling()])
def test_masked_sample_keeps_its_start_and_passes_no_gradient(gradient):
    layer = ImplicitLayer(Picard(max_iterations=60), gradient, on_failure="mask")
    x = torch.tensor([[0.5], [300.0]], requires_grad=True)
    start = torch.tensor([[0.1], [0.2]])
    # z = x - z²/10 has slope -z/5 at the root: Picard leaves for infinity from x = 300
    z, info = layer(lambda z, x: z - x + 0.1 * z**2, start, x)
    assert info.converged.tolist() == [True, False]
    assert z[1].item() == 0.2
    (grad,) = torch.autograd.grad(z.sum(), x)
    assert grad[1].item() == 0
    assert grad[0].item() > 0.8


def test_singular_step_is_an_error():
    with pytest.raises(ImplicitSolveError, match="An implicit step failed for 1 of 1 samples"):
        ImplicitLayer()(lambda z, x: 0 * z - x, torch.zeros(1, 3), torch.ones(1, 3))


def test_state_that_is_not_finite_is_an_error():
    with pytest.raises(ImplicitSolveError, match="sample 0: not finite"):
        ImplicitLayer()(cubic, torch.zeros(2, 1), torch.tensor([[float("nan")], [1.0]]))


def weak(on_failure):
    linear = BiCGSTAB(rtol=1e-12, max_iterations=1)
    A = (torch.eye(8) + 0.3 * torch.randn(8, 8)).requires_grad_()
    layer = ImplicitLayer(NewtonKrylov(BiCGSTAB(rtol=1e-8)), Adjoint(linear, on_failure))
    x = torch.randn(2, 8)
    z, _ = layer(lambda z, A: z @ A.T - x * torch.tensor([[1.0], [0.0]]), torch.zeros(2, 8), A)
    return z, A


def test_adjoint_that_fails_is_an_error():
    z, _ = weak("raise")
    with pytest.raises(ImplicitSolveError, match="The adjoint of an implicit step did not conv"):
        z.sum().backward()


def test_adjoint_that_fails_gives_no_gradient_and_a_warning_if_masked():
    z, A = weak("mask")
    with pytest.warns(UserWarning, match="these samples give no gradient"):
        z.sum().backward()
    assert_close(A.grad, torch.zeros(8, 8))


def test_parameters_of_a_module_get_gradients():
    # z = x W⁻ᵀ for F = W z - x
    module = nn.Linear(2, 2, bias=False)

    class Solve(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = module

        def forward(self, z, x):
            return self.linear(z) - x

    x = torch.randn(3, 2)
    module.weight.data = torch.tensor([[2.0, 0.5], [-0.5, 1.0]])
    gradient = Adjoint(BiCGSTAB(rtol=1e-12))
    z, _ = ImplicitLayer(NewtonKrylov(rtol=1e-12), gradient)(Solve(), torch.zeros(3, 2), x)
    (found,) = torch.autograd.grad(z.square().sum(), module.weight)
    exact = torch.linalg.solve(module.weight, x.T).T.square().sum()
    assert_close(found, torch.autograd.grad(exact, module.weight)[0])


@pytest.mark.parametrize("known", [True, False])
def test_tensor_that_would_silently_get_no_gradient_is_refused(known):
    hidden = torch.tensor(2.0, requires_grad=True)
    x = torch.ones(1, 3, requires_grad=known)
    message = r"a tensor of shape \(\) that requires a gradient and is not among its inputs"

    def train():
        z, _ = ImplicitLayer()(lambda z, x: hidden * z - x, torch.zeros(1, 3), x)
        z.sum().backward()

    with pytest.raises(ValueError, match=message):
        train()


def test_nothing_is_refused_where_no_gradient_is_wanted():
    hidden = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        z, _ = ImplicitLayer()(lambda z: hidden * z - 1, torch.zeros(1, 3))
    assert_close(z, torch.full((1, 3), 0.5))
    assert not z.requires_grad


def test_residual_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape of z, \(1, 3\), got \(1, 1\)"):
        ImplicitLayer()(lambda z: z.sum(1, keepdim=True), torch.zeros(1, 3))


def test_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="on_failure must be 'raise' or 'mask', got 'ignore'"):
        check_policy("ignore")  # the constructors' own arguments are checked by type in tests


def test_inputs_changed_after_the_solve_are_noticed():
    x = torch.ones(1, 3)
    w = torch.tensor(2.0, requires_grad=True)
    z, _ = ImplicitLayer()(lambda z, x, w: w * z - x, torch.zeros(1, 3), x, w)
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_network_may_run_in_bfloat16():
    cell = nn.Linear(8, 8)
    x = torch.randn(4, 8, dtype=torch.float32)
    cell = cell.float()
    nn.init.orthogonal_(cell.weight, 0.2)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self, z, x):
            return z - torch.tanh(self.cell(z)) - x

    layer = ImplicitLayer(Picard(rtol=2e-2), Adjoint(BiCGSTAB(rtol=2e-2)))
    results = []
    for enabled in (False, True):
        cell.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            z, _ = layer(Residual(), torch.zeros_like(x), x)
            assert z.dtype == torch.float32
        z.square().sum().backward()  # outside of autocast, as Lightning does it
        results.append((z.detach(), cell.weight.grad.clone()))
    for half, full in zip(*results, strict=True):
        assert_close(half, full, rtol=0.1, atol=0.1)  # eight bits, and the tolerance of the solve
    assert (results[0][0] != results[1][0]).any()


def test_a_solve_under_autocast_does_not_hide_weights_from_later_gradients():
    # autocast caches weights cast without a graph; the layer must not fill that cache
    cell = nn.Linear(4, 4).float()
    x = torch.randn(2, 4, dtype=torch.float32)
    layer = ImplicitLayer(Picard(rtol=5e-2))
    nn.init.orthogonal_(cell.weight, 0.2)
    with torch.autocast("cpu", torch.bfloat16):
        z, _ = layer(Half(cell), torch.zeros_like(x), x)
        y = cell(z)
    y.float().sum().backward()
    assert cell.weight.grad is not None


class Half(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, z, x):
        return z - torch.tanh(self.cell(z)).float() - x


def test_monitor_collects_both_directions():
    layer = ImplicitLayer()
    layer.monitor = Monitor()
    assert layer.monitor.summary() == {}
    x = torch.ones(2, 3, requires_grad=True)
    z, _ = layer(cubic, torch.zeros(2, 3), x)
    z.sum().backward()
    summary = layer.monitor.summary()
    assert len(layer.monitor.forward) == len(layer.monitor.backward) == 1
    assert summary["forward/iterations_max"] >= summary["forward/iterations_mean"] > 1
    assert summary["backward/residual_max"] <= 1e-6
    assert summary["backward/failed"] == 0
    layer.monitor.clear()
    assert layer.monitor.summary() == {}


def test_a_long_list_of_failures_is_cut_short():
    info = SolveInfo(
        torch.full((6,), 3), torch.full((6,), 0.5), torch.full((6,), int(Status.ITERATION_LIMIT))
    )
    text = info.failures()
    assert text.startswith("sample 0: iteration limit after 3 iterations at relative residual 5.0e")
    assert text.endswith("and 2 more")


def test_evaluation_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImplicitLayer()(cubic, torch.zeros(1, 2), torch.ones(1, 2))
