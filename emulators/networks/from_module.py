"""Any module from (batch, channel, *space) to the same grid, used as a network."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn

from emulators.networks.interface import (
    Latents,
    Network,
    NetworkFactory,
    Parameters,
    State,
    coarsen,
    planes,
    refine,
)


class FromModule(Network):
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
        network = FromModule(*shape, module=option, **told)
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
