r"""Terms of a balance ∂φ/∂t = Σ terms, each affine in φ for given fields.

    Convection   -∇·(v φ)
    Diffusion    ∇·(D ∇φ)
    Decay        -r φ
    Source       s

The fields v, D, r, s are given by name. A name may denote a number, a known or learned field, a
function of the state, or a variable itself: with v = φ convection is nonlinear.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume.domain import Domain
from datamodules.solvers.finite_volume.schemes import ConvectionScheme, FaceMean, Upwind, arithmetic
from datamodules.solvers.finite_volume.stencil import Stencil

Fields = Mapping[str, Tensor]


class AtState(dict[str, Tensor]):
    """Fields at a state of a solver's iteration, which may not be finite."""


class Term(nn.Module, ABC):
    """One term of the balance of one variable.

    Args:
        names: Names of the fields that it reads.
        variable: Variable in whose balance the term is; the first by default.

    Example:
        A term of your own, quadratic drag -c |φ| φ, with |φ| lagged:

        >>> import torch
        >>> from datamodules.solvers import Grid
        >>> class Drag(Term):
        ...     def assemble(self, fields, domain):
        ...         return Stencil(diagonal=-fields["c"] * fields["u"].abs())
        >>> u = torch.tensor([[1.0, -2.0, 3.0, 4.0]])
        >>> fields = {"c": torch.tensor(0.5), "u": u}
        >>> Drag(("c", "u")).assemble(fields, Domain(Grid((4,), (4.0,))))(u).tolist()
        [[-0.5, 2.0, -4.5, -8.0]]
    """

    def __init__(self, names: Sequence[str], variable: str | None = None) -> None:
        super().__init__()
        self.names = tuple(names)
        self.variable = variable

    @abstractmethod
    def assemble(self, fields: Fields, domain: Domain) -> Stencil:
        """Return the term as a stencil, affine in the variable of its balance.

        Args:
            fields: Fields by name, each a number, (*space) or (batch, *space).
            domain: Cells and boundaries of the variable.
        """


def edge(field: Tensor, axis: int, end: int) -> Tensor:
    """Return the cells at one end of an axis, with the axis removed."""
    return field.select(axis, end)


class Convection(Term):
    """Convection -f ∇·(v φ), conservative.

    Args:
        velocity: Names of the components of v [L/T], in the order of the axes: (y, x) or (x,).
        scheme: Scheme for the value of φ on the faces; `Upwind` by default.
        factor: Factor f; ½ with v = φ gives Burgers' ½ ∇·(φ φ).
        variable: Variable in whose balance the term is; the first by default.

    Example:
        >>> import torch
        >>> from datamodules.solvers import Grid
        >>> domain = Domain(Grid((4,), (4.0,)))
        >>> phi = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> Convection(("u",)).assemble({"u": torch.tensor(1.0)}, domain)(phi).tolist()
        [[-1.0, 1.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        velocity: Sequence[str],
        scheme: ConvectionScheme | None = None,
        factor: float = 1.0,
        variable: str | None = None,
    ) -> None:
        check_finite("Convection", factor=factor)
        super().__init__(velocity, variable)
        self.velocity = tuple(velocity)
        self.scheme = scheme or Upwind()
        self.factor = factor

    def assemble(self, fields: Fields, domain: Domain) -> Stencil:
        axes = domain.grid.axes
        if len(self.velocity) != len(axes):
            raise ValueError(
                f"Convection.velocity must name one component for each axis, {len(axes)}, got "
                f"{self.velocity}."
            )
        total = Stencil()
        for axis, name in zip(axes, self.velocity, strict=True):
            u = self.factor * domain.whole(fields[name])
            low = self.scheme.wall(edge(u, axis, 0))
            outer, inner = self.scheme.wall(-edge(u, axis, -1))
            high = (-outer, -inner)
            faces = self.scheme.faces(u, u.roll(-1, axis))
            boundary, width = domain.boundaries[axis], domain.spacing[axis]
            total = total + boundary.stencil(axis, width, faces, low, high, fields)
        return total


class Diffusion(Term):
    """Diffusion ∇·(D ∇φ), conservative and of second order.

    Args:
        diffusivity: Name of D [L²/T], not negative.
        mean: Mean of D on a face from the two adjacent cells; at a wall D is the cell's own.
        variable: Variable in whose balance the term is; the first by default.

    Raises:
        ValueError: D is negative somewhere, or not a number though it does not follow from a
            state.

    Example:
        >>> import torch
        >>> from datamodules.solvers import Grid
        >>> domain = Domain(Grid((4,), (4.0,)))
        >>> phi = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> Diffusion("D").assemble({"D": torch.tensor(1.0)}, domain)(phi).tolist()
        [[-2.0, 1.0, 0.0, 1.0]]
    """

    def __init__(
        self, diffusivity: str, mean: FaceMean = arithmetic, variable: str | None = None
    ) -> None:
        super().__init__((diffusivity,), variable)
        self.diffusivity = diffusivity
        self.mean = mean

    def assemble(self, fields: Fields, domain: Domain) -> Stencil:
        D = domain.whole(fields[self.diffusivity])
        least = D.detach().amin()
        if not least >= 0 and isinstance(fields, AtState):
            least = D.detach().masked_fill(~D.isfinite(), 0.0).amin()
        if not least >= 0:
            raise ValueError(
                f"The diffusivity '{self.diffusivity}' must not be negative, got {least.item():g}; "
                "a learned one needs an output that cannot be, such as softplus."
            )
        total = Stencil()
        for axis, width in domain.spacing.items():
            face = self.mean(D, D.roll(-1, axis)) / width
            low, high = (2 / width * edge(D, axis, end) for end in (0, -1))
            total = total + domain.boundaries[axis].stencil(
                axis, width, (face, -face), (low, -low), (-high, high), fields
            )
        return total


class Decay(Term):
    """Linear decay -r φ.

    Args:
        rate: Name of r [1/T]; positive damps.
        variable: Variable in whose balance the term is; the first by default.

    Example:
        >>> import torch
        >>> from datamodules.solvers import Grid
        >>> domain = Domain(Grid((4,), (4.0,)))
        >>> Decay("r").assemble({"r": torch.tensor(2.0)}, domain)(torch.ones(1, 4)).tolist()
        [[-2.0, -2.0, -2.0, -2.0]]
    """

    def __init__(self, rate: str, variable: str | None = None) -> None:
        super().__init__((rate,), variable)
        self.rate = rate

    def assemble(self, fields: Fields, domain: Domain) -> Stencil:
        return Stencil(diagonal=-domain.whole(fields[self.rate]))


class Source(Term):
    """Source s, given or learned.

    Args:
        source: Name of s [φ/T].
        variable: Variable in whose balance the term is; the first by default.

    Example:
        >>> import torch
        >>> from datamodules.solvers import Grid
        >>> domain = Domain(Grid((4,), (4.0,)))
        >>> Source("s").assemble({"s": torch.tensor(3.0)}, domain)(torch.ones(1, 4)).tolist()
        [[3.0, 3.0, 3.0, 3.0]]
    """

    def __init__(self, source: str, variable: str | None = None) -> None:
        super().__init__((source,), variable)
        self.source = source

    def assemble(self, fields: Fields, domain: Domain) -> Stencil:
        return Stencil(constant=domain.whole(fields[self.source]))
