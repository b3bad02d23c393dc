r"""Preconditioning by the exact inverse of a stencil, line by line of cells.

Ordered by lines of cells along the shorter axis, the matrix of a stencil that couples a cell to
itself and its neighbours is block-tridiagonal,

    L_i x_{i-1} + D_i x_i + U_i x_{i+1} = b_i,

where a block holds all channels of a line. The block Thomas algorithm eliminates from the first
line to the last: S_i = D_i - L_i S_{i-1}⁻¹ U_{i-1}.

Reference: G. H. Golub and C. F. Van Loan, Matrix Computations, 4th ed. (2013), section 4.5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.solvers.implicit.batched import Vector
from datamodules.solvers.implicit.preconditioners.preconditioner import Preconditioner
from datamodules.solvers.implicit.residual import Map, products


class BlockTridiagonal(Preconditioner):
    """Exact inverse of a stencil of nearest neighbours between walls, for any number of channels.

    The matrix is found by probing: 3 products with A per channel in one dimension, 5 in two. The
    inverse is exact up to rounding, so that a Krylov method needs one iteration for any stiffness;
    time and memory grow as n_x (n_y channels)², n_x the longer axis.
    Couplings beyond neighbours, also those around a periodic axis, make it approximate.

    Example:
        >>> v = torch.ones(1, 1, 4)
        >>> BlockTridiagonal().build(lambda v: 4 * v, like=v)(v).tolist()
        [[[0.25, 0.25, 0.25, 0.25]]]
    """

    def build(self, A: Map, like: Vector) -> Map:
        shape = Lines.of(like)
        with torch.no_grad():
            centre, before, after, below, above = shape.read(A, like)
            diagonal = banded(centre, below, above)
            factors = factorise(diagonal, banded(before), banded(after))
        return lambda v: shape.back(thomas(*factors, shape.lines(v)))


@dataclass(frozen=True)
class Lines:
    """Order of a vector (batch, channel, *space) by lines of cells.

    Args:
        shape: Shape of the vector, without the batch.
        turned: Whether lines run along x, the last axis; else along y.
        cells: Number of lines, and of cells in a line.
    """

    shape: tuple[int, ...]
    turned: bool
    cells: tuple[int, int]

    @classmethod
    def of(cls, like: Tensor) -> "Lines":
        """Return the order for vectors of a shape."""
        space = like.shape[2:] if like.dim() > 2 else like.shape[1:]
        rows, columns = (1, *space)[-2:]
        turned = rows > columns
        return cls(tuple(like.shape[1:]), turned, (rows, columns) if turned else (columns, rows))

    def grid(self, v: Tensor) -> Tensor:
        """Return (batch, channel, line, cell)."""
        rows, columns = self.cells if self.turned else self.cells[::-1]
        fields = v.reshape(len(v), -1, rows, columns)
        return fields if self.turned else fields.mT

    def lines(self, v: Tensor) -> Tensor:
        """Return (line, batch, channel · cell, 1)."""
        return self.grid(v).permute(2, 0, 1, 3).flatten(2).unsqueeze(-1)

    def back(self, lines: Tensor) -> Tensor:
        """Return the vector of given lines."""
        count, cells = self.cells
        fields = lines.view(count, lines.shape[1], -1, cells).permute(1, 2, 0, 3)
        return (fields if self.turned else fields.mT).reshape(-1, *self.shape)

    def read(self, A: Map, like: Vector) -> list[Tensor]:
        """Return the entries of A that couple each cell to itself and to its neighbours.

        Each (batch, line, cell, channel, channel of the neighbour): itself, the line before and
        after, the cell before and after it. Cells whose i + 2j agree modulo 5 share no neighbour,
        so that one product with A reads all of them.
        """
        count, cells = self.cells
        i, j = torch.arange(count).view(-1, 1), torch.arange(cells).view(1, -1)
        colours = 5 if cells > 1 else 3
        colour = (i + 2 * j) % colours
        channels = self.grid(like).shape[1]
        probes = like.new_zeros(colours, channels, channels, count, cells)
        for channel in range(channels):
            probes[:, channel, channel] = colour == torch.arange(colours).view(-1, 1, 1)
        probes = (probes if self.turned else probes.mT).reshape(-1, 1, *self.shape)
        read = products(A, probes.expand(-1, *like.shape)).detach()
        found = self.grid(read.flatten(0, 1)).unflatten(0, (colours, channels, len(like)))
        entries = []
        for line, cell in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
            other_i, other_j = i + line, j + cell
            outside = (other_i < 0) | (other_i >= count) | (other_j < 0) | (other_j >= cells)
            theirs = (other_i + 2 * other_j) % len(found)
            picked = found[theirs, :, :, :, i, j]  # line, cell, from, batch, to
            masked = picked.masked_fill(outside[..., None, None, None].to(like.device), 0)
            entries.append(masked.permute(3, 0, 1, 4, 2))
        return entries


def banded(centre: Tensor, below: Tensor | None = None, above: Tensor | None = None) -> Tensor:
    """Return blocks (line, batch, channel · cell, channel · cell) from what cells couple to."""
    total = centre.new_zeros(())
    for band, offset in ((centre, 0), (below, -1), (above, 1)):
        if band is not None:
            entries = band.permute(1, 0, 3, 4, 2)  # line, batch, to, from, cell
            kept = entries[..., 1:] if offset < 0 else entries[..., : entries.shape[-1] - offset]
            total = total + torch.diag_embed(kept, offset)  # ..., cell, cell of the neighbour
    return total.permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)


def factorise(diagonal: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return S⁻¹, S⁻¹ L and S⁻¹ U of all lines, with S the Schur complements.

    Args:
        diagonal: Blocks D, (line, batch, cell, cell).
        before: Blocks L, which couple a line to the one before.
        after: Blocks U, which couple a line to the one after.
    """
    inverses: list[Tensor] = []
    carried: list[Tensor] = []
    for n in range(len(diagonal)):
        block = diagonal[n] - before[n] @ carried[-1] if n else diagonal[n]
        inverse, broken = torch.linalg.inv_ex(block)
        if broken.any():  # a singular block: leave its unknowns as they are
            identity = torch.eye(block.shape[-1]).to(block)
            inverse = torch.where(broken.view(-1, 1, 1) != 0, identity, inverse)
        inverses.append(inverse)
        carried.append(inverse @ after[n])
    inverse = torch.stack(inverses)
    return inverse, inverse @ before, torch.stack(carried)


def thomas(inverse: Tensor, before: Tensor, after: Tensor, b: Tensor) -> Tensor:
    """Return the solution of block-tridiagonal systems by the Thomas algorithm.

    Args:
        inverse: S⁻¹ of each line, (line, batch, cell, cell).
        before: S⁻¹ L, of the same shape.
        after: S⁻¹ U, of the same shape.
        b: Right-hand sides (line, batch, cell, 1).
    """
    forward = list((inverse @ b).unbind())
    for n in range(1, len(forward)):
        forward[n] = forward[n] - before[n] @ forward[n - 1]
    for n in range(len(forward) - 2, -1, -1):
        forward[n] = forward[n] - after[n] @ forward[n + 1]
    return torch.stack(forward)
