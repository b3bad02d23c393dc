import numpy as np
import torch

from callbacks import EnsembleSkill, RolloutError
from callbacks.metrics.ensemble import crps, ensemble_spread, ensemble_square_error
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
    assert scores.sizes == {"initial_condition": 2, "lead_time": 4}
    assert (np.diff(scores["ensemble_skill"].mean("initial_condition")) > 0).all()
    assert set(diagnostic.figures(scores)) == {"ensemble"}
    assert set(emulator.summary) == {"crps", "spread_skill_ratio"}


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


def test_is_left_out_without_an_ensemble(plane):
    diagnostic = EnsembleSkill()
    diagnostic.attach(data(plane, members=1))
    assert "members is 1" in diagnostic.unsupported_reason()


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
