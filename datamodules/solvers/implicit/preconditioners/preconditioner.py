"""Right preconditioners: A M⁻¹ y = b with x = M⁻¹ y.

A right preconditioner leaves the residual b - A x as it is, so that a poor one costs iterations
and never accuracy.
"""

from abc import ABC, abstractmethod
from itertools import product

import torch
from torch import Tensor

from datamodules.solvers.implicit.batched import Vector
from datamodules.solvers.implicit.residual import Map


class Preconditioner(ABC):
    """Approximation of A⁻¹.

    Example:
        A preconditioner of your own, for maps near 4 times the identity. With the exact inverse of
        A, one iteration is enough:

        >>> from datamodules.solvers.implicit import GMRES
        >>> class Quarter(Preconditioner):
        ...     def build(self, A, like):
        ...         return lambda v: v / 4
        >>> solver = GMRES(preconditioner=Quarter())
        >>> x, info = solver.solve(lambda v: 4 * v, torch.tensor([[4.0, 8.0]]))
        >>> x.tolist(), info.iterations.tolist()
        ([[1.0, 2.0]], [1])
    """

    @abstractmethod
    def build(self, A: Map, like: Vector) -> Map:
        """Return v ↦ M⁻¹ v, an approximation of v ↦ A⁻¹ v.

        Args:
            A: Linear map v ↦ A v, which may be evaluated to find M.
            like: Vector (batch, ...) with the shape, precision and device of v.
        """


class Identity(Preconditioner):
    """No preconditioning: M⁻¹ v = v.

    Example:
        >>> v = torch.tensor([[1.0, 2.0]])
        >>> Identity().build(lambda v: 4 * v, like=v)(v).tolist()
        [[1.0, 2.0]]
    """

    def build(self, A: Map, like: Vector) -> Map:
        return lambda v: v


class Jacobi(Preconditioner):
    """Inverse of the diagonal of A, which is found by probing.

    A stencil couples cells at most `reach` apart along each axis, so that vectors of ones on cells
    further apart than that read many diagonal entries at once: about (reach + 1)^d products with
    A for a cross of reach 1 in d dimensions, times the channels, for each solve. Entries of cells
    that couple beyond the reach are approximate, which slows the solve but leaves its result as it
    is.

    Args:
        reach: Largest distance [cells] of a coupling.

    Example:
        >>> v = torch.ones(1, 1, 4)
        >>> Jacobi().build(lambda v: 4 * v, like=v)(v).tolist()
        [[[0.25, 0.25, 0.25, 0.25]]]
    """

    def __init__(self, reach: int = 1) -> None:
        if reach < 1:
            raise ValueError(f"Jacobi.reach must be at least 1 cell, got {reach}.")
        self.reach = reach

    def build(self, A: Map, like: Vector) -> Map:
        diagonal = torch.zeros_like(like)
        with torch.no_grad():
            for probe in self.probes(like):
                diagonal = diagonal + probe * A(probe.expand_as(like)).detach()
        usable = torch.isfinite(diagonal) & (diagonal != 0)
        inverse = 1 / torch.where(usable, diagonal, torch.ones_like(diagonal))
        return lambda v: inverse * v

    def probes(self, like: Vector) -> list[Tensor]:
        """Return vectors of zeros and ones whose sum is 1 everywhere.

        The ones of a vector are further apart than the reach, so that each reads its own diagonal
        entry.
        """
        channels, *space = like.shape[1:] if like.dim() > 2 else (1, *like.shape[1:])
        colours = [self.colours(size).to(like.device) for size in space]
        found = []
        for channel in range(channels):
            for colour in product(*(axis.unique().tolist() for axis in colours)):
                mask = like.new_zeros(1, channels, *space)
                inside = like.new_ones(())
                for axis, wanted in zip(colours, colour, strict=True):
                    inside = inside.unsqueeze(-1) * (axis == wanted)
                mask[0, channel] = inside
                found.append(mask.view(1, *like.shape[1:]))
        return found

    def colours(self, size: int) -> Tensor:
        """Return a number for each cell of a periodic axis; equal ones are beyond the reach."""
        period = self.reach + 1
        regular = size - size % period if size >= period else 0
        return torch.cat((torch.arange(regular) % period, period + torch.arange(size - regular)))
