import numpy as np
import pytest
import torch
import xarray

from callbacks import RolloutError
from tests.callbacks.conftest import Data, Exact, RolloutBatch


def starts(batches, steps=10, truth_steps=6, growth=1.0):
    torch.manual_seed(0)
    initial = torch.randn(5, 1, 8, 8)
    return initial, [
        RolloutBatch(initial[b], torch.tensor(b), steps, truth_steps, growth) for b in batches
    ]


def test_exact_emulator_has_no_error_and_stays_valid(evaluate, plane):
    _, batches = starts([[0, 1, 2, 3, 4]])
    scores = evaluate(RolloutError(), Exact(), Data(plane, torch.randn(6, 1, 8, 8)), batches)
    assert (scores["mse"] == 0).all()
    assert (scores["valid_prediction_time"] == 6 * 0.5).all()


def test_error_against_growing_truth_equals_the_formula(evaluate, plane):
    initial, batches = starts([[0, 1, 2], [3, 4]], growth=1.5)
    scores = evaluate(RolloutError(), Exact(std=2.0), Data(plane, initial), batches)
    power = (initial.numpy() ** 2).mean(axis=(1, 2, 3))
    lead = np.arange(1, 7)
    expected = power[:, None] * (1.5**lead - 1) ** 2
    np.testing.assert_allclose(scores["mse"], expected / 4)  # in units of std² = 4
    np.testing.assert_allclose(scores["mse_physical"][..., 0], expected)
    np.testing.assert_allclose(scores["mse_mean"], (expected / 4).mean(0))
    np.testing.assert_allclose(scores["mse_std"], (expected / 4).std(0))
    np.testing.assert_allclose(scores["lead_time"], lead * 0.5)


@pytest.mark.parametrize(
    "batches", [[[0], [1], [2], [3], [4]], [[4, 2], [0, 1, 3]], [[3, 4, 0, 1, 2]]]
)
def test_scores_do_not_depend_on_the_batches(evaluate, plane, batches):
    data = Data(plane, torch.randn(6, 1, 8, 8))
    whole = evaluate(RolloutError(), Exact(), data, starts([[0, 1, 2, 3, 4]], growth=1.1)[1])
    parts = evaluate(RolloutError(), Exact(), data, starts(batches, growth=1.1)[1])
    assert whole["mse"].identical(parts["mse"])
    xarray.testing.assert_allclose(whole, parts, rtol=1e-12)


def test_each_channel_is_scaled_by_its_own_deviation(evaluate, plane):
    emulator = Exact(channels=2)
    one = torch.tensor([1.0, 10.0])
    emulator.standardize.set_statistics(0 * one, one, one)
    data = Data(plane, torch.randn(6, 2, 8, 8), variables=("a", "b"))
    initial = torch.ones(1, 2, 8, 8) * one[:, None, None]
    batches = [RolloutBatch(initial, torch.tensor([0]), 2, 2, growth=2.0)]
    scores = evaluate(RolloutError(), emulator, data, batches)
    # standardised errors are equal: 1 after one step, 9 after two
    np.testing.assert_allclose(scores["mse"][0], [1.0, 9.0])
    np.testing.assert_allclose(scores["mse_physical"][0], [[1.0, 100.0], [9.0, 900.0]])


def test_error_in_the_unit_of_a_publication(evaluate, plane):
    # errors 1 and 3 times the initial values of the two channels, 1 and 10, in units of 5
    emulator = Exact(channels=2)
    data = Data(plane, torch.randn(6, 2, 8, 8), variables=("a", "b"))
    initial = torch.ones(1, 2, 8, 8) * torch.tensor([1.0, 10.0])[:, None, None]
    batches = [RolloutBatch(initial, torch.tensor([0]), 2, 2, growth=2.0)]
    evaluate(RolloutError(leads=[1, 2, 3], scale=5.0), emulator, data, batches)
    scaled = {name: value for name, value in emulator.summary.items() if "scaled" in name}
    assert scaled == pytest.approx({"mse_scaled/lead_1": 101 / 50, "mse_scaled/lead_2": 909 / 50})
    with pytest.raises(ValueError, match=r"RolloutError.scale must be positive, got 0"):
        RolloutError(scale=0.0)


def test_summary_names_lead_times_within_the_truth(evaluate, plane):
    diagnostic = RolloutError(leads=(1, 5, 50))
    emulator = Exact()
    _, batches = starts([[0, 1, 2, 3, 4]], growth=1.1)
    evaluate(diagnostic, emulator, Data(plane, torch.randn(6, 1, 8, 8)), batches)
    assert set(emulator.summary) == {"mse/lead_1", "mse/lead_5", "valid_prediction_time"}


def test_forecast_that_is_not_finite_is_reported_as_such(evaluate, plane):
    diagnostic, emulator = RolloutError(), Exact(float("nan"))
    _, batches = starts([[0, 1, 2, 3, 4]])
    scores = evaluate(diagnostic, emulator, Data(plane, torch.randn(6, 1, 8, 8)), batches)
    assert np.isnan(scores["mse_mean"]).all()
    assert (scores["valid_prediction_time"] == 0).all()
    assert diagnostic.figures(scores)["rollout_error"]


def test_figure_shows_every_initial_condition_and_the_mean(evaluate, plane):
    diagnostic = RolloutError()
    _, batches = starts([[0, 1, 2, 3, 4]], growth=1.1)
    scores = evaluate(diagnostic, Exact(), Data(plane, torch.randn(6, 1, 8, 8)), batches)
    (axes,) = diagnostic.figures(scores)["rollout_error"].axes
    assert len(axes.lines) == 5 + 2
    np.testing.assert_allclose(axes.lines[5].get_ydata(), scores["mse_mean"])
    assert axes.get_yscale() == "log"


def test_threshold_must_be_positive():
    with pytest.raises(ValueError, match="threshold must be positive, got 0"):
        RolloutError(threshold=0.0)


def test_relative_error_and_correlation_are_those_of_numpy(evaluate, plane):
    initial, batches = starts([[0, 1, 2], [3, 4]], growth=1.5)
    scores = evaluate(RolloutError(), Exact(0.5, std=2.0), Data(plane, initial), batches)
    u = initial.numpy()
    for lead in (1, 4):
        forecast, truth = u * 0.5**lead, u * 1.5**lead
        squares = ((forecast - truth) ** 2).mean((1, 2, 3))
        at = scores.isel(lead_time=lead - 1)
        np.testing.assert_allclose(at["rmse"], np.sqrt(squares) / 2)
        np.testing.assert_allclose(at["vrmse"], np.sqrt(squares / truth.var((1, 2, 3))))
        np.testing.assert_allclose(at["pattern_correlation"], 1)


def test_anomalies_depart_from_the_time_mean_of_the_data(evaluate, plane):
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(7, 1, 8, 8)).astype(np.float32) + 3
    first = rng.normal(size=(2, 1, 8, 8)).astype(np.float32)
    start = RolloutBatch(torch.from_numpy(first), torch.arange(2), 4, 3, growth=0.5)
    data = Data(plane, torch.from_numpy(reference))
    scores = evaluate(RolloutError(), Exact(2.0), data, [start])
    climate = reference.mean(0)
    for lead in (1, 2, 3):
        a, b = first * 2.0**lead - climate, first * 0.5**lead - climate
        expected = (a * b).sum((1, 2, 3)) / np.sqrt((a**2).sum((1, 2, 3)) * (b**2).sum((1, 2, 3)))
        np.testing.assert_allclose(scores["anomaly_correlation"][:, lead - 1], expected, rtol=1e-5)


def test_leads_past_the_truth_are_named(evaluate, plane):
    _, batches = starts([[0, 1, 2, 3, 4]])
    diagnostic = RolloutError(leads=(1, 6, 7, 100))
    data = Data(plane, torch.randn(6, 1, 8, 8))
    emulator = Exact()
    scores = evaluate(diagnostic, emulator, data, batches)
    assert {name for name in emulator.summary if "lead" in name} == {"mse/lead_1", "mse/lead_6"}
    assert diagnostic.remarks(scores) == [
        "RolloutError: lead times 7, 100 lie past the end of the truth (6 steps) and are left out."
    ]
    assert RolloutError(leads=(6,)).remarks(scores) == []
