"""Spectra of energy and enstrophy.

A density has one number per mode of the half spectrum, with both modes of a conjugate pair in one
number, so that its sum is the domain mean. The isotropic, zonal and meridional spectra are its sums
over rings, columns and rows.
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
    """Return ½|f̂|² of every mode, which adds up to the domain mean of ½f².

    Args:
        field: Real fields (..., *grid.shape); for vorticity the result is enstrophy.
        grid: Periodic grid of the fields.

    Returns:
        Densities (..., *grid.spectrum_shape), in squared units of the field.

    Example:
        >>> from math import pi
        >>> grid = Grid((8,), (2 * pi,))
        >>> variance_density(grid.points()[0].sin(), grid).numpy().round(6).tolist()
        [0.0, 0.25, 0.0, 0.0, 0.0]
    """
    spectrum = to_spectrum(field, grid)
    power = spectrum.real.square() + spectrum.imag.square()
    return 0.5 * power * parseval_weights(grid, field.dtype, field.device)


def energy_density(vorticity: Field, grid: Grid) -> Density:
    """Return ½|ζ̂|²/|k|² of every mode, which adds up to the domain mean of ½(u² + v²).

    Args:
        vorticity: Vorticity ζ [1/T].
        grid: Doubly periodic grid of the fields.

    Returns:
        Densities [L²/T²] (..., *grid.spectrum_shape).

    Example:
        The vorticity sin(2x) has the velocity -½cos(2x), with the energy 1/16:

        >>> from math import pi
        >>> grid = Grid((8, 8), (2 * pi, 2 * pi))
        >>> density = energy_density((2 * grid.points()[1]).sin(), grid)
        >>> round(density[0, 2].item(), 6), round(density.sum().item(), 6)
        (0.0625, 0.0625)
    """
    inverse = inverse_squared_wavenumber(grid).to(vorticity)
    return variance_density(vorticity, grid) * inverse


def spacing(grid: Grid) -> float:
    """Return the width of a ring [1/L]: the largest of the lowest wavenumbers of the axes.

    Example:
        >>> from math import pi
        >>> spacing(Grid((8, 8), (2 * pi, 4 * pi)))
        1.0
    """
    return max(2 * torch.pi / length for length in grid.lengths)


@lru_cache(maxsize=32)
def ring_numbers(grid: Grid) -> Int[Tensor, "*spectrum"]:
    """Return the ring n of every mode: (n - ½) Δk < |k| <= (n + ½) Δk with Δk the `spacing`.

    Example:
        >>> from math import pi
        >>> ring_numbers(Grid((4, 4), (2 * pi, 2 * pi))).tolist()
        [[0, 1, 2], [1, 1, 2], [2, 2, 3], [1, 1, 2]]
    """
    number = torch.ceil(squared_wavenumber(grid).sqrt() / spacing(grid) - 0.5)
    return number.long()


def ring_count(grid: Grid) -> int:
    """Return the number of rings, the mean included, that lie within the resolved wavenumbers.

    Example:
        >>> ring_count(Grid((8, 8), (1.0, 1.0)))
        5
    """
    highest = min(
        size / 2 * 2 * torch.pi / length
        for size, length in zip(grid.shape, grid.lengths, strict=True)
    )
    return int(highest / spacing(grid) + 1e-9) + 1


def isotropic(density: Float[Tensor, "*any"], grid: Grid) -> Spectrum:
    """Return the isotropic spectrum: the sum of a density over each ring.

    Ring n has |k| near n times the `spacing`. Modes in the corners of the spectrum, beyond the last
    whole ring, belong to none.

    Args:
        density: Densities (..., *grid.spectrum_shape).
        grid: Periodic grid of the fields.

    Returns:
        Spectra (..., ring).

    Example:
        >>> isotropic(torch.ones(4, 3), Grid((4, 4), (1.0, 1.0))).tolist()
        [1.0, 5.0, 5.0]
    """
    count = ring_count(grid)
    rings = ring_numbers(grid).clamp_max(count).flatten().to(density.device)
    modes = density.flatten(-grid.dimensions)
    total = modes.new_zeros(*modes.shape[:-1], count + 1)
    return total.index_add_(-1, rings, modes)[..., :count]


def zonal(density: Density) -> Float[Tensor, "*batch k"]:
    """Return the zonal spectrum: the sum of a density over l, modes 0 .. N/2 along x.

    Example:
        >>> zonal(torch.ones(4, 3)).tolist()
        [4.0, 4.0, 4.0]
    """
    return density.sum(-2)


def meridional(density: Density) -> Float[Tensor, "*batch m"]:
    """Return the meridional spectrum: the sum of a density over k and ±l, modes 0 .. N/2 along y.

    Example:
        >>> meridional(torch.ones(4, 3)).tolist()
        [3.0, 6.0, 3.0]
    """
    rows = density.sum(-1)
    half = rows.shape[-1] // 2
    folded = rows[..., : half + 1].clone()
    folded[..., 1:half] += rows[..., half + 1 :].flip(-1)
    return folded
