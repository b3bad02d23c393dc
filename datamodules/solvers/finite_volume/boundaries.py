"""Boundary conditions at the ends of an axis.

A wall gives the value at the wall itself, half a cell beyond the centre of the last cell, as
φ_wall = p φ_inner + q: Dirichlet's p = 0, Neumann's p = 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume.stencil import Stencil

Weights = tuple[Tensor, Tensor]
Number: TypeAlias = float | Tensor


class Wall(ABC):
    """Condition at one end of an axis.

    Example:
        A wall of your own, which gives off heat in proportion to its value, ∂φ/∂n = -h φ_wall. With
        φ_wall = φ_inner + Δ/2 ∂φ/∂n follows p = 1/(1 + h Δ/2):

        >>> class Robin(Wall):
        ...     names = ()
        ...     def face(self, fields, spacing):
        ...         return 1 / (1 + 2.0 * spacing / 2), 0.0
        >>> Robin().face({}, spacing=1.0)
        (0.5, 0.0)
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Fields that it reads."""

    @abstractmethod
    def face(self, fields: Mapping[str, Tensor], spacing: float) -> tuple[float, Number]:
        """Return p and q of φ_wall = p φ_inner + q.

        Args:
            fields: Coefficients by name, for conditions given by name.
            spacing: Width of a cell across the wall [L].
        """


def coefficient_names(given: float | str) -> tuple[str, ...]:
    """Return the name of the coefficient that a condition uses; empty for a number."""
    return (given,) if isinstance(given, str) else ()


def given_value(given: float | str, fields: Mapping[str, Tensor]) -> Number:
    """Return a number, or the field of that name: one number, or one per cell of the wall."""
    return fields[given] if isinstance(given, str) else given


@dataclass(frozen=True)
class Dirichlet(Wall):
    """Dirichlet condition: given value at the wall, φ_wall = g.

    Args:
        value: Value g, a number or the name of a coefficient.

    Example:
        >>> Dirichlet(3.0).face({}, spacing=0.5)
        (0.0, 3.0)
    """

    value: float | str = 0.0

    def __post_init__(self) -> None:
        check_finite("Dirichlet", value=self.value)

    @property
    def names(self) -> tuple[str, ...]:
        return coefficient_names(self.value)

    def face(self, fields: Mapping[str, Tensor], spacing: float) -> tuple[float, Number]:
        return 0.0, given_value(self.value, fields)


@dataclass(frozen=True)
class Neumann(Wall):
    """Neumann condition: given slope ∂φ/∂n = g along the outward normal; 0 insulates.

    Args:
        slope: Slope g [φ/L], a number or the name of a coefficient.

    Example:
        With slope 2 the value at the wall is half a cell's rise of 0.5 above the inner one:

        >>> Neumann(2.0).face({}, spacing=0.5)
        (1.0, 0.5)
    """

    slope: float | str = 0.0

    def __post_init__(self) -> None:
        check_finite("Neumann", slope=self.slope)

    @property
    def names(self) -> tuple[str, ...]:
        return coefficient_names(self.slope)

    def face(self, fields: Mapping[str, Tensor], spacing: float) -> tuple[float, Number]:
        return 1.0, 0.5 * spacing * given_value(self.slope, fields)


class Boundary(ABC):
    """Conditions at both ends of one axis: `Periodic`, or `Walls`."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Fields that it reads."""

    @abstractmethod
    def stencil(
        self,
        axis: int,
        spacing: float,
        faces: Weights,
        low: Weights,
        high: Weights,
        fields: Mapping[str, Tensor],
    ) -> Stencil:
        """Return the tendency by the fluxes along an axis.

        Args:
            axis: Number of the axis, counted from the end.
            spacing: Width Δ of a cell [L].
            faces: Weights a and b of the cells below and above the face above each cell.
            low: Weights of the value at the low wall and of the cell inside, in the flux through
                it; fluxes are positive towards higher coordinates.
            high: The same for the high wall.
            fields: Values of named conditions.
        """


@dataclass(frozen=True)
class Periodic(Boundary):
    """Periodic axis, whose ends meet.

    Example:
        >>> Periodic().names
        ()
    """

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    def stencil(
        self,
        axis: int,
        spacing: float,
        faces: Weights,
        low: Weights,
        high: Weights,
        fields: Mapping[str, Tensor],
    ) -> Stencil:
        a, b = faces
        return Stencil({axis: (a / spacing, b / spacing)})


@dataclass(frozen=True)
class Walls(Boundary):
    """Walls at both ends of an axis.

    Args:
        low: Wall at the start of the axis.
        high: Wall at its end.

    Example:
        Held at a value at the start of the axis, insulated at its end:

        >>> walls = Walls(low=Dirichlet("feed"), high=Neumann())
        >>> walls.names
        ('feed',)
    """

    low: Wall
    high: Wall

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.low.names, *self.high.names)

    def stencil(
        self,
        axis: int,
        spacing: float,
        faces: Weights,
        low: Weights,
        high: Weights,
        fields: Mapping[str, Tensor],
    ) -> Stencil:
        a, b = faces
        cells = a.new_ones(a.shape[axis], *[1] * (-axis - 1))
        inside = cells / spacing
        inside[-1] = 0
        total = Stencil({axis: (a * inside, b * inside)})
        for end, wall, (outer, inner), sign in (
            (0, self.low, low, 1),
            (-1, self.high, high, -1),
        ):
            p, q = wall.face(fields, spacing)
            edge = 0 * cells
            edge[end] = sign / spacing
            diagonal = edge * (p * outer + inner).unsqueeze(axis)
            total = total + Stencil({}, diagonal, edge * (q * outer).unsqueeze(axis))
        return total
