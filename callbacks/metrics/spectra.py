"""Spectra of states, and how far apart two of them are."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.spectra import (
    energy_density,
    isotropic,
    meridional,
    variance_density,
    zonal,
)

State = Float[Tensor, "batch channel *space"]


def spectra(state: State, grid: Grid, vorticity: int | None) -> Mapping[str, Tensor]:
    """Return the spectra of each state, (batch, wavenumber), in float64.

    Args:
        state: Physical units.
        grid: Periodic.
        vorticity: Channel that is the vorticity of a flow, or None if none is.
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
    """Return low, mid and high rings: thirds of 1 .. rings - 1 in log k, as slices."""
    edges = [1, *(round((rings - 1) ** (third / 3)) + 1 for third in (1, 2)), rings]
    names = ("low", "mid", "high")
    return [(n, slice(a, b)) for n, a, b in zip(names, edges[:-1], edges[1:], strict=True)]


def band_error(
    spectrum: Float[np.ndarray, "start ring"], reference: Float[np.ndarray, " ring"]
) -> Float[np.ndarray, "start band"]:
    """Return Σ E / Σ E_ref - 1 over the rings of each band."""
    parts = [
        spectrum[:, ring].sum(1) / reference[ring].sum() - 1 for _, ring in bands(len(reference))
    ]
    return np.stack(parts, axis=1)
