import types

import numpy as np
import pytest
import torch

from callbacks import PredictabilityLimit
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, Start


class Growing(torch.nn.Module):
    """Solver in which every state doubles per step, on some grid."""

    def __init__(self, grid):
        super().__init__()
        self.grid = grid

    def step(self, state):
        self.shape = tuple(state.shape)
        return 2 * state


def data(plane, solver):
    found = Data(plane, torch.randn(3, 1, 8, 8))
    found.generator = solver and types.SimpleNamespace(solver=solver)
    return found


def start():
    y, x = Grid((8, 8), (2.0, 2.0)).points()
    wave = torch.sin(2 * np.pi * x / 2) + torch.cos(2 * np.pi * y)
    return Start(torch.stack([wave, 3 * wave])[:, None], torch.arange(2), 8, 5, growth=2.0)


@pytest.mark.parametrize("size", [8, 16])
def test_limits_of_a_flow_in_which_errors_double(evaluate, plane, size):
    # emulator: 2.1 u instead of 2 u; its first error 0.1 u is doubled by the solver at every step
    solver = Growing(Grid((size, size), (2.0, 2.0)))
    diagnostic, emulator = PredictabilityLimit(leads=[2, 50]), Exact(2.1, std=2.0)
    scores = evaluate(diagnostic, emulator, data(plane, solver), [start()])
    assert solver.shape == (4, 1, size, size)
    power = (start().initial ** 2).mean((1, 2, 3)).numpy() / 4
    once = power[:, None] * 0.01 * 4.0 ** np.arange(5)
    np.testing.assert_allclose(scores["limit_once"], once, rtol=1e-5)
    np.testing.assert_allclose(scores["limit_always"], once.cumsum(1), rtol=1e-5)
    error = power[:, None] * (2.1 ** np.arange(1, 6) - 2.0 ** np.arange(1, 6)) ** 2
    np.testing.assert_allclose(scores["error_beside_limit"], error.mean(0), rtol=1e-5)
    ratio = error.mean(0) / once.mean(0)
    np.testing.assert_allclose(scores["limit_ratio_once"], ratio, rtol=1e-5)
    wanted = {"limit_ratio_once/lead_2", "limit_ratio_always/lead_2"}
    assert set(emulator.summary) == wanted
    assert set(diagnostic.figures(scores)) == {"predictability"}


def test_is_left_out_without_a_solver_of_the_same_domain(plane):
    diagnostic = PredictabilityLimit()
    for solver, reason in ((None, "there is no solver"),
                           (Growing(Grid((8, 8), (3.0, 2.0))), "in another domain")):  # fmt: skip
        diagnostic.data = data(plane, solver)
        assert reason in diagnostic.undefined()
