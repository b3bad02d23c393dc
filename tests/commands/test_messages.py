"""Errors that are reported in one sentence, and others, which keep their traceback."""

import linecache
from pathlib import Path

import pytest
import torch

from commands.messages import is_expected, sentence
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


def raised_in(*files, kind):
    """Return an error that code of the last file raised, which code of those before called."""
    names = {"error": kind("'Own' object has no attribute 'lr'"), "codes": []}
    for file in files:
        last = file is files[-1]
        text = "raise error" if last else "exec(codes.pop(0))"
        names["codes"].append(compile(text, str(file), "exec"))
    try:
        exec(names["codes"].pop(0), names)
    except kind as error:
        return error


LIBRARIES = Path(torch.__file__).parents[1]
FINDER = LIBRARIES / "lightning/pytorch/callbacks/lr_finder.py"


@pytest.mark.parametrize("kind", [AttributeError, RuntimeError, ModuleNotFoundError])
@pytest.mark.parametrize(
    ("files", "place"),
    [
        ([FINDER], "lightning.pytorch.callbacks.lr_finder"),
        ([FINDER, LIBRARIES / "torch/nn/module.py"], "lightning.pytorch.callbacks.lr_finder"),
        ([HOME / "commands/trainer.py", FINDER], "lightning.pytorch.callbacks.lr_finder"),
        ([FINDER, HOME / "emulators/emulator.py"], ""),  # a mistake of ours
        ([LIBRARIES / "lightning/pytorch/trainer/trainer.py"], ""),
        ([FINDER, LIBRARIES / "emulators/emulator.py"], ""),  # of ours that is installed
        ([FINDER.parent / "progress/tqdm_progress.py"],
         "lightning.pytorch.callbacks.progress.tqdm_progress"),
    ],
)  # fmt: skip
def test_error_in_a_callback_of_lightning_is_one_sentence(monkeypatch, files, place, kind):
    program = [HOME / "emulators", HOME / "commands", LIBRARIES / "emulators"]
    monkeypatch.setattr("commands.messages.PROGRAM", program)
    error = raised_in(*files, kind=kind)
    assert is_expected(error) == bool(place)
    if place:
        assert sentence(error, [HOME]).endswith(
            f"no attribute 'lr' ({kind.__name__} in {place}; EMULATE_TRACEBACK=1 shows the whole "
            "traceback)."
        )


def test_error_in_a_folder_of_the_user_that_is_called_as_lightnings_is_not_expected(tmp_path):
    file = tmp_path / "lightning/pytorch/callbacks/mine.py"
    file.parent.mkdir(parents=True)
    file.touch()
    assert not is_expected(raised_in(file, kind=AttributeError))
