"""Which known name is suggested for a wrong one."""

from pathlib import Path

import pytest

import callbacks
import emulators
from commands.exported import exported
from commands.shipped import close_file
from commands.suggestions import classes_for, closest, concrete, did_you_mean, options_of_class

exported(callbacks, emulators)
KNOWN = ["trainer.max_steps", "trainer.max_time", "data.batch_size", "data.root", "model"]


@pytest.mark.parametrize(("name", "known"), [
    ("trainer.max_step", "trainer.max_steps"),
    ("data.batchsize", "data.batch_size"),
    ("data.Root", "data.root"),
    ("batch_size", "data.batch_size"),  # without its group
    ("trainr.max_time", "trainer.max_time"),
    ("modle", "model"),
    ("trainer.profiler", None),  # shares the group alone
    ("foo", None),
])  # fmt: skip
def test_closest(name, known):
    assert closest(name, KNOWN) == known


def test_question():
    assert did_you_mean("modle", KNOWN, "--") == " (did you mean --model?)"
    assert did_you_mean("foo", KNOWN) == ""
    assert did_you_mean("", KNOWN) == ""


def test_options_of_a_class_are_those_of_its_bases_too():
    names = options_of_class("emulators.Pushforward")
    assert {"detached_steps", "network", "ema_decay"} <= set(names)
    assert not {"kwargs", "latent_inputs"} & set(names)  # set by the class
    assert not {"channels", "static", "masked"} & set(names)  # set by the data
    assert options_of_class("nowhere.Nothing") == []


def test_classes_that_can_be_named():
    assert "Baseline" in concrete(emulators.Emulator)
    assert "Emulator" not in concrete(emulators.Emulator)  # abstract
    assert "FromModule" not in concrete(emulators.Network)  # made by emulators
    names = classes_for("<class 'emulators.emulator.Emulator'>", None, "model")
    assert names[0] == "Baseline"
    assert classes_for("", "datamodules.Generator", "solver")[0] == "SpectralSolver"
    assert "UNet" in classes_for("", "emulators.Baseline", "network")
    assert "NetworkInterface" not in classes_for("", "emulators.Baseline", "network")


def test_a_name_is_no_suggestion_for_itself():
    assert did_you_mean("network", ["network", "distance"]) == ""


def test_files_with_similar_names_are_suggested(tmp_path):
    (tmp_path / "mine.yaml").touch()
    assert close_file(tmp_path / "mime.yaml") == f" (did you mean {tmp_path / 'mine.yaml'}?)"
    assert close_file(Path("elsewhere/configs/model/basline.yaml")) == (
        " (did you mean configs/model/baseline.yaml?)"
    )
    assert close_file(tmp_path / "nothing_like_it.yaml") == ""
