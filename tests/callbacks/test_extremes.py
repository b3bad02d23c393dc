import numpy as np
import pytest
import torch

from callbacks import Extremes
from callbacks.metrics.extremes import return_levels
from tests.callbacks.conftest import Data, Exact, RolloutBatch


def test_the_largest_of_n_values_returns_every_n_plus_one():
    series = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))  # 1 .. 99
    # the m-th of 99 has the period 0.5 / (1 - m/100)
    periods = 0.5 / (1 - np.array([1, 50, 90, 99]) / 100)
    np.testing.assert_allclose(return_levels(series, 0.5, periods), [1, 50, 90, 99])


def test_periods_beyond_the_series_have_no_level():
    levels = return_levels(np.arange(10.0), 1.0, np.array([10.99, 11.01]))
    assert levels[0] == pytest.approx(9, rel=1e-2)
    assert np.isnan(levels[1])


def test_what_follows_a_value_that_is_not_finite_is_left_out():
    series = np.array([1.0, 2.0, 3.0, np.nan, 100.0])
    np.testing.assert_allclose(return_levels(series, 1.0, np.array([4.0])), 3)
    assert np.isnan(return_levels(np.full(4, np.nan), 1.0, np.array([2.0]))).all()


def test_exponential_values_return_as_the_formula_says():
    # P(x > r) = exp(-r): level r returns every exp(r)
    series = np.random.default_rng(0).exponential(size=200_000)
    np.testing.assert_allclose(return_levels(series, 1.0, np.exp([2.0, 4.0, 6.0])), [2, 4, 6],
                               rtol=0.05)  # fmt: skip


def test_largest_value_of_either_sign_is_tracked(evaluate, plane):
    reference = 0.1 * torch.randn(50, 1, 8, 8)
    state = 0.1 * torch.ones(2, 1, 8, 8)
    state[0, 0, 3, 4] = -7.0
    diagnostic = Extremes(periods=5)
    scores = evaluate(
        diagnostic, Exact(), Data(plane, reference), [RolloutBatch(state, torch.arange(2), 30, 0)]
    )
    np.testing.assert_allclose(scores["return_level"][0], 7)
    np.testing.assert_allclose(scores["return_level"][1], 0.1)
    wanted = return_levels(
        reference.abs().amax((1, 2, 3)).numpy(), 0.5, scores["return_period"].values
    )
    np.testing.assert_allclose(scores["reference_return_level"], wanted)
    assert set(diagnostic.figures(scores)) == {"extremes"}


def test_malformed_options_are_refused():
    with pytest.raises(ValueError, match="periods of at least 2, got every=1, periods=1"):
        Extremes(periods=1)
