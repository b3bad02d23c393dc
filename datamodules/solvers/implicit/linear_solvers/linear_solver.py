"""Linear systems A x = b, matrix-free and batched, each sample with its own convergence.

A sample counts as solved when ‖b - A x‖ <= rtol ‖b‖ + atol. With b = 0 its solution is x = 0 at
once (usual in adjoints: a trajectory without observations has no cotangent). With a right-hand side
that is not finite nothing is solved; x = 0 is returned with status NOT_FINITE.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.solvers.implicit.batched import (
    Choice,
    PerSample,
    Vector,
    choose,
    ratio,
    scale,
)
from datamodules.solvers.implicit.residual import Map
from datamodules.solvers.implicit.solution import SolveInfo, Status


class LinearSolver(ABC):
    """Solver of A x = b.

    Example:
        A solver of your own, for matrices that are diagonal:

        >>> class Diagonal(LinearSolver):
        ...     def solve(self, A, b):
        ...         x = b / A(torch.ones_like(b))
        ...         left = (b - A(x)).flatten(1).norm(dim=1)
        ...         status = torch.where(left < 1e-6, Status.CONVERGED, Status.BREAKDOWN)
        ...         return x, SolveInfo(torch.ones_like(status), left, status)
        >>> x, info = Diagonal().solve(lambda v: 4 * v, torch.tensor([[4.0, 8.0]]))
        >>> x.tolist(), info.converged.tolist()
        ([[1.0, 2.0]], [True])
    """

    @abstractmethod
    def solve(self, A: Map, b: Vector) -> tuple[Vector, SolveInfo]:
        """Return x, of the shape of b, and the outcome per sample.

        Args:
            A: The linear map v ↦ A v on vectors of the shape of b; samples do not interact.
            b: Right-hand sides.
        """


def check_tolerances(solver: str, rtol: float, atol: float, max_iterations: int) -> None:
    """Check that tolerances and limits can be met by a solve.

    Args:
        solver: Class of the solver, for messages.
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        max_iterations: Limit of iterations.

    Raises:
        ValueError: A tolerance is negative, both are 0, or the limit is below 1.
    """
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ValueError(
            f"{solver} needs rtol and atol of at least 0 and not both 0, got rtol={rtol}, "
            f"atol={atol}."
        )
    if max_iterations < 1:
        raise ValueError(f"{solver}.max_iterations must be at least 1, got {max_iterations}.")


def normalise(b: Vector) -> tuple[Vector, PerSample, Choice]:
    """Return b/s, its largest entry s of each sample, and which samples are finite.

    Cotangents can be so small that their squares underflow (1e-25 in single precision). A sample
    that is 0 or not finite gives 0 and s = 1.
    """
    size = b.detach().abs().flatten(1).amax(1)
    finite = torch.isfinite(size)
    usable = finite & (size > 0)
    size = torch.where(usable, size, torch.ones_like(size))
    return scale(1 / size, choose(usable, b, torch.zeros_like(b))), size, finite


def outcome(
    iterations: Tensor,
    size: PerSample,
    b: PerSample,
    target: PerSample,
    finite: Choice,
    broken: Choice | None = None,
) -> SolveInfo:
    """Return the outcome of samples with residual norms `size` for right-hand sides `b`.

    Args:
        iterations: Iterations taken.
        size: Norms of the residuals.
        b: Norms of the right-hand sides.
        target: Norms at which a sample has converged.
        finite: Samples whose right-hand side is finite.
        broken: Samples that could not go further before the limit of iterations.
    """
    status = torch.where(size <= target, int(Status.CONVERGED), int(Status.ITERATION_LIMIT))
    if broken is not None:
        unsolved = status == Status.ITERATION_LIMIT
        status = torch.where(broken & unsolved, int(Status.BREAKDOWN), status)
    status = torch.where(finite & torch.isfinite(size), status, int(Status.NOT_FINITE))
    return SolveInfo(iterations, relative(size, b, status), status)


def relative(size: PerSample, reference: PerSample, status: Tensor) -> PerSample:
    """Return size / reference for each sample.

    It is 0 where the reference is 0, and NaN where a solve is not finite.

    Args:
        size: Norms of residuals, (batch,).
        reference: Norms of right-hand sides.
        status: `Status` of each sample.
    """
    found = ratio(size, reference, reference > 0)
    return torch.where(status == Status.NOT_FINITE, float("nan"), found)


class Fallback(LinearSolver):
    """Several solvers in turn: each solves the samples that the earlier ones left unsolved.

    Args:
        solvers: Solvers in order, from the cheapest to the most robust.

    Example:
        >>> from datamodules.solvers.implicit import BiCGSTAB, GMRES
        >>> solver = Fallback([BiCGSTAB(), GMRES()])
        >>> x, info = solver.solve(lambda v: 2 * v, torch.tensor([[2.0, 4.0]]))
        >>> [round(value, 4) for value in x[0].tolist()], bool(info.converged.all())
        ([1.0, 2.0], True)
    """

    def __init__(self, solvers: Sequence[LinearSolver]) -> None:
        if not solvers:
            raise ValueError("Fallback needs at least one solver, got none.")
        self.solvers = tuple(solvers)

    def solve(self, A: Map, b: Vector) -> tuple[Vector, SolveInfo]:
        x, info = self.solvers[0].solve(A, b)
        for solver in self.solvers[1:]:
            left = ~info.converged & (info.status != Status.NOT_FINITE)
            if not left.any():
                break
            further, attempt = solver.solve(A, choose(left, b, torch.zeros_like(b)))
            better = left & (attempt.converged | (attempt.residual < info.residual))
            x = choose(better, further, x)
            info = info.merge(attempt, better)
        return x, info
