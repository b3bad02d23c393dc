import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import GaussianField, Grid
from datamodules.solvers.pseudo_spectral.operators import dealias_mask, to_spectrum

GRID = Grid((32, 32), (2 * math.pi, 2 * math.pi))


def test_field_has_the_asked_deviation_and_no_mean():
    field = GaussianField(3.0).sample(GRID, 2, torch.Generator().manual_seed(0))
    assert_close(field.square().mean((-2, -1)).sqrt(), torch.full((2,), 3.0))
    assert_close(field.mean((-2, -1)), torch.zeros(2))


def test_spectrum_peaks_at_the_asked_wavenumber_and_is_resolved():
    field = GaussianField(1.0, wavenumber=5.0, width=0.5).sample(
        GRID, 1, torch.Generator().manual_seed(0)
    )
    power = to_spectrum(field, GRID)[0].abs().square()
    l, k = GRID.wavenumbers()
    radius = (k**2 + l**2).sqrt()
    near = (radius > 3.5) & (radius < 6.5)
    assert power[near].sum() / power.sum() > 0.99
    assert (power * (1 - dealias_mask(GRID))).sum() < 1e-20 * power.sum()


def test_same_seed_gives_the_same_field():
    draw = [GaussianField().sample(GRID, 1, torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draw)


@pytest.mark.parametrize("name", ["std", "wavenumber", "width"])
def test_non_positive_parameters_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}=-1"):
        GaussianField(**{name: -1.0})
