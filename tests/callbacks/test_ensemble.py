from pathlib import Path

import numpy as np
import pytest
import torch

from callbacks import EnsembleSkill, RolloutError
from callbacks.diagnostics.compared import Run, methods
from callbacks.diagnostics.ensemble import spread_skill_ratio
from callbacks.metrics.ensemble import (
    crps,
    energy_score,
    ensemble_spread,
    ensemble_square_error,
    sorted_members,
)
from callbacks.plotting.style import sheet
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted


def test_scores_are_those_of_their_double_sums():
    members, truth = torch.randn(5, 3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    x, y = members.numpy(), truth.numpy()
    pairs = np.abs(x[:, None] - x[None]).sum((0, 1)) / (2 * 5 * 4)
    wanted = (np.abs(x - y).mean(0) - pairs).mean((-2, -1))
    np.testing.assert_allclose(crps(members, truth), wanted)
    np.testing.assert_allclose(ensemble_spread(members), x.var(0, ddof=1).mean((-2, -1)))
    wanted = ((x.mean(0) - y) ** 2).mean((-2, -1))
    np.testing.assert_allclose(ensemble_square_error(members, truth), wanted)


def test_fair_score_does_not_depend_on_the_size_of_a_reliable_ensemble():
    # of N(0, 1) members and truth the expected CRPS is 1/sqrt(pi)
    for count in (2, 20):
        members, truth = torch.randn(count, 1, 1, 400, 400), torch.randn(1, 1, 400, 400)
        np.testing.assert_allclose(crps(members, truth), 1 / np.sqrt(np.pi), rtol=0.01)


def start(amplitude, truth_steps=4):
    torch.manual_seed(0)
    initial = torch.randn(2, 1, 32, 32)
    found = RolloutBatch(initial, torch.arange(2), 6, truth_steps)
    found.perturbed = initial + amplitude * torch.randn(7, 2, 1, 32, 32)
    return found


def data(plane, members=8):
    found = Data(plane, torch.randn(3, 1, 32, 32))
    found.rollouts["test"].members = members
    return found


def test_spread_grows_with_the_members_and_skill_with_their_mean(evaluate, plane):
    # the members decay towards zero: spread by 0.9^n from sqrt(7/8) of the amplitude
    diagnostic, emulator = EnsembleSkill(), Exact(0.9, std=2.0)
    scores = evaluate(diagnostic, emulator, data(plane), [start(0.5)])
    spread = 0.5 * np.sqrt(7 / 8) * 0.9 ** np.arange(1, 5) / 2
    np.testing.assert_allclose(
        scores["ensemble_spread"].mean("initial_condition"), spread, rtol=0.03
    )
    assert scores.sizes == {"initial_condition": 2, "lead_time": 4, "channel": 1}
    assert (np.diff(scores["ensemble_skill"].mean("initial_condition")) > 0).all()
    assert set(diagnostic.figures(scores)) == {"ensemble"}
    assert set(emulator.summary) == {"crps", "energy_score", "spread_skill_ratio"}


def test_reliable_ensemble_has_a_ratio_of_one(evaluate, plane):
    # truth and members are draws from the same distribution around an unknown centre
    torch.manual_seed(1)
    centre, found = (
        torch.randn(2, 1, 200, 200),
        RolloutBatch(torch.zeros(2, 1, 200, 200), torch.arange(2), 1, 1),
    )
    found.initial = centre + torch.randn(2, 1, 200, 200)
    found.perturbed = centre + torch.randn(7, 2, 1, 200, 200)
    found.truth = lambda lead: centre + torch.randn(2, 1, 200, 200)
    scores = evaluate(EnsembleSkill(), Exact(), data(plane), [found])
    np.testing.assert_allclose(scores["spread_skill_ratio"], 1, rtol=0.02)


class Autoregression(Exact):
    """Every point on its own: u' = φ u + e, e of variance one."""

    def step(self, state, memory=None):
        return self.factor * state + torch.randn_like(state), None


def test_spread_of_an_autoregression_is_that_of_its_formula(evaluate, plane):
    # members that start alike have a variance of (1 - φ^2n) / (1 - φ²) after n steps
    torch.manual_seed(2)
    found = RolloutBatch(torch.zeros(2, 1, 100, 100), torch.arange(2), 5, 5)
    found.perturbed = torch.zeros(9, 2, 1, 100, 100)
    scores = evaluate(EnsembleSkill(), Autoregression(0.8, std=1.0), data(plane), [found])
    variance = (1 - 0.8 ** (2 * np.arange(1, 6))) / (1 - 0.8**2)
    spread = (scores["ensemble_spread"] ** 2).mean("initial_condition")
    np.testing.assert_allclose(spread, variance, rtol=0.02)


def test_others_see_the_unperturbed_member_alone(evaluate, plane):
    alone = start(0.5)
    alone.perturbed = None
    known = data(plane)
    one = evaluate(RolloutError(), Exact(0.9), known, [alone])
    several = evaluate(RolloutError(), Exact(0.9), known, [start(0.5)])
    assert one.identical(several)


def test_single_forecast_is_scored_as_an_ensemble_of_one_member(evaluate, plane):
    alone = start(0.5)
    alone.perturbed = None
    diagnostic, known = EnsembleSkill(), data(plane, members=1)
    scores = evaluate(diagnostic, Exact(0.9, std=2.0), known, [alone])
    u = alone.initial.numpy()
    factor = 1 - 0.9 ** np.arange(1, 5)
    error = np.abs(u).mean((1, 2, 3))[:, None] * factor / 2
    np.testing.assert_allclose(scores["crps"], error, rtol=1e-6)
    root = np.sqrt((u**2).mean((1, 2, 3)))[:, None] * factor / 2
    np.testing.assert_allclose(scores["energy_score"], root, rtol=1e-6)
    assert set(scores.data_vars) == {"crps", "energy_score"}
    assert set(diagnostic.summary(scores)) == {"crps", "energy_score"}
    (axes,) = diagnostic.figures(scores)["ensemble"].axes
    assert axes.get_ylabel() == "error [training std]"
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert labels == {"absolute error", "root mean square error"}


def test_single_forecast_and_ensemble_share_columns_and_panel(evaluate, plane):
    alone = start(0.5)
    alone.perturbed = None
    one = evaluate(EnsembleSkill(), Exact(0.9), data(plane, members=1), [alone])
    several = evaluate(EnsembleSkill(), Exact(0.9), data(plane), [start(0.5)])
    runs = [
        Run("one", one, {}, Path("one")),
        Run("two", several, {}, Path("two")),
    ]
    shown = {c.heading: [c.value(run) for run in runs] for c in EnsembleSkill.columns()}
    assert shown["CRPS"] == [
        pytest.approx(one["crps"].mean()),
        pytest.approx(several["crps"].mean()),
    ]
    error = several["ensemble_skill"][:, 0] ** 2
    assert shown["MSE of mean at 1"] == [None, pytest.approx(error.mean())]
    assert shown["MSE of mean at 10"] == [None, None]  # past the truth
    assert shown["spread / skill"] == [None, pytest.approx(several["spread_skill_ratio"].mean())]
    (column,) = [c for c in EnsembleSkill.columns() if c.heading == "MSE of mean at 1"]
    assert column.in_unit(3.0).value(runs[1]) == pytest.approx(error.mean() * 4 / 9)  # std 2
    assert column.in_unit(3.0).heading == "MSE of mean at 1, in 3²"
    axes = sheet(4, 3).subplots()
    EnsembleSkill.panel(axes, methods(runs), one)
    assert len(axes.lines) == 3  # two scores, and one spread
    assert axes.get_title() == "CRPS (lines) and spread of the ensemble (dotted)"
    axes = sheet(4, 3).subplots()
    EnsembleSkill.panel(axes, methods(runs[:1]), one)
    assert axes.get_title() == "CRPS, for single forecasts the absolute error"


def test_energy_score_is_its_double_sum_over_whole_fields():
    torch.manual_seed(3)
    members, truth = torch.randn(3, 2, 2, 4, 5), torch.randn(2, 2, 4, 5)
    weights, std = torch.rand(2, 4, 5), torch.tensor([2.0, 0.3])
    weights[1, 2:] = 0
    members[0, 0, 1, 2:] = truth[1, 1, 3] = float("nan")  # at masked points
    x, y, w = (value.double().numpy() for value in (members, truth, weights))
    s = std.double().numpy()[:, None, None]

    def norm(v):
        square = np.nansum(w * (v / s) ** 2, (-2, -1)) / w.sum((-2, -1))
        return np.sqrt(square.mean(-1))

    wanted = norm(x - y).mean(0) - norm(x[:, None] - x[None]).sum((0, 1)) / (2 * 3 * 2)
    np.testing.assert_allclose(energy_score(members, truth, std, weights), wanted)
    weights = torch.ones(2, 4, 5)
    plain = energy_score(members[:, 1:, :, :2], truth[1:, :, :2], std)
    equal = energy_score(members[:, 1:, :, :2], truth[1:, :, :2], std, weights[:, :2])
    np.testing.assert_allclose(plain, equal)
    broken = members.clone()
    broken[2, 1, 0, 0] = float("nan")
    assert torch.isnan(energy_score(broken, truth, std, weights)).all()


def test_error_of_members_is_the_mean_over_members(evaluate, plane):
    found = start(0.5)
    scores = evaluate(EnsembleSkill(), Exact(0.9, std=2.0), data(plane), [found])
    x = torch.cat((found.initial[None], found.perturbed)).double().numpy() * 0.9**2
    y = found.initial.double().numpy()
    wanted = ((x - y) ** 2).mean((0, 2, 3, 4)) / 4
    np.testing.assert_allclose(scores["mse_of_members"][:, 1], wanted, rtol=1e-5)
    wanted = ((x.mean(0) - y) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(scores["mse_of_mean_physical"][:, 1, 0], wanted, rtol=1e-5)


def test_members_that_are_equal_to_the_truth_have_no_ratio():
    assert np.isnan(spread_skill_ratio(np.zeros(1), np.zeros(1), 3)).all()


def test_member_that_breaks_down_is_not_left_out_in_silence(evaluate, plane):
    class Breaking(Scripted):
        """The second trajectory of the last member is not a number from the second step on."""

        def at(self, lead, first):
            first[-1] = float("nan") if lead > 1 else first[-1]
            return first

    known = Data(plane, torch.randn(9, 1, 8, 8))
    known.rollouts["test"].members = 3
    start = RolloutBatch(torch.randn(2, 1, 8, 8), torch.arange(2), 4, 3)
    start.perturbed = start.initial + 0.1 * torch.randn(2, 2, 1, 8, 8)
    diagnostic = EnsembleSkill()
    scores = evaluate(diagnostic, Breaking(), known, [start])
    assert np.isfinite(scores["crps"]).sum() == 3 + 1
    assert np.isnan(diagnostic.summary(scores)["crps"])
    (text,) = diagnostic.remarks(scores)
    assert "1 of 2 ensembles" in text


def test_members_that_are_all_equal_are_remarked_on(evaluate, plane):
    diagnostic, unperturbed = EnsembleSkill(), start(0.0)
    scores = evaluate(diagnostic, Exact(0.9, std=2.0), data(plane), [unperturbed])
    (text,) = diagnostic.remarks(scores)
    assert "all members are equal" in text
    scores = evaluate(diagnostic, Exact(0.9, std=2.0), data(plane), [start(0.5)])
    assert diagnostic.remarks(scores) == []


@pytest.mark.parametrize("count", range(1, 20))
def test_members_are_sorted_at_each_point(count):
    members = torch.randn(count, 2, 3, 5, generator=torch.Generator().manual_seed(count))
    members[: count // 2] = members[: count // 2].round()  # with ties
    assert torch.equal(sorted_members(members), torch.from_numpy(np.sort(members.numpy(), axis=0)))


def test_points_without_a_value_do_not_change_others():
    members = torch.tensor([[3.0, 1.0], [torch.nan, 2.0], [1.0, 0.0]]).reshape(3, 1, 1, 2)
    found = sorted_members(members)
    assert found[..., 0].isnan().all()
    assert found[..., 1].flatten().tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("rows", [1, 2, 64])
def test_energy_score_does_not_depend_on_the_members_in_memory_at_once(rows, monkeypatch):
    members, truth = torch.randn(7, 2, 3, 4), torch.randn(2, 3, 4)
    std = torch.tensor([1.0, 2.0, 0.5])
    monkeypatch.setattr("callbacks.metrics.ensemble.ROWS", rows)
    x, y = (fields.double() / std[:, None] for fields in (members, truth))

    def norm(field):
        return field.square().mean((-2, -1)).sqrt()

    error = norm(x - y).mean(0)
    pairs = norm(x[:, None] - x).sum((0, 1)) / (2 * 7 * 6)
    np.testing.assert_allclose(energy_score(members, truth, std), error - pairs, rtol=1e-12)
