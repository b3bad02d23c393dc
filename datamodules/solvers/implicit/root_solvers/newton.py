"""Newton's method without matrices.

References: D. A. Knoll and D. E. Keyes, J. Comput. Phys. 193 (2004) 357-397;
C. T. Kelley, Solving Nonlinear Equations with Newton's Method, SIAM 2003 (Armijo's rule).
"""

import torch

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import Choice, PerSample, Vector, choose, norm, scale
from datamodules.solvers.implicit.linear_solvers.bicgstab import BiCGSTAB
from datamodules.solvers.implicit.linear_solvers.implicitly_differentiated import (
    ImplicitlyDifferentiated,
)
from datamodules.solvers.implicit.linear_solvers.linear_solver import LinearSolver, check_tolerances
from datamodules.solvers.implicit.residual import Map, derivative
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver, ending, rounding
from datamodules.solvers.implicit.solution import SolveInfo

SUFFICIENT = 1e-4  # Armijo: ‖F‖ must fall by this share of the step


class NewtonKrylov(RootSolver):
    """Inexact Newton's method: F'(z) d = -F(z) by a Krylov solver, z ← z + s d, s = 1, ½, ¼ ...

    The step s is halved, sample by sample, until ‖F(z + s d)‖ <= (1 - 10⁻⁴ s) ‖F(z)‖.

    Args:
        linear: Solver of the Newton systems; a loose tolerance is enough.
        rtol: Largest ‖F(z)‖ relative to its value at the start.
        atol: Largest ‖F(z)‖, absolute.
        max_iterations: Newton iterations for each sample.
        halvings: Largest number of halvings of a step.

    Example:
        The root of z² - 4:

        >>> z, info = NewtonKrylov().solve(lambda z: z * z - 4, torch.tensor([[1.0]]))
        >>> round(z.item(), 4), bool(info.converged.all())
        (2.0, True)
    """

    def __init__(
        self,
        linear: LinearSolver | None = None,
        rtol: float = 1e-6,
        atol: float = 0.0,
        max_iterations: int = 20,
        halvings: int = 8,
    ) -> None:
        check_finite("NewtonKrylov", rtol=rtol, atol=atol)
        check_tolerances("NewtonKrylov", rtol, atol, max_iterations)
        if halvings < 0:
            raise ValueError(f"NewtonKrylov.halvings must be at least 0, got {halvings}.")
        self.linear = linear or BiCGSTAB(rtol=1e-4)
        self.rtol = rtol
        self.atol = atol
        self.max_iterations = max_iterations
        self.halvings = halvings

    def solve(self, F: Map, start: Vector) -> tuple[Vector, SolveInfo]:
        z, value = start, F(start)
        first = current = norm(value)
        target = self.rtol * first + self.atol
        converged = current <= target
        broken = ~torch.isfinite(first)
        iterations = torch.zeros(len(z), dtype=torch.long, device=z.device)
        for _ in range(self.max_iterations):
            active = ~converged & ~broken
            if not active.any():
                break
            value, product = derivative(F, z)
            rhs = choose(active, -value, torch.zeros_like(value))
            direction, system = self.linear.solve(product, rhs)
            z, current, fell = self.search(F, z, direction, current, active)
            iterations = iterations + active
            small = system.converged & (norm(direction) <= rounding(z))
            converged = converged | (active & ((current <= target) | small))
            broken = broken | (active & ~fell & ~converged)
        return z, ending(converged, iterations, current, first, broken)

    def search(
        self, F: Map, z: Vector, direction: Vector, current: PerSample, active: Choice
    ) -> tuple[Vector, PerSample, Choice]:
        """Halve the step of each sample until ‖F‖ falls by Armijo's rule.

        Args:
            F: Function whose root is sought.
            z: Present iterate.
            direction: Newton direction d.
            current: Norms of F at z.
            active: Mask of the samples that take a step.

        Returns:
            The next iterate, the norms of F there, and the mask of the samples whose norm fell.
        """
        step = active.to(current.dtype)
        waiting, best, sizes = active, z, current
        for _ in range(self.halvings + 1):
            trial = z + scale(step, direction)
            size = norm(F(trial))
            accepted = waiting & (size <= (1 - SUFFICIENT * step) * current)
            best, sizes = choose(accepted, trial, best), torch.where(accepted, size, sizes)
            waiting = waiting & ~accepted
            if not waiting.any():
                break
            step = torch.where(waiting, step / 2, step)
        return best, sizes, active & ~waiting

    def implicit_inside(self) -> "NewtonKrylov":
        limits = (self.rtol, self.atol, self.max_iterations, self.halvings)
        return NewtonKrylov(ImplicitlyDifferentiated(self.linear), *limits)
