"""Steps of the members of an ensemble, a part of them at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from datamodules.solvers.variable import State
from datamodules.storage.free_memory import check_memory
from emulators.context import Context

SMALLEST = 16  # samples of a call, below which networks are less efficient,
POINTS = 2**16  # unless they have this many points


def step_in_parts(
    step: Callable[[Tensor, Any, Context], tuple[Tensor, Any]],
    state: State,
    memory: Any,
    context: Context,
    size: int,
    room: float = 0.0,
) -> tuple[State, Any]:
    """Return the result of a step of many members, a part of them at a time.

    What a network keeps of a call is many times the size of its states; the members of an ensemble
    need room for their states and memories only.

    Args:
        step: Step of a model.
        state: States of all members.
        memory: Memory of all members.
        context: Context of all members.
        size: Number of initial conditions, which is the number of samples in a call of the step if
            that is above `SMALLEST`.
        room: Memory that is needed after the step, in sizes of the states of all members.

    Raises:
        TypeError: The memory holds objects whose tensors cannot be divided.
        ValueError: The states and memories of all members do not fit into the free memory.
    """
    batch, points = size, state[0, 0].numel()
    size = max(size, min(SMALLEST, POINTS // points))
    if len(state) <= size:
        return step(state, memory, context)
    parts = []
    for first in range(0, len(state), size):
        chosen = slice(first, first + size)
        part = apply_to_collection((memory, context), Tensor, lambda value, at=chosen: value[at])
        parts.append(step(state[chosen], *part))
        if memory is None and not first:
            result, one = size_of(parts[0]) * batch // size, state[:batch].nbytes
            # the states before a step, its parts and their concatenation; then what observers need
            each = max(one + 2 * result, result + int(room * one))
            check_memory(state[:batch], len(state) // batch, each)
    states, memories = zip(*parts, strict=True)
    return torch.cat(states), concatenated(memories)


def size_of(values: Any) -> int:
    """Return the size of all tensors in nested values [bytes].

    Example:
        >>> size_of((torch.zeros(3), [None, torch.zeros(2)]))
        20
    """
    sizes: list[int] = []
    apply_to_collection(values, Tensor, lambda value: sizes.append(value.nbytes))
    return sum(sizes)


def concatenated(parts: Sequence[Any]) -> Any:
    """Return nested tensors of several parts, concatenated along their first axis.

    Example:
        >>> concatenated([(torch.zeros(1), None), (torch.ones(2), None)])
        (tensor([0., 1., 1.]), None)
    """
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    if isinstance(first, Mapping):
        return {key: concatenated([part[key] for part in parts]) for key in first}
    if isinstance(first, tuple | list):
        items = [concatenated(items) for items in zip(*parts, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first) if field.init]
        return replace(
            first, **{name: concatenated([getattr(part, name) for part in parts]) for name in names}
        )
    if first is not None and not isinstance(first, bool | int | float | complex | str):
        raise TypeError(
            f"The memory of a step holds a {type(first).__name__}, whose tensors cannot be divided "
            "among members; use tensors, numbers, and tuples, lists, dictionaries or dataclasses "
            "of them."
        )
    return first
