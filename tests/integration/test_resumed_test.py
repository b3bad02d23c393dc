"""A test that was interrupted goes on where it was, and ends with the same scores."""

import shutil

import pytest
import torch
import xarray

import cli
from tests.conftest import DIAGNOSTICS, says

CHECKPOINT = "runs/smoke/last.ckpt"
SAVE = ("--trainer.callbacks+=RolloutCheckpoint", "--trainer.callbacks.seconds=0")
INTERRUPT = """
from callbacks import RolloutDiagnostic
import xarray
from tests.conftest import says


class Interrupt(RolloutDiagnostic):
    at = None

    def begin(self, start):
        self.last = 4 in start.index

    def observe(self, lead, forecast, truth):
        if self.last and lead == self.at:
            raise RuntimeError("interrupted")

    def scores(self):
        return xarray.Dataset()
"""


@pytest.mark.parametrize("lead", [1, 12, 20])
def test_segmented_equals_uninterrupted(tested, workplace, monkeypatch, lead):
    # five initial conditions in batches of three: the second batch is interrupted
    (workplace / f"stop{lead}.py").write_text(INTERRUPT.replace("at = None", f"at = {lead}"))
    monkeypatch.syspath_prepend(workplace)
    words = ["test", "--ckpt_path", CHECKPOINT, "--trainer.default_root_dir=runs/broken"]
    words += ["-c", str(DIAGNOSTICS)]
    with pytest.raises(RuntimeError, match="interrupted"):
        cli.run([*words, f"--trainer.callbacks+=stop{lead}.Interrupt", *SAVE])
    assert (workplace / "runs/broken/rollout-0.ckpt").is_file()
    cli.run([*words, "--resume", "true"])
    assert not (workplace / "runs/broken/rollout-0.ckpt").exists()
    whole, resumed = (
        xarray.open_dataset(path / "scores.nc", decode_times=False)
        for path in (tested / "runs/smoke", workplace / "runs/broken")
    )
    xarray.testing.assert_equal(whole, resumed)


def interrupted(workplace, monkeypatch):
    (workplace / "stop.py").write_text(INTERRUPT.replace("at = None", "at = 7"))
    monkeypatch.syspath_prepend(workplace)
    with pytest.raises(RuntimeError, match="interrupted"):
        cli.run(["test", "--ckpt_path", CHECKPOINT, "--trainer.callbacks+=stop.Interrupt", *SAVE])


def test_other_test_is_not_continued(workplace, monkeypatch, say):
    interrupted(workplace, monkeypatch)
    words = ["test", "--ckpt_path", CHECKPOINT, "--data.test_rollouts.steps=19", "--resume=true"]
    status, _, err = say(*words)
    assert status == 1
    assert says(err, "rollout-0.ckpt", "another test", "lengths")


def test_diagnostic_that_was_not_there_is_refused(workplace, monkeypatch, say):
    interrupted(workplace, monkeypatch)
    words = ["--resume=true", "--trainer.callbacks+=RelativeError"]
    status, _, err = say("test", "--ckpt_path", CHECKPOINT, *words)
    assert status == 1
    assert "has no state of RelativeError, which was not a callback" in err
    assert "when the test began; leave it out" in err


def test_test_without_resume_starts_anew(workplace, monkeypatch, tested):
    interrupted(workplace, monkeypatch)
    shutil.copy("runs/smoke/rollout-0.ckpt", "kept.ckpt")
    cli.run(["test", "--ckpt_path", CHECKPOINT, "--trainer.limit_test_batches=1"])
    assert not (workplace / "runs/smoke/rollout-0.ckpt").exists()


def test_test_with_other_options_is_not_continued(workplace, monkeypatch, say):
    interrupted(workplace, monkeypatch)
    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    assert "width: 5.0" in checkpoint["settings"]
    checkpoint["settings"] = checkpoint["settings"].replace("width: 5.0", "width: 7.0")
    torch.save(checkpoint, CHECKPOINT)
    status, _, err = say("test", "--ckpt_path", CHECKPOINT, "--resume=true")
    assert status == 1
    assert says(err, "EnergyStability.width", "5.0")
