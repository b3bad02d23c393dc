"""The energy of a state, per unit mass, for the systems where it is defined."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import energy as vorticity_energy

State = Float[Tensor, "batch channel *space"]


def kinetic_energy(state: State, grid: Grid, channel: int) -> Float[Tensor, " batch"]:
    """Return the domain mean of ½(u² + v²) of the flow whose vorticity is one channel, float64."""
    return vorticity_energy(state[:, channel].double(), grid)


def mean_square(state: State) -> Float[Tensor, " batch"]:
    """Return ½ the mean square over channels and domain, in float64."""
    return 0.5 * state.double().square().flatten(1).mean(1)


def time_mean(chunks: Iterable[Tensor]) -> Float[Tensor, "channel *space"]:
    """Return the mean of all states at each point, in float64."""
    total, count = 0.0, 0
    for chunk in chunks:
        total = total + chunk.double().sum(0)
        count += len(chunk)
    return total / count


def has_kinetic_energy(
    variables: Sequence[str], grid: Grid | None, vorticity: str = "vorticity"
) -> bool:
    """Return whether the state has the vorticity of a flow on a periodic two-dimensional grid."""
    return grid is not None and grid.dimensions == 2 and vorticity in variables
