import math

import numpy as np
import pytest
import torch

from callbacks import Hovmoeller
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, RolloutBatch

PLANE = Grid((16, 24), (2 * math.pi, 6 * math.pi))


def test_history_holds_every_so_many_profiles_of_the_first_trajectory(evaluate):
    y, x = PLANE.points()
    flow = (torch.cos(2 * y) + torch.sin(x))[None, None]
    diagnostic, start = Hovmoeller(points=7), RolloutBatch(3 * flow, torch.arange(1), 20, 6)
    scores = evaluate(diagnostic, Exact(), Data(PLANE, flow), [start])
    np.testing.assert_allclose(scores["hovmoeller_lead_time"], [1.5, 3, 4.5, 6, 7.5, 9])
    expected = 3 * np.cos(2 * PLANE.coordinates()[0].numpy())
    np.testing.assert_allclose(scores["hovmoeller_forecast"][-1], expected, atol=1e-6)
    known = np.isfinite(scores["hovmoeller_truth"].values).all(1)
    assert known.tolist() == [True, True] + 4 * [False]
    assert set(diagnostic.figures(scores)) == {"hovmoeller"}


def test_in_one_dimension_it_is_the_field_itself(evaluate):
    first = torch.randn(2, 1, 16)
    data = Data(Grid((16,), (22.0,)), first, variables=("u",))
    start = RolloutBatch(first, torch.tensor([1, 0]), 3, 0)
    scores = evaluate(Hovmoeller(), Exact(2.0), data, [start])
    assert scores["hovmoeller_forecast"].dims == ("hovmoeller_lead_time", "x")
    np.testing.assert_allclose(scores["hovmoeller_forecast"][2], 8 * first[1, 0], rtol=1e-6)


def test_needs_a_point():
    with pytest.raises(ValueError, match="points must be at least 1, got 0"):
        Hovmoeller(points=0)
