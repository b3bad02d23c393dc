"""Every linear solver against numpy's dense solution, sample by sample."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers.implicit import (
    GMRES,
    BiCGSTAB,
    Fallback,
    Identity,
    ImplicitlyDifferentiated,
    ImplicitSolveError,
    Jacobi,
    LinearSolver,
    MinimalResidual,
    SolveInfo,
    Status,
)

TIGHT = {"rtol": 1e-13}
SOLVERS = [
    BiCGSTAB(**TIGHT),
    GMRES(**TIGHT),
    GMRES(restart=7, **TIGHT),
    BiCGSTAB(**TIGHT, preconditioner=Jacobi()),
    GMRES(**TIGHT, preconditioner=Jacobi()),
    Fallback([BiCGSTAB(rtol=1e-13, max_iterations=2), GMRES(**TIGHT)]),
    MinimalResidual(rtol=1e-13, max_iterations=500),
    Fallback([MinimalResidual(rtol=1e-13, max_iterations=3), BiCGSTAB(**TIGHT)]),
]
IDS = ["bicgstab", "gmres", "gmres(7)", "bicgstab+jacobi", "gmres+jacobi", "fallback"]
IDS += ["minimal residual", "minimal residual, then bicgstab"]


def times(A):
    """The matrices of a batch as a linear map."""
    return lambda v: (A @ v.flatten(1).unsqueeze(-1)).view_as(v)


def near_identity(batch, size, strength=0.5):
    """Not symmetric; the strength of the coupling grows from sample to sample."""
    grow = torch.linspace(0.1, 1, batch).view(-1, 1, 1)
    return torch.eye(size) + strength * grow * torch.randn(batch, size, size) / size**0.5


@pytest.fixture(params=SOLVERS, ids=IDS)
def solver(request):
    return request.param


def test_solution_is_that_of_the_dense_matrix(solver):
    A, b = near_identity(4, 24), torch.randn(4, 2, 3, 4)
    x, info = solver.solve(times(A), b)
    exact = np.linalg.solve(A.numpy(), b.flatten(1).numpy()[..., None])[..., 0]
    assert info.converged.all()
    assert_close(x.flatten(1), torch.from_numpy(exact), rtol=1e-9, atol=1e-9)


def test_batch_equals_each_sample_alone(solver):
    # one easy and one hard sample: the easy one must not be moved while the hard one goes on
    A, b = near_identity(5, 24, strength=0.8), torch.randn(5, 24)
    A[2] = torch.eye(24)
    x, info = solver.solve(times(A), b)
    for n in range(5):
        alone, own = solver.solve(times(A[n : n + 1]), b[n : n + 1])
        assert_close(x[n : n + 1], alone, rtol=1e-9, atol=1e-10)
        # sums in another order move the last of some thirty iterations across the tolerance
        assert abs(own.iterations.item() - info.iterations[n].item()) <= 3
    assert info.iterations[2] <= info.iterations.max()


def test_zero_right_hand_side_is_solved_at_once(solver):
    A, b = near_identity(3, 12), torch.randn(3, 12)
    b[1] = 0
    x, info = solver.solve(times(A), b)
    assert info.converged.all()
    assert_close(x[1], torch.zeros(12), rtol=0, atol=0)
    assert torch.isfinite(x).all()


def test_a_sample_that_is_not_finite_leaves_the_others(solver):
    A, b = near_identity(3, 12), torch.randn(3, 12)
    b[0, 3] = float("nan")
    x, info = solver.solve(times(A), b)
    assert info.status.tolist() == [Status.NOT_FINITE, Status.CONVERGED, Status.CONVERGED]
    assert_close(x[1:], solver.solve(times(A[1:]), b[1:])[0], rtol=1e-9, atol=1e-10)
    assert_close(x[0], torch.zeros(12))


def test_a_map_that_is_not_finite_leaves_the_others(solver):
    A, b = near_identity(3, 12), torch.randn(3, 12)
    A[0, 2, 5] = float("nan")
    x, info = solver.solve(times(A), b)
    assert info.status[0] != Status.CONVERGED
    assert info.converged[1:].all()
    assert torch.isfinite(x).all()


def test_singular_sample_is_reported_and_leaves_the_others(solver):
    A, b = near_identity(3, 12), torch.randn(3, 12)
    A[1, 4] = 0  # and b[1, 4] is not 0: no solution
    x, info = solver.solve(times(A), b)
    assert info.converged.tolist() == [True, False, True]
    alone, _ = solver.solve(times(A[2:]), b[2:])
    assert_close(x[2:], alone, rtol=1e-9, atol=1e-10)
    assert torch.isfinite(x).all()


def test_residual_is_the_true_one(solver):
    A, b = near_identity(3, 12), torch.randn(3, 12)
    x, info = solver.solve(times(A), b)
    true = (b - times(A)(x)).norm(dim=1) / b.norm(dim=1)
    assert (true <= 1e-12).all()
    assert (info.residual <= 1e-12).all()


@pytest.mark.parametrize("kind", [BiCGSTAB, GMRES, MinimalResidual])
def test_single_precision(kind):
    A, b = near_identity(3, 24).float(), torch.randn(3, 24, dtype=torch.float32)
    x, info = kind(rtol=1e-5).solve(times(A), b)
    assert x.dtype == torch.float32
    assert info.converged.all()
    assert_close(x, torch.linalg.solve(A, b), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_solution_scales_with_the_right_hand_side(solver, size):
    A, b = near_identity(2, 12), torch.randn(2, 12)
    x, info = solver.solve(times(A), size * b)
    assert info.converged.all()
    assert_close(x / size, solver.solve(times(A), b)[0])


@pytest.mark.parametrize("kind", [BiCGSTAB, GMRES, MinimalResidual])
def test_absolute_tolerance_is_in_units_of_the_right_hand_side(kind):
    A, b = near_identity(2, 30), 100 * torch.randn(2, 30)
    x, info = kind(rtol=0.0, atol=1e-3).solve(times(A), b)
    true = (b - times(A)(x)).norm(dim=1)
    assert info.converged.all()
    assert (true <= 1e-3).all()
    assert (true > 1e-9).all()


@pytest.mark.parametrize("kind", [BiCGSTAB, GMRES, MinimalResidual])
def test_iterations_stop_at_the_limit_of_each_sample(kind):
    A, b = near_identity(2, 30), torch.randn(2, 30)
    A[0] = torch.eye(30)
    _, info = kind(rtol=1e-12, max_iterations=3).solve(times(A), b)
    assert info.iterations.tolist() == [1, 3]
    assert info.status.tolist() == [Status.CONVERGED, Status.ITERATION_LIMIT]


def test_bicgstab_breaks_down_on_a_rotation_and_gmres_does_not():
    # A r is perpendicular to r: both inner products of the first iteration vanish
    A = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).expand(2, 2, 2).clone()
    A[1] = torch.eye(2)
    b = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    _, info = BiCGSTAB().solve(times(A), b)
    assert info.status.tolist() == [Status.BREAKDOWN, Status.CONVERGED]
    x, info = Fallback([BiCGSTAB(), GMRES()]).solve(times(A), b)
    assert info.converged.all()
    assert_close(x, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


def test_gmres_of_a_shift_converges_only_at_the_last_vector():
    # the cyclic shift: residual 1 until the Krylov space is the whole space
    A = torch.eye(8).roll(1, 0)[None]
    b = torch.eye(8)[:1]
    x, info = GMRES().solve(times(A), b)
    assert info.converged.all()
    assert info.iterations.item() == 8
    assert_close(x, torch.linalg.solve(A, b))


def test_gmres_counts_at_most_the_distinct_eigenvalues():
    A = torch.diag(torch.tensor([1.0, 2.0, 5.0]).repeat(8))[None]
    _, info = GMRES(rtol=1e-12).solve(times(A), torch.randn(1, 24))
    assert info.iterations.item() == 3


@pytest.mark.parametrize("kind", [BiCGSTAB, GMRES])
def test_jacobi_makes_a_diagonal_one_step(kind):
    A = torch.diag(10 ** torch.linspace(-3, 3, 24))[None]
    x, info = kind(rtol=1e-10, preconditioner=Jacobi()).solve(times(A), torch.ones(1, 24))
    assert info.iterations.item() == 1
    assert_close(x[0], 1 / A[0].diagonal())


@pytest.mark.parametrize("shape", [(2, 7), (2, 1, 8), (1, 2, 5, 6), (1, 1, 1, 4)])
def test_probing_finds_the_diagonal_of_a_stencil(shape):
    # a cross with own weights for each cell, direction and channel pair, periodic
    weights = torch.randn(9, *shape)
    space = tuple(range(2, len(shape))) or (1,)

    def A(v):
        total = weights[0] * v
        if len(shape) > 2:
            total = total + weights[1] * v.flip(1) * (shape[1] > 1)
        for n, axis in enumerate(space):
            if shape[axis] > 2:
                total = total + weights[2 + 2 * n] * v.roll(1, axis)
                total = total + weights[3 + 2 * n] * v.roll(-1, axis)
        return total

    if any(1 < shape[axis] <= 2 for axis in space):
        pytest.skip("neighbours coincide")
    scaled = Jacobi().build(A, torch.zeros(shape))(torch.ones(shape))
    assert_close(scaled, 1 / weights[0])


def test_jacobi_passes_over_zeros_of_the_diagonal():
    apply = Jacobi().build(lambda v: 0 * v, torch.zeros(1, 4))
    assert_close(apply(torch.ones(1, 4)), torch.ones(1, 4))
    assert_close(
        Identity().build(lambda v: v, torch.zeros(1, 4))(torch.ones(1, 4)), torch.ones(1, 4)
    )


class Ended(LinearSolver):
    """Ends everywhere at x with given residuals, solved where they are 0."""

    def __init__(self, x, residuals):
        self.x, self.residuals = x, torch.tensor(residuals)

    def solve(self, A, b):
        status = torch.where(self.residuals == 0, int(Status.CONVERGED), int(Status.BREAKDOWN))
        count = torch.ones(len(b), dtype=torch.long)
        return torch.full_like(b, self.x), SolveInfo(count, self.residuals, status)


def test_fallback_keeps_the_better_of_two_attempts_that_fail():
    first, second = Ended(1.0, [0.1, 0.3, 0.2, 0.0]), Ended(2.0, [0.2, 0.1, 0.0, 0.1])
    x, info = Fallback([first, second]).solve(lambda v: v, torch.ones(4, 2))
    assert_close(x[:, 0], torch.tensor([1.0, 2.0, 2.0, 1.0]))
    assert_close(info.residual, torch.tensor([0.1, 0.1, 0.0, 0.0]))
    assert info.converged.tolist() == [False, False, True, True]


def test_fallback_takes_on_only_what_is_left():
    A, b = near_identity(3, 24), torch.randn(3, 24)
    A[0] = torch.eye(24)
    _, info = Fallback([BiCGSTAB(max_iterations=1), GMRES()]).solve(times(A), b)
    assert info.iterations[0] == 1
    assert (info.iterations[1:] > 1).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BiCGSTAB(rtol=0.0), "BiCGSTAB needs rtol and atol of at least 0 and not both 0"),
        (lambda: GMRES(atol=-1.0), "GMRES needs rtol and atol"),
        (lambda: BiCGSTAB(max_iterations=0), "BiCGSTAB.max_iterations must be at least 1, got 0"),
        (lambda: GMRES(restart=0), "GMRES.restart must be at least 1, got 0"),
        (lambda: Jacobi(0), "Jacobi.reach must be at least 1 cell, got 0"),
        (lambda: Fallback([]), "Fallback needs at least one solver"),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_implicit_solve_has_the_gradient_of_the_inverse():
    A = near_identity(2, 3).requires_grad_()
    b = torch.randn(2, 3, requires_grad=True)

    def solve(A, b):
        return ImplicitlyDifferentiated(GMRES(rtol=1e-14)).solve(times(A), b)[0]

    assert torch.autograd.gradcheck(solve, (A, b))


def test_transposed_system_that_fails_is_an_error():
    A = near_identity(2, 12).requires_grad_()
    x, _ = ImplicitlyDifferentiated(BiCGSTAB(rtol=1e-14, max_iterations=1)).solve(
        times(A), torch.ones(2, 12)
    )
    with pytest.raises(ImplicitSolveError, match="transposed linear system of an inner solve"):
        x.sum().backward()


def test_minimal_residual_by_hand():
    # A = diag(1, 3), b = (1, 1): ω = <Ab, b> / <Ab, Ab> = 4/10, x = (0.4, 0.4), r = (0.6, -0.2)
    A, b = torch.diag(torch.tensor([1.0, 3.0]))[None], torch.ones(1, 2)
    x, info = MinimalResidual(max_iterations=1).solve(times(A), b)
    assert_close(x, torch.tensor([[0.4, 0.4]]))
    assert info.status.tolist() == [Status.ITERATION_LIMIT]
    assert info.residual.item() == pytest.approx((0.4 / 2) ** 0.5)


def test_minimal_residual_of_a_rotation_does_not_move():
    A, b = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]]), torch.ones(1, 2)
    x, info = MinimalResidual().solve(times(A), b)
    assert x.tolist() == [[0.0, 0.0]]
    assert info.status.tolist() == [Status.ITERATION_LIMIT]
