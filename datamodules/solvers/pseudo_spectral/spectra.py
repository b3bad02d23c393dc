"""How energy and enstrophy are shared among scales.

A density has one number per mode of the half spectrum, conjugate pairs counted once for both, so
that its sum is the domain mean. Rings, rows and columns of it are the isotropic, zonal and
meridional spectra.
"""

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datamodules.solvers.grid import Grid
from datamodules.solvers.pseudo_spectral.operators import (
    inverse_squared_wavenumber,
    parseval_weights,
    squared_wavenumber,
    to_spectrum,
)

Field = Float[Tensor, "*batch y x"]
Density = Float[Tensor, "*batch l k"]
Spectrum = Float[Tensor, "*batch ring"]


def variance_density(field: Float[Tensor, "*any"], grid: Grid) -> Float[Tensor, "*any2"]:
    """Return ½|f̂|² of every mode; its sum is the domain mean of ½f². Of vorticity: enstrophy."""
    spectrum = to_spectrum(field, grid)
    power = spectrum.real.square() + spectrum.imag.square()
    return 0.5 * power * parseval_weights(grid, field.dtype, field.device)


def energy_density(vorticity: Field, grid: Grid) -> Density:
    """Return ½|ζ̂|²/|k|² of every mode; its sum is the domain mean of ½(u² + v²)."""
    inverse = inverse_squared_wavenumber(grid).to(vorticity)
    return variance_density(vorticity, grid) * inverse


def spacing(grid: Grid) -> float:
    """Return the width of a ring [1/L]: the largest of the lowest wavenumbers of the axes."""
    return max(2 * torch.pi / length for length in grid.lengths)


@lru_cache(maxsize=32)
def ring_numbers(grid: Grid) -> Int[Tensor, "*spectrum"]:
    """Return n of every mode, with (n - ½) Δk < |k| <= (n + ½) Δk and Δk the `spacing`."""
    number = torch.ceil(squared_wavenumber(grid).sqrt() / spacing(grid) - 0.5)
    return number.long()


def ring_count(grid: Grid) -> int:
    """Return how many rings, the mean included, lie whole within the resolved wavenumbers."""
    highest = min(
        size / 2 * 2 * torch.pi / length
        for size, length in zip(grid.shape, grid.lengths, strict=True)
    )
    return int(highest / spacing(grid) + 1e-9) + 1


def isotropic(density: Float[Tensor, "*any"], grid: Grid) -> Spectrum:
    """Return the sum of a density over each ring; ring n has |k| near n times the `spacing`.

    Modes in the corners of the spectrum, beyond the last whole ring, belong to none.
    """
    count = ring_count(grid)
    rings = ring_numbers(grid).clamp_max(count).flatten().to(density.device)
    modes = density.flatten(-grid.dimensions)
    total = modes.new_zeros(*modes.shape[:-1], count + 1)
    return total.index_add_(-1, rings, modes)[..., :count]


def zonal(density: Density) -> Float[Tensor, "*batch k"]:
    """Return the sum of a density over l: the spectrum along x, modes 0 .. N/2."""
    return density.sum(-2)


def meridional(density: Density) -> Float[Tensor, "*batch m"]:
    """Return the sum of a density over k and ±l: the spectrum along y, modes 0 .. N/2."""
    rows = density.sum(-1)
    half = rows.shape[-1] // 2
    folded = rows[..., : half + 1].clone()
    folded[..., 1:half] += rows[..., half + 1 :].flip(-1)
    return folded
