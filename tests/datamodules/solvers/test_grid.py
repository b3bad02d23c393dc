import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid, resample
from datamodules.solvers.pseudo_spectral.operators import dealias_mask


def test_points_include_the_left_edge_and_not_the_right():
    y, x = Grid((4, 8), (1.0, 4.0)).points()
    assert_close(y[:, 0], torch.tensor([0.0, 0.25, 0.5, 0.75]))
    assert_close(x[0], torch.arange(8) / 2)


def test_wavenumbers_are_angular_and_y_comes_first():
    l, k = Grid((4, 6), (2 * math.pi, math.pi)).wavenumbers()
    assert_close(l.flatten(), torch.tensor([0.0, 1.0, -2.0, -1.0]))
    assert_close(k.flatten(), torch.tensor([0.0, 2.0, 4.0, 6.0]))


@pytest.mark.parametrize(
    ("shape", "lengths", "message"),
    [
        ((5,), (1.0,), "even sizes"),
        ((2, 8), (1.0, 1.0), "even sizes of at least 4"),
        ((8, 8), (1.0,), "one entry"),
        ((8, 8, 8), (1.0, 1.0, 1.0), "one entry"),
        ((8,), (-1.0,), "must be positive"),
        ((8,), (math.inf,), r"lengths\[0\] must be a finite number, got inf"),
    ],
)
def test_malformed_grid_is_refused(shape, lengths, message):
    with pytest.raises(ValueError, match=message):
        Grid(shape, lengths)


def test_dealias_mask_keeps_modes_below_a_third():
    # 12 points: |m| < 4; 18 points: |m| < 6
    mask = dealias_mask(Grid((12, 18), (1.0, 1.0)))
    assert mask.sum(0).max() == 7
    assert mask.sum(1).max() == 6


@pytest.mark.parametrize("shape", [(12, 20), (48, 40), (12, 40)])
def test_resample_keeps_the_resolved_field(shape):
    grid = Grid((24, 30), (2.0, 3.0))

    def field(on):
        y, x = on.points()
        return torch.cos(2 * math.pi * (2 * y / 2 - 4 * x / 3)) + torch.sin(2 * math.pi * 5 * y / 2)

    assert_close(resample(field(grid), grid, shape), field(Grid(shape, grid.lengths)))


def test_resample_works_in_one_dimension_and_to_the_same_shape():
    grid = Grid((16,), (1.0,))
    (x,) = grid.points()
    wave = torch.sin(2 * math.pi * 3 * x)
    assert_close(resample(wave, grid, (8,)), wave[::2])
    assert resample(wave, grid, (16,)) is wave


def test_resample_drops_what_the_coarse_grid_cannot_hold():
    grid = Grid((16,), (1.0,))
    (x,) = grid.points()
    for mode in (4, 5, 7):  # 4 is the Nyquist mode of 8 points
        coarse = resample(torch.cos(2 * math.pi * mode * x), grid, (8,))
        assert_close(coarse, torch.zeros(8))


@pytest.mark.parametrize("points", [12, 100, 192, 254])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_domain_is_the_same_on_any_number_of_points_and_in_any_precision(points, kind):
    # length from the coordinates of a file: mean step times the number of points
    length = 2 * math.pi
    x = (5e3 + np.arange(points) * length / points).astype(kind).astype(np.float64)
    read = Grid((points,), (np.diff(x).mean() * points,))
    assert Grid((64,), (length,)).is_same_domain(read)
    assert read.is_same_domain(Grid((64,), (length,)))


@pytest.mark.parametrize("other", [((8,), (1.0,)), ((8, 8), (1.0, 2.01)), ((8, 8), (2.0, 1.0))])
def test_domain_with_another_length_or_number_of_axes_is_another(other):
    assert not Grid((8, 8), (1.0, 2.0)).is_same_domain(Grid(*other))
    assert not Grid(*other).is_same_domain(Grid((8, 8), (1.0, 2.0)))
