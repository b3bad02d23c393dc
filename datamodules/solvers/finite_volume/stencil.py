r"""The discrete form of every linear term: two-point fluxes through faces, and local parts.

On each axis with cells of width Δ the flux through the face between cells i and i + 1 is

    F_{i+½} = a_{i+½} φ_i + b_{i+½} φ_{i+1},

and the tendency of φ is

    K φ = -Σ_axes (F_{i+½} - F_{i-½})/Δ + σ φ + γ.

Without σ and γ the sum of φ over the cells is conserved exactly. Stencils add up, so that any
number of terms costs one sweep.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from datamodules.solvers.finite_volume.matrix import Rows

Faces = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Stencil:
    """Affine map of a scalar field (batch, *space) to its tendency.

    Args:
        faces: For each axis, counted from the end, a/Δ and b/Δ on the face above each cell; the
            last is the face that closes a periodic axis, 0 where there are walls.
        diagonal: σ [1/T], or None.
        constant: γ [φ/T], or None.

    Example:
        One cell a time unit to the right, along a periodic axis:

        >>> carried = Stencil({-1: (torch.ones(4), torch.zeros(4))})
        >>> carried(torch.tensor([[1.0, 0.0, 0.0, 0.0]])).tolist()
        [[-1.0, 1.0, 0.0, 0.0]]
    """

    faces: dict[int, Faces] = field(default_factory=dict)
    diagonal: Tensor | None = None
    constant: Tensor | None = None

    def __call__(self, phi: Tensor) -> Tensor:
        total = None if self.diagonal is None else self.diagonal * phi
        for axis, (a, b) in self.faces.items():
            flux = torch.addcmul(a * phi, b, phi.roll(-1, axis))
            inflow = flux.roll(1, axis)
            total = (inflow if total is None else total + inflow) - flux
        total = torch.zeros_like(phi) if total is None else total
        return total if self.constant is None else total + self.constant

    def rows(self, factor: float | Tensor) -> Rows:
        """Return the rows of φ ↦ φ + f K φ, without γ.

        Args:
            factor: f [T], a number or one for each cell.
        """
        centre = 1.0 if self.diagonal is None else 1 + factor * self.diagonal
        sides = {}
        for axis, (a, b) in self.faces.items():
            low, high = a.roll(1, axis), b.roll(1, axis)
            centre = centre + factor * (high - a)
            sides[axis] = factor * low, -factor * b
        return Rows(torch.as_tensor(centre), sides)

    def __add__(self, other: "Stencil") -> "Stencil":
        faces = dict(self.faces)
        for axis, (a, b) in other.faces.items():
            mine = faces.get(axis)
            faces[axis] = (a, b) if mine is None else (mine[0] + a, mine[1] + b)
        return Stencil(
            faces, plus(self.diagonal, other.diagonal), plus(self.constant, other.constant)
        )


def plus(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Return a + b, where None counts as zero."""
    if a is None or b is None:
        return b if a is None else a
    return a + b
