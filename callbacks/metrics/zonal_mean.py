"""Zonal means, and errors between profiles along y."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import velocity


def zonal_mean(state: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y"]:
    """Return the zonal mean, the mean over x.

    Args:
        state: States.

    Returns:
        Profiles along y, in float64 and the units of the channel.

    Example:
        >>> import torch
        >>> zonal_mean(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])).tolist()
        [[[2.0, 6.0]]]
    """
    return state.double().mean(-1)


def zonal_velocity(vorticity: Float[Tensor, "batch y x"], grid: Grid) -> Float[Tensor, "batch y"]:
    """Return the zonal mean ū(y) of the eastward velocity.

    Args:
        vorticity: Vorticity fields [1/T].
        grid: Doubly periodic grid of the fields.

    Returns:
        Profiles [L/T] along y, in float64.

    Example:
        The flow u = sin(y) has the vorticity -∂u/∂y = -cos(y):

        >>> from math import pi
        >>> grid = Grid((4, 4), (2 * pi, 2 * pi))
        >>> y, _ = grid.points()
        >>> (zonal_velocity(-y.cos()[None], grid).numpy().round(6) + 0.0).tolist()
        [[0.0, 1.0, 0.0, -1.0]]
    """
    return velocity(vorticity.double(), grid)[0].mean(-1)


def profile_errors(
    profile: Float[np.ndarray, "start channel y"],
    reference: Float[np.ndarray, "channel y"],
    std: Float[np.ndarray, " channel"],
) -> Mapping[str, tuple[Float[np.ndarray, "start channel"], str]]:
    """Return four errors of profiles against a reference, each with its description.

    Args:
        profile: Profiles of each initial condition.
        reference: Profiles of the reference.
        std: Standard deviation of each channel, in the units of the profiles.

    Returns:
        Errors and description by name: `absolute` and `rms` in the units of the channel,
        `scaled_norm` and `scaled_rms` in standard deviations.

    Example:
        >>> errors = profile_errors(np.full((1, 1, 4), 3.0), np.full((1, 4), 1.0), np.full(1, 2.0))
        >>> {name: error.item() for name, (error, _) in errors.items()}
        {'absolute': 2.0, 'rms': 2.0, 'scaled_norm': 2.0, 'scaled_rms': 1.0}
    """
    difference = profile - reference
    scaled = difference / std[:, None]
    return {
        "absolute": (np.abs(difference).mean(-1), "mean absolute error of the profile"),
        "rms": (np.sqrt((difference**2).mean(-1)), "root mean square error of the profile"),
        "scaled_norm": (np.sqrt((scaled**2).sum(-1)), "ℓ2 norm over y, standardised units"),
        "scaled_rms": (np.sqrt((scaled**2).mean(-1)), "root mean square, standardised units"),
    }
