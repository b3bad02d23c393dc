"""Buffers of a module as they were after the last complete training step."""

from typing import Any

from torch import Tensor, nn


class KeptBuffers:
    """Copies of the buffers of a module that its state dictionary holds.

    A forward pass in training changes the running statistics of layers such as `BatchNorm2d`. If it
    is not followed by a step of the optimiser, a resumed run computes it again.

    Example:
        >>> import torch
        >>> layer, kept = nn.BatchNorm1d(1), KeptBuffers()
        >>> kept.keep(layer, step=0)
        >>> _ = layer(torch.ones(2, 1))
        >>> kept.put_into(state := layer.state_dict())
        >>> layer.running_mean.item() > 0, state["running_mean"].item()
        (True, 0.0)
    """

    def __init__(self) -> None:
        self._copies: dict[str, Tensor] = {}
        self._step: int | None = None
        self._places: list[tuple[str, dict[str, Tensor | None], str]] = []

    def keep(self, module: nn.Module, step: int) -> None:
        """Copy the buffers, which are looked for in the first call, unless the step is the same.

        Args:
            module: Module with the buffers.
            step: Number of complete training steps.
        """
        if step == self._step:
            return
        self._step = step
        if not self._places:
            self._places = [
                (f"{prefix}.{name}" if prefix else name, part._buffers, name)
                for prefix, part in module.named_modules()
                for name in part._buffers
                if name not in part._non_persistent_buffers_set
            ]
        for whole, buffers, name in self._places:
            buffer = buffers.get(name)
            if buffer is not None:  # not by its version, which BatchNorm does not count up
                self._copies[whole] = buffer.detach().clone()

    def put_into(self, state: dict[str, Any]) -> None:
        """Replace the buffers in a state dictionary by their copies, in place."""
        for name, copy in self._copies.items():
            if name in state and state[name].shape == copy.shape:
                state[name] = copy
