"""The memory of an emulator as a fixed list of tensors, which an exported program needs.

The memory of `Emulator.step` may change its form from step to step: it is None at the start, the
past states of a hierarchy become more, the remaining states of a bundle fewer. Forms follow each
other, 0, 1, ..., and repeat from one of them on. The memory of a program is the number of the form
and one tensor for each that any of the forms has; a tensor that a form lacks is zero.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

MOST = 64
"""Largest number of forms; an emulator with more of them counts its steps."""

Memory = tuple[Tensor, ...]


@dataclass(frozen=True)
class Slot:
    """Shape without the batch, and type, of a tensor in a memory."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    def zeros(self, batch: int | torch.SymInt, device: torch.device | str = "cpu") -> Tensor:
        """Return zeros for a number of samples."""
        return torch.zeros((batch, *self.shape), dtype=self.dtype, device=device)


def form_of(memory: Any) -> Any:
    """Return a memory with slots in place of its tensors."""
    return apply_to_collection(memory, Tensor, lambda one: Slot(tuple(one.shape[1:]), one.dtype))


def tensors_in(memory: Any) -> list[Tensor]:
    """Return the tensors in a memory, in order."""
    found: list[Tensor] = []
    apply_to_collection(memory, Tensor, found.append)
    return found


def filled(form: Any, tensors: Sequence[Tensor]) -> Any:
    """Return a memory of a form that holds the given tensors."""
    order = iter(tensors)
    return apply_to_collection(form, Slot, lambda one: next(order))


class MemoryForms:
    """Forms of an emulator's memory in the course of a rollout.

    Args:
        forms: Memories at leads 0, 1, ... with slots in place of tensors, until they repeat.
        first: Number of the form that follows the last one.

    Attributes:
        after: Number of the form that follows each form.
        slots: Slots of the tensors in the memory of a program.
        places: Numbers of the slots of each form.

    Example:
        A bundle of three states: at the start no memory, then two states, one, and an empty tuple:

        >>> one = Slot((1, 8), torch.float32)
        >>> forms = MemoryForms([None, (one, one), (one,), ()], first=1)
        >>> len(forms.slots), forms.places, forms.after
        (2, [[], [0, 1], [0], []], [1, 2, 3, 1])
    """

    def __init__(self, forms: Sequence[Any], first: int) -> None:
        self.forms = list(forms)
        self.after = [*range(1, len(forms)), first]
        self.slots: list[Slot] = []
        self.places: list[list[int]] = []
        for form in forms:
            free = list(range(len(self.slots)))
            places = []
            for slot in slots_in(form):
                found = next((place for place in free if self.slots[place] == slot), None)
                if found is None:
                    found = len(self.slots)
                    self.slots.append(slot)
                else:
                    free.remove(found)
                places.append(found)
            self.places.append(places)

    @property
    def any(self) -> bool:
        """True if steps pass anything on, so that a program has a memory."""
        return len(self.forms) > 1

    def start(self, batch: int) -> Memory:
        """Return the memory of a program before its first step: zeros."""
        if not self.any:
            return ()
        number = torch.zeros((), dtype=torch.int64)
        return (number, *(slot.zeros(batch) for slot in self.slots))

    def put(self, number: int, tensors: Sequence[Tensor], state: Tensor) -> Memory:
        """Return the tensors of a form in their slots, and zeros in the other slots."""
        batch = state.shape[0]
        own = dict(zip(self.places[number], tensors, strict=True))
        return tuple(
            own[place] if place in own else slot.zeros(batch, state.device)
            for place, slot in enumerate(self.slots)
        )

    def take(self, number: int, slots: Sequence[Tensor]) -> list[Tensor]:
        """Return the tensors of a form from the slots."""
        return [slots[place] for place in self.places[number]]


def slots_in(form: Any) -> Iterator[Slot]:
    """Yield the slots in a form, in order."""
    found: list[Slot] = []
    apply_to_collection(form, Slot, found.append)
    yield from found


def find_forms(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]], state: Tensor, kind: str
) -> MemoryForms:
    """Return the forms of a memory, by steps of an emulator until they repeat.

    Args:
        step: Step of the emulator.
        state: States to begin with.
        kind: Name of the emulator's class, for messages.

    Raises:
        ValueError: The forms do not repeat.
    """
    memory: Any = None
    forms: list[Any] = []
    while (form := form_of(memory)) not in forms:
        if len(forms) == MOST:
            raise ValueError(
                f"{kind}.step passes on a memory of another form at each of {MOST} steps, expected "
                "tensors of the same shapes from some step on; keep numbers that change as tensors."
            )
        forms.append(form)
        state, memory = step(state, memory)
    return MemoryForms(forms, forms.index(form))
