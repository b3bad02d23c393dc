"""Any module from (batch, channel, *space) to the same grid, used as a network."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from emulators.networks.interface import (
    Inputs,
    Latents,
    Network,
    NetworkFactory,
    NetworkInterface,
    Parameters,
    State,
    coarsen,
    planes,
    refine,
)


class FromModule(Network):
    """Any module from (batch, channel, *space) to the same grid, used as a network.

    Latents are repeated to the full grid and concatenated to the state, with one constant plane per
    input mask where there is more than one and one per physical parameter; random fields and
    numbers follow, each times a trained number that starts at zero. The module's further output
    channels, averaged to the latents' grids, are the latents returned.

    Args:
        interface: Fields that the network takes and returns; set by the emulator.
        module: Module with `inputs` input and `outputs` output channels.

    Example:
        A convolution that takes the state and a latent, and returns both:

        >>> interface = NetworkInterface(1, 2, latent_inputs=(4,), latent_outputs=(4,))
        >>> network = FromModule(interface, nn.Conv2d(2, 2, 3, padding="same"))
        >>> state, (latent,) = network(torch.zeros(3, 1, 16, 16), (torch.zeros(3, 1, 4, 4),))
        >>> state.shape, latent.shape
        (torch.Size([3, 1, 16, 16]), torch.Size([3, 1, 4, 4]))
    """

    def __init__(self, interface: NetworkInterface, module: nn.Module) -> None:
        super().__init__()
        self.interface = interface
        self.physical_parameters = interface.parameters
        masks = interface.masks if interface.masks > 1 else 0
        fields = interface.channels * (1 + len(interface.latent_inputs))
        self.inputs = fields + interface.input_fields + masks + interface.parameters
        drawn = interface.noise_latents * interface.channels + interface.noise_parameters
        # random inputs come last, and have no effect before training
        self.gain = nn.Parameter(torch.zeros(drawn)) if drawn else None
        self.outputs = interface.channels * (1 + len(interface.latent_outputs))
        self.module = module

    def forward(
        self,
        state: Inputs,
        latents: Latents = (),
        mask_id: Int[Tensor, " batch"] | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        of, fields = self.interface, [state]
        refined = [refine(z, r) for z, r in zip(latents, of.latent_inputs, strict=True)]
        fields += refined[: of.data_latents]
        if of.masks > 1:
            fields.append(planes(nn.functional.one_hot(mask_id, of.masks), state))
        known, drawn = of.split(parameters)
        if known is not None:
            fields.append(planes(known, state))
        if self.gain is not None:
            random = refined[of.data_latents :]
            random += [] if drawn is None else [planes(drawn, state)]
            gain = self.gain.to(state.dtype).reshape(-1, *[1] * (state.dim() - 2))
            fields.append(torch.cat(random, dim=1) * gain)
        output = self.module(torch.cat(fields, dim=1))
        expected = (state.shape[0], self.outputs, *state.shape[2:])
        if output.shape != expected:
            raise ValueError(
                f"The network {type(self.module).__name__} must map {self.inputs} channels to "
                f"{self.outputs} on the same grid: it returned shape {tuple(output.shape)}, "
                f"expected {expected}. Set its numbers of input channels (state, "
                f"{self.interface.input_fields} input fields, latents, {self.interface.masks} "
                f"masks, {self.interface.parameters} parameters, random fields) and of output "
                "channels."
            )
        first, *rest = output.split(self.interface.channels, dim=1)
        return first, tuple(
            coarsen(field, r) for field, r in zip(rest, self.interface.latent_outputs, strict=True)
        )


def as_network(option: NetworkFactory | nn.Module, interface: NetworkInterface) -> Network:
    """Return the network for an option of an emulator.

    Args:
        option: Network, any other module, or function that makes a network from its interface.
        interface: Fields that the network takes and returns.

    Raises:
        ValueError: The option makes no network from the interface, or a network conditioned on
            another number of physical parameters.
    """
    if isinstance(option, Network):
        network = option
    elif isinstance(option, nn.Module):
        network = FromModule(interface, option)
    elif not callable(option):
        raise ValueError(
            f"model.network is {option!r:.80}, expected a network; name its class, and in an "
            "emulator of your own annotate the argument as `emulators.Emulator` does, or take it "
            "in **kwargs."
        )
    else:
        try:
            network = option(interface)
        except TypeError as error:
            if raised_in_a_constructor(error):
                raise
            raise ValueError(
                f"model.network cannot be made from its interface ({error}); its constructor must "
                "take an `emulators.NetworkInterface` as its first argument, and others by name."
            ) from error
    check_parameters(network, interface)
    return network


def raised_in_a_constructor(error: TypeError) -> bool:
    """Return whether an error comes from inside a constructor, and not from a call of it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_name == "__init__"


def check_parameters(network: nn.Module, interface: NetworkInterface) -> None:
    """Check that a network is conditioned on the given number of physical parameters.

    Raises:
        ValueError: The network is conditioned on another number.
    """
    found = getattr(network, "physical_parameters", 0)
    if found != interface.parameters:
        raise ValueError(
            f"The network {type(network).__name__} is conditioned on {found} physical parameters, "
            f"the data have {interface.data_parameters} and model.noise_numbers is "
            f"{interface.noise_parameters}; read `interface.parameters` as emulators.Network "
            "describes, or change data.parameters or model.noise_numbers."
        )
