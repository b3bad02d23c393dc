"""The classes of docs/your-emulator.md, used from another folder as a user would."""

import re

import pytest
import torch

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
    monkeypatch.syspath_prepend(tmp_path)


def test_each_class_has_at_most_forty_lines():
    assert set(CODE) == {"mine", "nets"}
    assert all(len(code.strip().splitlines()) <= 40 for code in CODE.values())


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
