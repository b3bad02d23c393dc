import types

import numpy as np
import pytest
import torch

from callbacks import PredictabilityLimit, RolloutError
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, RolloutBatch


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
    found.generator = solver and types.SimpleNamespace(solver=solver, operating_points_differ=False)
    return found


def start():
    y, x = Grid((8, 8), (2.0, 2.0)).points()
    wave = torch.sin(2 * np.pi * x / 2) + torch.cos(2 * np.pi * y)
    return RolloutBatch(torch.stack([wave, 3 * wave])[:, None], torch.arange(2), 8, 5, growth=2.0)


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
    ratio = error.mean(0) / once.mean(0)
    np.testing.assert_allclose(scores["limit_ratio_once"], ratio, rtol=1e-5)
    wanted = {"limit_ratio_once/lead_2", "limit_ratio_always/lead_2"}
    assert set(emulator.summary) == wanted


def test_solver_starts_from_a_few_states_evenly_spaced_among_all(evaluate, plane):
    solver = Growing(plane)
    initial = torch.randn(8, 1, 8, 8)
    batches = [
        RolloutBatch(initial[part], torch.arange(8)[part], 3, 3, growth=2.0)
        for part in (slice(0, 3), slice(3, 4), slice(4, 8))
    ]
    known = data(plane, solver)
    known.rollouts["test"].initial_conditions = 8
    diagnostic = PredictabilityLimit(initial_conditions=2)
    scores = evaluate(diagnostic, Exact(2.1, std=1.0), known, batches)
    assert scores["twin"].values.tolist() == [0, 7]
    power = (initial[[0, 7]] ** 2).mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(scores["limit_once"][:, 0], 0.01 * power, rtol=1e-5)
    error = power.mean() * (2.1**3 - 8) ** 2
    limit = power.mean() * 0.01 * 16
    np.testing.assert_allclose(scores["limit_ratio_once"][2], error / limit, rtol=1e-5)


def test_needs_an_initial_condition():
    with pytest.raises(ValueError, match="initial_conditions must be at least 1, got 0"):
        PredictabilityLimit(initial_conditions=0)


def test_limits_are_drawn_with_the_error(evaluate, plane):
    known = data(plane, Growing(plane))
    limits = evaluate(PredictabilityLimit(), Exact(2.1), known, [start()])
    diagnostic = RolloutError()
    scores = evaluate(diagnostic, Exact(2.1), known, [start()])
    axes = diagnostic.figures(scores)["rollout_error"].axes[0]
    assert "first error, made once" not in [line.get_label() for line in axes.lines]
    axes = diagnostic.figures(scores.merge(limits))["rollout_error"].axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    once, always = limits["limit_once"].mean("twin"), limits["limit_always"].mean("twin")
    np.testing.assert_allclose(lines["first error, made once"], once)
    np.testing.assert_allclose(lines["first error, made at every step"], always)


@pytest.mark.parametrize("points", [100, 192])
def test_domain_read_from_coordinates_of_any_number_of_points_is_that_of_the_solver(points):
    x = np.arange(points) * (22.0 / points)
    read = Grid((points,), (float(np.diff(x).mean() * points),))  # 22.000000000000004
    known = Data(read, torch.randn(3, 1, points))
    solver = Growing(Grid((64,), (22.0,)))
    known.generator = types.SimpleNamespace(solver=solver, operating_points_differ=False)
    diagnostic = PredictabilityLimit()
    diagnostic.attach(known)
    assert diagnostic.unsupported_reason() is None


def test_is_left_out_without_a_solver_of_the_same_domain(plane):
    diagnostic = PredictabilityLimit()
    other = Growing(Grid((8, 8), (3.0, 2.0)))
    for solver, reason in (
        (None, "there is no solver"),
        (other, "domain of the solver, (3.0, 2.0), differs"),
    ):
        diagnostic.attach(data(plane, solver))
        assert reason in diagnostic.unsupported_reason()
    walls = data(plane, Growing(plane))
    walls.change(periodic=(True, False))
    diagnostic.attach(walls)
    assert "no periodic grid" in diagnostic.unsupported_reason()


def test_is_left_out_where_trajectories_have_operating_points_of_their_own(plane):
    diagnostic = PredictabilityLimit()
    diagnostic.attach(data(plane, Growing(plane)))
    assert diagnostic.unsupported_reason() is None
    diagnostic.source.generator.operating_points_differ = True
    assert diagnostic.unsupported_reason() == "trajectories have operating points of their own"
