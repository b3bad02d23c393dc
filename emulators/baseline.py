"""The one-step emulator, with which all others are compared."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Emulator, State, Window


class Baseline(Emulator):
    """One-step emulator: û_{n+1} = f(u_n), trained on single steps (L = 1 of Jiang et al. 2025).

    Example:
        >>> import torch
        >>> emulator = Baseline(channels=2)
        >>> window = torch.zeros(8, emulator.window, 2, 32, 32)
        >>> emulator.loss(window).shape
        torch.Size([])
        >>> emulator.eval().rollout(window[:, 0], steps=5).shape
        torch.Size([8, 5, 2, 32, 32])
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(latent_inputs=(), latent_outputs=(), steps_per_call=1, **kwargs)

    @property
    def window(self) -> int:
        """Number of snapshots, 2: input and target."""
        return 2

    def advance(self, u: State, context: Context = NO_CONTEXT) -> State:
        """Return the next state; input and output are standardised."""
        output, _ = self.predict_from(u, context)
        return self.next_state(u, output)

    def step(
        self, state: State, memory: None = None, context: Context = NO_CONTEXT
    ) -> tuple[State, None]:
        return self.standardize.inverse(self.advance(self.standardize(state), context)), None

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        self.check_window(window)
        u, target = (self.standardize(window[:, n]) for n in (0, 1))
        return self.distance(self.advance(self.perturb(u), context), target).mean()
