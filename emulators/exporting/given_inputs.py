"""Inputs of an exported step in addition to state and memory, as the context of an emulator."""

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor

from emulators.context import Context
from emulators.emulator import Emulator

OF_CONTEXT = ("parameters", "time", "static", "forcing")


class Draws:
    """Random numbers of a step, in one tensor that is given.

    A first step, by `measure`, finds which numbers the step draws. Draws of different purposes are
    at different places of the tensor, also if no step draws them all.

    Example:
        >>> draws = Draws()
        >>> like = torch.zeros(3, 2, 4)
        >>> draws.measure(torch.randn, like, "noise").shape, draws.count
        (torch.Size([3, 2, 4]), 8)
        >>> draws.of(torch.ones(3, 8))(torch.randn, like, "noise").sum().item()
        24.0
    """

    def __init__(self) -> None:
        self.places: dict[tuple[str, tuple[int, ...]], int] = {}
        self.count = 0

    def measure(self, draw: Callable[..., Tensor], like: Tensor, purpose: str) -> Tensor:
        """Return random numbers, and keep a place for them."""
        shape = tuple(like.shape[1:])
        if (purpose, shape) not in self.places:
            self.places[purpose, shape] = self.count
            self.count += prod(shape)
        return draw(like.shape, dtype=like.dtype)

    def of(self, noise: Tensor) -> Callable[[Callable[..., Tensor], Tensor, str], Tensor]:
        """Return a function that takes its numbers from a tensor.

        Args:
            noise: Standard normal numbers (batch, count).
        """

        def take(draw: Callable[..., Tensor], like: Tensor, purpose: str) -> Tensor:
            shape = tuple(like.shape[1:])
            first = self.places[purpose, shape]
            found = noise[:, first : first + prod(shape)].reshape(-1, *shape)
            if draw is torch.rand:  # numbers uniform in [0, 1) by the normal distribution function
                below = 1 - torch.finfo(found.dtype).eps
                return torch.special.ndtr(found).clamp(max=below)
            return found

        return take


def context_of(
    inputs: Mapping[str, Tensor], draw: Callable[[Callable[..., Tensor], Tensor, str], Tensor]
) -> Context:
    """Return the context of a step whose inputs and random numbers are given.

    Args:
        inputs: Inputs by name.
        draw: Function from the distribution, a tensor and a purpose to random numbers.
    """

    class Given(Context):
        def _draw(self, distribution: Callable[..., Tensor], like: Tensor, purpose: str) -> Tensor:
            return draw(distribution, like, purpose)

    return Given(**{name: inputs[name] for name in OF_CONTEXT if name in inputs})


def typical_inputs(emulator: Emulator, state: Tensor) -> dict[str, Tensor]:
    """Return the inputs of a step by name, without random numbers, at the means of the training.

    Args:
        emulator: Emulator.
        state: States, which give the batch, the grid and the precision.
    """
    batch, inputs = len(state), {}
    parameters = emulator.conditioning.typical()
    if parameters is not None:
        inputs["parameters"] = parameters.to(state).repeat(batch, 1)
    if emulator.timed:
        inputs["time"] = torch.zeros(batch, dtype=torch.float64)
    static, forcing = emulator.input_fields.typical(state, steps=1)
    for name, fields in (("static", static), ("forcing", forcing)):
        if fields is not None:
            inputs[name] = fields.to(state).expand(batch, *fields.shape[1:]).contiguous()
    return inputs
