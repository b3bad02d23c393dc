"""Temporal bundling: several states from one call of the network."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Emulator, State, Window

Memory = tuple[State, ...]


class Bundled(Emulator):
    """Temporal bundling: û_{n+1}, ..., û_{n+K} = f(u_n) (Brandstetter et al. 2022, section 3.1).

    A rollout calls the network every `advance` steps, with the last state as input; `bundle: 2` is
    the 2-step ahead emulator of Jiang et al. (2025), Table 1. With `predict: increment` the network
    gives the change from each state to the next. The network is given the forcing (`data.forcing`)
    at the times of all states of a call, n, n + 1, ..., n + K.

    Args:
        bundle: Number K of states per call.
        advance: Number of states of a call that the rollout takes before the next; K by default.

    Example:
        >>> import torch
        >>> emulator = Bundled(bundle=4).eval()
        >>> emulator.window
        5
        >>> _, memory = emulator.step(torch.zeros(1, 1, 32, 32))
        >>> len(memory)  # states that the next steps return without a call of the network
        3
    """

    def __init__(self, bundle: int = 2, advance: int | None = None, **kwargs: Any) -> None:
        taken = bundle if advance is None else advance
        if bundle < 1 or not 1 <= taken <= bundle:
            raise ValueError(
                "Bundled needs bundle of at least 1 and advance between 1 and bundle, got "
                f"bundle={bundle}, advance={advance}."
            )
        outputs = (1,) * (bundle - 1)
        super().__init__(latent_inputs=(), latent_outputs=outputs, steps_per_call=bundle, **kwargs)
        self.bundle = bundle
        self.taken = taken

    @property
    def window(self) -> int:
        """Number of snapshots: the input and K targets."""
        return self.bundle + 1

    def call(self, u: State, context: Context = NO_CONTEXT) -> tuple[State, ...]:
        """Return the next K states; input and output are standardised.

        Args:
            u: Standardised states.
            context: Parameters of the samples.
        """
        first, others = self.predict_from(u, context)
        states = []
        for output in (first, *others):
            u = self.next_state(u, output)
            states.append(u)
        return tuple(states)

    def step(
        self, state: State, memory: Memory | None = None, context: Context = NO_CONTEXT
    ) -> tuple[State, Memory]:
        if not memory:
            states = self.call(self.standardize(state), context)[: self.taken]
            memory = tuple(self.standardize.inverse(u) for u in states)
        return memory[0], memory[1:]

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        """Return the mean distance of the K predicted states, (1/K) Σ_k d(û_{n+k}, u_{n+k})."""
        self.check_window(window)
        states = self.call(self.perturb(self.standardize(window[:, 0])), context)
        distances = [
            self.distance(u, self.standardize(window[:, lead])).mean()
            for lead, u in enumerate(states, start=1)
        ]
        return torch.stack(distances).mean()
