"""What an emulator asks of its network, and how any plain module answers it.

A network maps standardised fields to standardised fields. It knows no physics, no statistics and no
Lightning. Beside the state it may take *latents*, coarse fields on grids that are smaller by an
integer factor, and return others; which of its inputs are meant to be absent it learns from the
*case*, an integer per sample; physical *parameters* of the trajectory, such as its Reynolds number,
are standardised numbers per sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

State = Float[Tensor, "batch channel *space"]
Parameters = Float[Tensor, "batch parameter"]
Latents = tuple[Float[Tensor, "batch channel ..."], ...]


class Network(nn.Module, ABC):
    """Map from (state, latents, case, parameters) to (state, latents).

    Every implementation takes the first five arguments first; the emulator supplies them. One that
    can be told physical parameters takes their number too, by name, and keeps it as
    `physical_parameters`; others need neither that nor the last argument of `forward`.

    Args:
        channels: Fields of a state.
        dimensions: Spatial dimensions, 1 or 2.
        latent_inputs: Coarsening factor of each latent that is given.
        latent_outputs: Coarsening factor of each latent that is returned.
        cases: Number of values that `case` takes.
        parameters: Number of physical parameters of a trajectory, if it can be told any.
    """

    physical_parameters: int = 0

    @abstractmethod
    def forward(
        self,
        state: State,
        latents: Latents = (),
        case: Int[Tensor, " batch"] | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        """Return the predicted fields; `case` may be None where there is only one."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a grid that the network cannot take, in a sentence that names the option."""


# a network that can be told parameters takes their number by name
NetworkFactory = Callable[[int, int, Sequence[int], Sequence[int], int], Network]


def coarsen(field: State, factor: int) -> Float[Tensor, "batch channel *coarse"]:
    """Return the average over blocks of `factor` points along each axis."""
    if factor == 1:
        return field
    pool = {3: nn.functional.avg_pool1d, 4: nn.functional.avg_pool2d}[field.dim()]
    return pool(field, factor)


def refine(field: Float[Tensor, "batch channel *coarse"], factor: int) -> State:
    """Return the field with every point repeated `factor` times along each axis."""
    return field if factor == 1 else nn.functional.interpolate(field, scale_factor=factor)


def planes(numbers: Shaped[Tensor, "batch _"], like: State) -> Float[Tensor, "batch _ *space"]:
    """Return fields on the grid of a state that are constant, one per number."""
    fields = numbers.to(like.dtype).reshape(*numbers.shape, *[1] * (like.dim() - 2))
    return fields.expand(-1, -1, *like.shape[2:])
