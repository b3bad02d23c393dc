"""Outcome of a solve: iterations, residual and status of each sample."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Status(IntEnum):
    """Outcome of the solve of one sample.

    Example:
        >>> Status(2).name
        'BREAKDOWN'
    """

    CONVERGED = 0
    ITERATION_LIMIT = 1
    BREAKDOWN = 2
    NOT_FINITE = 3


@dataclass(frozen=True)
class SolveInfo:
    """Outcome of one batched solve.

    Args:
        iterations: Iterations that each sample took; a sample that has converged is frozen.
        residual: Final residual norm of each sample relative to its start (or right-hand side).
        status: `Status` of each sample.

    Example:
        One Newton iteration solves a linear equation, and is not enough for z² = 4:

        >>> from datamodules.solvers.implicit import NewtonKrylov
        >>> F = lambda z: torch.stack((z[0] - 4, z[1] ** 2 - 4))
        >>> _, info = NewtonKrylov(max_iterations=1).solve(F, torch.ones(2, 1))
        >>> info.converged.tolist(), [Status(code).name for code in info.status.tolist()]
        ([True, False], ['CONVERGED', 'ITERATION_LIMIT'])
    """

    iterations: Int[Tensor, " batch"]
    residual: Float[Tensor, " batch"]
    status: Int[Tensor, " batch"]

    @property
    def converged(self) -> Bool[Tensor, " batch"]:
        """Mask of the samples that are solved to tolerance."""
        return self.status == Status.CONVERGED

    def merge(self, better: "SolveInfo", where: Bool[Tensor, " batch"]) -> "SolveInfo":
        """Return this outcome, with some samples replaced by samples of a further attempt.

        The iterations of both attempts are added.

        Args:
            better: Outcome of the further attempt.
            where: Mask of the samples to replace, (batch,).
        """
        return SolveInfo(
            self.iterations + torch.where(where, better.iterations, 0),
            torch.where(where, better.residual, self.residual),
            torch.where(where, better.status, self.status),
        )

    def failures(self, most: int = 4) -> str:
        """Return reason, iterations and residual of the samples that failed, as one phrase.

        Args:
            most: Largest number of samples to list; the others are counted.
        """
        failed = (~self.converged).nonzero().flatten().tolist()
        parts = [
            f"sample {n}: {Status(int(self.status[n])).name.lower().replace('_', ' ')} after "
            f"{int(self.iterations[n])} iterations at relative residual {self.residual[n]:.1e}"
            for n in failed[:most]
        ]
        rest = [f"and {len(failed) - most} more"] if len(failed) > most else []
        return "; ".join(parts + rest)


class ImplicitSolveError(FloatingPointError):
    """Error for a step, or the adjoint of a step, that could not be solved.

    Attributes:
        info: Outcome of each sample.

    Example:
        z² = -1 has no real root:

        >>> from datamodules.solvers.implicit import ImplicitLayer
        >>> try:
        ...     ImplicitLayer()(lambda z: z * z + 1, torch.ones(1, 1))
        ... except ImplicitSolveError as error:
        ...     print(error.info.converged.tolist())
        [False]
    """

    def __init__(self, message: str, info: SolveInfo) -> None:
        super().__init__(message)
        self.info = info


@dataclass
class Monitor:
    """Record of the outcomes of the solves of a layer, forward and backward.

    Args:
        forward: Outcomes of the steps, in order.
        backward: Outcomes of their adjoint solves, in the order of the backward pass.

    Example:
        The counts of a layer that solves for two samples, and differentiates both:

        >>> from datamodules.solvers.implicit import ImplicitLayer
        >>> layer = ImplicitLayer()
        >>> layer.monitor = Monitor()
        >>> a = torch.tensor([[4.0], [9.0]], requires_grad=True)
        >>> z, _ = layer(lambda z, a: z * z - a, torch.ones(2, 1), a)
        >>> z.sum().backward()
        >>> len(layer.monitor.forward), len(layer.monitor.backward)
        (1, 1)
        >>> layer.monitor.summary()["forward/failed"]
        0
    """

    forward: list[SolveInfo] = field(default_factory=list)
    backward: list[SolveInfo] = field(default_factory=list)

    def clear(self) -> None:
        """Clear the record."""
        self.forward.clear()
        self.backward.clear()

    def summary(self) -> dict[str, float]:
        """Return mean and largest iterations, largest residual and number of failed samples."""
        scores: dict[str, float] = {}
        for name, solves in (("forward", self.forward), ("backward", self.backward)):
            if solves:
                iterations = torch.cat([info.iterations for info in solves]).double()
                residual = torch.cat([info.residual for info in solves])
                failed = torch.cat([~info.converged for info in solves])
                scores[f"{name}/iterations_mean"] = iterations.mean().item()
                scores[f"{name}/iterations_max"] = iterations.max().item()
                scores[f"{name}/residual_max"] = residual.max().item()
                scores[f"{name}/failed"] = failed.sum().item()
        return scores


Record = Callable[[SolveInfo], None]
