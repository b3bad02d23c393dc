"""Solvers of F(z) = 0, batched, each sample with its own convergence.

A sample counts as solved when ‖F(z)‖ <= rtol ‖F(start)‖ + atol, or when the last correction is
below the rounding of z. A sample that did not converge is returned with its status and its last z.
"""

from abc import ABC, abstractmethod

import torch

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import Choice, PerSample, Vector, norm, ratio
from datamodules.solvers.implicit.linear_solvers.bicgstab import BiCGSTAB
from datamodules.solvers.implicit.linear_solvers.implicitly_differentiated import (
    ImplicitlyDifferentiated,
)
from datamodules.solvers.implicit.linear_solvers.linear_solver import LinearSolver, relative
from datamodules.solvers.implicit.residual import Map, Quasilinear, linear_part
from datamodules.solvers.implicit.solution import SolveInfo, Status


class RootSolver(ABC):
    """Solver of F(z) = 0."""

    @abstractmethod
    def solve(self, F: Map, start: Vector) -> tuple[Vector, SolveInfo]:
        """Return z, of the shape of the start, and the outcome of each sample.

        Args:
            F: Function of z with values of the shape of z; samples do not interact.
            start: First guess, (batch, ...).
        """

    def implicit_inside(self) -> "RootSolver":
        """Return the same solver whose linear solves are differentiated implicitly."""
        return self


def rounding(z: Vector) -> PerSample:
    """Return the norm of a correction of z, (batch,), below which rounding hides it."""
    return 10 * torch.finfo(z.dtype).eps * norm(z)


def evaluation_error(F: Map, z: Vector) -> PerSample:
    """Return an estimate of the rounding error of F near z.

    It is the rounding error of z, times the factor by which F amplifies the roughest field, which
    alternates from cell to cell.
    """
    rough = torch.ones_like(z).flatten(1)
    rough[:, 1::2] = -1
    with torch.no_grad():
        steepness = norm(F(z + rough.view_as(z)) - F(z)) / norm(rough)
    return 10 * rounding(z) * torch.clamp(steepness, min=1)


def ending(
    converged: Choice, iterations: torch.Tensor, size: PerSample, first: PerSample, broken: Choice
) -> SolveInfo:
    """Return the outcome of an iteration.

    Args:
        converged: Mask of the samples that are solved to tolerance, (batch,).
        iterations: Iterations that each sample took.
        size: Final norms of F.
        first: Norms of F at the start.
        broken: Mask of the samples that could not go further before the limit of iterations.
    """
    status = torch.where(broken, int(Status.BREAKDOWN), int(Status.ITERATION_LIMIT))
    status = torch.where(converged, int(Status.CONVERGED), status)
    status = torch.where(
        torch.isfinite(size) & torch.isfinite(first), status, int(Status.NOT_FINITE)
    )
    return SolveInfo(iterations, relative(size, first, status), status)


class Affine(RootSolver):
    """Root solver for an F that is affine in z: one linear solve A d = -F(start).

    F is evaluated once more at the end; if it is not affine, the outcome is BREAKDOWN.

    Args:
        linear: Solver of the system; its tolerance is relative to ‖F(start)‖.
        check: Excess of ‖F(z)‖ / ‖F(start)‖ over the residual of the linear solve that passes for
            rounding.

    Example:
        The root of 2z - 4:

        >>> z, info = Affine().solve(lambda z: 2 * z - 4, torch.tensor([[1.0]]))
        >>> round(z.item(), 4), bool(info.converged.all())
        (2.0, True)
    """

    def __init__(self, linear: LinearSolver | None = None, check: float = 1e-3) -> None:
        check_finite("Affine", check=check)
        if not 0 < check < 1:
            raise ValueError(f"Affine.check must lie between 0 and 1, got {check}.")
        self.linear = linear or BiCGSTAB()
        self.check = check

    def solve(self, F: Map, start: Vector) -> tuple[Vector, SolveInfo]:
        affine = F.lagged(start) if isinstance(F, Quasilinear) else F
        value = affine(start)
        step, info = self.linear.solve(linear_part(affine, start, value), -value)
        z = start + step
        first, left = norm(value), norm(F(z))
        settled = left <= (self.check + info.residual) * first
        if (info.converged & settled).all():
            return z, info
        noise = left <= evaluation_error(F, z)  # an F(start) that is rounding and nothing else
        astray = info.converged & ~settled
        status = torch.where(astray, int(Status.BREAKDOWN), info.status)
        residual = torch.where(astray, ratio(left, first, first > 0), info.residual)
        status = torch.where(noise, int(Status.CONVERGED), status)
        return z, SolveInfo(info.iterations, residual, status)

    def implicit_inside(self) -> "Affine":
        return Affine(ImplicitlyDifferentiated(self.linear), self.check)
