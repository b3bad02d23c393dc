"""Autograd function that keeps only the inputs, the parameters and the solution of a solve.

It works in a chain of time steps like any other operation, inside checkpoints, and with networks
under autocast: the backward pass evaluates F as the forward pass did.
"""

import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from datamodules.solvers.implicit.batched import Vector, choose
from datamodules.solvers.implicit.differentiation.once import FirstOrderOnly
from datamodules.solvers.implicit.linear_solvers.linear_solver import LinearSolver
from datamodules.solvers.implicit.precision import full_precision
from datamodules.solvers.implicit.residual import AffineMap, Residual, VectorJacobianProduct
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver
from datamodules.solvers.implicit.solution import ImplicitSolveError, Record, SolveInfo

OnFailure = Literal["raise", "mask"]


def check_policy(on_failure: str) -> None:
    """Check that `on_failure` is `raise` or `mask`."""
    if on_failure not in ("raise", "mask"):
        raise ValueError(f"on_failure must be 'raise' or 'mask', got '{on_failure}'.")


@dataclass
class Call:
    """Root problem and its differentiation; the forward pass sets `info`, the outcome."""

    residual: Residual
    solver: RootSolver
    linear: LinearSolver
    on_failure: OnFailure
    record: Record
    info: SolveInfo = field(init=False)


def solve_with_adjoint(
    call: Call, start: Vector, inputs: tuple[Tensor, ...]
) -> tuple[Vector, SolveInfo]:
    """Return z and the outcome; the gradient of z follows from one adjoint solve.

    Args:
        call: Residual, solvers, and treatment of failures.
        start: First guess of z.
        inputs: Tensors that the residual takes after z.

    Raises:
        ValueError: The residual depends on a tensor that requires a gradient and is not an input.
    """
    parameters = call.residual.parameters()
    if torch.is_grad_enabled() and not any(t.requires_grad for t in (*inputs, *parameters)):
        value = call.residual.bind(*inputs)(start.detach())
        refuse_others(value, ())
    z = _Lean.apply(call, len(inputs), start.detach(), *inputs, *parameters)
    return z, call.info


class _Lean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Call, count: int, start: Tensor, *tensors: Tensor) -> Tensor:
        z, call.info = call.solver.solve(call.residual.bind(*tensors[:count]), start)
        z = choose(call.info.converged, z, start)
        ctx.call, ctx.count = call, count
        ctx.save_for_backward(z, call.info.converged, *tensors)
        return z

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        z, converged, *tensors = ctx.saved_tensors
        inputs, call = tensors[: ctx.count], ctx.call
        parameters = call.residual.parameters()  # the tensors that F uses: saved ones may be copies
        with full_precision(z), torch.enable_grad():
            needs = ctx.needs_input_grad[3 : 3 + ctx.count]
            leaves = [
                t.detach().requires_grad_(need) for t, need in zip(inputs, needs, strict=True)
            ]
            point = z.detach().requires_grad_()
            bound = call.residual.bind(*leaves)
            value = bound(point)
        refuse_others(value, (point, *leaves, *parameters))
        with full_precision(z), torch.no_grad():
            cotangent = choose(converged, cotangent, torch.zeros_like(cotangent))
            affine = isinstance(bound, AffineMap)  # a product without a graph
            product = bound.transposed if affine else VectorJacobianProduct(value, point)
            adjoint, info = call.linear.solve(product, cotangent)
            call.record(info)
            if not info.converged.all():
                adjoint = failed(call, adjoint, info)
            wanted = [t for t in (*leaves, *parameters) if t.requires_grad]
            found = iter(torch.autograd.grad(value, wanted, -adjoint, allow_unused=True))
        gradients = [next(found) if t.requires_grad else None for t in (*leaves, *parameters)]
        if torch.is_grad_enabled():
            gradients = [
                None if g is None else FirstOrderOnly.apply(g, cotangent, *tensors)
                for g in gradients
            ]
        return (None, None, None, *gradients)


def failed(call: Call, adjoint: Vector, info: SolveInfo) -> Vector:
    """Raise an error, or warn and return the adjoint with zeros in the samples that failed."""
    message = (
        f"The adjoint of an implicit step did not converge ({info.failures()}); allow its linear "
        "solver more iterations, precondition it, or take a smaller time step"
    )
    if call.on_failure == "raise":
        raise ImplicitSolveError(f"{message}.", info)
    warnings.warn(f"{message}; these samples give no gradient.", stacklevel=2)
    return choose(info.converged, adjoint, torch.zeros_like(adjoint))


def refuse_others(value: Tensor, known: tuple[Tensor, ...]) -> None:
    """Check that a residual depends on no tensor that requires a gradient but is not an input.

    Args:
        value: Value of the residual, whose graph is searched.
        known: Inputs and parameters.

    Raises:
        ValueError: Such a tensor was found; it would get no gradient, without a message.
    """
    allowed = {id(tensor) for tensor in known}
    waiting, seen = [value.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in allowed:
            raise ValueError(
                f"The residual depends on a tensor of shape {tuple(leaf.shape)} that requires a "
                "gradient and is not among its inputs, so it would get none; pass it as an input, "
                "or give the module that owns it as the residual."
            )
        waiting.extend(following for following, _ in node.next_functions)
