"""Which coarse fields of other times an emulator is given, and what it is asked for in training.

A latent is `(lead, factor)`: the state `lead` intervals from now, coarsened by `factor`. The
emulator maps u_n and its latents z(lead, factor)_n = T(u_{n + lead}) to u_{n+1} and the same
latents one step later. Leads ahead of now are predicted by the emulator itself, leads behind now
are remembered, and a lead of zero is known at the start and predicted from then on.

Not everything is known at every time, so training meets *cases*:

- one cold start for each distinct lead ahead, nearest first: the latents that are nearer are given,
  the others are zero, and only the latents of that lead are asked for, at the same time index;
- one for each distinct number of remembered states short of all;
- last, the regular step: everything is given, and everything is asked for one step later.

With latents (1, 8) and (2, 32) these are the three cases of Jiang et al. (2025), section 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """What is given and what is asked for.

    Attributes:
        given: For each latent, whether it is an input (zero otherwise).
        state: Whether the next state is asked for.
        asked: For each latent, whether it is asked for.
        advance: Steps from an input latent to the one asked for: 0 in a cold start, else 1.
    """

    given: tuple[bool, ...]
    state: bool
    asked: tuple[bool, ...]
    advance: int


class LatentLayout:
    """Latents of an emulator and the cases that follow from them.

    Args:
        latents: (lead, factor) of each latent: steps from now, and coarsening.

    Raises:
        ValueError: A factor is below 1 or a latent is named twice.
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
        self.cases = (*self._cold_starts(), *self._short_histories(), self._regular())

    @property
    def memory(self) -> int:
        """Number of past states that must be remembered."""
        return self.behind[-1] if self.behind else 0

    @property
    def window(self) -> int:
        """Consecutive snapshots of a training sample: all inputs and targets."""
        return self.memory + max(self.ahead, default=0) + 2

    def regular_case(self, remembered: int) -> int:
        """Return the number of the case of a step with so many remembered states."""
        missing = sum(1 for lead in self.behind if lead > remembered)
        return len(self.cases) - 1 - missing

    def _cold_starts(self) -> list[Case]:
        return [
            Case(
                given=tuple(0 <= lead < target for lead in self.leads),
                state=False,
                asked=tuple(lead == target for lead in self.leads),
                advance=0,
            )
            for target in self.ahead
        ]

    def _step_with(self, remembered: int) -> Case:
        return Case(
            given=tuple(lead >= -remembered for lead in self.leads),
            state=True,
            asked=tuple(lead >= 0 for lead in self.leads),
            advance=1,
        )

    def _short_histories(self) -> list[Case]:
        return [self._step_with(nearest - 1) for nearest in self.behind]

    def _regular(self) -> Case:
        return self._step_with(self.memory)
