"""How gradients pass an implicit step; the solver does not know.

With F(z; inputs) = 0 and the cotangent z̄, the implicit function theorem gives

    (∂F/∂z)ᵀ λ = z̄,        cotangents of the inputs = -(∂F/∂inputs)ᵀ λ.

`Adjoint` is exact to the tolerances and keeps nothing of the solver's path. The others are here to
be compared with it: exact ones that keep it, and approximate ones that avoid the solve.

References: S. Bai, J. Z. Kolter and V. Koltun, NeurIPS 2019 (deep equilibrium models); S. W. Fung
et al., AAAI 2022, arXiv:2103.12803 (Jacobian-free); Z. Geng et al., NeurIPS 2021, arXiv:2111.05177
(phantom gradients); D. Akhare et al. 2025, arXiv:2504.02260 (implicit steps of hybrid models).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import Vector, choose
from datamodules.solvers.implicit.differentiation.adjoint import (
    Call,
    OnFailure,
    check_policy,
    solve_with_adjoint,
)
from datamodules.solvers.implicit.linear_solvers.bicgstab import BiCGSTAB
from datamodules.solvers.implicit.linear_solvers.gmres import GMRES
from datamodules.solvers.implicit.linear_solvers.linear_solver import Fallback, LinearSolver
from datamodules.solvers.implicit.residual import Residual
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver
from datamodules.solvers.implicit.solution import Record, SolveInfo


class Gradient(ABC):
    """Solves F = 0 such that reverse-mode differentiation passes it."""

    @abstractmethod
    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        """Return z and the outcome; samples that failed come back as their start.

        Args:
            residual: F.
            solver: Finds the root.
            start: First guess.
            inputs: All tensors besides z and the residual's parameters that F depends on.
            record: Told the outcome of each adjoint solve.
        """


class Adjoint(Gradient):
    """Implicit differentiation: one adjoint solve a step, memory of one state a step.

    Only the inputs, the parameters and z are kept; the backward pass evaluates F once at z and
    solves (∂F/∂z)ᵀ λ = z̄ with products from its graph. A relative tolerance of 1e-6 gives gradients
    good to about five digits; above 1e-3 training suffers.

    Args:
        linear: Solver of the adjoint system; BiCGSTAB with GMRES to fall back on by default.
        on_failure: What becomes of a sample whose adjoint cannot be solved: an error, or no
            gradient from this sample and a warning.

    Raises:
        ImplicitSolveError: An adjoint system could not be solved (in the backward pass).
        ValueError: F depends on a tensor that requires a gradient and is not an input; or the
            gradient is differentiated again.
    """

    def __init__(self, linear: LinearSolver | None = None, on_failure: OnFailure = "raise") -> None:
        check_policy(on_failure)
        self.linear = linear or Fallback([BiCGSTAB(), GMRES()])
        self.on_failure = on_failure

    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        call = Call(residual, solver, self.linear, self.on_failure, record)
        return solve_with_adjoint(call, start, inputs)


class FullUnrolling(Gradient):
    """Differentiation of every iteration of the solver, the inner ones included ("naive").

    Memory grows in proportion to the iterations. Exact only as far as the iterations converged.
    """

    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        z, info = solver.solve(residual.bind(*inputs), start)
        return choose(info.converged, z, start.detach()), info


class OuterUnrolling(Gradient):
    """Differentiation of every outer iteration, with inner linear solves differentiated implicitly.

    This is what the published code of Akhare et al. (2025) does for the Burgers equation.
    """

    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        return FullUnrolling().solve(residual, solver.implicit_inside(), start, inputs, record)


class Phantom(Gradient):
    """Phantom gradient: k damped steps z ← z - δ F(z) from the root, differentiated.

    It sums k terms of the Neumann series of the inverse; good where ∂F/∂z is near the identity.

    Args:
        steps: k.
        damping: δ.
    """

    def __init__(self, steps: int = 5, damping: float = 0.5) -> None:
        check_finite("Phantom", damping=damping)
        if steps < 1 or not 0 < damping <= 1:
            raise ValueError(
                "Phantom needs steps of at least 1 and damping in (0, 1], got "
                f"steps={steps}, damping={damping}."
            )
        self.steps = steps
        self.damping = damping

    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        with torch.no_grad():
            root, info = solver.solve(residual.bind(*inputs), start)
            root = choose(info.converged, root, start)
        if not torch.is_grad_enabled():
            return root, info
        function, z = residual.bind(*inputs), root
        for _ in range(self.steps):
            z = z - self.damping * function(z)
        change = z - z.detach()  # the value is the root's, the gradient that of the steps
        return root + choose(info.converged, change, torch.zeros_like(change)), info


class JacobianFree(Phantom):
    """Jacobian-free backpropagation: the inverse of ∂F/∂z in the adjoint is taken for the identity.

    One undamped phantom step. On implicit time steps acceptable only where Δt ‖K'‖ is below 1.
    """

    def __init__(self) -> None:
        super().__init__(steps=1, damping=1.0)
