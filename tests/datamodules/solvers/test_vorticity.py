import math

import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.operators import dealias_mask, to_field, to_spectrum
from datamodules.solvers.pseudo_spectral.vorticity import (
    energy,
    enstrophy,
    streamfunction,
    velocity,
    vorticity_of,
)

GRID = Grid((24, 32), (2 * math.pi, 6 * math.pi))


def band_limited():
    noise = torch.randn(2, 24, 32)
    hat = to_spectrum(noise, GRID) * dealias_mask(GRID)
    hat[..., 0, 0] = 0
    return to_field(hat, GRID)


def test_velocity_of_one_wave():
    # zeta = cos(2y + x/3): psi = -zeta/(4 + 1/9), u = -psi_y, v = psi_x
    y, x = GRID.points()
    total = 4 + 1 / 9
    u, v = velocity(torch.cos(2 * y + x / 3), GRID)
    assert_close(u, -2 * torch.sin(2 * y + x / 3) / total)
    assert_close(v, torch.sin(2 * y + x / 3) / 3 / total)


def test_curl_of_velocity_is_the_vorticity():
    vorticity = band_limited()
    assert_close(vorticity_of(*velocity(vorticity, GRID), GRID), vorticity)


def test_velocity_has_no_divergence():
    u, v = velocity(band_limited(), GRID)
    l, k = GRID.wavenumbers()
    divergence = to_field(1j * k * to_spectrum(u, GRID) + 1j * l * to_spectrum(v, GRID), GRID)
    assert_close(divergence, torch.zeros_like(divergence))


def differentiation(points, length):
    """Return the matrix of ∂ on an even periodic grid: ½ (-1)^(i - j) cot((i - j) h/2) 2π/L."""
    apart = torch.arange(points)[:, None] - torch.arange(points)
    half = math.pi * apart / points + math.pi / 2 * torch.eye(points)  # cot is 0 on the diagonal
    return (1.0 - 2 * (apart % 2)) / 2 / torch.tan(half) * 2 * math.pi / length


def test_derivatives_of_what_is_not_band_limited_are_those_of_the_differentiation_matrix():
    # white noise fills the Nyquist modes, whose derivative the matrix has as zero
    vorticity = torch.randn(2, 24, 32)
    along_y, along_x = differentiation(24, 2 * math.pi), differentiation(32, 6 * math.pi)
    psi = streamfunction(vorticity, GRID)
    u, v = velocity(vorticity, GRID)
    assert_close(u, -along_y @ psi)
    assert_close(v, psi @ along_x.T)
    assert_close(vorticity_of(u, v, GRID), v @ along_x.T - along_y @ u)


def test_positive_vortex_turns_counter_clockwise():
    y, x = GRID.points()
    blob = torch.exp(-4 * ((x - 3 * math.pi) ** 2 + (y - math.pi) ** 2))
    _, v = velocity(blob - blob.mean(), GRID)
    assert v[12, 18] > 0  # east of the centre (row 12, column 16) the flow goes north
    assert v[12, 14] < 0


def test_laplacian_of_streamfunction_is_the_vorticity():
    y, x = GRID.points()
    psi = torch.cos(2 * y) * torch.sin(x / 3)
    assert_close(streamfunction(-(4 + 1 / 9) * psi, GRID), psi)


def test_energy_and_enstrophy_are_domain_means_with_the_half():
    vorticity = band_limited()
    u, v = velocity(vorticity, GRID)
    assert_close(energy(vorticity, GRID), 0.5 * (u**2 + v**2).mean((-2, -1)))
    # zeta = 3 cos 2y: mean of ½ · 9 cos² = 9/4; u = 1.5 sin 2y in size: mean of ½ · 2.25 sin²
    y, _ = GRID.points()
    assert_close(enstrophy(3 * torch.cos(2 * y)), torch.tensor(9 / 4))
    assert_close(energy(3 * torch.cos(2 * y), GRID), torch.tensor(2.25 / 4))
