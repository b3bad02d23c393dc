"""A user's own emulator, network and diagnostic, in a folder of theirs, used as a user would."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import SMOKE

MINE = '''
import torch
import xarray
from torch import nn

from callbacks import RolloutDiagnostic
from callbacks.metrics.per_sample import PerSampleMetric
from emulators import Emulator


class Persistent(Emulator):
    """Emulator of the difference to yesterday.

    Args:
        strength: How much of the network's output is used.
    """

    window = 2

    def __init__(self, strength: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength

    def step(self, state, memory=None):
        u = self.standardize(state)
        return self.standardize.inverse(u + self.strength * self.network(u)[0]), None

    def loss(self, window):
        return (self.step(window[:, 0])[0] - window[:, 1]).square().mean()


class Wave(nn.Module):
    def __init__(self, width: int = 3):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, width, 1), nn.Tanh(), nn.Conv1d(width, 1, 1))

    def forward(self, x):
        return self.layers(x)


class Largest(RolloutDiagnostic):
    """Largest value of each rollout."""

    def __init__(self):
        super().__init__()
        self.rows = PerSampleMetric("largest")

    def begin(self, start):
        self.index, self.largest = start.index, start.initial.flatten(1).amax(1)

    def observe(self, lead, forecast, truth):
        self.largest = torch.maximum(self.largest, forecast.flatten(1).amax(1))

    def end(self):
        self.rows.update(self.index, largest=self.largest)

    def scores(self):
        rows = self.rows.compute()
        return xarray.Dataset({"largest": ("initial_condition", rows["largest"])})

    def summary(self, scores):
        return {"largest": float(scores["largest"].max())}
'''
SETTINGS = """
model:
  class_path: mine.Persistent
  init_args:
    strength: 0.5
    network: {class_path: mine.Wave, init_args: {width: 5}}
trainer:
  callbacks:
    - Checkpoints
    - EnergyStability
    - mine.Largest
    - ScoreWriter
"""


HOME = Path(__file__).parents[2]  # another copy of the program may be the installed one
PYTHON = [sys.executable, str(HOME / "cli.py")]
EMULATE = [str(Path(sys.executable).with_name("emulate"))]


def test_own_classes_plug_in_from_another_folder(trained, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "mine.yaml").write_text(SETTINGS)
    for name in ("callbacks", "torch", "xarray", "emulators/__init__", "commands/__init__"):
        other = tmp_path / f"{name}.py"  # ours and the libraries' come first
        other.parent.mkdir(exist_ok=True)
        other.write_text("raise SystemExit('the wrong module')\n")

    def run(program, *words):
        return subprocess.run(
            [*program, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    fitted = run(PYTHON, "fit", f"-c={SMOKE}", "-c=mine.yaml", f"--data.root={trained / 'data'}")
    assert fitted.returncode == 0, fitted.stderr
    for word in ("weights_only", "litlogger"):  # of Lightning's, of no use here
        assert word not in fitted.stdout + fitted.stderr
    tested = run(EMULATE, "test", "--ckpt_path=runs/run/last.ckpt")
    assert tested.returncode == 0, tested.stderr
    assert "largest" in tested.stdout
    assert "stability_rate" in tested.stdout
