"""Chance: intervals of differences between methods, and independent initial conditions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

from callbacks import RolloutError
from callbacks.comparison import table
from callbacks.comparison.chance import paired_interval
from callbacks.comparison.independence import independence, starts_apart
from callbacks.comparison.json_file import comparison_json
from callbacks.comparison.table import bests, certain_cells
from callbacks.comparison.words import summary
from callbacks.diagnostics.compared import Run
from datamodules.rollouts import TrajectoryRolloutBatch
from tests.callbacks.conftest import Data, Exact, RolloutBatch

REPETITIONS = 4000  # 2 % are six standard errors of a coverage of 95 %
DIFFERENCE = 0.7


def synthetic(rng, seeds, starts, parts, count=REPETITIONS):
    """Return scores of two methods (repetition, seed, initial condition) that differ by DIFFERENCE.

    `parts` are standard deviations: over seeds, over initial conditions for both methods alike,
    over initial conditions for each method, and of each rollout.
    """
    of_seeds, alike, own, each = parts
    shared = alike * rng.standard_normal((count, 1, starts))
    return [
        mean
        + shared
        + of_seeds * rng.standard_normal((count, number, 1))
        + own * rng.standard_normal((count, 1, starts))
        + each * rng.standard_normal((count, number, starts))
        for mean, number in zip((DIFFERENCE, 0.0), seeds, strict=True)
    ]


def coverage(low, high):
    return float(((low <= DIFFERENCE) & (high >= DIFFERENCE)).mean())


@pytest.mark.parametrize(
    ("seeds", "starts", "parts"),
    [
        ((1, 1), 8, (0.0, 3.0, 1.0, 1.0)),  # of a single seed: for this network
        ((1, 1), 32, (0.0, 3.0, 0.2, 0.5)),
        ((2, 2), 8, (1.0, 3.0, 1.0, 1.0)),
        ((3, 3), 8, (1.0, 3.0, 1.0, 1.0)),
        ((3, 3), 16, (1.0, 0.3, 0.1, 0.1)),
        ((3, 3), 8, (0.0, 3.0, 1.0, 0.0)),
        ((5, 5), 16, (0.3, 3.0, 1.0, 1.0)),
        ((2, 5), 16, (1.0, 3.0, 1.0, 1.0)),
        ((3, 1), 8, (0.0, 3.0, 1.0, 0.1)),
    ],
)
def test_intervals_contain_the_difference_in_95_percent_of_all_cases(seeds, starts, parts):
    rng = np.random.default_rng([*seeds, starts])
    _, low, high = paired_interval(*synthetic(rng, seeds, starts, parts))
    assert coverage(low, high) == pytest.approx(0.95, abs=0.02)


def test_intervals_of_skewed_errors_are_not_too_narrow():
    rng = np.random.default_rng(0)
    first, second = synthetic(rng, (3, 3), 8, (0.5, 0.5, 0.3, 0.3))
    found = paired_interval(np.exp(first - DIFFERENCE), np.exp(second))
    assert 0.93 < ((found.low <= 0) & (found.high >= 0)).mean() < 0.99


@pytest.mark.parametrize("seeds", [2, 3])
def test_intervals_are_too_wide_if_the_interaction_is_the_whole_variance(seeds):
    scores = synthetic(np.random.default_rng(seeds), (seeds, seeds), 8, (0.0, 0.0, 0.0, 1.0))
    assert coverage(*paired_interval(*scores)[1:]) > 0.99


@pytest.mark.parametrize(
    ("parts", "expected"), [((1.0, 3.0, 1.0, 1.0), 0.89), ((1.0, 0.3, 0.1, 0.1), 0.80)]
)
def test_percentiles_of_a_bootstrap_would_be_too_narrow(parts, expected):
    rng = np.random.default_rng(1)
    count, seeds, starts = 1000, 3, 8
    first, second = synthetic(rng, (seeds, seeds), starts, parts, count)
    rows, means = np.arange(count)[:, None, None], []
    for _ in range(200):
        start = rng.integers(starts, size=(count, 1, starts))
        chosen = rng.integers(seeds, size=(2, count, seeds, 1))
        pair = zip((first, second), chosen, strict=True)
        own = [scores[rows, seed, start].mean((1, 2)) for scores, seed in pair]
        means.append(own[0] - own[1])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    assert coverage(low, high) == pytest.approx(expected, abs=0.03)
    assert coverage(low, high) < 0.91
    assert coverage(*paired_interval(first, second)[1:]) > 0.93


def test_fewer_independent_initial_conditions_widen_the_interval():
    first, second = (
        row[0] for row in synthetic(np.random.default_rng(2), (1, 1), 8, (0, 3, 1, 0), 1)
    )
    whole, half = paired_interval(first, second), paired_interval(first, second, 4)
    # the standard error grows by √2, and Student's t from 2.365 (7) to 3.182 (3)
    wider = (half.high - half.low) / (whole.high - whole.low)
    assert wider == pytest.approx(2**0.5 * 3.182446 / 2.364624, rel=1e-4)
    assert paired_interval(first, second, 1).high == np.inf


# Independent initial conditions -----------------------------------------------------------------


def test_places_and_correlation_of_the_initial_conditions_are_scores(evaluate, plane):
    class Turning(RolloutBatch):
        places = ((2, 30), (0, 5), (0, 9))

        def truth(self, lead):
            return self.initial * np.cos(0.6 * lead)

    states = torch.randn(3, 1, 8, 8)
    data = Data(plane, torch.cat((states, -states)))  # with a mean of zero
    batch = Turning(states, torch.tensor([2, 0, 1]), 4, 4)
    scores = evaluate(RolloutError(), Exact(), data, [batch])
    assert scores["initial_trajectory"].values.tolist() == [0, 0, 2]
    assert scores["initial_snapshot"].values.tolist() == [5, 9, 30]
    # the sign of cos 0.6, cos 1.2, cos 1.8 and cos 2.4
    expected = np.tile([1.0, 1.0, -1.0, -1.0], (3, 1))
    np.testing.assert_allclose(scores["persistence_correlation"], expected)
    found = independence([Run("a", scores, {}, Path("a"))])
    assert (found.total, found.count, found.time, found.units) == (3, 3, 1.5, "s")
    assert {"places"} <= set(TrajectoryRolloutBatch.__dataclass_fields__)


def test_rollouts_without_places_have_none(evaluate, plane):
    batch = RolloutBatch(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), 4, 4)
    scores = evaluate(RolloutError(), Exact(), Data(plane, torch.randn(6, 1, 8, 8)), [batch])
    assert "initial_trajectory" not in scores
    about = {"rollouts": {"initial_conditions": 2}}
    assert independence([Run("a", scores, about, Path("a"))]).phrase.startswith("2 initial cond")
    assert "taken to be independent" in independence([Run("a", scores, about, Path("a"))]).phrase


@pytest.mark.parametrize(("apart", "expected"), [(1, 5), (3, 4), (4, 3), (8, 2)])
def test_initial_conditions_of_a_trajectory_count_if_they_are_apart(apart, expected):
    trajectories, snapshots = np.array([1, 0, 0, 0, 0]), np.array([0, 7, 3, 0, 6])
    assert starts_apart(trajectories, snapshots, apart) == expected


def placed(correlation, snapshots=(0, 10, 20)):
    count = len(snapshots)
    dims = ("initial_condition", "lead_time")
    return xarray.Dataset(
        {
            "mse": (dims, np.arange(1.0, count + 1)[:, None] * np.ones(len(correlation))),
            "persistence_correlation": (dims, np.tile(correlation, (count, 1))),
            "initial_trajectory": ("initial_condition", np.zeros(count, int)),
            "initial_snapshot": ("initial_condition", np.array(snapshots)),
        },
        {"lead_time": ("lead_time", 0.5 * np.arange(1, len(correlation) + 1), {"units": "s"})},
    )


@pytest.mark.parametrize(
    ("correlation", "phrase"),
    [
        ((0.5, 0.3, 0.2), "3 independent initial conditions (at least 1 s apart, the decorr"),
        ((0.5,) * 11 + (0.3,), "3 initial conditions, of which 2 are independent (at least 6 s"),
        ((0.5,) * 24 + (0.3,), "3 initial conditions, of which 1 is independent (at least 12.5 s"),
        ((0.9,) * 11, "3 initial conditions, of which at most 2 are independent (states are still"),
    ],
)
def test_the_number_of_independent_initial_conditions_is_said(correlation, phrase):
    runs = [Run(name, placed(correlation), {}, Path(name)) for name in "ab"]
    assert independence(runs).phrase.startswith(phrase)
    assert phrase in summary(runs)[2]


# The comparison ---------------------------------------------------------------------------------


def errors(name, rows, seed=None):
    """Return a run whose errors at lead 1 are given for each initial condition."""
    scores = xarray.Dataset(
        {"mse": (("initial_condition", "lead_time"), np.array(rows)[:, None])},
        {"lead_time": [0.5]},
    )
    return Run(name, scores, {"method": name[0], "seed": seed}, Path(name))


def test_only_a_method_that_differs_from_all_others_is_in_bold():
    best, next_best = errors("a", (1.0, 2.0, 3.0)), errors("b", (1.9, 3.1, 4.0))
    assert certain_cells([next_best, best]) == {(2, 2)}
    assert "| a | - | **2.0 ± " in table([next_best, best])
    assert "Bold: better than every other method" in table([next_best, best])
    alike = errors("c", (0.0, 3.0, 4.0))  # a mean of 2.33, which the pairs do not tell from 2
    assert certain_cells([next_best, best, alike]) == set()
    assert "**" not in table([next_best, best, alike])
    assert certain_cells([best]) == set()


def test_a_reference_without_weights_is_neither_best_nor_compared_with_the_best():
    best, next_best = errors("a", (1.0, 2.0, 3.0)), errors("b", (1.9, 3.1, 4.0))
    solver, other = errors("solver", (0.1, 0.2, 0.3)), errors("persistence", (5.0, 6.0, 7.0))
    for run, parameters in ((best, 7), (solver, 0), (other, 0)):  # unknown of the fourth
        run.about["parameters"] = parameters
    assert certain_cells([solver, next_best, best]) == {(3, 2)}
    assert bests([solver, next_best, best])["MSE at 1"].others[0].other == "b"
    sentence = "s has no weights and is left out of these comparisons."
    assert sentence in table([next_best, best, solver])
    said = summary([solver, next_best, best])
    assert said[0] == "The mean squared error is least for a at lead 1 (2; 33 % below b)."
    assert sentence in said
    assert "tested, and trained if they have weights, on the same data" in table([solver, best])
    # a single method with weights is compared with the references
    assert bests([solver, best])["MSE at 1"].others[0].other == "a"
    assert summary([solver, best])[0] == (
        "The mean squared error is least for s at lead 1 (0.2; 90 % below a)."
    )
    assert "for these seeds alone" in table([solver, best])
    assert "a single seed" in summary([solver, best])[2]
    assert certain_cells([solver, other]) == {(1, 2)}  # none has weights
    assert "seed" not in " ".join((*summary([solver, other]), table([solver, other])))
    assert "left out" not in table([solver, other])
    assert "p, s have" not in table([other, solver, best, next_best])
    assert "p and s have no weights and are left out" in table([other, solver, best, next_best])


def test_scores_that_are_not_finite_are_never_best_and_have_no_interval():
    best, gone = errors("a", (1.0, 2.0, 3.0)), errors("b", (0.1, 0.1, np.nan))
    assert certain_cells([best, gone]) == set()
    assert summary([best, gone])[0] == "The mean squared error of a is 2 at lead 1."
    assert not any("chance" in sentence for sentence in summary([best, gone]))


def test_the_words_name_the_leads_at_which_a_difference_is_more_than_chance():
    lead = np.arange(1, 26)
    rows = np.array([[1.0], [2.0], [3.0]]) * np.ones(25)
    noise = np.array([[3.0], [-2.0], [0.0]]) * (lead > 10)
    runs = [
        Run(n, xarray.Dataset({"mse": (("initial_condition", "lead_time"), r)}), {}, Path(n))
        for n, r in (("a", rows), ("b", rows + 1 + noise + [[0.1], [0.0], [0.0]]))
    ]
    assert summary(runs)[1] == (
        "At leads 1 and 10 the difference is more than chance; at lead 25 it may be chance "
        "(95 % intervals)."
    )


@pytest.mark.parametrize(
    ("sure", "sentence"),
    [
        (
            ([1, 1, 1], [1, 1, 0], [0, 0, 0]),
            "At lead 1 the difference to each other method is more than chance; at lead 10 only "
            "the differences to b and c are; at lead 25 none is (95 % intervals).",
        ),
        (
            ([0, 1, 0], [0, 1, 0], [0, 0, 0]),
            "At leads 1 and 10 only the difference to c is more than chance; at lead 25 none is "
            "(95 % intervals).",
        ),
        (([1, 1, 1],) * 3, "This is more than chance (95 % intervals)."),
        (([0, 0, 0],) * 3, "No such difference is more than chance (95 % intervals)."),
    ],
)
def test_the_words_name_the_methods_from_which_the_best_differs_by_more_than_chance(sure, sentence):
    starts, wide = np.array([1.0, 2.0, 3.0]), np.array([30.0, -20.0, 0.0])
    rows = {"a": np.ones((3, 25)) * starts[:, None]}
    for number, name in enumerate("bcd"):
        certain = np.zeros(25, dtype=bool)
        for lead, flags in zip((1, 10, 25), sure, strict=True):
            certain[lead - 1] = flags[number]
        noise = np.where(certain, 0.0, wide[:, None])
        rows[name] = rows["a"] + number + 1 + noise + 0.01 * starts[::-1, None] ** 2
    dims = ("initial_condition", "lead_time")
    runs = [Run(n, xarray.Dataset({"mse": (dims, r)}), {}, Path(n)) for n, r in rows.items()]
    assert summary(runs)[1] == sentence


def test_the_caution_says_whether_all_methods_or_some_have_a_single_seed():
    some = [errors("a0", (1.0, 2.0), 0), errors("a1", (1.0, 2.0), 1), errors("b0", (3.0, 4.0), 0)]
    assert "; some methods have a single seed" in summary(some)[2]
    assert "; each method has a single seed" in summary(some[1:])[2]


def test_json_has_every_difference_with_its_interval():
    runs = [errors("a0", (1.0, 2.0, 3.0), 0), errors("b0", (2.0, 4.0, 6.0), 0)]
    found = json.loads(comparison_json(runs))
    assert found["methods"]["b"]["runs"] == {"b0": 0}
    assert found["methods"]["b"]["scores"]["MSE at 1"]["mean"] == 4.0
    (difference,) = found["differences"]
    half = 4.302653 / 3**0.5  # Student's t of 2 degrees of freedom
    assert difference == {
        "score": "MSE at 1",
        "best": "a",
        "other": "b",
        "difference": -2.0,
        "low": pytest.approx(-2 - half, rel=1e-4),
        "high": pytest.approx(-2 + half, rel=1e-4),
        "more_than_chance": False,
    }
    assert found["initial_conditions"]["independent"] is None
