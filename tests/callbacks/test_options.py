"""Every option of every diagnostic is refused in a sentence where it cannot be meant."""

import inspect
import math

import numpy as np
import pytest
import torch

import callbacks
from callbacks import RolloutCheckpoint
from callbacks.diagnostics.options import is_finite, is_whole
from tests.callbacks.conftest import Data, Exact, RolloutBatch

NAN, INF = math.nan, math.inf
BAD = [
    *[("every", kind, value) for kind in ("Spectrum", "ZonalMean", "Distribution", "Moments")
      for value in (0, -1, True)],
    ("burn_in", "Moments", -1),
    *[("coarsen", "CovarianceError", value) for value in (0, -2, 1.5)],
    *[("bins", "Distribution", value) for value in (1, 10**9)],
    *[("reach", "Distribution", value) for value in (0.0, -1.0, NAN, INF, 1e300)],
    ("every", "Extremes", 0),
    *[("periods", "Extremes", value) for value in (1, 10**9)],
    *[("width", "EnergyStability", value) for value in (0.0, -1.0, NAN, INF)],
    *[("stop_at", "EnergyStability", value) for value in (0.5, NAN, INF)],
    ("every", "EnergyStability", 0),
    ("points", "EnergyStability", 1),
    ("bands", "EnergyStability", ()),
    *[("threshold", "RolloutError", value) for value in (0.0, -1.0, NAN, INF)],
    *[("leads", kind, value)
      for kind in ("RolloutError", "RelativeError", "Spectrum", "Panels", "PredictabilityLimit",
                   "RankHistogram", "ExceedanceReliability", "EnsemblePanels")
      for value in ((), (0,), (-3, 4))],
    *[("quantiles", "ExceedanceReliability", value) for value in ((), (0.0,), (0.5, 1.0), (NAN,))],
    ("components", "PCAAutocorrelation", 0),
    *[("lags", "PCAAutocorrelation", value) for value in (0, 200)],
    *[("length", "PCAAutocorrelation", value) for value in (0, 50)],
    ("initial_conditions", "PredictabilityLimit", 0),
    ("initial_conditions", "EnergyPlume", 0),
    ("initial_conditions", "ComponentPlume", 0),
    *[("component", "ComponentPlume", value) for value in (0, -1)],
    ("points", "Hovmoeller", 0),
    ("frames", "Movie", 0),
    ("steps", "Movie", 0),
    *[("width", "Movie", value) for value in (0, -1, 10**9)],
    *[("points", "LearnedCurves", value) for value in (1, 10**12)],
    *[("times", "LatentFields", value) for value in ((), (NAN,), (0.0, INF))],
]  # fmt: skip
CHANNELS = ("EnsemblePanels", "Extremes", "Hovmoeller", "Movie", "Panels")


@pytest.mark.parametrize(("option", "kind", "value"), BAD)
def test_value_that_cannot_be_meant_is_refused_by_the_name_of_the_option(option, kind, value):
    with pytest.raises(ValueError, match=rf"(?s){kind}\b.*{option}"):
        getattr(callbacks, kind)(**{option: value})


def test_number_that_is_not_whole_or_not_finite_is_neither():
    # annotations are checked in YAML and in tests, and nowhere else
    whole = [3, np.int64(3), 2, 4, True, 3.0, NAN, INF, "3", None]
    assert [is_whole(value, 3, 3) for value in whole] == [True, True] + 8 * [False]
    finite = [0.5, 7, 0.25, 0.0, -1.0, NAN, INF, -INF]
    assert [is_finite(value, 0.25) for value in finite] == [True, True] + 6 * [False]
    assert is_whole(10**30)


def test_error_relative_to_anything_else_is_refused():
    init = inspect.unwrap(callbacks.RelativeError.__init__)
    made = callbacks.RelativeError()
    with pytest.raises(ValueError, match="relative_to must be 'truth' or 'start', got 'end'"):
        init(made, relative_to="end")


@pytest.mark.parametrize("channel", [2, 5, -1])
@pytest.mark.parametrize("kind", CHANNELS)
def test_channel_that_the_data_do_not_have_is_refused_before_anything_is_computed(
    kind, channel, plane
):
    diagnostic = getattr(callbacks, kind)(channel=channel)
    diagnostic.attach(Data(plane, torch.randn(9, 2, 8, 8), variables=("a", "b")))
    diagnostic.source.rollouts["test"].members = 3
    wanted = rf"{kind}.channel must be one of 0 \(a\), 1 \(b\), got {channel}"
    with pytest.raises(ValueError, match=wanted):
        diagnostic.start(torch.device("cpu"))


@pytest.mark.parametrize("kind", ["EnergyStability", "Extremes", "Moments"])
def test_is_left_out_with_the_reason_where_the_rollout_ends_before_the_first_value(kind, plane):
    diagnostic = getattr(callbacks, kind)(every=50)
    diagnostic.attach(Data(plane, torch.randn(9, 1, 8, 8)))
    diagnostic.source.rollouts["test"].steps = 49
    assert "49 steps" in diagnostic.unsupported_reason()
    assert "50" in diagnostic.unsupported_reason()
    assert not diagnostic.observes("test")
    diagnostic.source.rollouts["test"].steps = 100
    assert diagnostic.unsupported_reason() is None
    assert diagnostic.observes("test")


def test_periods_longer_than_the_reference_are_not_a_number_and_said(evaluate, plane):
    diagnostic = callbacks.Extremes(every=10)
    starts = [RolloutBatch(torch.randn(2, 1, 8, 8), torch.arange(2), 60, 0)]
    scores = evaluate(diagnostic, Exact(), Data(plane, torch.randn(15, 1, 8, 8)), starts)
    assert np.isnan(scores["reference_return_level"]).all()
    (remark,) = diagnostic.remarks(scores)
    assert "15 snapshots" in remark
    assert "every" in remark


@pytest.mark.parametrize("seconds", [-1.0, NAN, INF])
def test_time_between_two_bookmarks_is_finite(seconds):
    with pytest.raises(ValueError, match=r"RolloutCheckpoint\.seconds"):
        RolloutCheckpoint(seconds)
