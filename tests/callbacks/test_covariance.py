"""Covariance between grid points over the rollouts, and its error."""

import numpy as np
import pytest
import torch
from torch import distributed

from callbacks import CovarianceError
from callbacks.metrics.covariance import block_means
from datamodules.solvers import Grid
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch
from tests.callbacks.test_masked_points import mask, pair, scored, sphere, weights

PLANE = Grid((4, 8), (1.0, 1.0))


def states(count, seed=0):
    """States of two channels of unequal size and offset, with correlated points."""
    noise = torch.randn(count, 2, 4, 8, generator=torch.Generator().manual_seed(seed))
    smooth = noise.double() + noise.double().roll(1, -1)
    return torch.tensor([[[3.0]], [[-40.0]]]) + torch.tensor([[[2.0]], [[0.3]]]) * smooth


def data(known=None):
    return Data(PLANE, states(50) if known is None else known, variables=("p", "t"))


def relative(rows, reference):
    """Return ‖C - C_ref‖/‖C_ref‖ of rows (state, channel, ...), by NumPy."""
    found = []
    for channel in (0, 1):
        flat, other = (x[:, channel].reshape(len(x), -1) for x in (rows, reference))
        own, known = np.cov(flat.T, bias=True), np.cov(other.T, bias=True)
        found.append(np.linalg.norm(own - known) / np.linalg.norm(known))
    return found


def seen(initial, factor, leads):
    """Return the states of `Exact(factor)` at some leads, of all initial conditions."""
    return np.concatenate([(factor**lead * initial).numpy() for lead in leads])


def test_error_is_that_of_all_states_of_all_rollouts(evaluate):
    initial, known = states(3, seed=1), data()
    diagnostic = CovarianceError(every=2, burn_in=1)
    start = RolloutBatch(initial, torch.arange(3), 8, 0)
    scores = evaluate(diagnostic, Exact(0.9, channels=2), known, [start])
    expected = relative(seen(initial, 0.9, (3, 5, 7)), known.states.numpy())
    np.testing.assert_allclose(scores["covariance_error"], expected)
    assert diagnostic.summary(scores) == {"covariance_error": pytest.approx(np.mean(expected))}
    assert scores["channel"].values.tolist() == ["p", "t"]
    assert not diagnostic.remarks(scores)


def test_fields_are_averaged_over_blocks_first(evaluate):
    initial, known = states(3, seed=1), data()
    start = RolloutBatch(initial, torch.arange(3), 4, 0)
    scores = evaluate(CovarianceError(2, every=1), Exact(0.9, channels=2), known, [start])

    def coarse(field):
        return field.reshape(-1, 2, 2, 2, 4, 2).mean((3, 5))

    own = coarse(seen(initial, 0.9, (1, 2, 3, 4)))
    expected = relative(own, coarse(known.states.numpy()))
    np.testing.assert_allclose(scores["covariance_error"], expected)


@pytest.mark.parametrize("coarsen", [1, 2])
def test_weighted_points_count_by_their_root_and_masked_points_not_at_all(coarsen):
    forecast, truth = pair()
    scores = scored(CovarianceError(coarsen, every=1), forecast, truth, sphere())
    full = torch.from_numpy(weights())
    coarse = block_means(full[None], coarsen)
    assert coarsen == 2 or not coarse[0][~mask()].any()

    def rooted(field):
        mean = block_means(field.flatten(0, 1).double() * full, coarsen)
        return (mean / coarse.clamp_min(1e-300).sqrt()).numpy()

    expected = relative(rooted(forecast), rooted(truth))
    np.testing.assert_allclose(scores["covariance_error"], expected)


def test_diverged_states_do_not_count(evaluate):
    initial, known = states(3, seed=1), data()

    class Breaking(Exact):
        def step(self, state, memory=0):
            state = 0.9 * state
            if memory == 2:
                state = state.index_fill(0, torch.tensor(1), float("inf"))
            return state, (memory or 0) + 1

    start = RolloutBatch(initial, torch.arange(3), 4, 0)
    diagnostic = CovarianceError(every=1)
    scores = evaluate(diagnostic, Breaking(channels=2), known, [start])
    rows = [seen(initial[[0, 2]], 0.9, (1, 2, 3, 4)), seen(initial[[1]], 0.9, (1, 2))]
    expected = relative(np.concatenate(rows), known.states.numpy())
    np.testing.assert_allclose(scores["covariance_error"], expected)
    assert not diagnostic.remarks(scores)


def test_initial_conditions_that_a_sampler_repeats_count_once(monkeypatch):
    # three initial conditions on two processes: the second has 1 and again 0
    initial, known, parts = states(3, seed=1), data(), ([0, 2], [1, 0])
    found = []
    for rank, part in enumerate(parts):
        monkeypatch.setattr(distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
        diagnostic = CovarianceError(every=1)
        diagnostic.attach(known, Exact(0.9, channels=2))
        diagnostic.start(torch.device("cpu"))
        batch = RolloutBatch(initial[part], torch.tensor(part), 4, 0)
        run_rollout(Exact(0.9, channels=2), batch, [diagnostic])
        found.append(diagnostic)
    monkeypatch.undo()
    first, second = found
    for name in ("count", "total", "product"):  # what torchmetrics adds up
        value = getattr(first.covariance, name) + getattr(second.covariance, name)
        setattr(first.covariance, name, value)
    first.means.update(second.index[:1], **rows(second))
    expected = relative(seen(initial, 0.9, (1, 2, 3, 4)), known.states.numpy())
    scores = first.scores()
    np.testing.assert_allclose(scores["covariance_error"], expected)
    assert not first.remarks(scores)


def rows(diagnostic):
    """Return the rows of the first initial condition of a diagnostic."""
    return {name: getattr(diagnostic.means, name)[0][:1] for name in ("count", "state")}


def test_states_that_no_process_counts_are_remarked_on(evaluate, monkeypatch):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    diagnostic = CovarianceError(every=1)
    diagnostic.attach(data(), Exact(channels=2))
    diagnostic.start(torch.device("cpu"))
    batch = RolloutBatch(states(3, seed=1), torch.tensor([0, 1, 2]), 4, 0)
    run_rollout(Exact(channels=2), batch, [diagnostic])
    monkeypatch.undo()
    (remark,) = diagnostic.remarks(diagnostic.scores())
    assert "4 of 12 states are left out" in remark


def test_interrupted_rollout_resumes_with_the_same_sums():
    initial, known = states(3, seed=1), data()
    whole, half, resumed = (CovarianceError(every=1) for _ in range(3))
    for diagnostic in (whole, half, resumed):
        diagnostic.attach(known, Exact(channels=2))
        diagnostic.start(torch.device("cpu"))
        diagnostic.begin(RolloutBatch(initial, torch.arange(3), 4, 0))
    for lead in (1, 2, 3, 4):
        whole.observe(lead, 0.9**lead * initial, None)
        if lead == 3:
            resumed.load_rollout_state(half.rollout_state())
        (half if lead < 3 else resumed).observe(lead, 0.9**lead * initial, None)
    for diagnostic in (whole, resumed):
        diagnostic.end()
    found = [one.scores()["covariance_error"].values for one in (whole, resumed)]
    np.testing.assert_array_equal(*found)


def test_covariance_of_many_points_is_left_out():
    large = Grid((128, 96), (1.0, 1.0))
    source = Data(large, torch.zeros(1, 2, 128, 96), variables=("p", "t"))
    diagnostic = CovarianceError()
    diagnostic.attach(source, Exact(channels=2))
    reason = diagnostic.unsupported_reason()
    assert "12288 points needs 2 GiB" in reason  # 8 · 2 · 12288² bytes
    assert "CovarianceError.coarsen of at least 2" in reason  # 64 · 48 = 3072 points
    diagnostic = CovarianceError(coarsen=2)
    diagnostic.attach(source, Exact(channels=2))
    assert not diagnostic.unsupported_reason()


def test_covariance_of_many_channels_is_left_out():
    names = [f"q{n}" for n in range(12)]
    square = Grid((64, 64), (1.0, 1.0))
    for count, left_out in ((8, False), (12, True)):  # 1 and 1.5 GiB
        source = Data(square, torch.zeros(1, count, 64, 64), variables=names[:count])
        diagnostic = CovarianceError()
        diagnostic.attach(source, Exact(channels=count))
        assert bool(diagnostic.unsupported_reason()) == left_out


def test_blocks_that_do_not_fit_are_refused():
    diagnostic = CovarianceError(coarsen=3)
    diagnostic.attach(data(), Exact(channels=2))
    with pytest.raises(ValueError, match=r"CovarianceError.coarsen must divide .*\[4, 8\], got 3"):
        diagnostic.start(torch.device("cpu"))


@pytest.mark.filterwarnings("error")
def test_rollouts_that_end_before_the_first_state_have_no_error(evaluate):
    start = RolloutBatch(states(3), torch.arange(3), 4, 0)
    diagnostic = CovarianceError(burn_in=9)
    scores = evaluate(diagnostic, Exact(channels=2), data(), [start])
    assert np.isnan(scores["covariance_error"]).all()
    assert "3 of 3 rollouts diverged" in diagnostic.remarks(scores)[0]


def test_constant_reference_has_no_error(evaluate):
    still = torch.ones(5, 2, 4, 8, dtype=torch.float64)
    start = RolloutBatch(states(3), torch.arange(3), 4, 0)
    scores = evaluate(CovarianceError(every=1), Exact(channels=2), data(still), [start])
    assert np.isnan(scores["covariance_error"]).all()
