r"""Smooth random initial fields, by Gaussian-process interpolation of noise on a coarse lattice.

    φ(x) = Σ_j k(x, x_j) α_j,    (k(x_i, x_j) + ε δ_ij) α_j = ξ_i,    k = exp(-|x - x'|²/(2 ℓ²))

with ξ ~ U(0, 1) on the lattice points and ε = 1e-10, mapped to [0, 1], as in Akhare et al. (2025),
arXiv:2504.02260. The kernel is a product over the axes, so that two small eigenproblems replace the
large system. The field is not periodic.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.grid import Grid
from datamodules.solvers.initial_conditions import InitialCondition

NUGGET = 1e-10


class InterpolatedNoise(InitialCondition):
    """Gaussian-process mean through uniform noise on a lattice, mapped to [0, 1].

    Args:
        lattice: Number of lattice points along each axis, (y, x) or (x,), the edges included.
        shortest: Smallest length scale ℓ [L]; each state draws its own.
        longest: Largest length scale ℓ [L].

    Raises:
        ValueError: The lattice is too small, or the lengths are not positive and in order.

    Example:
        >>> noise = InterpolatedNoise(lattice=(5,), shortest=0.3, longest=0.4)
        >>> generator = torch.Generator().manual_seed(0)
        >>> state = noise.sample(Grid((32,), (1.0,)), 1, generator)
        >>> tuple(state.shape), state.min().item(), state.max().item()
        ((1, 32), 0.0, 1.0)
    """

    def __init__(
        self, lattice: Sequence[int] = (10, 30), shortest: float = 0.3, longest: float = 0.38
    ) -> None:
        check_finite("InterpolatedNoise", shortest=shortest, longest=longest)
        if min(lattice) < 2 or not 0 < shortest <= longest:
            raise ValueError(
                "InterpolatedNoise needs lattices of at least 2 points and 0 < shortest <= "
                f"longest, got lattice={tuple(lattice)}, shortest={shortest}, longest={longest}."
            )
        self.lattice, self.shortest, self.longest = tuple(lattice), shortest, longest

    def sample(self, grid: Grid, channels: int, generator: torch.Generator) -> Tensor:
        if len(self.lattice) != grid.dimensions:
            raise ValueError(
                f"InterpolatedNoise.lattice must have one entry for each axis, {grid.dimensions}, "
                f"got {self.lattice}."
            )
        part = torch.rand((), generator=generator, dtype=torch.float64)
        length = self.shortest + (self.longest - self.shortest) * part
        weights = torch.rand((channels, *self.lattice), generator=generator, dtype=torch.float64)
        total, crossings = torch.ones((), dtype=torch.float64), []
        for axis, count in enumerate(self.lattice):
            extent, cells = grid.lengths[axis], grid.shape[axis]
            nodes = torch.linspace(0, extent, count, dtype=torch.float64)
            centres = (torch.arange(cells, dtype=torch.float64) + 0.5) * (extent / cells)
            values, vectors = torch.linalg.eigh(kernel(nodes, nodes, length))
            total = total[..., None] * values
            weights = along(vectors.T, weights, axis + 1)
            crossings.append(kernel(centres, nodes, length) @ vectors)
        weights = weights / (total.clamp(min=0) + NUGGET)
        for axis, crossing in enumerate(crossings):
            weights = along(crossing, weights, axis + 1)
        low, high = (weights.amin(grid.axes, keepdim=True), weights.amax(grid.axes, keepdim=True))
        return (weights - low) / (high - low)


def kernel(a: Tensor, b: Tensor, length: Tensor) -> Tensor:
    """Return the Gaussian kernel exp(-(a_i - b_j)²/(2 ℓ²)) between points a and b."""
    return torch.exp(-0.5 * ((a[:, None] - b) / length) ** 2)


def along(matrix: Tensor, field: Tensor, axis: int) -> Tensor:
    """Return the product of a matrix with one axis of a field."""
    return torch.movedim(torch.tensordot(matrix, field, ([1], [axis])), 0, axis)
