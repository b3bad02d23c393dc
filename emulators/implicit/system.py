"""Linear systems with a matrix that stays, such as the steps of an affine balance."""

from torch import Tensor

from datamodules.solvers.finite_volume.matrix import Matrix
from emulators.implicit.residual import AffineMap, Map, Residual


class System(Residual):
    """F(z; b, A) = A z - b, the step of an affine balance with coefficients that stay.

    Args:
        matrix: A; its tensors are inputs, after b.
    """

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    def bind(self, *inputs: Tensor) -> Map:
        known, *tensors = inputs
        return BoundSystem(self.matrix.with_tensors(tensors), known)


class BoundSystem(AffineMap):
    """z ↦ A z - b.

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
