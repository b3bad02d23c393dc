"""Spectra of states, and errors between spectra."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.operators import to_field, to_spectrum
from datamodules.solvers.pseudo_spectral.spectra import (
    energy_density,
    isotropic,
    meridional,
    ring_count,
    ring_numbers,
    variance_density,
    zonal,
)
from datamodules.solvers.variable import State

EMPTY = 1e-12  # share of the energy below which modes of the data are empty


def spectra(state: State, grid: Grid, vorticity: int | None) -> Mapping[str, Tensor]:
    """Return the spectra of each state.

    Args:
        state: States in physical units.
        grid: Periodic grid of the state.
        vorticity: Number of the channel that is the vorticity of a flow, or None if none is.

    Returns:
        Spectra (batch, wavenumber) by name, in float64. With vorticity: `isotropic`, `zonal` and
        `meridional` energy [L²/T²] and `enstrophy` [1/T²], each of which adds up to the domain
        mean. Without: `isotropic`, half the variance summed over channels.

    Example:
        The spectrum of sin(2x) holds its ¼ in the ring of wavenumber 2:

        >>> from math import pi
        >>> grid = Grid((8,), (2 * pi,))
        >>> wave = grid.points()[0].mul(2).sin()[None, None]
        >>> spectra(wave, grid, vorticity=None)["isotropic"].numpy().round(6).tolist()
        [[0.0, 0.0, 0.25, 0.0, 0.0]]
    """
    if vorticity is None:
        density = variance_density(state.double(), grid).sum(1)
        return {"isotropic": isotropic(density, grid)}
    field = state[:, vorticity].double()
    energy = energy_density(field, grid)
    return {
        "isotropic": isotropic(energy, grid),
        "zonal": zonal(energy),
        "meridional": meridional(energy),
        "enstrophy": isotropic(variance_density(field, grid), grid),
    }


def bands(rings: int) -> list[tuple[str, slice]]:
    """Return the rings of low, mid and high wavenumbers: thirds of 1 .. rings - 1 in log k.

    Args:
        rings: Number of rings of a spectrum, ring 0 (the mean) included.

    Returns:
        Name and slice of each band.

    Example:
        With 28 rings the bands end at 3, 9 and 27:

        >>> [(name, ring.start, ring.stop) for name, ring in bands(28)]
        [('low', 1, 4), ('mid', 4, 10), ('high', 10, 28)]
    """
    edges = [1, *(round((rings - 1) ** (third / 3)) + 1 for third in (1, 2)), rings]
    names = ("low", "mid", "high")
    return [(n, slice(a, b)) for n, a, b in zip(names, edges[:-1], edges[1:], strict=True)]


def band_masks(grid: Grid) -> Bool[Tensor, "band *spectrum"]:
    """Return masks of the Fourier modes in the low, mid and high band of wavenumbers.

    The mean and the modes beyond the last whole ring are in no band.

    Example:
        >>> band_masks(Grid((8,), (1.0,))).int().tolist()
        [[0, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    """
    numbers = ring_numbers(grid)
    parts = [(numbers >= ring.start) & (numbers < ring.stop) for _, ring in bands(ring_count(grid))]
    return torch.stack(parts)


def filtered(
    fields: Float[Tensor, "*any"], masks: Bool[Tensor, "band *spectrum"], grid: Grid
) -> Iterator[Float[Tensor, "*any2"]]:
    """Yield fields that are filtered to the Fourier modes of each mask, one after the other.

    Args:
        fields: Fields (..., *grid.shape).
        masks: Masks of the modes that are kept, as `band_masks` returns them.
        grid: Periodic grid of the fields.

    Yields:
        Filtered fields of the same shape, in float64.

    Example:
        The constant is in no band, and sin(x) in the first:

        >>> from math import pi
        >>> grid = Grid((8,), (2 * pi,))
        >>> fields = 5 + grid.points()[0].sin()
        >>> low, mid, high = filtered(fields, band_masks(grid), grid)
        >>> round(low.max().item(), 6), round(mid.abs().max().item(), 6)
        (1.0, 0.0)
    """
    spectrum = to_spectrum(fields.double(), grid)
    for mask in masks:
        yield to_field(spectrum * mask, grid)


def band_error(
    spectrum: Float[np.ndarray, "start ring"], reference: Float[np.ndarray, " ring"]
) -> Float[np.ndarray, "start band"]:
    """Return the relative error Σ E / Σ E_ref - 1 of the energy in each band.

    Args:
        spectrum: Spectrum E of each initial condition.
        reference: Spectrum E_ref of the reference.

    Returns:
        Relative error in the low, mid and high band; -1 where all energy is missing.

    Example:
        >>> band_error(np.full((1, 28), 3.0), np.full(28, 2.0)).tolist()
        [[0.5, 0.5, 0.5]]
    """
    parts = [
        spectrum[:, ring].sum(1) / reference[ring].sum() - 1 for _, ring in bands(len(reference))
    ]
    return np.stack(parts, axis=1)


def energy_log_ratio(
    spectrum: Float[np.ndarray, " ring"], reference: Float[np.ndarray, " ring"]
) -> tuple[float, float]:
    """Return the mean energy log ratio Σ_k w_k |ln(E(k) / E_ref(k))|, unweighted and weighted.

    The weights w_k are equal in the first number and proportional to E_ref(k) in the second. The
    sum is over the rings k >= 1 that the reference occupies.

    Args:
        spectrum: Spectrum E.
        reference: Spectrum E_ref of the reference.

    Returns:
        Mean energy log ratio without and with weights; infinite if an occupied ring has no energy,
        NaN if the spectrum is not finite or no ring is occupied.

    References:
        Schiff et al., DySLIM: Dynamics Stable Learning by Invariant Measure for Chaotic Systems,
        ICML 2024, https://arxiv.org/abs/2402.04467

    Example:
        Of the occupied rings 1 and 2 the first, with ¾ of the energy, is too strong by e:

        >>> reference = np.array([9.0, 3.0, 1.0, 0.0])
        >>> energy_log_ratio(np.array([0.0, 3 * np.e, 1.0, 5.0]), reference)
        (0.5, 0.75)
    """
    occupied = reference > EMPTY * reference.sum()
    occupied[0] = False
    if not occupied.any():
        return float("nan"), float("nan")
    with np.errstate(divide="ignore"):
        ratio = np.abs(np.log(spectrum[occupied] / reference[occupied]))
    weights = reference[occupied] / reference[occupied].sum()
    return float(ratio.mean()), float((weights * ratio).sum())
