"""The classes of docs/your-emulator.md, used from another folder as a user would."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import cli
from tests.integration.test_your_diagnostic import HOME

PAGE = (HOME / "docs" / "your-emulator.md").read_text()
CODE = {
    found[1]: found[2]
    for found in re.finditer(r"```python\n# (\w+)\.py\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.fixture
def page(tmp_path, monkeypatch):
    for name, code in CODE.items():
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def test_each_class_has_at_most_forty_lines():
    assert set(CODE) == {"one_step", "mine", "walk", "two_states", "convolutions", "nets"}
    assert all(len(code.strip().splitlines()) <= 40 for code in CODE.values())


def test_smallest_emulator_of_the_page_is_the_baseline(page):
    from one_step import OneStep

    from emulators import Baseline, DilatedResNet

    torch.manual_seed(0)
    own, baseline = (kind(network=DilatedResNet, dimensions=1) for kind in (OneStep, Baseline))
    own.load_state_dict(baseline.state_dict())
    window = torch.randn(3, 2, 1, 16)
    assert own.loss(window) == baseline.loss(window) > 0
    states = [emulator.eval().rollout(window[:, 0], 4) for emulator in (own, baseline)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_emulator_of_the_page_is_stochastic_and_reproducible(page):
    from mine import DampedWalk

    from emulators import DilatedResNet

    torch.manual_seed(0)
    emulator = DampedWalk(network=DilatedResNet, dimensions=1).eval()
    state = torch.randn(3, 1, 16)
    one, again, other = (emulator.rollout(state, 4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert emulator.train().loss(torch.randn(2, 2, 1, 16)).isfinite()


def test_network_of_the_page_serves_a_hierarchy(page):
    from nets import TwoScales

    from emulators import Hierarchical

    emulator = Hierarchical(network=TwoScales, latents=[(1, 2), (2, 4)])
    emulator.loss(torch.randn(4, emulator.window, 1, 16, 16)).backward()
    assert emulator.eval().rollout(torch.randn(2, 1, 16, 16), 3).shape == (2, 3, 1, 16, 16)


def test_program_of_the_page_loads_the_emulator(page, single_precision):
    np.save("u.npy", np.random.default_rng(0).standard_normal((6, 16)))
    Path("walk.yaml").write_text("""
data:
  root: .
  variables: [u]
  dimensions: {space: [x]}
  format: {class_path: NumPy, init_args: {order: [time, x], channels: [u], interval: 1.0}}
  train: {files: u.npy}
  val: {files: u.npy}
trainer: {max_steps: 1, accelerator: cpu, precision: 32-true, limit_val_batches: 0}
""")
    words = ["--model=mine.DampedWalk", "--model.network=DilatedResNet"]
    cli.run(["fit", "-c", "walk.yaml", *words, "--trainer.default_root_dir=runs/walk"])
    names = {}
    exec(CODE["walk"], names)
    assert type(names["emulator"]).__name__ == "DampedWalk"
    assert not names["emulator"].training


def test_network_of_the_page_is_given_the_previous_state(page):
    from two_states import TwoStates

    class Sum(torch.nn.Module):
        def forward(self, fields):  # of two channels, then of their previous values
            return fields[:, :2] + fields[:, 2:]

    emulator = TwoStates(network=Sum(), channels=2, dimensions=1, project=None).eval()
    states = emulator.rollout(torch.ones(3, 2, 16), 4)
    assert states[0, :, 0, 0].tolist() == [2.0, 3.0, 5.0, 8.0]  # 1 + 1, 2 + 1, 3 + 2, 5 + 3
    assert emulator.loss(torch.randn(3, 3, 2, 16)).isfinite()


def test_module_of_the_page_serves_a_baseline(page):
    from convolutions import Convolutions

    from emulators import Baseline

    emulator = Baseline(network=Convolutions(channels=2, width=4), channels=2)
    emulator.loss(torch.randn(3, 2, 2, 15, 17)).backward()
    assert emulator.eval().rollout(torch.randn(3, 2, 15, 17), 2).shape == (3, 2, 2, 15, 17)
