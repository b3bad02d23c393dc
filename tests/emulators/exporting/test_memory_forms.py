import pytest
import torch

from emulators.exporting.memory_forms import MemoryForms, Slot, find_forms


def slot(*shape):
    return Slot(shape, torch.float64)


def test_tensors_of_a_form_are_at_places_of_their_shape():
    forms = MemoryForms([None, (slot(2), slot(3)), [slot(3), slot(3)]], first=1)
    assert forms.slots == [slot(2), slot(3), slot(3)]
    assert forms.places == [[], [0, 1], [1, 2]]
    assert forms.after == [1, 2, 1]
    state, tensors = torch.zeros(4, 1, 8), [torch.full((4, 3), 1.0), torch.full((4, 3), 2.0)]
    slots = forms.put(2, tensors, state)
    assert [one.shape for one in slots] == [(4, 2), (4, 3), (4, 3)]
    assert [one.unique().item() for one in slots] == [0, 1, 2]
    assert forms.take(2, slots) == list(slots[1:])


def test_program_without_memory_is_given_none():
    forms = MemoryForms([None], first=0)
    assert not forms.any
    assert forms.start(3) == ()


def test_memory_that_grows_without_end_is_refused():
    def step(state, memory):
        return state, (*(memory or ()), state)

    with pytest.raises(ValueError, match=r"Grows\.step passes on a memory of another form"):
        find_forms(step, torch.zeros(1, 1, 4), "Grows")
