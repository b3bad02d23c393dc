"""Search for numbers that are not finite among weights and states of optimisers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from emulators.distributed import local_tensor


def averages_in(states: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and value of each tensor in the states of an optimiser."""
    for state in states:
        for name, value in state.items():
            if isinstance(value, Tensor):
                yield f"the optimiser's {name}", value


def first_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Return the name of the first tensor with a number that is not finite, if there is one."""
    named = [
        (name, local_tensor(value.detach()))
        for name, value in tensors
        if value.is_floating_point() or value.is_complex()
    ]
    named = [(n, torch.view_as_real(v) if v.is_complex() else v) for n, v in named if v.numel()]
    if get_total_norm([value for _, value in named], float("inf")).isfinite():
        return None
    return next(name for name, value in named if not value.isfinite().all())
