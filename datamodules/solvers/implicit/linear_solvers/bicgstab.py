"""The stabilised bi-conjugate gradient method, batched.

Reference: H. A. van der Vorst, SIAM J. Sci. Stat. Comput. 13 (1992) 631-644; right-preconditioned.
"""

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import (
    Choice,
    PerSample,
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
from datamodules.solvers.implicit.preconditioners.preconditioner import Identity, Preconditioner
from datamodules.solvers.implicit.residual import Map
from datamodules.solvers.implicit.solution import SolveInfo

RESTARTS = 3  # from the true residual, where rounding has carried the recursion away from it


class BiCGSTAB(LinearSolver):
    """Stabilised bi-conjugate gradients: two products with A per iteration, eight vectors.

    A vanishing inner product restarts the sample from its residual; where that does not help (A
    skew-symmetric, say) its status is BREAKDOWN, and GMRES is the solver to fall back on.

    Args:
        rtol: Largest residual relative to b.
        atol: Largest residual, absolute; leave at 0 for adjoints, whose size shrinks in training.
        max_iterations: Limit for each sample.
        preconditioner: Right preconditioner of A.

    Example:
        >>> x, info = BiCGSTAB().solve(lambda v: 2 * v, torch.tensor([[2.0, 4.0]]))
        >>> [round(value, 4) for value in x[0].tolist()], bool(info.converged.all())
        ([1.0, 2.0], True)
    """

    def __init__(
        self,
        rtol: float = 1e-6,
        atol: float = 0.0,
        max_iterations: int = 200,
        preconditioner: Preconditioner | None = None,
    ) -> None:
        check_finite("BiCGSTAB", rtol=rtol, atol=atol)
        check_tolerances("BiCGSTAB", rtol, atol, max_iterations)
        self.rtol = rtol
        self.atol = atol
        self.max_iterations = max_iterations
        self.preconditioner = preconditioner or Identity()

    def solve(self, A: Map, b: Vector) -> tuple[Vector, SolveInfo]:
        b, unit, finite = normalise(b)
        size = norm(b)
        target = self.rtol * size + self.atol / unit
        precondition = self.preconditioner.build(A, b)
        x = torch.zeros_like(b)
        iterations = torch.zeros(len(b), dtype=torch.long, device=b.device)
        broken = torch.zeros_like(finite)
        residual, current = b, size
        for _ in range(RESTARTS):
            start = current
            active = (current > target) & ~broken & (iterations < self.max_iterations)
            correction, current, iterations, broken, peak = self.cycle(
                A, precondition, residual, target, active, iterations
            )
            x = x + correction
            doubtful = 100 * torch.finfo(b.dtype).eps * peak > target
            if not (doubtful & active).any():
                break
            residual = b - A(x)
            current = norm(residual)
            # a sample whose true residual no longer falls has reached the rounding of A
            broken = broken | (active & (current > target) & (current > 0.5 * start))
        x = choose(torch.isfinite(norm(x)), x, torch.zeros_like(x))
        return scale(unit, x), outcome(iterations, current, size, target, finite, broken)

    def cycle(
        self,
        A: Map,
        precondition: Map,
        residual: Vector,
        target: PerSample,
        active: Choice,
        iterations: Tensor,
    ) -> tuple[Vector, PerSample, Tensor, Choice, PerSample]:
        """Iterate until all active samples have converged, stalled or reached their limit.

        Args:
            A: Linear map.
            precondition: Map v ↦ M⁻¹ v.
            residual: Residual b - A x at the start of the cycle.
            target: Norm of the residual at which a sample has converged.
            active: Mask of the samples that are iterated.
            iterations: Iterations of each sample so far.

        Returns:
            Correction of x, norms of the residuals, iterations, mask of breakdowns, and the
            largest norm of each sample's residual on the way.
        """
        tiny = torch.finfo(residual.dtype).eps
        r = p = shadow = residual
        x = torch.zeros_like(residual)
        rho = dot(shadow, r)
        shadow_size = current = peak = norm(r)
        fresh = torch.ones_like(active)
        broken = torch.zeros_like(active)
        if not active.any():
            return x, current, iterations, broken, peak
        while True:
            y = precondition(p)
            v = A(y)
            alpha = ratio(rho, dot(shadow, v), active)
            s = subtract(r, alpha, v)
            half = norm(s)
            going = active & ~(half <= target)
            if going.any():
                z = precondition(s)
                t = A(z)
                omega = ratio(dot(t, s), dot(t, t), going)
                x = add(add(x, alpha, y), omega, z)
                r = subtract(s, omega, t)
                current = torch.where(active, norm(r), current)
            else:
                omega = torch.zeros_like(alpha)
                x, r = add(x, alpha, y), s
                current = torch.where(active, half, current)
            iterations = iterations + active
            peak = torch.maximum(peak, current)
            stuck = active & (alpha == 0) & (omega == 0)
            broken = broken | (stuck & fresh) | (active & ~torch.isfinite(current))
            active = active & (current > target) & ~broken & (iterations < self.max_iterations)
            if not active.any():
                break
            following = dot(shadow, r)
            beta = ratio(following * alpha, rho * omega, active)
            vanished = following.abs() <= tiny * shadow_size * current
            restart = active & (vanished | (beta == 0) | ~torch.isfinite(beta))
            if restart.any():
                shadow, shadow_size = (
                    choose(restart, r, shadow),
                    torch.where(restart, current, shadow_size),
                )
                following, beta = dot(shadow, r), torch.where(restart, 0.0, beta)
            fresh = restart
            p = add(r, beta, subtract(p, omega, v))
            rho = following
        return x, current, iterations, broken, peak
