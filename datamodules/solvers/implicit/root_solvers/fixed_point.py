"""Fixed-point iterations for F(z) = 0: z ← z + ω d(z) with a cheap correction d.

For F(z) = z - f(z) the direct correction d = -F(z) gives Picard's z ← f(z). For an implicit time
step, whose F is far from that, the coefficients are lagged instead: d solves the linear system that
remains once they are evaluated at the previous z.
"""

from abc import ABC, abstractmethod

import torch

from datamodules.solvers.finite import check_finite
from datamodules.solvers.implicit.batched import Choice, Vector, choose, norm
from datamodules.solvers.implicit.linear_solvers.bicgstab import BiCGSTAB
from datamodules.solvers.implicit.linear_solvers.implicitly_differentiated import (
    ImplicitlyDifferentiated,
)
from datamodules.solvers.implicit.linear_solvers.linear_solver import LinearSolver, check_tolerances
from datamodules.solvers.implicit.residual import Map, Quasilinear, linear_part
from datamodules.solvers.implicit.root_solvers.root_solver import RootSolver, ending, rounding
from datamodules.solvers.implicit.solution import SolveInfo


class Correction(ABC):
    """Correction d of the unknown in one sweep of the iteration."""

    @abstractmethod
    def of(self, F: Map, z: Vector, active: Choice) -> tuple[Vector, Vector, Choice]:
        """Return F(z), the correction d, and the mask of the samples whose d can be trusted.

        Args:
            F: Function whose root is sought.
            z: Present iterate.
            active: Mask of the samples to correct, (batch,); d is 0 in the others.
        """

    def implicit_inside(self) -> "Correction":
        """Return the same correction with its linear solve differentiated implicitly."""
        return self


class Direct(Correction):
    """Direct correction d = -F(z): the plain iteration z ← f(z) of F(z) = z - f(z).

    Example:
        >>> z, active = torch.tensor([[1.0]]), torch.tensor([True])
        >>> value, correction, _ = Direct().of(lambda z: z - 3.0, z, active)
        >>> correction.tolist()
        [[2.0]]
    """

    def of(self, F: Map, z: Vector, active: Choice) -> tuple[Vector, Vector, Choice]:
        value = F(z)
        return value, choose(active, -value, torch.zeros_like(value)), active


class Lagged(Correction):
    """Correction d with L(z + d; z) = 0: coefficients are lagged, everything else is implicit.

    Args:
        linear: Solver of the linear systems.

    Raises:
        ValueError: F is not `Quasilinear`.

    Example:
        F(z) = (1 + z) z - 6 with the coefficient 1 + z lagged. From z = 1 the linear equation
        2 (z + d) = 6 gives d = 2:

        >>> class Drag(Quasilinear):
        ...     def lagged(self, previous):
        ...         return lambda z: (1 + previous) * z - 6
        >>> z, active = torch.tensor([[1.0]]), torch.tensor([True])
        >>> value, correction, _ = Lagged().of(Drag(), z, active)
        >>> value.tolist(), correction.tolist()
        ([[-4.0]], [[2.0]])
    """

    def __init__(self, linear: LinearSolver | None = None) -> None:
        self.linear = linear or BiCGSTAB()

    def of(self, F: Map, z: Vector, active: Choice) -> tuple[Vector, Vector, Choice]:
        if not isinstance(F, Quasilinear):
            raise ValueError(
                "Lagged coefficients need a residual that binds to a Quasilinear, got "
                f"{type(F).__name__}; use NewtonKrylov, or say what is lagged."
            )
        map_ = F.lagged(z)
        value = map_(z)
        rhs = choose(active, -value, torch.zeros_like(value))
        correction, system = self.linear.solve(linear_part(map_, z, value), rhs)
        return value, correction, system.converged

    def implicit_inside(self) -> "Lagged":
        return Lagged(ImplicitlyDifferentiated(self.linear))


class Picard(RootSolver):
    """Picard iteration z ← z + ω d(z).

    Args:
        correction: Correction d; `Direct` by default, `Lagged` for implicit time steps.
        relaxation: Factor ω in (0, 2); 1 applies the whole correction.
        rtol: Largest ‖F(z)‖ relative to its value at the start.
        atol: Largest ‖F(z)‖, absolute.
        max_iterations: Limit for each sample.

    Example:
        The fixed point of 1 + z/2:

        >>> z, info = Picard().solve(lambda z: z - (1 + z / 2), torch.tensor([[1.0]]))
        >>> round(z.item(), 4), bool(info.converged.all())
        (2.0, True)
    """

    def __init__(
        self,
        correction: Correction | None = None,
        relaxation: float = 1.0,
        rtol: float = 1e-6,
        atol: float = 0.0,
        max_iterations: int = 100,
    ) -> None:
        check_finite("Picard", relaxation=relaxation, rtol=rtol, atol=atol)
        check_tolerances("Picard", rtol, atol, max_iterations)
        if not 0 < relaxation < 2:
            raise ValueError(f"Picard.relaxation must lie between 0 and 2, got {relaxation}.")
        self.correction = correction or Direct()
        self.relaxation = relaxation
        self.rtol = rtol
        self.atol = atol
        self.max_iterations = max_iterations

    def solve(self, F: Map, start: Vector) -> tuple[Vector, SolveInfo]:
        z = start
        active = torch.ones(len(z), dtype=torch.bool, device=z.device)
        converged = ~active
        iterations = active.long() * 0
        value, step, solved = self.correction.of(F, z, active)
        first = current = norm(value)
        target = self.rtol * first + self.atol
        while True:
            small = solved & (norm(step) <= rounding(z))
            converged = converged | (active & ((current <= target) | small))
            active = active & ~converged & torch.isfinite(current)
            active = active & (iterations < self.max_iterations)
            if not active.any():
                return z, ending(converged, iterations, current, first, ~torch.isfinite(current))
            z = choose(active, z + self.relaxation * step, z)
            iterations = iterations + active
            value, step, solved = self.correction.of(F, z, active)
            current = torch.where(active, norm(value), current)

    def implicit_inside(self) -> "Picard":
        limits = (self.relaxation, self.rtol, self.atol, self.max_iterations)
        return Picard(self.correction.implicit_inside(), *limits)
