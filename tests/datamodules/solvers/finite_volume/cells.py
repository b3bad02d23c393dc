"""Balances for tests, and the finite-volume formulas written out cell by cell."""

import math

import numpy as np
import torch

from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import Balance, Domain

TRACER = (Variable("phi", "tracer", "1"),)


def line(cells, length=2 * math.pi):
    return Grid((cells,), (length,))


def rectangle(rows, columns):
    return Grid((rows, columns), (2 * math.pi, math.pi))


def balance(grid, boundaries=None, **terms):
    return Balance(Domain(grid, boundaries), TRACER, terms)


def matrix(apply, shape):
    """The linear part of an affine map of one field, as a dense matrix, and its constant."""
    constant = apply(torch.zeros(1, 1, *shape)).flatten()
    columns = [
        apply(e.view(1, 1, *shape)).flatten() - constant for e in torch.eye(math.prod(shape))
    ]
    return torch.stack(columns, 1).numpy(), constant.numpy()


def written_out(phi, u, v, D, dy, dx, inflow=None, slope=None):
    """-∇·(v φ) + ∇·(D ∇φ), upwind, on (y, x): x periodic; y periodic, or walls.

    With walls: φ = `inflow` at the low one, ∂φ/∂n = `slope` at the high one.
    """
    rows, columns = phi.shape
    result = np.zeros_like(phi)
    for j in range(rows):
        for i in range(columns):
            for dj, di, width in ((0, 1, dx), (0, -1, dx), (1, 0, dy), (-1, 0, dy)):
                J, I = j + dj, (i + di) % columns
                speed = v if dj else u
                if inflow is None or 0 <= J < rows:
                    J %= rows
                    outward = 0.5 * (speed[j, i] + speed[J, I]) * (dj + di)
                    carried = phi[j, i] if outward > 0 else phi[J, I]
                    gradient = (phi[J, I] - phi[j, i]) / width
                    face_D = 0.5 * (D[j, i] + D[J, I])
                else:
                    outward, face_D = speed[j, i] * dj, D[j, i]
                    wall = inflow if J < 0 else phi[j, i] + 0.5 * width * slope
                    carried = phi[j, i] if outward > 0 else wall
                    gradient = (wall - phi[j, i]) / (0.5 * width)
                result[j, i] -= (outward * carried - face_D * gradient) / width
    return result
