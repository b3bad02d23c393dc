"""Scores of stored forecasts, which equal the scores of a rollout."""

import numpy as np
import pytest
import torch

from callbacks import EnergyStability, Moments, PredictabilityLimit, RolloutError, score_forecasts
from datamodules import DataDescription
from datamodules.solvers import Grid, Variable
from tests.callbacks.conftest import Data, Exact, RolloutBatch

FIELDS = [Variable("u", "wind", "m s-1"), Variable("h", "height", "m")]


def data(channels=1):
    return DataDescription.on_grid(FIELDS[:channels], Grid((8,), (1.0,)), 0.5, "m", "s")


def states(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_scores_equal_the_scores_of_a_rollout_with_the_same_forecasts(evaluate):
    truth = states(3, 7, 1, 8)
    forecast = torch.stack([truth[:, 0] * 0.5**n for n in range(1, 7)], 1)
    found = score_forecasts(RolloutError(), forecast, truth, data())
    known = Data(Grid((8,), (1.0,)), truth.flatten(0, 1), ("u",))
    start = RolloutBatch(truth[:, 0], torch.arange(3), 6, 6)
    start.truth = lambda lead: truth[:, lead]
    expected = evaluate(RolloutError(), Exact(0.5, std=truth.std(correction=0)), known, [start])
    for name in ("mse", "rmse", "vrmse", "anomaly_correlation", "valid_prediction_time"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_forecasts_may_outlast_the_truth_and_diverge():
    truth = states(2, 4, 1, 8)
    forecast = states(2, 150, 1, 8)
    forecast[1, 20:] = torch.inf  # no longer computed from the next check on
    forecast[0, 140] *= 100
    scores = score_forecasts(EnergyStability(), forecast, truth, data())
    np.testing.assert_allclose(scores["survival_time"], [70.0, 10.0])
    assert score_forecasts(RolloutError(), forecast, truth, data())["mse"].shape == (2, 3)


def test_channels_have_their_own_statistics():
    truth = torch.stack((states(2, 9, 8), 5 + 3 * states(2, 9, 8)), 2)
    scores = score_forecasts(RolloutError(), truth[:, 1:] + 2, truth, data(2))
    std = truth.double().transpose(0, 2).flatten(1).std(1, correction=0)
    np.testing.assert_allclose(scores["mse"], (4 / std**2).mean().item(), rtol=1e-5)
    maps = score_forecasts(Moments(every=1), truth, truth, data(2))
    np.testing.assert_allclose(maps["mean_map_error"], 0, atol=1e-6)


def test_diagnostic_without_scores_for_the_data_is_refused_with_the_reason():
    truth = states(1, 3, 1, 8)
    with pytest.raises(
        ValueError, match=r"PredictabilityLimit has no scores of .*there is no solver"
    ):
        score_forecasts(PredictabilityLimit(), truth[:, 1:], truth, data())
