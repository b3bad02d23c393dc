"""Zonal means, and errors between profiles along y."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from datamodules.point_weights import Weights, apply_weights
from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import velocity


def zonal_mean(
    state: Float[Tensor, "batch channel y x"], weights: Weights | None = None
) -> Float[Tensor, "batch channel y"]:
    """Return the zonal mean, the mean over x, Σ w q / Σ w.

    Args:
        state: States q.
        weights: Weight w of each point, (channel, y, x); None if all are equal.

    Returns:
        Profiles along y, in float64 and the units of the channel; NaN in rows that are masked.

    Example:
        >>> import torch
        >>> zonal_mean(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])).tolist()
        [[[2.0, 6.0]]]

        The mean is over the points that are not masked:

        >>> mask = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
        >>> zonal_mean(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), mask).tolist()
        [[[1.0, 6.0]]]
    """
    if weights is None:
        return state.double().mean(-1)
    return apply_weights(state.double(), weights).sum(-1) / weights.sum(-1)


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
    weights: Float[np.ndarray, "channel y"] | None = None,
) -> Mapping[str, tuple[Float[np.ndarray, "start channel"], str]]:
    """Return four errors of profiles against a reference, each with its description.

    With weights, means over y are Σ w d / Σ w, and a sum over y is the mean times the number of
    rows whose weight is not zero. Profiles of rows without weight are not used, and may be NaN.

    Args:
        profile: Profiles of each initial condition.
        reference: Profiles of the reference.
        std: Standard deviation of each channel, in the units of the profiles.
        weights: Weight w of each row, the sum over its points; None if all are equal.

    Returns:
        Errors and description by name: `absolute` and `rms` in the units of the channel,
        `scaled_norm` and `scaled_rms` in standard deviations.

    Example:
        >>> errors = profile_errors(np.full((1, 1, 4), 3.0), np.full((1, 4), 1.0), np.full(1, 2.0))
        >>> {name: error.item() for name, (error, _) in errors.items()}
        {'absolute': 2.0, 'rms': 2.0, 'scaled_norm': 2.0, 'scaled_rms': 1.0}

        Of the last three rows the second counts twice as much, (2 + 2 · 4 + 2) / 4; the first is
        masked:

        >>> profile, zero = np.array([[[np.nan, 2.0, 4.0, 2.0]]]), np.zeros((1, 4))
        >>> weights = np.array([[0.0, 1.0, 2.0, 1.0]])
        >>> profile_errors(profile, zero, np.full(1, 2.0), weights)["absolute"][0].item()
        3.0
    """
    difference = profile - reference
    scaled = difference / std[:, None]

    def mean(values: np.ndarray) -> np.ndarray:
        if weights is None:
            return values.mean(-1)
        return np.where(weights > 0, values * weights, 0).sum(-1) / weights.sum(-1)

    square = scaled**2
    total = square.sum(-1) if weights is None else mean(square) * (weights > 0).sum(-1)
    return {
        "absolute": (mean(np.abs(difference)), "mean absolute error of the profile"),
        "rms": (np.sqrt(mean(difference**2)), "root mean square error of the profile"),
        "scaled_norm": (np.sqrt(total), "ℓ2 norm over y, standardised units"),
        "scaled_rms": (np.sqrt(mean(square)), "root mean square, standardised units"),
    }
