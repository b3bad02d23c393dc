import numpy as np
import pytest
import torch

from callbacks import (
    Distribution,
    EnergyStability,
    Extremes,
    Moments,
    PCAAutocorrelation,
    Spectrum,
    ZonalMean,
)
from callbacks.climate import ClimateDiagnostic
from emulators.rollout import watch
from tests.callbacks.conftest import Data, Exact, Scripted, Start

ALL = (Distribution, Extremes, Moments, PCAAutocorrelation, Spectrum, ZonalMean)
CLIMATE = ClimateDiagnostic.__subclasses__()


def start(steps=20, count=2, truth_steps=4):
    torch.manual_seed(1)
    return Start(torch.randn(count, 1, 8, 8), torch.arange(count), steps, truth_steps)


def data(plane):
    return Data(plane, torch.randn(300, 1, 8, 8))


class Breaking(Scripted):
    """Holds still for five steps and is not finite from then on, for the first trajectory."""

    def at(self, lead, first):
        if lead > 5:
            first[0] = float("nan")
        return first


@pytest.mark.parametrize("kind", CLIMATE)
def test_what_is_not_finite_ends_the_mean_of_its_trajectory(kind, evaluate, plane):
    diagnostic, reference = kind(every=1), data(plane)
    evaluate(diagnostic, Breaking(), reference, [start()])
    broken = diagnostic.means.compute()
    assert broken["count"].tolist() == [5, 20]
    whole = kind(every=1)
    evaluate(whole, Exact(), reference, [start()])
    for name in kind.quantities:  # the state did not change: neither does its mean
        np.testing.assert_allclose(broken[name], whole.means.compute()[name], atol=1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_not_a_number_from_the_first_step_still_ends_in_scores_and_figures(kind, evaluate, plane):
    diagnostic = kind()
    scores = evaluate(diagnostic, Exact(float("nan")), data(plane), [start()])
    assert diagnostic.summary(scores)
    assert diagnostic.figures(scores)


@pytest.mark.parametrize("kind", ALL)
def test_batches_do_not_matter(kind, evaluate, plane):
    whole, initial, reference = start(count=5), start(count=5).initial, data(plane)
    parts = [Start(initial[i], torch.tensor(i), 20, 4) for i in ([3, 4], [0], [1, 2, 0])]
    one = evaluate(kind(), Exact(0.99), reference, [whole])
    several = evaluate(kind(), Exact(0.99), reference, parts)
    for name, wanted in one.items():
        np.testing.assert_allclose(several[name].values, wanted.values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", CLIMATE)
def test_reference_is_kept_beside_the_data_until_the_data_change(kind, evaluate, plane):
    reference = data(plane)
    evaluate(kind(), Exact(), reference, [start()])
    (file,) = (reference.root / "reference").glob("*.npz")
    reference.trajectories = None  # nothing of the split is read any more
    if kind is not Distribution:  # which reads its first states to place the bins
        evaluate(kind(), Exact(), reference, [start()])
    other = data(plane)
    other.root, other.states = reference.root, 2 * other.states
    evaluate(kind(), Exact(), other, [start()])
    assert len(list((reference.root / "reference").glob("*.npz"))) == 2


def test_data_in_a_folder_that_cannot_be_written_are_read_each_time(evaluate, plane):
    reference = data(plane)
    (reference.root / "reference").write_text("in the way")
    assert evaluate(Moments(), Exact(), reference, [start()]) is not None


def test_spin_up_is_left_out(evaluate, plane):
    # states 1, 2, 4, ... times the first: after a spin-up of 3, every 2nd: steps 5, 7, 9
    state = torch.ones(1, 1, 8, 8)
    scores = evaluate(
        Moments(every=2, spin_up=3), Exact(2.0), data(plane), [Start(state, torch.arange(1), 10, 0)]
    )
    np.testing.assert_allclose(scores["mean_map"], (2**5 + 2**7 + 2**9) / 3)


@pytest.mark.parametrize("kind", CLIMATE)
def test_malformed_options_are_refused(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__} needs every of at least 1 .* every=0"):
        kind(every=0)


def test_is_left_out_where_the_rollout_ends_before_the_first_state(plane):
    known, diagnostic = data(plane), Moments(every=30)
    known.rollouts["test"].steps = 29
    diagnostic.data = known
    assert "29 steps ends before the first state that enters, 30" in diagnostic.undefined()
    known.rollouts["test"].steps = 30
    assert not diagnostic.undefined()


def test_means_end_where_a_trajectory_is_given_up(plane):
    class Quitter(EnergyStability):
        """Gives up the first trajectory after step 25."""

        def observe(self, lead, forecast, truth):
            super().observe(lead, forecast, truth)
            self.gone = torch.tensor([lead >= 25, False])

    initial = torch.ones(2, 1, 8, 8)
    known, moments = data(plane), Moments(every=10)
    for diagnostic in (quitter := Quitter(), moments):
        diagnostic.data, diagnostic.emulator = known, Exact()
        diagnostic.start(torch.device("cpu"))
    watch(Exact(), Start(initial, torch.arange(2), 60, 50), [quitter, moments])
    assert moments.means.compute()["count"].tolist() == [2, 6]
