"""Linear solves whose gradient is a linear solve too."""

from typing import Any

import torch
from torch import Tensor

from datamodules.solvers.implicit.batched import Vector
from datamodules.solvers.implicit.differentiation.once import FirstOrderOnly
from datamodules.solvers.implicit.linear_solvers.linear_solver import LinearSolver
from datamodules.solvers.implicit.precision import full_precision
from datamodules.solvers.implicit.residual import Map, transpose
from datamodules.solvers.implicit.solution import ImplicitSolveError, SolveInfo


class ImplicitlyDifferentiated(LinearSolver):
    """Linear solver whose gradient is one solve of the transposed system, x̄ ↦ A⁻ᵀ x̄.

    With r = A x - b evaluated once at the solution, dx = -A⁻¹ dr: the cotangent of r is -A⁻ᵀ x̄.
    One graph of A is kept for each solve, for any number of iterations.

    Args:
        linear: Solver of the system and, in the backward pass, of its transpose.

    Raises:
        ImplicitSolveError: The transposed system could not be solved, in the backward pass.

    Example:
        The derivative of x = b/2 with respect to b, without the graph of the iterations:

        >>> from datamodules.solvers.implicit import GMRES
        >>> b = torch.tensor([[2.0, 4.0]], requires_grad=True)
        >>> x, _ = ImplicitlyDifferentiated(GMRES()).solve(lambda v: 2 * v, b)
        >>> x.sum().backward()
        >>> [round(value, 4) for value in b.grad[0].tolist()]
        [0.5, 0.5]
    """

    def __init__(self, linear: LinearSolver) -> None:
        self.linear = linear

    def solve(self, A: Map, b: Vector) -> tuple[Vector, SolveInfo]:
        with torch.no_grad():
            x, info = self.linear.solve(A, b)
        if torch.is_grad_enabled():
            residual = A(x.detach()) - b
            x = _Attach.apply(residual, x, self.linear, A)
        return x, info


class _Attach(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, residual: Tensor, x: Tensor, linear: LinearSolver, A: Map) -> Tensor:
        ctx.save_for_backward(x, residual)
        ctx.linear, ctx.A = linear, A
        return x.clone()

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        x, residual = ctx.saved_tensors
        with full_precision(x), torch.no_grad():
            adjoint, info = ctx.linear.solve(transpose(ctx.A, x), cotangent)
        if not info.converged.all():
            raise ImplicitSolveError(
                "The transposed linear system of an inner solve did not converge "
                f"({info.failures()}); allow more iterations or a looser tolerance.",
                info,
            )
        gradient = -adjoint
        if torch.is_grad_enabled():
            gradient = FirstOrderOnly.apply(gradient, cotangent, residual)
        return gradient, None, None, None
