"""The one-step emulator that everything else is compared with."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from emulators.emulator import Emulator, State, Window


class Baseline(Emulator):
    """One-step emulator: û_{n+1} = f(u_n), trained on single steps (L = 1 of Jiang et al. 2025)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(latent_inputs=(), latent_outputs=(), cases=1, **kwargs)

    @property
    def window(self) -> int:
        """Two snapshots: input and target."""
        return 2

    def step(self, state: State, memory: None = None) -> tuple[State, None]:
        u = self.standardize(state)
        output, _ = self.network(u)
        return self.standardize.inverse(self.next_state(u, output)), None

    def loss(self, window: Window) -> Float[Tensor, ""]:
        self.check_window(window)
        u, target = (self.standardize(window[:, n]) for n in (0, 1))
        output, _ = self.network(u)
        return self.distance(self.next_state(u, output), target).mean()
