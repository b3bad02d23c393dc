import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.operators import dealias_mask, to_field, to_spectrum
from datamodules.solvers.pseudo_spectral.spectra import (
    energy_density,
    isotropic,
    meridional,
    ring_count,
    ring_numbers,
    spacing,
    variance_density,
    zonal,
)
from datamodules.solvers.pseudo_spectral.vorticity import energy, enstrophy, velocity

SQUARE = Grid((16, 16), (2 * math.pi, 2 * math.pi))
STRETCHED = Grid((16, 24), (2 * math.pi, 6 * math.pi))


@pytest.fixture(params=[SQUARE, STRETCHED])
def grid(request):
    return request.param


def test_single_mode_falls_into_one_bin_with_its_whole_energy():
    # ζ = 3 cos(3x + 4y): |k| = 5, mean of ½ζ² is 9/4, energy is that over 25
    y, x = SQUARE.points()
    density = energy_density(3 * torch.cos(3 * x + 4 * y), SQUARE)
    expected = torch.zeros(9)
    for spectrum, bin_number in (
        (isotropic(density, SQUARE), 5),
        (zonal(density), 3),
        (meridional(density), 4),
    ):
        assert_close(spectrum, expected.index_fill(0, torch.tensor(bin_number), 9 / 4 / 25))


def test_negative_meridional_wavenumbers_are_folded():
    y, x = SQUARE.points()
    density = variance_density(torch.cos(2 * x - 5 * y), SQUARE)
    assert density.argmax() == 11 * 9 + 2  # row of l = -5
    assert_close(meridional(density)[5], torch.tensor(0.25))


def test_highest_modes_are_counted_once():
    y, x = SQUARE.points()
    for field in (torch.cos(8 * y), torch.cos(8 * x)):
        density = variance_density(field, SQUARE)
        assert_close(density.sum(), torch.tensor(0.5))
        assert_close(isotropic(density, SQUARE)[8], torch.tensor(0.5))
    assert_close(meridional(variance_density(torch.cos(8 * y), SQUARE))[8], torch.tensor(0.5))


def test_sums_are_energy_and_enstrophy(grid):
    vorticity = torch.randn(3, *grid.shape)
    energies, enstrophies = energy_density(vorticity, grid), variance_density(vorticity, grid)
    assert_close(energies.sum((-2, -1)), energy(vorticity, grid))
    assert_close(enstrophies.sum((-2, -1)), enstrophy(vorticity))
    for spectrum in (zonal(energies), meridional(energies)):
        assert_close(spectrum.sum(-1), energy(vorticity, grid))


def test_energy_of_velocity_has_the_same_spectrum(grid):
    noise = to_spectrum(torch.randn(grid.shape), grid) * dealias_mask(grid)
    noise[0, 0] = 0
    vorticity = to_field(noise, grid)
    u, v = velocity(vorticity, grid)
    both = variance_density(u, grid) + variance_density(v, grid)
    assert_close(isotropic(energy_density(vorticity, grid), grid), isotropic(both, grid))


def test_rings_of_the_square_by_hand():
    rings = ring_numbers(SQUARE)
    assert rings[0, :4].tolist() == [0, 1, 2, 3]
    assert rings[1, 1] == 1  # |k| = 1.414
    assert rings[1, 2] == 2  # 2.236
    assert rings[2, 2] == 3  # 2.828
    assert rings[-1, 2] == 2  # l = -1
    assert ring_count(SQUARE) == 9


def test_only_corners_are_left_out():
    density = torch.ones(SQUARE.spectrum_shape)
    l, k = SQUARE.modes()
    inside = ((l**2 + k**2).sqrt() <= 8.5).sum()
    assert isotropic(density, SQUARE).sum() == inside


def test_rings_of_a_stretched_domain_are_as_wide_as_the_coarser_axis():
    assert spacing(STRETCHED) == pytest.approx(1.0)
    assert ring_count(STRETCHED) == 5  # along x, 12 modes of 1/3
    y, x = STRETCHED.points()
    spectrum = isotropic(variance_density(torch.cos(7 * x / 3), STRETCHED), STRETCHED)
    assert spectrum.argmax() == 2  # 7/3 = 2.33


def test_one_dimension():
    grid = Grid((16,), (22.0,))
    (x,) = grid.points()
    spectrum = isotropic(variance_density(torch.sin(2 * math.pi * 3 * x / 22), grid), grid)
    expected = torch.zeros(9)
    expected[3] = 0.25
    assert_close(spectrum, expected)
