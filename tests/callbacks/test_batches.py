"""Scores do not depend on how initial conditions are batched, even where trajectories fail.

Processes differ from batches only in that their rows are gathered, which `PerSampleMetric` sorts.
"""

import numpy as np
import pytest
import torch

from callbacks import EnergyStability
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted
from tests.callbacks.test_no_waiting import KINDS, PLANE, solver_of


class Failing(Scripted):
    """Trajectories that start with a positive mean grow; one of them is not a number at once."""

    def at(self, lead, first):
        mean = first.mean((1, 2, 3), keepdim=True)
        grown = torch.where(mean > 0, first * 1.1**lead, first * (1 + 0.01 * np.sin(lead)))
        return torch.where(mean > 50, float("nan"), grown)


def scores(kind, parts):
    torch.manual_seed(0)
    data = Data(PLANE, torch.randn(220, 1, 16, 16))
    data.rollouts["test"].initial_conditions = 5
    data.rollouts["test"].members = 3
    initial = torch.randn(5, 1, 16, 16)
    initial += torch.tensor([1.0, -1.0, 1.0, 100.0, -1.0]).reshape(5, 1, 1, 1)
    noise = 0.01 * torch.randn(2, 5, 1, 16, 16)
    data.generator = solver_of(PLANE)
    diagnostic, stability = kind(), EnergyStability()
    for one in (diagnostic, stability):
        one.attach(data, Exact())
        one.start(torch.device("cpu"))
    for part in parts:
        start = RolloutBatch(initial[part], torch.tensor(part), 70, 12)
        start.perturbed = initial[part] + noise[:, part]
        run_rollout(Failing(), start, [diagnostic, stability])
    return diagnostic.scores()


@pytest.mark.parametrize("kind", KINDS)
def test_scores_with_failures_are_those_of_any_batches(kind, monkeypatch):
    # the first is given up after 1 step, two others after 41: left out at two looks, then more
    monkeypatch.setattr("emulators.rollout.CHECK_INTERVAL", 20)
    one = scores(kind, [[0, 1, 2, 3, 4]])
    for parts in ([[3], [0], [4], [1], [2]], [[0, 3], [1, 2, 4]]):
        other = scores(kind, parts)
        for name, wanted in one.items():
            if wanted.dtype.kind != "f":
                assert other[name].equals(wanted), name
                continue
            np.testing.assert_allclose(other[name], wanted, rtol=1e-6, atol=1e-12, err_msg=name)
