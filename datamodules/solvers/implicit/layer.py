"""The implicit layer: z with F(z; inputs) = 0, as a differentiable function of the inputs.

    layer = ImplicitLayer(NewtonKrylov(), Adjoint())
    z, info = layer(lambda z, x, a: z - a * torch.cos(z) - x, start, x, a)

F is any function of (z, *inputs) that returns a tensor of the shape of z and treats the samples
of the batch, the first axis of z, one by one. Inputs may have the batch axis or be shared by all
samples. A module's own parameters are differentiated too; every other tensor on which F depends and
that requires a gradient must be an input. F should be scaled such that ∂F/∂z is near the identity,
as it is for a fixed point z - f(z) and for a time step.

A class derived from `Residual` computes once what does not depend on z; one that binds to a
`Quasilinear` also says what Picard's iteration lags.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.implicit.batched import Vector
from datamodules.solvers.implicit.differentiation.adjoint import OnFailure, check_policy
from datamodules.solvers.implicit.differentiation.gradients import Adjoint, Gradient
from datamodules.solvers.implicit.precision import full_precision, under_autocast_of_caller
from datamodules.solvers.implicit.residual import FunctionResidual, Residual
from datamodules.solvers.implicit.root_solvers.newton import NewtonKrylov
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver
from datamodules.solvers.implicit.solution import ImplicitSolveError, Monitor, SolveInfo


class ImplicitLayer(nn.Module):
    """Layer that solves F(z; inputs) = 0 and differentiates the solution.

    Args:
        solver: Solver of the root problem; `NewtonKrylov` by default.
        gradient: Strategy of differentiation; `Adjoint` by default.
        on_failure: Treatment of samples that do not converge: `raise` an error, or `mask` them. A
            masked sample keeps its start, passes no gradient, and is False in `info.converged`,
            so that the caller can leave it out of the loss.

    Attributes:
        monitor: Outcomes of forward and backward solves since it was last cleared; None keeps none.

    Raises:
        ValueError: F does not return the shape of the start, or `on_failure` is unknown.
        ImplicitSolveError: A sample did not converge, unless it is masked.

    Example:
        The square root as the root of z² - a, whose derivative is 1/(2z):

        >>> a = torch.tensor([[4.0]], requires_grad=True)
        >>> z, info = ImplicitLayer()(lambda z, a: z * z - a, torch.ones(1, 1), a)
        >>> z.sum().backward()
        >>> round(z.item(), 4), round(a.grad.item(), 4)
        (2.0, 0.25)
    """

    def __init__(
        self,
        solver: RootSolver | None = None,
        gradient: Gradient | None = None,
        on_failure: OnFailure = "raise",
    ) -> None:
        super().__init__()
        check_policy(on_failure)
        self.solver = solver or NewtonKrylov()
        self.gradient = gradient or Adjoint()
        self.on_failure = on_failure
        self.monitor: Monitor | None = None

    def forward(
        self,
        residual: Residual | Callable[..., Tensor],
        start: Float[Tensor, "batch ..."],
        *inputs: Tensor,
    ) -> tuple[Float[Tensor, "batch ..."], SolveInfo]:
        """Return z and the outcome of each sample's solve.

        Args:
            residual: Function F.
            start: First guess of z; no gradient flows through it, except where iterations are
                unrolled.
            inputs: Tensors that F takes after z.
        """
        if not isinstance(residual, Residual):
            residual = FunctionResidual(residual)
        z, info = self.attempt(residual, start, *inputs)
        if self.on_failure == "raise" and not info.converged.all():
            raise ImplicitSolveError(failure(info), info)
        return z, info

    def attempt(
        self, residual: Residual, start: Vector, *inputs: Tensor
    ) -> tuple[Vector, SolveInfo]:
        """Return z and the outcome without raising an error; samples that failed keep their start.

        Args:
            residual: Residual F.
            start: First guess of z.
            inputs: Tensors that F takes after z.
        """
        if torch.is_inference_mode_enabled():  # Newton's method needs derivatives all the same
            with torch.inference_mode(False), torch.no_grad():
                tensors = (t.clone() if t.is_inference() else t for t in (start, *inputs))
                return self.attempt(residual, *tensors)
        residual = under_autocast_of_caller(residual, start)
        with full_precision(start):
            z, info = self.gradient.solve(
                residual, self.solver, start, inputs, self.record_backward
            )
        if self.monitor is not None:
            self.monitor.forward.append(info)
        return z, info

    def record_backward(self, info: SolveInfo) -> None:
        """Record the outcome of an adjoint solve in the monitor, if there is one."""
        if self.monitor is not None:
            self.monitor.backward.append(info)


def failure(info: SolveInfo) -> str:
    """Return the sentence for a step that failed."""
    count = int((~info.converged).sum())
    return (
        f"An implicit step failed for {count} of {len(info.status)} samples ({info.failures()}); "
        "take a smaller time step, allow more iterations or another solver, or set on_failure to "
        "mask."
    )
