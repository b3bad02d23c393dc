"""What keeps a run is there whatever a YAML lists."""

from pathlib import Path

import pytest
import yaml
from lightning.pytorch.callbacks import EarlyStopping, ProgressBar, TQDMProgressBar

import callbacks as ours
from callbacks import (
    Checkpoints,
    ForecastWriter,
    GracefulShutdown,
    RolloutCheckpoint,
    RolloutError,
)
from callbacks.diagnostics.base import RolloutDiagnostic
from commands.stages import TRAINER_DEFAULTS
from commands.trainer import RunTrainer
from tests.conftest import SMOKE


def trainer(tmp_path, callbacks, enable_progress_bar=False, **options):
    return RunTrainer(
        default_root_dir=tmp_path, callbacks=callbacks, accelerator="cpu",
        enable_checkpointing=False, enable_progress_bar=enable_progress_bar, **options,
    )  # fmt: skip


@pytest.mark.parametrize("given", [None, [], [RolloutError(leads=[1])], Checkpoints(every=3)])
def test_what_keeps_a_run_is_added(tmp_path, given):
    found = trainer(tmp_path, given).callbacks
    for kind in (GracefulShutdown, Checkpoints, ForecastWriter, RolloutCheckpoint):
        assert sum(isinstance(callback, kind) for callback in found) == 1
    for callback in [given] if isinstance(given, Checkpoints) else given or []:
        assert callback in found


def test_the_last_of_two_counts(tmp_path):
    found = trainer(
        tmp_path, [Checkpoints(every=3), RolloutCheckpoint(1.0), Checkpoints(every=7)]
    ).callbacks
    assert [c.every for c in found if isinstance(c, Checkpoints)] == [7]
    assert [c.seconds for c in found if isinstance(c, RolloutCheckpoint)] == [1.0]


def test_forecast_writer_of_a_file_counts(tmp_path):
    found = trainer(tmp_path, [ForecastWriter(every=5)]).callbacks
    assert [c.every for c in found if isinstance(c, ForecastWriter)] == [5]


@pytest.mark.parametrize(("given", "enabled", "rates"), [
    ([], None, [20]), ([], False, []),
    ([TQDMProgressBar(refresh_rate=3)], True, [3]), ([TQDMProgressBar()], False, []),
], ids=["default", "disabled", "given", "given and disabled"])  # fmt: skip
def test_progress_bar(tmp_path, given, enabled, rates):
    found = trainer(tmp_path, given, enable_progress_bar=enabled).callbacks
    assert [c.refresh_rate for c in found if isinstance(c, ProgressBar)] == rates


def test_barebones_has_no_progress_bar(tmp_path):
    options = {"enable_progress_bar": None, "logger": False, "enable_model_summary": False}
    found = trainer(tmp_path, [], barebones=True, **options).callbacks
    assert not any(isinstance(c, ProgressBar) for c in found)


def test_shipped_settings_list_diagnostics_only():
    listed = yaml.safe_load(Path(TRAINER_DEFAULTS).read_text())["trainer"]["callbacks"]
    assert len(listed) > 5
    for entry in listed:
        assert issubclass(getattr(ours, entry["class_path"].split(".")[-1]), RolloutDiagnostic)


def test_others_that_keep_something_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"trainer\.callbacks has EarlyStopping.* twice"):
        trainer(tmp_path, [EarlyStopping("val/loss"), EarlyStopping("val/loss")])


def test_second_checkpoints_on_the_command_line(workplace, say):
    words = ["--trainer.callbacks+=Checkpoints", "--trainer.callbacks.every=1"]
    words += ["--trainer.default_root_dir=runs/twice", "--trainer.max_steps=2"]
    assert say("fit", "-c", str(SMOKE), *words)[0] == 0
