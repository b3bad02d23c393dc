"""Layout of the latents in space and time: the inputs of an emulator, and its training masks.

A latent is `(lead, factor)`: the state `lead` intervals from the present, coarsened by `factor`.
The emulator maps u_n and its latents z(lead, factor)_n = T(u_{n + lead}) to u_{n+1} and the same
latents one step later. Future latents (lead > 0) are predicted by the emulator itself, past ones
(lead < 0) are remembered, and present ones (lead = 0) are known at the start and predicted after
it.

Not every latent is known at every time, so training covers several *masks*:

- one cold start for each distinct future lead, nearest first: nearer latents are inputs, the others
  are zero, and only the latents of that lead are targets, at the same time index;
- one step for each incomplete history of remembered states;
- last, the regular step: all latents are inputs, and all are targets one step later.

With latents (1, 8) and (2, 32) these are the three masks of Jiang et al. (2025), section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkMask:
    """Inputs and targets of one call of the network.

    Attributes:
        input_mask: Whether each latent is an input; it is zero otherwise.
        asks_state: Whether the next state is a target.
        target_mask: Whether each latent is a target.
        advance: Number of steps from an input latent to its target: 0 in a cold start, else 1.
    """

    input_mask: tuple[bool, ...]
    asks_state: bool
    target_mask: tuple[bool, ...]
    advance: int


class LatentLayout:
    """Latents of an emulator, and the masks that follow from them.

    Args:
        latents: Pairs (lead, factor): number of intervals from the present, and coarsening factor.

    Raises:
        ValueError: A factor is below 1, or a latent is repeated.

    Example:
        The three masks of Jiang et al. (2025) are two cold starts and the regular step. A sample is
        the states n to n + 3, for the latent two steps ahead of the next state:

        >>> layout = LatentLayout([(1, 8), (2, 32)])
        >>> len(layout.masks), layout.window, layout.history
        (3, 4, 0)
        >>> layout.masks[1].input_mask, layout.masks[1].target_mask
        ((True, False), (False, True))
    """

    def __init__(self, latents: Sequence[tuple[int, int]]) -> None:
        self.latents = tuple((int(lead), int(factor)) for lead, factor in latents)
        if any(factor < 1 for _, factor in self.latents):
            raise ValueError(f"latents must have factors of at least 1, got {self.latents}.")
        if len(set(self.latents)) != len(self.latents):
            raise ValueError(f"latents must differ from each other, got {self.latents}.")
        self.leads = tuple(lead for lead, _ in self.latents)
        self.factors = tuple(factor for _, factor in self.latents)
        self.ahead = sorted({lead for lead in self.leads if lead > 0})
        self.behind = sorted({-lead for lead in self.leads if lead < 0})
        self.predicted = tuple(i for i, lead in enumerate(self.leads) if lead >= 0)
        self.masks = (*self._cold_starts(), *self._short_histories(), self._regular())

    @property
    def history(self) -> int:
        """Number of past states that are remembered."""
        return self.behind[-1] if self.behind else 0

    @property
    def window(self) -> int:
        """Number of consecutive snapshots of a training sample, inputs and targets."""
        return self.history + max(self.ahead, default=0) + 2

    def regular_mask(self, remembered: int) -> int:
        """Return the number of the mask of a step.

        Args:
            remembered: Number of past states that are known.
        """
        missing = sum(1 for lead in self.behind if lead > remembered)
        return len(self.masks) - 1 - missing

    def _cold_starts(self) -> list[NetworkMask]:
        return [
            NetworkMask(
                input_mask=tuple(0 <= lead < target for lead in self.leads),
                asks_state=False,
                target_mask=tuple(lead == target for lead in self.leads),
                advance=0,
            )
            for target in self.ahead
        ]

    def _step_with(self, remembered: int) -> NetworkMask:
        return NetworkMask(
            input_mask=tuple(lead >= -remembered for lead in self.leads),
            asks_state=True,
            target_mask=tuple(lead >= 0 for lead in self.leads),
            advance=1,
        )

    def _short_histories(self) -> list[NetworkMask]:
        return [self._step_with(nearest - 1) for nearest in self.behind]

    def _regular(self) -> NetworkMask:
        return self._step_with(self.history)
