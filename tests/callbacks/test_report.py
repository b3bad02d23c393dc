import pytest

from emulators.training.precision import bfloat16_cost
from tests.conftest import SMOKE, says

CHECKPOINT = "runs/smoke/last.ckpt"


def test_commands_say_what_they_do(workplace, say):
    _, out, _ = say("fit", "-c", SMOKE, "--trainer.default_root_dir=runs/new")
    # 4 trajectories of 40 snapshots have 37 windows of 4 each
    assert "training Hierarchical (" in out
    assert says(out, "148 windows of 4 snapshots", "data", "0 to 6", "runs/new")
    # 4 x 40 snapshots of 32 float32
    assert says(out, "train split: 20 KiB, loaded into memory")
    assert "trained 6 steps in" in out
    assert "next: emulate test --ckpt_path runs/new/last.ckpt" in out
    _, out, _ = say("test", "--ckpt_path", CHECKPOINT, "--trainer.callbacks=RunReport")
    assert "Hierarchical: 5 rollouts of 20 steps from data" in out
    assert "test split: 10 KiB, loaded into memory" in out
    _, out, _ = say("validate", "--ckpt_path", CHECKPOINT)
    assert "Hierarchical: 2 rollouts of 6 steps from data" in out
    assert "val split: 5 KiB, loaded into memory" in out
    _, out, _ = say("predict", "--ckpt_path", CHECKPOINT)
    assert "Hierarchical: 2 rollouts of 8 steps from data" in out


@pytest.mark.parametrize(
    ("precision", "cost", "said"),
    [("bf16-mixed", 1.73, True), ("bf16-mixed", 1.05, False), ("32-true", 1.73, False)],
)
def test_slow_bfloat16_is_said(workplace, say, monkeypatch, precision, cost, said):
    monkeypatch.setattr("callbacks.run.report.bfloat16_cost", lambda: cost)
    words = ["--trainer.callbacks=RunReport", "--trainer.max_steps=1"]
    _, out, _ = say("fit", "-c", SMOKE, *words, f"--trainer.precision={precision}")
    sentence = "takes 1.7 times as long in bfloat16 as in float32 on this processor: --trainer.prec"
    assert (sentence in out) == said


def test_cost_of_bfloat16_is_a_ratio_of_times():
    assert 0.01 < bfloat16_cost() < 100
