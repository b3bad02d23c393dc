"""Errors that are reported in one sentence, and others, which keep their traceback."""

import linecache

import pytest
import torch

from commands.messages import is_expected
from commands.shipped import HOME
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


@pytest.mark.parametrize(
    ("place", "expected"),
    [("emulators/any.py", True), (".venv/lib/site-packages/torch/any.py", False)],
)
def test_error_that_a_library_raises_is_not_expected(monkeypatch, place, expected):
    """An environment may lie in the folder of the program, and the program among libraries."""
    file, line = str(HOME / place), "raise TypeError('of another kind')\n"
    monkeypatch.setitem(linecache.cache, file, (len(line), None, [line], file))
    with pytest.raises(TypeError) as caught:
        exec(compile(line, file, "exec"))
    assert is_expected(caught.value) is expected
