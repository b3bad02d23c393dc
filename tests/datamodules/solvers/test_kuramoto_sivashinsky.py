import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import GaussianField, Grid, KuramotoSivashinsky, SpectralSolver

GRID = Grid((64,), (8 * math.pi,))


def test_tendency_of_one_wave():
    # u = cos kx, k = 1/2: -u u_x = (k/2) sin 2kx, -u_xx = k² u, -u_xxxx = -k⁴ u
    (x,) = GRID.points()
    tendency = KuramotoSivashinsky(GRID).tendency(torch.cos(x / 2)[None, None])
    expected = 0.25 * torch.sin(x) + (1 / 4 - 1 / 16) * torch.cos(x / 2)
    assert_close(tendency[0, 0], expected)


def test_mean_is_conserved_and_galilean_invariance_holds():
    # u(x - ct) + c is a solution if u is: the sign and the half of the product
    solver = SpectralSolver(KuramotoSivashinsky(GRID), dt=0.01, interval=1.0)
    state = GaussianField(1.0, 0.7, 0.3).sample(GRID, 1, torch.Generator().manual_seed(0))[None]
    shift = GRID.lengths[0] / 64
    moved = solver.step(state + shift)  # speed of one cell per unit time
    assert_close(moved, torch.roll(solver.step(state), 1, -1) + shift)


def test_attractor_has_the_known_spread():
    # standard deviation of u on the attractor, 1.2 to 1.4 for long domains
    grid = Grid((128,), (100.0,))
    solver = SpectralSolver(KuramotoSivashinsky(grid), dt=0.1, interval=10.0)
    generator = torch.Generator().manual_seed(0)
    state = torch.stack([GaussianField(1.0, 0.7, 0.3).sample(grid, 1, generator) for _ in range(8)])
    trajectory = solver.rollout(state, 30)[:, 10:]
    assert 1.1 < trajectory.std() < 1.5


def test_two_dimensional_grid_is_refused():
    with pytest.raises(ValueError, match="one-dimensional grid"):
        KuramotoSivashinsky(Grid((8, 8), (1.0, 1.0)))
