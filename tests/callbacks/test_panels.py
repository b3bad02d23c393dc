import numpy as np
import pytest
import torch

from callbacks import Panels
from tests.callbacks.conftest import Data, Exact, RolloutBatch


def test_first_initial_condition_is_kept_at_the_chosen_leads(evaluate, plane):
    initial = torch.randn(4, 1, 8, 8)
    data = Data(plane, initial)
    panels = Panels(leads=(9, 2, 5, 100))
    batches = [
        RolloutBatch(initial[2:], torch.tensor([2, 3]), 10, 6, growth=0.5),
        RolloutBatch(initial[:2], torch.tensor([0, 1]), 10, 6, growth=0.5),
    ]
    scores = evaluate(panels, Exact(0.5), data, batches)
    np.testing.assert_allclose(scores["panel_lead_time"], [1.0, 2.5, 4.5])
    for column, lead in enumerate((2, 5, 9)):
        expected = initial[0, 0].numpy() * 0.5**lead
        np.testing.assert_allclose(scores["panel_forecast"][column], expected, rtol=1e-6)
    np.testing.assert_allclose(scores["panel_truth"][:2], scores["panel_forecast"][:2])
    assert np.isnan(scores["panel_truth"][2]).all()  # the truth ended at lead 6
    figure = panels.figures(scores)["panels"]
    assert len(figure.axes) == 9


def test_one_dimensional_fields_are_drawn_as_lines(evaluate):
    initial = torch.randn(1, 1, 16)
    panels = Panels(leads=(1, 2))
    start = RolloutBatch(initial, torch.tensor([0]), 2, 2)
    scores = evaluate(panels, Exact(), Data(None, initial, ("u",)), [start])
    assert scores["panel_forecast"].dims == ("panel_lead_time", "x")
    assert all(len(axes.lines) == 1 for axes in panels.figures(scores)["panels"].axes)


def test_leads_must_be_positive():
    with pytest.raises(ValueError, match=r"Panels\.leads must .* got \(3, 0\)"):
        Panels(leads=(3, 0))
