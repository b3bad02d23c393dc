"""The precision of a run that was given none."""

from pathlib import Path

import pytest
import torch
import yaml

import cli
import emulators
from emulators.training.precision import default_precision
from tests.conftest import SMOKE


@pytest.mark.parametrize(
    ("accelerator", "gpu", "precision"),
    [
        ("auto", True, "bf16-mixed"),
        ("gpu", True, "bf16-mixed"),
        ("cuda", True, "bf16-mixed"),
        ("auto", False, "32-true"),
        ("cpu", True, "32-true"),
        ("mps", False, "32-true"),
        (object(), True, "32-true"),
    ],
)
def test_default_is_fast_on_the_device(monkeypatch, accelerator, gpu, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert default_precision(accelerator) == precision


def precision_of(run):
    return yaml.safe_load((Path(run) / "config.yaml").read_text())["trainer"]["precision"]


def test_run_keeps_the_precision_that_was_chosen(workplace, monkeypatch):
    for chosen in ("32-true", "bf16-mixed"):
        monkeypatch.setattr("commands.stages.default_precision", lambda _, chosen=chosen: chosen)
        run = f"runs/{chosen}"
        words = ["--trainer.max_steps=1", f"--trainer.default_root_dir={run}"]
        cli.run(["fit", "-c", str(SMOKE), *words, "--trainer.precision=null"])
        assert precision_of(run) == emulators.load(run).precision == chosen
    # a resumed run keeps its precision, although the default here is now bf16-mixed
    cli.run(["fit", "--ckpt_path=runs/32-true/last.ckpt", "--trainer.max_steps=2"])
    assert precision_of("runs/32-true") == "32-true"


def test_plugin_brings_its_own_precision(workplace):
    words = ["--trainer.max_steps=1", "--trainer.default_root_dir=runs/plugin"]
    words += ["--trainer.precision=null", "--trainer.plugins=DoublePrecision"]
    command = cli.run(["fit", "-c", str(SMOKE), *words])
    assert command.trainer.precision == "64-true"
    assert precision_of("runs/plugin") is None


def test_shipped_settings_leave_the_precision_to_the_device():
    settings = yaml.safe_load((Path(__file__).parents[2] / "configs/trainer.yaml").read_text())
    assert settings["trainer"]["precision"] is None
