"""Profiles along y, and how far apart two of them are."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import velocity


def zonal_mean(state: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y"]:
    """Return the mean along x, in float64."""
    return state.double().mean(-1)


def zonal_velocity(vorticity: Float[Tensor, "batch y x"], grid: Grid) -> Float[Tensor, "batch y"]:
    """Return ū(y), the mean of u along x, in float64."""
    return velocity(vorticity.double(), grid)[0].mean(-1)


def profile_errors(
    profile: Float[np.ndarray, "start channel y"],
    reference: Float[np.ndarray, "channel y"],
    std: Float[np.ndarray, " channel"],
) -> Mapping[str, tuple[Float[np.ndarray, "start channel"], str]]:
    """Return four measures of the distance between profiles, with what they are."""
    difference = profile - reference
    scaled = difference / std[:, None]
    return {
        "absolute": (np.abs(difference).mean(-1), "mean absolute error of the profile"),
        "rms": (np.sqrt((difference**2).mean(-1)), "root mean square error of the profile"),
        "scaled_norm": (np.sqrt((scaled**2).sum(-1)), "ℓ2 norm over y, standardised units"),
        "scaled_rms": (np.sqrt((scaled**2).mean(-1)), "root mean square, standardised units"),
    }
