r"""Pushforward of the hierarchy: one step's loss from a state and latents of the emulator's own.

The hierarchical emulator is trained on latents made of true future states, and is given its own
coarse predictions in a rollout. Pushforward (Brandstetter et al. 2022, section 3.1) closes that gap
for the state; here for the latents too. With f the step of `emulators.hierarchical`, û_0 = u_n and
ẑ_0 = T(u_{n+lead}) true, r steps

    û_{k+1}, ẑ_{k+1} = f(û_k, ẑ_k),    k = 0 .. r-1,

are taken without gradient, and the loss is that of f(û_r, ẑ_r) against u_{n+r+1} and its latents.
Cold starts are trained from the true state u_{n+r}: in a rollout nothing precedes them.
"""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from emulators.context import Context
from emulators.emulator import State
from emulators.hierarchical import Frames, Hierarchical, Later, like
from emulators.networks.interface import Latents


class HierarchicalPushforward(Hierarchical):
    """Hierarchical emulator trained on steps from its own states and latents, without gradient.

    Args:
        detached_steps: R, most steps without gradient; r is drawn from 0 .. R for each batch.
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
        """The window of the hierarchy, and R snapshots more."""
        return super().window + self.detached_steps

    def draw_steps(self) -> int:
        """Return r, the number of steps without gradient."""
        return int(torch.randint(self.detached_steps + 1, (), generator=self.random("pushforward")))

    def training_start(
        self, frames: Frames, mask_id: Int[Tensor, " batch"], context: Context
    ) -> tuple[Later, list[State], Latents]:
        steps = self.draw_steps()
        later, states, inputs = super().training_start(frames[:, steps:], mask_id, context)
        if steps == 0:
            return later, states, inputs
        own_states, own_inputs = self._push(frames, mask_id, steps, context)
        regular = mask_id == len(self.layout.masks) - 1
        states = [choose(regular, *pair) for pair in zip(own_states, states, strict=True)]
        inputs = tuple(choose(regular, *pair) for pair in zip(own_inputs, inputs, strict=True))
        return later, states, inputs

    @torch.no_grad()
    def _push(
        self, frames: Frames, mask_id: Int[Tensor, " batch"], steps: int, context: Context
    ) -> tuple[list[State], Latents]:
        """Return what the emulator makes of true states and latents in so many regular steps."""
        regular = len(self.layout.masks) - 1
        _, states, inputs = super().training_start(
            frames, torch.full_like(mask_id, regular), context
        )
        for _ in range(steps):
            output, latents = self._call(states[-1], context, inputs, regular)
            states = [*states[1:], self.next_state(states[-1], output)]
            inputs = self._inputs(states[-1], latents, tuple(states[-2::-1]))
        return states, inputs


def choose(samples: Tensor, field: Tensor, other: Tensor) -> Tensor:
    """Return one field in the samples chosen, and another in the rest."""
    return torch.where(like(samples, field).bool(), field, other)
