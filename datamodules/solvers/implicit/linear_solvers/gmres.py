"""The generalised minimal residual method, batched and restarted.

Reference: Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856-869;
right-preconditioned, with Arnoldi vectors orthogonalised twice.
"""

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import (
    Choice,
    PerSample,
    Vector,
    choose,
    dot,
    norm,
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


class GMRES(LinearSolver):
    """GMRES(m), whose residual never grows: m + 1 vectors of memory, one product per iteration.

    Args:
        restart: Number m of Krylov vectors between restarts.
        rtol: Largest residual relative to b.
        atol: Largest residual, absolute.
        max_iterations: Limit for each sample.
        preconditioner: Right preconditioner of A.

    Example:
        >>> x, info = GMRES().solve(lambda v: 2 * v, torch.tensor([[2.0, 4.0]]))
        >>> [round(value, 4) for value in x[0].tolist()], bool(info.converged.all())
        ([1.0, 2.0], True)
    """

    def __init__(
        self,
        restart: int = 30,
        rtol: float = 1e-6,
        atol: float = 0.0,
        max_iterations: int = 300,
        preconditioner: Preconditioner | None = None,
    ) -> None:
        check_finite("GMRES", rtol=rtol, atol=atol)
        check_tolerances("GMRES", rtol, atol, max_iterations)
        if restart < 1:
            raise ValueError(f"GMRES.restart must be at least 1, got {restart}.")
        self.restart = restart
        self.rtol = rtol
        self.atol = atol
        self.max_iterations = max_iterations
        self.preconditioner = preconditioner or Identity()

    def solve(self, A: Map, b: Vector) -> tuple[Vector, SolveInfo]:
        b, unit, finite = normalise(b)
        size = norm(b)
        target = self.rtol * size + self.atol / unit
        precondition = self.preconditioner.build(A, b)
        x, residual, current = torch.zeros_like(b), b, size
        iterations = torch.zeros(len(b), dtype=torch.long, device=b.device)
        stalled = torch.zeros_like(finite)
        while True:
            active = (current > target) & ~stalled & (iterations < self.max_iterations)
            if not active.any():
                break
            correction, iterations = self.cycle(
                A, precondition, residual, target, active, iterations
            )
            moved = x + correction
            left = b - A(moved)
            better = active & (norm(left) < current)
            x, residual = choose(better, moved, x), choose(better, left, residual)
            # a cycle that gains nothing will gain nothing again
            stalled = stalled | (active & ~(norm(left) < 0.999 * current))
            current = torch.where(better, norm(left), current)
        return scale(unit, x), outcome(iterations, current, size, target, finite, stalled)

    def cycle(
        self,
        A: Map,
        precondition: Map,
        residual: Vector,
        target: PerSample,
        active: Choice,
        iterations: Tensor,
    ) -> tuple[Vector, Tensor]:
        """Return the correction that minimises the residual over m Krylov vectors, and the count.

        The residual norm of column j is |r| / √Σ w_i², where wᵀH = 0 and w_0 = 1. A sample that has
        converged gets columns that are orthogonal to its problem, so that it stays as it is alone.
        """
        eps = torch.finfo(residual.dtype).eps
        length = dot(residual, residual)
        length = torch.where(active & (length > 0), length, torch.ones_like(length)).sqrt()
        basis = [scale(torch.where(active, 1 / length, torch.zeros_like(length)), residual)]
        columns: list[Tensor] = []
        null = [torch.ones_like(length)]
        going = active
        for step in range(self.restart):
            w = A(precondition(basis[-1]))
            before = norm(w)
            entries = [torch.zeros_like(length) for _ in basis]
            for _ in range(2):
                for index, v in enumerate(basis):
                    part = torch.where(going, dot(v, w), 0.0)
                    w = subtract(w, part, v)
                    entries[index] = entries[index] + part
            square = dot(w, w)
            known = torch.isfinite(square.detach())
            free = known & (norm(w) > 10 * eps * before)  # else the Krylov space is exhausted
            height = torch.where(free & (square > 0), square, torch.ones_like(square)).sqrt()
            inner = sum(n * h.detach() for n, h in zip(null, entries, strict=True))
            used = going & known & (free | (inner.abs() > 10 * eps * before))
            below = torch.where(used & ~free, torch.zeros_like(height), height)
            column = [torch.where(used, h, torch.zeros_like(h)) for h in entries]
            columns.append(
                torch.stack(
                    [*column, torch.where(used, below, torch.ones_like(below))]
                    + [torch.zeros_like(height)] * (self.restart - step - 1),
                    -1,
                )
            )
            iterations = iterations + used
            null.append(torch.where(used & free, -inner / height.detach(), 0.0))
            estimate = length.detach() / torch.stack(null).square().sum(0).sqrt()
            going = used & free & (estimate > target) & (iterations < self.max_iterations)
            if not going.any():
                break
            basis.append(scale(torch.where(going, 1 / height, torch.zeros_like(height)), w))
        hessenberg = torch.stack(columns, -1)[:, : len(columns) + 1]
        q, upper = torch.linalg.qr(hessenberg)
        diagonal = upper.diagonal(dim1=-2, dim2=-1)
        fill = torch.where(diagonal.detach() == 0, 1.0, 0.0)
        upper = upper + torch.diag_embed(fill.to(upper))
        right = scale(length, q[:, 0])
        y = torch.linalg.solve_triangular(upper, right.unsqueeze(-1), upper=True).squeeze(-1)
        y = torch.where(active.unsqueeze(-1), y, torch.zeros_like(y))
        total = sum(scale(y[:, j], v) for j, v in enumerate(basis[: len(columns)]))
        correction = precondition(total)
        return choose(torch.isfinite(norm(correction)), correction, torch.zeros_like(residual)), (
            iterations
        )
