import numpy as np
import pytest
import torch

from callbacks import (
    CovarianceError,
    Distribution,
    EnergyStability,
    Extremes,
    Moments,
    PCAAutocorrelation,
    Spectrum,
    ZonalMean,
)
from callbacks.diagnostics.climate import ClimateDiagnostic
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted

ALL = (CovarianceError, Distribution, Extremes, Moments, PCAAutocorrelation, Spectrum, ZonalMean)
CLIMATE = ClimateDiagnostic.__subclasses__()


def start(steps=20, count=2, truth_steps=4):
    torch.manual_seed(1)
    return RolloutBatch(torch.randn(count, 1, 8, 8), torch.arange(count), steps, truth_steps)


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
    assert diagnostic.figures(scores) or kind is CovarianceError


@pytest.mark.parametrize("kind", ALL)
def test_batches_do_not_matter(kind, evaluate, plane):
    whole, initial, reference = start(count=5), start(count=5).initial, data(plane)
    parts = [RolloutBatch(initial[i], torch.tensor(i), 20, 4) for i in ([3, 4], [0], [1, 2, 0])]
    one = evaluate(kind(), Exact(0.99), reference, [whole])
    several = evaluate(kind(), Exact(0.99), reference, parts)
    for name, wanted in one.items():
        np.testing.assert_allclose(several[name].values, wanted.values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", CLIMATE)
def test_reference_is_kept_beside_the_data_until_the_data_change(kind, evaluate, plane):
    reference = data(plane)
    evaluate(kind(), Exact(), reference, [start()])
    (file,) = (reference.root / "reference").glob("*.npz")
    # nothing of the split is read any more
    reference.trajectories = lambda split: pytest.fail(f"the {split} split is read")
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


def test_burn_in_is_left_out(evaluate, plane):
    # states 1, 2, 4, ... times the first: after a spin-up of 3, every 2nd: steps 5, 7, 9
    state = torch.ones(1, 1, 8, 8)
    scores = evaluate(
        Moments(every=2, burn_in=3),
        Exact(2.0),
        data(plane),
        [RolloutBatch(state, torch.arange(1), 10, 0)],
    )
    np.testing.assert_allclose(scores["mean_map"], (2**5 + 2**7 + 2**9) / 3)


@pytest.mark.parametrize("kind", CLIMATE)
def test_malformed_options_are_refused(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__} needs every of at least 1 .* every=0"):
        kind(every=0)


def test_is_left_out_where_the_rollout_ends_before_the_first_state(plane):
    known, diagnostic = data(plane), Moments(every=30)
    known.rollouts["test"].steps = 29
    diagnostic.attach(known)
    assert (
        "29 steps ends before the first state of the means, 30" in diagnostic.unsupported_reason()
    )
    known.rollouts["test"].steps = 30
    assert not diagnostic.unsupported_reason()


def test_means_end_where_a_trajectory_is_given_up(plane):
    class Quitter(EnergyStability):
        """Gives up the first trajectory after step 25."""

        def observe(self, lead, forecast, truth):
            super().observe(lead, forecast, truth)
            self.gone = torch.tensor([lead >= 25, False])

    initial = torch.ones(2, 1, 8, 8)
    known, moments = data(plane), Moments(every=10)
    for diagnostic in (quitter := Quitter(), moments):
        diagnostic.attach(known, Exact())
        diagnostic.start(torch.device("cpu"))
    run_rollout(Exact(), RolloutBatch(initial, torch.arange(2), 60, 50), [quitter, moments])
    assert moments.means.compute()["count"].tolist() == [2, 6]


class Losing(Scripted):
    """Trajectories keep their state, but those with a mean above 5 jump far away at step 12."""

    def at(self, lead, first):
        jumps = (lead >= 12) & (first.mean((1, 2, 3), keepdim=True) > 5)
        return torch.where(jumps, 1e6 * first, first)


def seven(lost=(2,)):
    """Return seven different initial states, some of which are lost at step 12."""
    torch.manual_seed(3)
    initial = torch.randn(7, 1, 8, 8) * torch.linspace(0.8, 1.2, 7).reshape(7, 1, 1, 1)
    initial[list(lost)] += 10.0
    return initial


def together(diagnostics, emulator, known, starts):
    """Return the scores of diagnostics that watch the same rollouts, in this order."""
    for diagnostic in diagnostics:
        diagnostic.attach(known, emulator)
        diagnostic.start(torch.device("cpu"))
    for one in starts:
        run_rollout(emulator, one, diagnostics)
    for diagnostic in diagnostics:
        diagnostic.finish()
    return [diagnostic.results for diagnostic in diagnostics]


@pytest.mark.parametrize("parts", [[[n] for n in range(7)], [[0, 2], [4, 6], [1, 3, 5], [0]]])
@pytest.mark.parametrize("kind", CLIMATE)
def test_rollouts_lost_before_the_first_state_keep_their_rows(kind, parts, plane):
    # the second parts are those of two processes, whose sampler repeats the first one
    initial, known, late = seven(), data(plane), {"burn_in": 30, "every": 8}
    wanted = kind(**late)
    (whole,) = together(
        [wanted],
        Exact(),
        known,
        [RolloutBatch(initial[[0, 1, 3, 4, 5, 6]], torch.arange(6), 46, 0)],
    )
    diagnostic = kind(**late)
    starts = [RolloutBatch(initial[part], torch.tensor(part), 46, 0) for part in parts]
    scores, _ = together([diagnostic, EnergyStability()], Losing(), known, starts)
    counts = diagnostic.means.compute()
    assert counts["index"].tolist() == list(range(7))
    assert counts["count"].tolist() == [2, 2, 0, 2, 2, 2, 2]
    for name, value in scores.items():
        if "initial_condition" not in value.dims or "at_lead" in name:
            continue
        np.testing.assert_allclose(np.delete(value.values, 2, 0), whole[name], err_msg=name)
        assert np.isnan(value.values[2]).all(), name
    for name, value in diagnostic.summary(scores).items():
        np.testing.assert_allclose(value, wanted.summary(whole)[name], err_msg=name)
    (text,) = [text for text in diagnostic.remarks(scores) if "diverged before" in text]
    assert "1 of 7 rollouts" in text
    assert "step 38" in text


@pytest.mark.parametrize("kind", ALL)
def test_evaluation_that_is_lost_whole_has_scores_that_are_not_a_number(kind, plane):
    initial, parts = seven(lost=range(7)), ([0, 1, 2], [3, 4, 5, 6])
    options = {"every": 30} if kind is not PCAAutocorrelation else {}
    starts = [RolloutBatch(initial[part], torch.tensor(part), 46, 0) for part in parts]
    diagnostic = kind(**options)
    scores, _ = together([diagnostic, EnergyStability()], Losing(), data(plane), starts)
    assert np.isnan(list(diagnostic.summary(scores).values())).all()
    assert diagnostic.figures(scores) or kind is CovarianceError


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("truth_steps", [0, 30])
@pytest.mark.parametrize("kind", [k for k in ALL if k is not PCAAutocorrelation])
def test_state_in_which_a_trajectory_is_lost_enters_no_mean(kind, first, truth_steps, plane):
    # all states before the jump are the first one, so that means of 11 and of 60 are the same
    initial, known = seven(), data(plane)
    starts = [RolloutBatch(initial, torch.arange(7), 60, truth_steps)]
    wanted, diagnostic, judge = kind(every=1), kind(every=1), EnergyStability(every=5)
    (whole,) = together([wanted], Exact(), known, starts)
    order = [diagnostic, judge] if first else [judge, diagnostic]
    scores = together(order, Losing(), known, starts)[0 if first else 1]
    if kind is not Extremes:
        assert diagnostic.counts.tolist() == [60, 60, 11, 60, 60, 60, 60]
        if kind is CovarianceError:  # in which each state has the same weight
            assert diagnostic.counted == 6 * 60 + 11
            return
    else:  # levels depend on how many values there are
        assert np.nanmax(scores["return_level"]) == np.nanmax(whole["return_level"])
        assert np.nanmax(scores["return_level_of_all"]) == np.nanmax(whole["return_level_of_all"])
        return
    for name, value in scores.items():
        if "at_lead" not in name:
            np.testing.assert_allclose(value, whole[name], atol=1e-12, err_msg=name)


def test_lost_states_enter_neither_components_nor_spectra_at_lead_times(plane):
    starts = [RolloutBatch(seven(), torch.arange(7), 60, 40)]
    kinds = [
        PCAAutocorrelation(length=50, lags=9, normalise=False),
        Spectrum(leads=[11, 12]),
        EnergyStability(),
    ]
    components, spectrum, stability = together(kinds, Losing(), data(plane), starts)
    assert "1 of 7 rollouts" in kinds[0].remarks(components)[0]
    bad = np.isnan(spectrum["spectrum_at_lead_forecast"].values).all(2)
    assert bad[:, 0].tolist() == 7 * [False]
    assert bad[:, 1].tolist() == [False, False, True, False, False, False, False]
    assert kinds[0].rows.compute()["series"][2, :11].max() < 100
    assert np.isnan(kinds[0].rows.compute()["series"][2, 11:]).all()
    ratio = kinds[2].summary(stability)["mean_energy_ratio"]  # of the states before
    energy = stability["energy"].values.copy()
    energy[2, 11:] = np.nan
    assert ratio == pytest.approx(np.nanmean(energy) / float(stability["reference_energy_mean"]))
