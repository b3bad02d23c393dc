"""Random numbers as inputs of a network, which make an emulator stochastic.

A network trained with a proper score turns them into a sample of the next state: members of an
ensemble that start from one state differ, because each is given numbers of its own. They come as

- fields, further latents of the network's input, on grids that are coarser by a factor;
- numbers, further parameters that condition the network by FiLM.

Both are standard normal and independent from step to step, of every member and initial condition.
They are drawn from the context, so that a rollout is the same on any number of processes, in
batches of any size, and when it is resumed. Networks begin as if they were not given any: what
follows from random numbers is multiplied by zero before training.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from emulators.context import Context
from emulators.networks.interface import (
    Latents,
    NetworkInterface,
    Parameters,
    State,
    check_factors,
)


class NoiseInput:
    """Fields and numbers that are drawn for each call of a network.

    Args:
        fields: Coarsening factor of each random field, with the channels of a state.
        numbers: Number of further random numbers.

    Raises:
        ValueError: A factor is below 1 or the number of numbers is negative.

    Example:
        A random field on blocks of 2 x 2 points and three numbers for a state of 8 x 8 points:

        >>> noise = NoiseInput([2], numbers=3)
        >>> latents, numbers = noise.add(torch.zeros(5, 1, 8, 8), (), None, Context(), call=0)
        >>> [tuple(latent.shape) for latent in latents], tuple(numbers.shape)
        ([(5, 1, 4, 4)], (5, 3))
    """

    def __init__(self, fields: Sequence[int] = (), numbers: int = 0) -> None:
        if any(factor < 1 for factor in fields) or numbers < 0:
            raise ValueError(
                "model.noise_fields must be coarsening factors of at least 1 and "
                f"model.noise_numbers at least 0, got {list(fields)} and {numbers}."
            )
        self.fields = tuple(fields)
        self.numbers = numbers

    @property
    def given(self) -> bool:
        """True if the network is given random numbers."""
        return bool(self.fields or self.numbers)

    def extend(self, interface: NetworkInterface) -> NetworkInterface:
        """Return an interface with the random fields and numbers as further inputs."""
        return replace(
            interface,
            latent_inputs=interface.latent_inputs + self.fields,
            parameters=interface.parameters + self.numbers,
            noise_latents=len(self.fields),
            noise_parameters=self.numbers,
        )

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that the factors divide a grid.

        Raises:
            ValueError: One does not.
        """
        check_factors("model.noise_fields", self.fields, shape)

    def add(
        self,
        u: State,
        latents: Latents,
        parameters: Parameters | None,
        context: Context,
        call: int,
    ) -> tuple[Latents, Float[Tensor, "batch _"] | None]:
        """Return latents and parameters, followed by the random fields and numbers of a call.

        Args:
            u: States, which give batch size, channels, grid, precision and device.
            latents: Latents of the data.
            parameters: Standardised parameters of the data, (batch, parameter), or None.
            context: Context of the step, from which the numbers are drawn.
            call: Number of the call within the step.
        """
        if not self.given:
            return latents, parameters
        channels, *space = u.shape[1:]
        shapes = [(channels, *(size // factor for size in space)) for factor in self.fields]
        sizes = [*map(prod, shapes), self.numbers]
        drawn = context.normal(u.new_empty(u.shape[0], sum(sizes)), f"network input {call}")
        *fields, numbers = drawn.split(sizes, dim=1)
        noise: list[Tensor] = [
            field.reshape(-1, *shape) for field, shape in zip(fields, shapes, strict=True)
        ]
        if self.numbers:
            given = () if parameters is None else (parameters.to(numbers.dtype),)
            parameters = torch.cat((*given, numbers), dim=1)
        return (*latents, *noise), parameters
