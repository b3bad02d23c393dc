import pytest
import torch

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


def test_written_when_a_person_interrupts(watching):
    with pytest.raises(SystemExit):
        cli.run([*FIT, "--trainer.callbacks+=watching.Stop"])
    assert torch.load("runs/watched/last.ckpt", weights_only=True)["global_step"] == 5


def test_interval_must_be_positive():
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        Checkpoints(every=0)
