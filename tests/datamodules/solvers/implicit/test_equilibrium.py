import runpy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules.solvers.implicit import Adjoint, BiCGSTAB, FullUnrolling, ImplicitLayer, Picard

EXAMPLE = Path(__file__).parents[4] / "examples" / "deep_equilibrium.py"


class Equilibrium(nn.Module):
    """F(z, x) = z - W z - x."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(0.2 * torch.randn(5, 5))

    def forward(self, z, x):
        return z - z @ self.W.T - x


def layer(gradient):
    return ImplicitLayer(Picard(rtol=1e-13, max_iterations=1000), gradient)


def test_fixed_point_of_an_affine_cell_is_a_linear_solve():
    cell, x = Equilibrium(), torch.randn(3, 5)
    z, _ = layer(Adjoint())(cell, torch.zeros_like(x), x)
    exact = torch.linalg.solve(torch.eye(5) - cell.W, x.T).T
    assert_close(z, exact, rtol=1e-9, atol=1e-10)


def test_gradients_of_the_cell_are_those_of_the_linear_solve():
    cell, x = Equilibrium(), torch.randn(3, 5, requires_grad=True)
    exact = torch.linalg.solve(torch.eye(5) - cell.W, x.T).T.square().sum()
    expected = torch.autograd.grad(exact, (cell.W, x))
    for gradient, rtol in ((Adjoint(BiCGSTAB(rtol=1e-13)), 1e-9), (FullUnrolling(), 1e-7)):
        z, _ = layer(gradient)(cell, torch.zeros_like(x), x)
        found = torch.autograd.grad(z.square().sum(), (cell.W, x))
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, rtol=rtol, atol=rtol)


def test_a_good_start_saves_iterations_and_changes_nothing():
    cell, x = Equilibrium(), torch.randn(3, 5)
    z, from_zero = layer(Adjoint())(cell, torch.zeros_like(x), x)
    again, from_near = layer(Adjoint())(cell, z.detach() + 1e-9, x)
    assert_close(again, z)
    assert (from_near.iterations <= from_zero.iterations).all()


@pytest.mark.slow
def test_example_learns_a_field_that_reaches_further_than_its_kernel(capsys):
    torch.set_default_dtype(torch.float32)
    error = runpy.run_path(str(EXAMPLE))["main"](epochs=60)
    assert error < 0.15
    assert "relative error on new fields" in capsys.readouterr().out
