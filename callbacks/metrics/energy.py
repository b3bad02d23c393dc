"""Energy of a state per unit mass."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from callbacks.metrics.spatial_mean import spatial_mean
from datamodules.point_weights import Weights
from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import energy as vorticity_energy
from datamodules.solvers.variable import State


def kinetic_energy(state: State, grid: Grid, channel: int) -> Float[Tensor, " batch"]:
    """Return the kinetic energy per unit mass, the domain mean of ½(u² + v²).

    Args:
        state: States (batch, channel, y, x), with the vorticity [1/T] of a flow as one channel.
        grid: Doubly periodic grid of the state.
        channel: Number of the channel that is the vorticity.

    Returns:
        Energy [L²/T²] of each state, in float64.

    Example:
        The vorticity sin(x) has the velocity v = -cos(x), and the mean of ½cos² is ¼:

        >>> from math import pi
        >>> grid = Grid((8, 8), (2 * pi, 2 * pi))
        >>> _, x = grid.points()
        >>> round(kinetic_energy(x.sin()[None, None], grid, channel=0).item(), 6)
        0.25
    """
    return vorticity_energy(state[:, channel].double(), grid)


def mean_square(state: State, weights: Weights | None = None) -> Float[Tensor, " batch"]:
    """Return half the mean square over channels and grid points, mean of ½ Σ w u² / Σ w.

    It takes the place of the energy for systems that have no velocity.

    Args:
        state: States u, (batch, channel, *space).
        weights: Weight w of each point, (channel, *space); None if all are equal.

    Returns:
        Half the mean square of each state, in float64.

    Example:
        >>> import torch
        >>> mean_square(torch.full((1, 1, 8), 3.0)).tolist()
        [4.5]

        Of the values 4 and 2 the second counts three times as much, ½ (16 + 3 · 4) / 4:

        >>> mean_square(torch.tensor([[[4.0, 2.0]]]), torch.tensor([[0.5, 1.5]])).tolist()
        [3.5]
    """
    square = state.double().square()
    mean = square.flatten(1) if weights is None else spatial_mean(square, weights)
    return 0.5 * mean.mean(1)


def time_mean(chunks: Iterable[Tensor]) -> Float[Tensor, "channel *space"]:
    """Return the mean over all states at each grid point.

    Args:
        chunks: Iterable over consecutive pieces (time, channel, *space) of the data, which need
            not be equally long; one is in RAM at a time.

    Returns:
        Mean state, in float64 and the units of the data.

    Example:
        >>> import torch
        >>> time_mean([torch.zeros(1, 1, 2), torch.ones(3, 1, 2)]).tolist()
        [[0.75, 0.75]]
    """
    total, count = 0.0, 0
    for chunk in chunks:
        total = total + chunk.double().sum(0)
        count += len(chunk)
    return total / count


def has_kinetic_energy(
    variables: Sequence[str], grid: Grid | None, vorticity: str = "vorticity"
) -> bool:
    """Return whether `kinetic_energy` is defined: vorticity on a periodic two-dimensional grid.

    Args:
        variables: Names of the channels.
        grid: Grid of the data, or None where they lie on no periodic grid.
        vorticity: Name of the variable that is the vorticity of a flow.

    Example:
        >>> has_kinetic_energy(["vorticity"], Grid((8, 8), (1.0, 1.0)))
        True
        >>> has_kinetic_energy(["u"], Grid((8,), (1.0,)))
        False
    """
    return grid is not None and grid.dimensions == 2 and vorticity in variables
