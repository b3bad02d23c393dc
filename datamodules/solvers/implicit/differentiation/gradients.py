"""Strategies for differentiating through an implicit solve, independent of the solver.

With F(z; inputs) = 0 and the cotangent z̄, the implicit function theorem gives

    (∂F/∂z)ᵀ λ = z̄,        cotangents of the inputs = -(∂F/∂inputs)ᵀ λ.

`Adjoint` is exact to the tolerances and keeps nothing of the iterations. The others, which keep
them, are the baselines of D. Akhare et al. 2025, arXiv:2504.02260.
"""

from abc import ABC, abstractmethod

from torch import Tensor

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
    """Strategy for differentiating through the solution of F = 0 in reverse mode.

    Example:
        All strategies give the derivative of √a, the root of z² - a, which is 1/4 at a = 4:

        >>> import torch
        >>> from datamodules.solvers.implicit import ImplicitLayer
        >>> for strategy in (Adjoint(), FullUnrolling(), OuterUnrolling()):
        ...     a = torch.tensor([4.0], requires_grad=True)
        ...     z, _ = ImplicitLayer(gradient=strategy)(lambda z, a: z * z - a, torch.ones(1, 1), a)
        ...     z.sum().backward()
        ...     print(round(a.grad.item(), 3))
        0.25
        0.25
        0.25
    """

    @abstractmethod
    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        """Return z and the outcome; samples that failed keep their start.

        Args:
            residual: Function F.
            solver: Solver of the root problem.
            start: First guess.
            inputs: All tensors besides z and the residual's parameters that F depends on.
            record: Function that is called with the outcome of each adjoint solve.
        """


class Adjoint(Gradient):
    """Implicit differentiation: one adjoint solve and the memory of one state per step.

    Only the inputs, the parameters and z are kept; the backward pass evaluates F once at z and
    solves (∂F/∂z)ᵀ λ = z̄ with products from its graph. A relative tolerance of 1e-6 gives gradients
    good to about five digits; above 1e-3 training suffers.

    Args:
        linear: Solver of the adjoint system; BiCGSTAB with GMRES to fall back on by default.
        on_failure: Treatment of samples whose adjoint cannot be solved: `raise` an error, or `mask`
            them with a warning, so that they give no gradient.

    Raises:
        ImplicitSolveError: An adjoint system could not be solved (in the backward pass).
        ValueError: F depends on a tensor that requires a gradient and is not an input; or the
            gradient is differentiated again.

    Example:
        The root of z³ - a at a = 8 is 2, and its derivative 1/(3 z²) is 1/12:

        >>> import torch
        >>> from datamodules.solvers.implicit import ImplicitLayer
        >>> a = torch.tensor([8.0], requires_grad=True)
        >>> layer = ImplicitLayer(gradient=Adjoint())
        >>> z, _ = layer(lambda z, a: z**3 - a, torch.ones(1, 1), a)
        >>> z.sum().backward()
        >>> round(z.item(), 3), round(12 * a.grad.item(), 3)
        (2.0, 1.0)
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

    Memory grows in proportion to the iterations. The gradient is the derivative of the iterations
    that were made, which converges more slowly than z: a solver that meets the root after few
    iterations, by a good first guess, gives a z that is right and a gradient that is not.

    Example:
        The derivative of √a at a = 4, and the derivative of a solve that ends early. The fixed
        point of z = (a + z)/2 is a; the first iteration from 0 is a/2, whose derivative is 1/2:

        >>> import torch
        >>> from datamodules.solvers.implicit import ImplicitLayer, Picard
        >>> a, start = torch.tensor([4.0], requires_grad=True), torch.ones(1, 1)
        >>> z, _ = ImplicitLayer(gradient=FullUnrolling())(lambda z, a: z * z - a, start, a)
        >>> [round(slope.item(), 3) for slope in torch.autograd.grad(z.sum(), a)]
        [0.25]
        >>> early = ImplicitLayer(Picard(rtol=0.6), FullUnrolling())
        >>> z, _ = early(lambda z, a: z - (a + z) / 2, 0 * start, a)
        >>> [slope.item() for slope in torch.autograd.grad(z.sum(), a)]
        [0.5]
    """

    def solve(
        self,
        residual: Residual,
        solver: RootSolver,
        start: Vector,
        inputs: tuple[Tensor, ...],
        record: Record,
    ) -> tuple[Vector, SolveInfo]:
        z, info = self.unrolled(solver).solve(residual.bind(*inputs), start)
        return choose(info.converged, z, start.detach()), info

    def unrolled(self, solver: RootSolver) -> RootSolver:
        """Return the solver whose iterations are differentiated."""
        return solver


class OuterUnrolling(FullUnrolling):
    """Differentiation of every outer iteration, with inner linear solves differentiated implicitly.

    This is what the published code of Akhare et al. (2025) does for the Burgers equation.

    Example:
        The derivative of √a at a = 25 is 1/10:

        >>> import torch
        >>> from datamodules.solvers.implicit import ImplicitLayer
        >>> a = torch.tensor([25.0], requires_grad=True)
        >>> layer = ImplicitLayer(gradient=OuterUnrolling())
        >>> z, _ = layer(lambda z, a: z * z - a, torch.ones(1, 1), a)
        >>> z.sum().backward()
        >>> round(a.grad.item(), 3)
        0.1
    """

    def unrolled(self, solver: RootSolver) -> RootSolver:
        return solver.implicit_inside()
