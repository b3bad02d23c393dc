"""What keeps a run is there whatever a YAML lists."""

import pytest
from lightning.pytorch.callbacks import EarlyStopping

from callbacks import Checkpoints, GracefulShutdown, RolloutCheckpoint, RolloutError
from commands.trainer import RunTrainer
from tests.conftest import SMOKE


def trainer(tmp_path, callbacks):
    return RunTrainer(
        default_root_dir=tmp_path, callbacks=callbacks, accelerator="cpu",
        enable_checkpointing=False, enable_progress_bar=False,
    )  # fmt: skip


@pytest.mark.parametrize("given", [None, [], [RolloutError(leads=[1])], Checkpoints(every=3)])
def test_what_keeps_a_run_is_added(tmp_path, given):
    found = trainer(tmp_path, given).callbacks
    for kind in (GracefulShutdown, Checkpoints, RolloutCheckpoint):
        assert sum(isinstance(callback, kind) for callback in found) == 1
    for callback in [given] if isinstance(given, Checkpoints) else given or []:
        assert callback in found


def test_the_last_of_two_counts(tmp_path):
    found = trainer(
        tmp_path, [Checkpoints(every=3), RolloutCheckpoint(1.0), Checkpoints(every=7)]
    ).callbacks
    assert [c.every for c in found if isinstance(c, Checkpoints)] == [7]
    assert [c.seconds for c in found if isinstance(c, RolloutCheckpoint)] == [1.0]


def test_others_that_keep_something_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"trainer\.callbacks has EarlyStopping.* twice"):
        trainer(tmp_path, [EarlyStopping("val/loss"), EarlyStopping("val/loss")])


def test_second_checkpoints_on_the_command_line(workplace, say):
    words = ["--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every=1"]
    words += ["--trainer.default_root_dir=runs/twice", "--trainer.max_steps=2"]
    assert say("fit", "-c", str(SMOKE), *words)[0] == 0
