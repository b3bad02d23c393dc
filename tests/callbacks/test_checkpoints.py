from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from lightning import LightningModule, Trainer

import cli
from callbacks import Checkpoints
from tests.conftest import SMOKE

WATCHING = """
from lightning.pytorch import Callback

steps = []


class Watch(Callback):
    def on_save_checkpoint(self, trainer, *_):
        steps.append(trainer.global_step)


class Stop(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 5:
            raise KeyboardInterrupt
"""


@pytest.fixture
def watching(workplace, monkeypatch):
    (workplace / "watching.py").write_text(WATCHING)
    monkeypatch.syspath_prepend(workplace)
    import watching

    watching.steps.clear()
    return watching.steps


FIT = ["fit", "-c", str(SMOKE), "--trainer.default_root_dir=runs/watched"]


def test_written_every_so_often_and_at_the_end(watching):
    cli.run([*FIT, "--trainer.callbacks+=watching.Watch", "--trainer.max_steps=10"])
    assert watching == [4, 8, 10]


def test_resumed_run_counts_from_where_it_was(tmp_path):
    trainer = Mock(spec=Trainer, global_step=40, default_root_dir=tmp_path, is_global_zero=True)
    trainer.accumulate_grad_batches = trainer.world_size = 1
    trainer.fast_dev_run = False
    trainer.datamodule = SimpleNamespace(batch_size=4)
    checkpoints, module = Checkpoints(every=3), LightningModule()
    checkpoints.on_train_start(trainer, module)
    for step in range(41, 45):
        trainer.global_step = step
        checkpoints.on_train_batch_end(trainer, module, None, None, 0)
    trainer.save_checkpoint.assert_called_once_with(tmp_path / "last.ckpt")
    assert checkpoints.saved_at == 43


def test_written_when_a_person_interrupts(watching):
    with pytest.raises(SystemExit):
        cli.run([*FIT, "--trainer.callbacks+=watching.Stop"])
    assert torch.load("runs/watched/last.ckpt", weights_only=True)["global_step"] == 5


def test_interval_must_be_positive():
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        Checkpoints(every=0)


BEST = """
from callbacks import RolloutDiagnostic
import xarray


class Scripted(RolloutDiagnostic):
    values = [3.0, 1.0, 2.0, 0.5, 0.7]

    def begin(self, start):
        pass

    def observe(self, lead, forecast, truth):
        pass

    def scores(self):
        return xarray.Dataset()

    def summary(self, scores):
        return {"scripted": self.values.pop(0)}
"""


@pytest.mark.parametrize(("mode", "step"), [("min", 4), ("max", 1)])
def test_best_is_that_of_the_best_validation(workplace, monkeypatch, mode, step):
    (workplace / f"best_{mode}.py").write_text(BEST)
    monkeypatch.syspath_prepend(workplace)
    (workplace / "best.yaml").write_text(
        f"trainer:\n  callbacks:\n    - class_path: best_{mode}.Scripted\n    - class_path: "
        f"Checkpoints\n      init_args: {{monitor: val/scripted, mode: {mode}}}\n"
    )
    words = ["-c", "best.yaml", "--trainer.max_steps=5", "--trainer.val_check_interval=1"]
    cli.run([*FIT, *words])
    assert torch.load("runs/watched/best.ckpt", weights_only=True)["global_step"] == step


def test_monitor_that_validation_does_not_give_is_refused(workplace, say):
    (workplace / "best.yaml").write_text(
        "trainer:\n  callbacks:\n    - class_path: RolloutError\n      init_args: {leads: [5]}\n"
        "    - class_path: Checkpoints\n      init_args: {monitor: val/mse}\n"
    )
    status, _, err = say(*FIT, "-c", "best.yaml")
    assert status == 1
    assert "Checkpoints.monitor is 'val/mse', which is not a score of validation; choose" in err
    assert "val/mse/lead_5" in err
    (workplace / "best.yaml").write_text(
        "trainer:\n  callbacks:\n    - class_path: Checkpoints\n      init_args: {monitor: nope}\n"
    )
    status, _, err = say(*FIT, "-c", "best.yaml", "--trainer.default_root_dir=runs/other")
    assert status == 1
    assert "'nope', which is not a score of validation; it has no scores; add a diagnostic" in err


def test_monitor_of_lightnings_early_stopping_that_is_not_there(workplace, say):
    stopping = "--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping"
    status, _, err = say(*FIT, stopping, "--trainer.callbacks.monitor=nope")
    assert status == 1
    assert "emulate: error: " in err
    assert "EarlyStopping.monitor is 'nope', which is not there; choose one of train/loss" in err
