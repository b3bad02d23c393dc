"""Matrices of implicit steps, by rows.

    (A φ)_i = c_i φ_i + Σ_axes (l_i φ_{i-1} + h_i φ_{i+1})

A solver applies one matrix many times; by rows that costs half of what fluxes through faces do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Linear map of a scalar field (batch, *space).

    Args:
        centre: c.
        sides: For each axis, counted from the end, l and h; the axis closes on itself, so that both
            are 0 towards a wall.
    """

    centre: Tensor
    sides: dict[int, tuple[Tensor, Tensor]]

    def __call__(self, phi: Tensor) -> Tensor:
        total = self.centre * phi
        for axis, (low, high) in self.sides.items():
            size = phi.shape[axis]
            ring = torch.cat((phi.narrow(axis, size - 1, 1), phi, phi.narrow(axis, 0, 1)), axis)
            total = torch.addcmul(total, low, ring.narrow(axis, 0, size))
            total = torch.addcmul(total, high, ring.narrow(axis, 2, size))
        return total

    def transposed(self) -> "Rows":
        """Return the transposed map Aᵀ."""
        sides = self.sides.items()
        turned = {axis: (high.roll(1, axis), low.roll(-1, axis)) for axis, (low, high) in sides}
        return Rows(self.centre, turned)

    def tensors(self) -> list[Tensor]:
        """Return c, and l and h of each axis."""
        return [self.centre, *(side for sides in self.sides.values() for side in sides)]

    def with_tensors(self, tensors: Iterator[Tensor]) -> "Rows":
        """Return a map of the same form with the next tensors, in the order of `tensors`."""
        centre = next(tensors)
        return Rows(centre, {axis: (next(tensors), next(tensors)) for axis in self.sides})


class Matrix:
    """Linear map of states that does not couple variables.

    Args:
        rows: Rows of each variable; None for the identity.
    """

    def __init__(self, rows: Sequence[Rows | None]) -> None:
        self.rows = tuple(rows)

    def __call__(self, state: Tensor) -> Tensor:
        channels = zip(self.rows, state.unbind(1), strict=True)
        return stacked([field if rows is None else rows(field) for rows, field in channels])

    def transposed(self) -> "Matrix":
        """Return the transpose."""
        return Matrix([None if rows is None else rows.transposed() for rows in self.rows])

    def tensors(self) -> list[Tensor]:
        """Return the tensors of all rows."""
        return [t for rows in self.rows if rows is not None for t in rows.tensors()]

    def with_tensors(self, tensors: Sequence[Tensor]) -> "Matrix":
        """Return a matrix of the same shape with these in the order of `tensors`."""
        given = iter(tensors)
        return Matrix([None if rows is None else rows.with_tensors(given) for rows in self.rows])


def stacked(fields: Sequence[Tensor]) -> Tensor:
    """Return the state (batch, channel, *space) of fields (batch, *space)."""
    return fields[0].unsqueeze(1) if len(fields) == 1 else torch.stack(tuple(fields), 1)
