"""Solvers of F(z) = 0 against roots known in closed form or from a dense Newton iteration."""

import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers.implicit import (
    GMRES,
    Affine,
    BiCGSTAB,
    Lagged,
    NewtonKrylov,
    Picard,
    Quasilinear,
    Status,
)

TIGHT = {"rtol": 1e-12}


class Cubic(Quasilinear):
    """F(z) = z + a z |z|² / n - b per sample; with lagged |z|² it is affine."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    def lagged(self, previous):
        factor = 1 + self.a * previous.square().mean(1, keepdim=True)
        return lambda z: factor * z - self.b


def cubic(batch=4, size=6):
    return Cubic(torch.linspace(0.01, 0.3, batch)[:, None], torch.ones(batch, size))


def real_root(a):
    """z + a z³ = 1 by Cardano."""
    p, q = 1 / a, -1 / a
    d = torch.sqrt(q * q / 4 + p**3 / 27)
    return torch.pow(-q / 2 + d, 1 / 3) - torch.pow(q / 2 + d, 1 / 3)


SOLVERS = [
    NewtonKrylov(**TIGHT),
    NewtonKrylov(GMRES(rtol=1e-8), **TIGHT),
    Picard(**TIGHT),
    Picard(relaxation=0.7, **TIGHT),
    Picard(Lagged(BiCGSTAB(rtol=1e-13)), **TIGHT),
]
IDS = [
    "newton",
    "newton+gmres",
    "picard",
    "picard 0.7",
    "picard lagged",
]


@pytest.fixture(params=SOLVERS, ids=IDS)
def solver(request):
    return request.param


def test_root_of_a_cubic(solver):
    F = cubic()
    z, info = solver.solve(F, torch.zeros(4, 6))
    assert info.converged.all()
    assert_close(z, real_root(F.a).expand(4, 6), rtol=1e-9, atol=1e-9)


def test_batch_equals_each_sample_alone(solver):
    F = cubic()
    z, info = solver.solve(F, torch.zeros(4, 6))
    assert len(set(info.iterations.tolist())) > 1  # mixed difficulty
    for n in range(4):
        alone = Cubic(F.a[n : n + 1], F.b[n : n + 1])
        own, own_info = solver.solve(alone, torch.zeros(1, 6))
        assert_close(z[n : n + 1], own, rtol=1e-12, atol=1e-13)
        assert own_info.iterations.item() == info.iterations[n]


def test_start_at_the_root_is_left_alone(solver):
    F = Cubic(torch.zeros(2, 1), torch.zeros(2, 6))
    z, info = solver.solve(F, torch.zeros(2, 6))
    assert info.converged.all()
    assert info.iterations.tolist() == [0, 0]
    assert_close(z, torch.zeros(2, 6))


def test_start_at_the_root_up_to_rounding_is_solved(solver):
    # F(start) is rounding noise and cannot be reduced a million times
    F = cubic()
    root = real_root(F.a).expand(4, 6).contiguous()
    z, info = solver.solve(F, root)
    assert info.converged.all()
    assert_close(z, root)


def test_sample_that_is_not_finite_leaves_the_others(solver):
    F = cubic()
    F.b[1, 2] = float("nan")
    z, info = solver.solve(F, torch.zeros(4, 6))
    assert info.status[1] == Status.NOT_FINITE
    keep = torch.tensor([True, False, True, True])
    assert info.converged[keep].all()
    assert_close(z[keep], real_root(F.a).expand(4, 6)[keep], rtol=1e-9, atol=1e-9)


def test_iteration_limit_is_reported():
    F = cubic()
    for kind in (NewtonKrylov, Picard):
        z, info = kind(rtol=1e-12, max_iterations=1).solve(F, torch.zeros(4, 6))
        assert (info.status == Status.ITERATION_LIMIT).all(), kind
        assert (info.iterations == 1).all()


def test_line_search_halves_a_step_that_overshoots():
    # F = arctan z diverges under plain Newton from |z| > 1.39
    start = torch.tensor([[3.0], [0.5]])
    _, plain = NewtonKrylov(halvings=0, **TIGHT).solve(torch.arctan, start)
    z, info = NewtonKrylov(**TIGHT).solve(torch.arctan, start)
    assert plain.converged.tolist() == [False, True]
    assert info.converged.all()
    assert_close(z, torch.zeros(2, 1), rtol=0, atol=1e-10)


def test_newton_converges_quadratically():
    # z² = 2 from 1.5: errors 0.09, 2.5e-3, 2.1e-6, 1.6e-12
    z, info = NewtonKrylov(BiCGSTAB(rtol=1e-12), rtol=1e-10).solve(
        lambda z: z**2 - 2, torch.full((1, 1), 1.5)
    )
    assert info.iterations.item() == 3
    assert_close(z.item(), math.sqrt(2))


def test_equation_without_a_root_is_reported():
    _, info = NewtonKrylov().solve(lambda z: z**2 + 1, torch.full((2, 3), 0.7))
    assert not info.converged.any()


def test_affine_solves_a_linear_system_and_notices_another():
    A = torch.eye(6) + 0.3 * torch.randn(3, 6, 6)
    b = torch.randn(3, 6)
    solver = Affine(GMRES(rtol=1e-13))
    z, info = solver.solve(lambda z: (A @ z.unsqueeze(-1)).squeeze(-1) - b, torch.randn(3, 6))
    assert info.converged.all()
    assert_close(z, torch.linalg.solve(A, b))
    # z + z|z| - b: what the linear solver takes for a solution is not accepted
    other = Affine(BiCGSTAB(rtol=0.1))
    _, info = other.solve(lambda z: z + z * z.abs() - b, torch.zeros(3, 6))
    assert (info.status == Status.BREAKDOWN).all()


def test_affine_at_its_root_is_solved():
    _, info = Affine().solve(lambda z: 2 * z - 2, torch.ones(2, 5))
    assert info.converged.all()
    noise = torch.ones(2, 5) + 1e-16 * torch.randn(2, 5)
    _, info = Affine().solve(lambda z: 1e4 * (z - noise) / 3, torch.ones(2, 5) * (1 + 1e-15))
    assert info.converged.all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: NewtonKrylov(halvings=-1), "NewtonKrylov.halvings must be at least 0, got -1"),
        (lambda: NewtonKrylov(rtol=-1.0), "NewtonKrylov needs rtol and atol"),
        (lambda: Picard(relaxation=2.0), "Picard.relaxation must lie between 0 and 2, got 2.0"),
        (lambda: Affine(check=0.0), "Affine.check must lie between 0 and 1, got 0.0"),
        (
            lambda: Picard(Lagged()).solve(torch.sin, torch.ones(1, 2)),
            "need a residual that binds to a Quasilinear",
        ),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_start_that_is_not_finite_reports_no_residual():
    start = torch.tensor([[float("nan")], [0.5]])
    _, info = NewtonKrylov().solve(lambda z: z - 0.1 * torch.cos(z), start)
    assert info.status.tolist() == [Status.NOT_FINITE, Status.CONVERGED]
    assert info.residual[0].isnan()
    assert "not finite after 0 iterations at relative residual nan" in info.failures()
