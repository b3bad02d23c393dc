"""Hooks of Lightning that a user's class overrides, without a call of its base class or result."""

import pytest

from tests.conftest import SMOKE

OWN = """
from enum import Enum

import xarray
from lightning import Callback

from callbacks import RolloutDiagnostic
from emulators import Baseline


class Bare(Baseline):
    def setup(self, stage):
        pass


class Whole(Baseline):
    def setup(self, stage):
        super().setup(stage)


class Still(Baseline):
    def configure_optimizers(self):
        return None


class Failing(Callback):
    def on_train_batch_end(self, *args):
        raise OSError("of the user")


class Kind(Enum):
    PLAIN = 1
    FANCY = 2


class Chosen(Callback):
    def __init__(self, kind: Kind = Kind.PLAIN):
        self.kind = kind


class OnlyTested(RolloutDiagnostic):
    stages = ("test",)

    def setup(self, trainer, pl_module, stage):
        if stage == "test":
            super().setup(trainer, pl_module, stage)

    def begin(self, start):
        self.numbers = [1.0]  # names that a class may use as it likes

    def observe(self, lead, forecast, truth):
        pass

    def scores(self):
        return xarray.Dataset({"one": 1.0})

    def summary(self, scores):
        return {"one": 1.0}


class Detached(OnlyTested):
    def setup(self, trainer, pl_module, stage):
        pass
"""


@pytest.fixture
def own(workplace, monkeypatch):
    (workplace / "own_hooks.py").write_text(OWN)
    monkeypatch.syspath_prepend(workplace)


FIT = ["fit", "-c", str(SMOKE), "--trainer.default_root_dir=runs/own", "--trainer.max_steps=2"]


def test_setup_of_an_emulator_calls_the_setup_of_its_base(own, say):
    """Without it the data would be standardised by the mean 0 and the deviation 1."""
    status, _, err = say(*FIT, "--model=own_hooks.Bare")
    assert status == 1
    assert "Bare.setup has not set the statistics of the data; call super().setup(stage)" in err
    assert say(*FIT, "--model=own_hooks.Whole")[0] == 0


def test_setup_of_a_diagnostic_calls_the_setup_of_its_base(own, say):
    words = ["--ckpt_path=runs/smoke/last.ckpt", "--trainer.callbacks+=own_hooks.Detached"]
    status, _, err = say("test", *words)
    assert status == 1
    assert "Detached.setup has not attached the data; call super().setup(trainer," in err


def test_a_diagnostic_of_the_test_alone_needs_no_data_in_validation(own, say):
    status, _, err = say(*FIT, "--trainer.callbacks+=own_hooks.OnlyTested")
    assert status == 0, err
    status, out, err = say("test", "--ckpt_path=runs/own/last.ckpt")
    assert status == 0, err
    assert "one " in out


def test_a_resume_that_fails_later_keeps_its_curves(own, say, workplace):
    words = ["--ckpt_path=runs/smoke/last.ckpt", "--trainer.max_steps=8"]
    before = {*workplace.glob("runs/smoke/events*")}
    status, _, err = say("fit", *words, "--trainer.callbacks+=own_hooks.Failing")
    assert status == 1
    assert "of the user" in err
    assert {*workplace.glob("runs/smoke/events*")} > before


def test_a_training_without_optimiser_is_resumed_and_tested(own, say):
    assert say(*FIT, "--model=own_hooks.Still")[0] == 0
    last = "--ckpt_path=runs/own/last.ckpt"
    status, _, err = say("fit", last, "--trainer.max_steps=4")
    assert status == 0, err
    status, _, err = say("test", last)
    assert status == 0, err


def test_values_of_enumerations_are_saved(own, workplace, say):
    timer = ["--trainer.callbacks+=lightning.pytorch.callbacks.Timer",
             "--trainer.callbacks.duration=00:00:10:00"]  # fmt: skip
    chosen = ["--trainer.callbacks+=own_hooks.Chosen", "--trainer.callbacks.kind=FANCY"]
    status, _, err = say(*FIT, *timer, *chosen)
    assert status == 0, err
    settings = (workplace / "runs/own/config.yaml").read_text()
    assert "interval: step" in settings
    assert "kind: FANCY" in settings  # as it is typed
    assert say("test", "--ckpt_path=runs/own/last.ckpt")[0] == 0
    assert say("fit", "--ckpt_path=runs/own/last.ckpt", "--trainer.max_steps=4")[0] == 0
