"""What an emulator asks of its network, and how any plain module answers it.

A network maps standardised fields to standardised fields. It knows no physics, no statistics and no
Lightning. Beside the state it may take *latents*, coarse fields on grids that are smaller by an
integer factor, and return others; which of its inputs are meant to be absent it learns from the
*case*, an integer per sample; physical *parameters* of the trajectory, such as its Reynolds number,
are standardised numbers per sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
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


class PlainNetwork(Network):
    """Any module from (batch, channel, *space) to the same grid, used as a network.

    Latents are repeated to the full grid and concatenated to the state, with one constant plane per
    case where there is more than one and one per physical parameter; the module's further output
    channels, averaged to the latents' grids, are the latents returned.
    """

    def __init__(
        self,
        channels: int,
        dimensions: int,
        latent_inputs: Sequence[int],
        latent_outputs: Sequence[int],
        cases: int,
        module: nn.Module,
        parameters: int = 0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.latent_inputs = tuple(latent_inputs)
        self.latent_outputs = tuple(latent_outputs)
        self.cases = cases
        self.physical_parameters = parameters
        told = (cases if cases > 1 else 0) + parameters
        self.inputs = channels * (1 + len(self.latent_inputs)) + told
        self.outputs = channels * (1 + len(self.latent_outputs))
        self.module = module

    def forward(
        self,
        state: State,
        latents: Latents = (),
        case: Int[Tensor, " batch"] | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        fields = [state]
        fields += [refine(z, r) for z, r in zip(latents, self.latent_inputs, strict=True)]
        if self.cases > 1:
            fields.append(planes(nn.functional.one_hot(case, self.cases), state))
        if self.physical_parameters:
            fields.append(planes(parameters, state))
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
    parameters: int = 0,
) -> Network:
    """Return the network that an option of an emulator stands for.

    Args:
        option: A network, any other module, or what makes a network from the arguments that follow.
        channels: Fields of a state.
        dimensions: Spatial dimensions.
        latent_inputs: Coarsening factors of the latents given.
        latent_outputs: Coarsening factors of the latents returned.
        cases: Number of cases.
        parameters: Number of physical parameters.

    Raises:
        ValueError: The network cannot be told that many parameters.
    """
    shape = (channels, dimensions, latent_inputs, latent_outputs, cases)
    told = {"parameters": parameters} if parameters else {}
    if isinstance(option, Network):
        network = option
    elif isinstance(option, nn.Module):
        network = PlainNetwork(*shape, module=option, **told)
    elif not callable(option):
        raise ValueError(
            f"model.network is {option!r:.80}, expected a network; name its class, and in an "
            "emulator of your own annotate the argument as `emulators.Emulator` does, or take it "
            "in **kwargs."
        )
    else:
        try:
            network = option(*shape, **told)
        except TypeError as error:
            if "unexpected keyword argument 'parameters'" not in str(error):
                raise
            raise ValueError(
                f"The network cannot be told the {parameters} physical parameters of the data: its "
                "constructor takes no `parameters`; add it as emulators.Network describes, or "
                "leave data.parameters empty."
            ) from None
    if network.physical_parameters != parameters:
        raise ValueError(
            f"The network {type(network).__name__} is made for {network.physical_parameters} "
            f"physical parameters, the data have {parameters}; make it with "
            f"parameters={parameters}, as emulators.Network describes, or change data.parameters."
        )
    return network
