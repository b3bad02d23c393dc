r"""Preconditioning of the equations themselves, where they differ in stiffness by many decades.

    G(z) = M⁻¹ F(z) = 0,    M ≈ F'(start)

has the roots of F, and G is near z - root for any units and rates of the single equations. So the
norm that a solver reduces is about the norm of the error: its tolerance is in digits of the step,
and a line search is not dominated by the stiffest equation. Iterations on G are an affine-covariant
Newton method.

Reference: P. Deuflhard, Newton Methods for Nonlinear Problems, Springer 2004, chapter 2.
"""

import torch

from datamodules.solvers.implicit.batched import Vector
from datamodules.solvers.implicit.preconditioners.preconditioner import Jacobi, Preconditioner
from datamodules.solvers.implicit.residual import Map, derivative
from datamodules.solvers.implicit.root_solvers.newton import NewtonKrylov
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver
from datamodules.solvers.implicit.solution import SolveInfo


class Preconditioned(RootSolver):
    """Solver of M⁻¹ F(z) = 0 with one M ≈ F'(start) for all iterations.

    With a Picard iteration as solver it is the simplified Newton method z ← z - M⁻¹ F(z).

    Args:
        solver: Solver of M⁻¹ F(z) = 0, whose left-hand side the residuals of the outcome are.
        preconditioner: Preconditioner M⁻¹, built at the start.

    Example:
        The root of z³ - 8, in each of four cells:

        >>> z, info = Preconditioned().solve(lambda z: z**3 - 8, torch.ones(1, 1, 4))
        >>> round(z[0, 0, 0].item(), 4), bool(info.converged.all())
        (2.0, True)
    """

    def __init__(
        self, solver: RootSolver | None = None, preconditioner: Preconditioner | None = None
    ) -> None:
        self.solver = solver or NewtonKrylov()
        self.preconditioner = preconditioner or Jacobi()

    def solve(self, F: Map, start: Vector) -> tuple[Vector, SolveInfo]:
        with torch.no_grad():
            _, product = derivative(F, start.detach())
            inverse = self.preconditioner.build(product, start.detach())
        return self.solver.solve(lambda z: inverse(F(z)), start)

    def implicit_inside(self) -> "Preconditioned":
        return Preconditioned(self.solver.implicit_inside(), self.preconditioner)
