"""Anderson acceleration of a fixed-point iteration, batched.

Reference: H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49 (2011) 1715-1735, in the form with
differences; the least squares by a Gram matrix, which is small whatever the size of z.
"""

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import Choice, Vector, choose, norm
from datamodules.solvers.implicit.linear_solvers.linear_solver import check_tolerances
from datamodules.solvers.implicit.residual import Map
from datamodules.solvers.implicit.root_solvers.fixed_point import Correction, Direct
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver, ending, rounding
from datamodules.solvers.implicit.solution import SolveInfo

RIDGE = 1e-10  # of the trace of the Gram matrix
GROWTH = 10.0  # of the residual, that forgets the history


class Anderson(RootSolver):
    """Anderson mixing of the last m corrections: z ← z + β d - Σ_j γ_j (Δz_j + β Δd_j).

    γ minimises ‖d - Σ_j γ_j Δd_j‖, for each sample alone. A sample whose residual grows tenfold
    forgets its history.

    Args:
        correction: d; of an implicit time step `Lagged`.
        depth: m, corrections remembered.
        mixing: β, share of the correction that is taken.
        rtol: Largest ‖F(z)‖ relative to that of the start.
        atol: Largest ‖F(z)‖, absolute.
        max_iterations: Limit for each sample.
    """

    def __init__(
        self,
        correction: Correction | None = None,
        depth: int = 5,
        mixing: float = 1.0,
        rtol: float = 1e-6,
        atol: float = 0.0,
        max_iterations: int = 100,
    ) -> None:
        check_finite("Anderson", mixing=mixing, rtol=rtol, atol=atol)
        check_tolerances("Anderson", rtol, atol, max_iterations)
        if depth < 1 or not 0 < mixing <= 1:
            raise ValueError(
                "Anderson needs depth of at least 1 and mixing in (0, 1], got "
                f"depth={depth}, mixing={mixing}."
            )
        self.correction = correction or Direct()
        self.depth = depth
        self.mixing = mixing
        self.rtol = rtol
        self.atol = atol
        self.max_iterations = max_iterations

    def solve(self, F: Map, start: Vector) -> tuple[Vector, SolveInfo]:
        z = start
        active = torch.ones(len(z), dtype=torch.bool, device=z.device)
        converged = ~active
        iterations = active.long() * 0
        value, d, solved = self.correction.of(F, z, active)
        first = current = lowest = norm(value)
        target = self.rtol * first + self.atol
        moves: list[Tensor] = []
        changes: list[Tensor] = []
        while True:
            small = solved & (norm(d) <= rounding(z))
            converged = converged | (active & ((current <= target) | small))
            active = active & ~converged & torch.isfinite(current)
            active = active & (iterations < self.max_iterations)
            if not active.any():
                return z, ending(converged, iterations, current, first, ~torch.isfinite(current))
            new = choose(active, z + self.mix(d, moves, changes), z)
            iterations = iterations + active
            value, after, solved = self.correction.of(F, new, active)
            moves = [*moves, new - z][-self.depth :]
            changes = [*changes, choose(active, after - d, torch.zeros_like(d))][-self.depth :]
            current = torch.where(active, norm(value), current)
            grown = current > GROWTH * lowest
            if grown.any():
                moves, changes = ([forget(grown, x) for x in part] for part in (moves, changes))
            lowest = torch.where(grown, current, torch.minimum(lowest, current))
            z, d = new, after

    def mix(self, d: Vector, moves: list[Tensor], changes: list[Tensor]) -> Vector:
        """Return the accelerated step."""
        if not changes:
            return self.mixing * d
        differences = torch.stack([x.flatten(1) for x in changes], 1)
        steps = torch.stack([x.flatten(1) for x in moves], 1) + self.mixing * differences
        gram = differences @ differences.mT
        trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1).detach()
        ridge = torch.where(trace > 0, RIDGE * trace, torch.ones_like(trace))
        eye = torch.eye(len(changes), dtype=d.dtype, device=d.device)
        right = differences @ d.flatten(1).unsqueeze(-1)
        gamma, _ = torch.linalg.solve_ex(gram + ridge[:, None, None] * eye, right)
        gamma = torch.where(torch.isfinite(gamma), gamma, torch.zeros_like(gamma))
        return self.mixing * d - (gamma.mT @ steps).view_as(d)

    def implicit_inside(self) -> "Anderson":
        limits = (self.depth, self.mixing, self.rtol, self.atol, self.max_iterations)
        return Anderson(self.correction.implicit_inside(), *limits)


def forget(which: Choice, a: Vector) -> Vector:
    """Return a with the chosen samples set to 0."""
    return choose(which, torch.zeros_like(a), a)
