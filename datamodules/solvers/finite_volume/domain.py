"""Cells of a finite-volume grid, and the boundaries around them."""

import torch
from torch import Tensor

from datamodules.solvers.finite_volume.boundaries import Boundary, Periodic
from datamodules.solvers.grid import Grid


class Domain:
    """Uniform cells on a rectangle, with a boundary on each axis.

    Args:
        grid: Number of cells and lengths; cell i of an axis lies between i Δ and (i + 1) Δ.
        boundaries: One for each axis, (y, x) or (x,); all periodic by default.

    Raises:
        ValueError: There is not one boundary for each axis.

    Example:
        >>> Domain(Grid((4,), (2.0,))).centres()[0].tolist()
        [0.25, 0.75, 1.25, 1.75]
    """

    def __init__(self, grid: Grid, boundaries: tuple[Boundary, ...] | None = None) -> None:
        boundaries = (Periodic(),) * grid.dimensions if boundaries is None else tuple(boundaries)
        if len(boundaries) != grid.dimensions:
            raise ValueError(
                f"Domain.boundaries must have one entry for each axis, {grid.dimensions}, got "
                f"{len(boundaries)}."
            )
        self.grid = grid
        self.boundaries = boundaries

    @property
    def spacing(self) -> dict[int, float]:
        """Width of the cells [L] along each axis, counted from the end."""
        sizes = zip(self.grid.shape, self.grid.lengths, strict=True)
        return dict(zip(self.grid.axes, (length / size for size, length in sizes), strict=True))

    def centres(self, origin: tuple[float, ...] | None = None) -> tuple[Tensor, ...]:
        """Return the coordinates [L] of the cell centres as full fields, (y, x) or (x,).

        Args:
            origin: Lower corner of the rectangle; 0 by default.
        """
        corner = origin or (0.0,) * self.grid.dimensions
        widths = self.spacing.values()
        axes = zip(self.grid.coordinates(), widths, corner, strict=True)
        return torch.meshgrid(*(x + 0.5 * h + start for x, h, start in axes), indexing="ij")

    def whole(self, value: Tensor) -> Tensor:
        """Return a coefficient expanded to the grid.

        Args:
            value: Number, field (*space), or field per sample (batch, *space).

        Returns:
            Field (*space) or (batch, *space).
        """
        # torch.broadcast_shapes takes longer than the fluxes of a small grid
        batch = value.shape[: max(0, value.dim() - self.grid.dimensions)]
        return value.expand(*batch, *self.grid.shape)
