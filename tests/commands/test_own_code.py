"""Errors in the user's own code name their file and line; errors of the program do not."""

import sys
from pathlib import Path

import pytest

import cli
from commands.messages import sentence
from commands.own_code import place_in_own_code

PROGRAM = [cli.HOME / name for name in (*cli.OURS, "cli.py")]
OWN = """
import json

from datamodules import SplitSize


def fails():
    raise ValueError("too odd.")


def asks_a_library():
    json.loads("{")


def asks_the_program():
    SplitSize(trajectories=0, snapshots=1)


def asks_what_fails():
    fails()
"""
EMULATOR = '''
from emulators import Baseline


class Mine(Baseline):
    """Baseline that fails where it is said.

    Args:
        where: Name of the place.
    """

    def __init__(self, where: str = "", **kwargs):
        super().__init__(**kwargs)
        self.where = where
        if where == "init":
            raise TypeError("no such place")

    def loss(self, window):
        if self.where == "loss":
            raise ValueError("no such loss")
        return super().loss(window)
'''


def error_of(function):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of several kinds
        function()
    return caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without this file


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_place.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_place", raising=False)
    import own_place

    return own_place


@pytest.mark.parametrize(("name", "place"), [
    ("fails", "ValueError at own_place.py, line 8, in fails"),
    ("asks_a_library", "JSONDecodeError at own_place.py, line 12, in asks_a_library"),
    ("asks_what_fails", "ValueError at own_place.py, line 8, in fails"),
    ("asks_the_program", None),
])  # fmt: skip
def test_the_innermost_line_of_own_code_is_named(own, name, place):
    assert place_in_own_code(error_of(getattr(own, name)), PROGRAM) == place


def test_error_raised_in_the_place_of_another_has_the_place_of_the_first(own):
    first = error_of(own.fails)
    second = ValueError("the model cannot be made")
    second.__cause__ = first
    said = sentence(second, PROGRAM)
    assert said.startswith("the model cannot be made (ValueError at own_place.py, line 8, in fails")
    assert "EMULATE_TRACEBACK=1" in said


def test_file_outside_of_the_working_folder_is_named_whole(own, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    place = place_in_own_code(error_of(own.fails), PROGRAM)
    assert place == f"ValueError at {Path(own.__file__).resolve()}, line 8, in fails"


@pytest.mark.parametrize(("where", "sentence", "place"), [
    ("init", "mine_place.Mine cannot be made: no such place",
     "TypeError at mine_place.py, line 16, in __init__"),
    ("loss", "no such loss", "ValueError at mine_place.py, line 20, in loss"),
])  # fmt: skip
def test_own_emulator_that_fails_is_named_by_file_and_line(workplace, say, where, sentence, place):
    (workplace / "mine_place.py").write_text(EMULATOR)
    sys.modules.pop("mine_place", None)
    words = ["--model=mine_place.Mine", "--model.network=UNet", f"--model.where={where}"]
    words += ["--model.network.width=4", "--trainer.default_root_dir=runs/own"]
    (workplace / "own.yaml").write_text(data_section(workplace))
    status, _, err = say("fit", "-c=own.yaml", *words, "--trainer.accelerator=cpu")
    assert status == 1
    assert f"emulate: error: {sentence} ({place}; EMULATE_TRACEBACK=1 shows" in err
    assert "Traceback" not in err


def data_section(workplace):
    text = (workplace / "runs/smoke/config.yaml").read_text()
    start = text.index("data:\n")
    return text[start:]


def test_option_that_the_program_refuses_has_no_place_in_own_code(workplace, say):
    (workplace / "mine_place.py").write_text(EMULATOR)
    (workplace / "own.yaml").write_text(data_section(workplace))
    sys.modules.pop("mine_place", None)
    words = ["--model=mine_place.Mine", "--model.network=UNet", "--model.ema_decay=3"]
    _, _, err = say("fit", "-c=own.yaml", *words, "--trainer.default_root_dir=runs/own")
    assert "emulate: error: model.ema_decay must lie in [0, 1), got 3.0.\n" in err
