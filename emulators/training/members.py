"""Windows that are predicted several times, by members of an ensemble, in training."""

import torch
from jaxtyping import Float
from torch import Tensor

from emulators.context import Context, Window

Repeated = Float[Tensor, "sample time channel *space"]


def repeat_members(window: Window, context: Context, members: int) -> tuple[Repeated, Context]:
    """Return every window and its context once per member, member by member.

    Args:
        window: Windows (batch, time, channel, *space).
        context: Context of the windows. Members have random numbers of their own.
        members: Number M of members.

    Returns:
        Windows (M · batch, time, channel, *space), and their context.

    Example:
        >>> window = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
        >>> context = Context(keys=torch.tensor([[0, 0], [0, 1]]))
        >>> windows, context = repeat_members(window, context, 2)
        >>> windows.flatten().tolist(), context.keys.tolist()
        ([1.0, 2.0, 1.0, 2.0], [[0, 0], [0, 1], [0, 2], [0, 3]])
    """
    if members == 1:
        return window, context

    def repeated(values: Tensor | None) -> Tensor | None:
        return None if values is None else values.repeat(members, *[1] * (values.dim() - 1))

    keys = repeated(context.keys)
    if keys is not None:
        place = torch.arange(members, device=keys.device).repeat_interleave(len(window))
        keys = keys + len(window) * place[:, None] * torch.tensor([0, 1], device=keys.device)
    return repeated(window), context._replace(
        keys=keys,
        parameters=repeated(context.parameters),
        time=repeated(context.time),
        static=repeated(context.static),
        forcing=repeated(context.forcing),
    )
