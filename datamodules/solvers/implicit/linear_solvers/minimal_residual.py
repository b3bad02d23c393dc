"""The minimal residual iteration, batched: steepest descent of ‖b - A x‖ along the residual.

    x ← x + ω r,    r ← r - ω A r,    ω = <A r, r> / <A r, A r>

Reference: Y. Saad, Iterative Methods for Sparse Linear Systems, 2nd ed. (SIAM 2003), section 5.3.2.
"""

import torch

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import (
    Vector,
    add,
    choose,
    dot,
    norm,
    ratio,
    scale,
    subtract,
)
from datamodules.solvers.implicit.linear_solvers.linear_solver import (
    LinearSolver,
    check_tolerances,
    normalise,
    outcome,
)
from datamodules.solvers.implicit.residual import Map
from datamodules.solvers.implicit.solution import SolveInfo


class MinimalResidual(LinearSolver):
    """Minimal residual iteration: one product with A per iteration, two vectors of memory.

    The residual falls in every iteration where the symmetric part of A is positive definite, and
    fast where A is close to a multiple of the identity, as in steps that move the state by a cell
    or less: then it takes as many products with A as `BiCGSTAB` and half of everything else.
    Elsewhere it is slow; follow it by others in a `Fallback`.

    Args:
        rtol: Largest residual relative to b.
        atol: Largest residual, absolute; leave at 0 for adjoints, whose size shrinks in training.
        max_iterations: Limit for each sample.

    Example:
        >>> x, info = MinimalResidual().solve(lambda v: 2 * v, torch.tensor([[2.0, 4.0]]))
        >>> [round(value, 4) for value in x[0].tolist()], bool(info.converged.all())
        ([1.0, 2.0], True)
    """

    def __init__(self, rtol: float = 1e-6, atol: float = 0.0, max_iterations: int = 30) -> None:
        check_finite("MinimalResidual", rtol=rtol, atol=atol)
        check_tolerances("MinimalResidual", rtol, atol, max_iterations)
        self.rtol = rtol
        self.atol = atol
        self.max_iterations = max_iterations

    def solve(self, A: Map, b: Vector) -> tuple[Vector, SolveInfo]:
        b, unit, finite = normalise(b)
        size = current = norm(b)
        target = self.rtol * size + self.atol / unit
        x, r = torch.zeros_like(b), b
        iterations = torch.zeros(len(b), dtype=torch.long, device=b.device)
        active = current > target
        for _ in range(self.max_iterations):
            if not active.any():
                break
            t = A(r)
            omega = ratio(dot(t, r), dot(t, t), active)
            x, r = add(x, omega, r), subtract(r, omega, t)
            iterations = iterations + active
            current = norm(r)
            active = current > target
        x = choose(torch.isfinite(current), x, torch.zeros_like(x))
        return scale(unit, x), outcome(iterations, current, size, target, finite)
