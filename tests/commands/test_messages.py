"""Which errors are the user's, and are told in a sentence."""

import pytest
import torch

from commands.messages import is_expected
from emulators.context import NO_CONTEXT, checked_step


class Bare:
    def step(self, state, memory=None):
        return state


class Failing:
    def step(self, state, memory=None):
        return len(state, memory)


@pytest.mark.parametrize(("emulator", "expected"), [(Bare(), True), (Failing(), False)])
def test_error_of_a_kind_is_expected_where_this_program_raises_it(emulator, expected):
    with pytest.raises(TypeError) as caught:
        checked_step(emulator)(torch.ones(1, 1, 4), None, NO_CONTEXT)
    assert is_expected(caught.value) is expected


def test_error_that_was_never_raised_is_not_expected():
    assert not is_expected(TypeError("of no program"))
