r"""Pushforward for the hierarchy: loss of a step from predicted states and latents.

The hierarchical emulator is trained on latents made of true future states, and is given its own
coarse predictions in a rollout. Pushforward (Brandstetter et al. 2022, section 3.1) closes that gap
for the state; here for the latents too. With f the step of `emulators.hierarchical`, û_0 = u_n and
ẑ_0 = T(u_{n+lead}) true, r steps

    û_{k+1}, ẑ_{k+1} = f(û_k, ẑ_k),    k = 0 .. r-1,

are taken without gradient, and the loss compares f(û_r, ẑ_r) with u_{n+r+1} and its latents.
Cold starts are trained from the true state u_{n+r}: in a rollout nothing precedes them.
"""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from emulators.context import Context
from emulators.emulator import State, Window
from emulators.hierarchical import Hierarchical, LossWindow, like
from emulators.networks.interface import Latents


class HierarchicalPushforward(Hierarchical):
    """Hierarchical emulator trained on steps from its own states and latents, without gradient.

    Args:
        detached_steps: Largest number R of steps without gradient.

    Example:
        >>> HierarchicalPushforward(detached_steps=1, latents=[(1, 4), (2, 16)]).window
        5
    """

    def __init__(self, detached_steps: int = 1, **kwargs: Any) -> None:
        if detached_steps < 1:
            raise ValueError(
                f"HierarchicalPushforward needs detached_steps of at least 1, got {detached_steps}."
            )
        super().__init__(**kwargs)
        self.detached_steps = detached_steps

    @property
    def window(self) -> int:
        """Number of snapshots: the window of `Hierarchical` plus R."""
        return super().window + self.detached_steps

    def draw_steps(self) -> int:
        """Return r, the number of steps without gradient."""
        return int(torch.randint(self.detached_steps + 1, (), generator=self.random("pushforward")))

    def training_start(
        self, window: Window, mask_id: Int[Tensor, " batch"], context: Context
    ) -> tuple[LossWindow, list[State], Latents]:
        steps = self.draw_steps()
        snapshots, states, inputs = super().training_start(window[:, steps:], mask_id, context)
        if steps == 0:
            return snapshots, states, inputs
        own_states, own_inputs = self._push(window, mask_id, steps, context)
        regular = mask_id == len(self.layout.masks) - 1
        states = [choose(regular, *pair) for pair in zip(own_states, states, strict=True)]
        inputs = tuple(choose(regular, *pair) for pair in zip(own_inputs, inputs, strict=True))
        return snapshots, states, inputs

    @torch.no_grad()
    def _push(
        self, window: Window, mask_id: Int[Tensor, " batch"], steps: int, context: Context
    ) -> tuple[list[State], Latents]:
        """Return states and latents after regular steps from true states and latents."""
        regular = len(self.layout.masks) - 1
        _, states, inputs = super().training_start(
            window, torch.full_like(mask_id, regular), context
        )
        context = context.after(self.interval, self.layout.history)
        for _ in range(steps):
            output, latents = self._call(states[-1], context, inputs, regular)
            states = [*states[1:], self.next_state(states[-1], output)]
            context = context.after(self.interval)
            inputs = self._inputs(states[-1], latents, tuple(states[-2::-1]))
        return states, inputs


def choose(samples: Tensor, field: Tensor, other: Tensor) -> Tensor:
    """Return, sample by sample, `field` where `samples` is true and `other` elsewhere.

    Args:
        samples: Choice of samples, (batch,).
        field: Field (batch, ...).
        other: Field of the same shape.
    """
    return torch.where(like(samples, field).bool(), field, other)
