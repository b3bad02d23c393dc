"""Linear systems with constant matrices: the steps of an affine, steady balance."""

from torch import Tensor

from datamodules.solvers.finite_volume.matrix import Matrix
from datamodules.solvers.implicit.residual import AffineMap, Map, Residual


class System(Residual):
    """Residual A z - P u - g of a step from u whose coefficients are steady.

    Of each step only u and z need be kept for the backward pass.

    Args:
        explicit: P; its tensors are inputs, after u.
        implicit: A; its tensors are inputs, after the tensors of P. g comes last, if there is one.
    """

    def __init__(self, explicit: Matrix, implicit: Matrix) -> None:
        self.explicit = explicit
        self.implicit = implicit

    def bind(self, *inputs: Tensor) -> Map:
        state, *tensors = inputs
        first = len(self.explicit.tensors())
        second = first + len(self.implicit.tensors())
        known = self.explicit.with_tensors(tensors[:first])(state)
        for constant in tensors[second:]:
            known = known + constant
        return BoundSystem(self.implicit.with_tensors(tensors[first:second]), known)


class BoundSystem(AffineMap):
    """Affine map z ↦ A z - b of a matrix by rows.

    Args:
        matrix: A.
        known: b.
    """

    def __init__(self, matrix: Matrix, known: Tensor) -> None:
        self.matrix = matrix
        self.known = known
        self._transposed: Matrix | None = None

    def __call__(self, z: Tensor) -> Tensor:
        return self.matrix(z) - self.known

    def linear(self, v: Tensor) -> Tensor:
        return self.matrix(v)

    def transposed(self, w: Tensor) -> Tensor:
        self._transposed = self._transposed or self.matrix.transposed()
        return self._transposed(w)
