"""The initial state as the forecast of every later one."""

from typing import Any

from emulators.context import NO_CONTEXT, Context
from emulators.emulator import State
from emulators.untrained import Untrained


class Persistence(Untrained):
    """The initial state as forecast at all lead times, û_{n+1} = u_n: a reference for any data.

    A forecast that has its error, or more, tells nothing about the changes of a state.
    See the base class for the arguments.

    Example:
        >>> import torch
        >>> from emulators import Persistence
        >>> state = torch.randn(2, 3, 8, 8)
        >>> rollout = Persistence(channels=3).rollout(state, steps=4)
        >>> torch.equal(rollout[:, 3], state)
        True
    """

    def step(
        self, state: State, memory: Any = None, context: Context = NO_CONTEXT
    ) -> tuple[State, None]:
        return state, None
