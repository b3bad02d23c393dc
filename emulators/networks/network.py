"""What an emulator asks of its network, and how any plain module answers it.

A network maps standardised fields to standardised fields. It knows no physics, no statistics and no
Lightning. Beside the state it may take *latents*, coarse fields on grids that are smaller by an
integer factor, and return others; which of its inputs are meant to be absent it learns from the
*case*, an integer per sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

State = Float[Tensor, "batch channel *space"]
Latents = tuple[Float[Tensor, "batch channel ..."], ...]


class Network(nn.Module, ABC):
    """Map from (state, latents, case) to (state, latents).

    Every implementation takes these five arguments first; the emulator supplies them.

    Args:
        channels: Fields of a state.
        dimensions: Spatial dimensions, 1 or 2.
        latent_inputs: Coarsening factor of each latent that is given.
        latent_outputs: Coarsening factor of each latent that is returned.
        cases: Number of values that `case` takes.
    """

    @abstractmethod
    def forward(
        self, state: State, latents: Latents = (), case: Int[Tensor, " batch"] | None = None
    ) -> tuple[State, Latents]:
        """Return the predicted fields; `case` may be None where there is only one."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a grid that the network cannot take, in a sentence that names the option."""


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


class PlainNetwork(Network):
    """Any module from (batch, channel, *space) to the same grid, used as a network.

    Latents are repeated to the full grid and concatenated to the state, with one constant plane per
    case where there is more than one; the module's further output channels, averaged to the
    latents' grids, are the latents returned.
    """

    def __init__(
        self,
        channels: int,
        dimensions: int,
        latent_inputs: Sequence[int],
        latent_outputs: Sequence[int],
        cases: int,
        module: nn.Module,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.latent_inputs = tuple(latent_inputs)
        self.latent_outputs = tuple(latent_outputs)
        self.cases = cases
        self.inputs = channels * (1 + len(self.latent_inputs)) + (cases if cases > 1 else 0)
        self.outputs = channels * (1 + len(self.latent_outputs))
        self.module = module

    def forward(
        self, state: State, latents: Latents = (), case: Int[Tensor, " batch"] | None = None
    ) -> tuple[State, Latents]:
        fields = [state]
        fields += [refine(z, r) for z, r in zip(latents, self.latent_inputs, strict=True)]
        if self.cases > 1:
            planes = nn.functional.one_hot(case, self.cases).to(state.dtype)
            planes = planes.reshape(*planes.shape, *[1] * (state.dim() - 2))
            fields.append(planes.expand(-1, -1, *state.shape[2:]))
        output = self.module(torch.cat(fields, dim=1))
        expected = (state.shape[0], self.outputs, *state.shape[2:])
        if output.shape != expected:
            raise ValueError(
                f"The network {type(self.module).__name__} must map {self.inputs} channels to "
                f"{self.outputs} on the same grid: it returned shape {tuple(output.shape)}, "
                f"expected {expected}. Set its numbers of input and output channels."
            )
        first, *rest = output.split(self.channels, dim=1)
        return first, tuple(
            coarsen(field, r) for field, r in zip(rest, self.latent_outputs, strict=True)
        )


def as_network(
    option: NetworkFactory | nn.Module,
    channels: int,
    dimensions: int,
    latent_inputs: Sequence[int],
    latent_outputs: Sequence[int],
    cases: int,
) -> Network:
    """Return the network that an option of an emulator stands for.

    Args:
        option: A network, any other module, or what makes a network from the arguments that follow.
        channels: Fields of a state.
        dimensions: Spatial dimensions.
        latent_inputs: Coarsening factors of the latents given.
        latent_outputs: Coarsening factors of the latents returned.
        cases: Number of cases.
    """
    shape = (channels, dimensions, latent_inputs, latent_outputs, cases)
    if isinstance(option, Network):
        return option
    if isinstance(option, nn.Module):
        return PlainNetwork(*shape, module=option)
    return option(*shape)
