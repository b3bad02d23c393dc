import math

import numpy as np
import pytest
import torch

from callbacks import Distribution, Moments
from callbacks.metrics.distribution import histogram, wasserstein
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, RolloutBatch

LINE = Grid((4096,), (1.0,))


def gaussian(mean=0.0, std=1.0, count=40):
    generator = torch.Generator().manual_seed(0)
    return mean + std * torch.randn(count, 1, 4096, generator=generator)


def evaluated(evaluate, diagnostic, state, reference):
    data = Data(LINE, reference, variables=("u",))
    return evaluate(
        diagnostic, Exact(), data, [RolloutBatch(state, torch.arange(len(state)), 10, 0)]
    )


def test_shares_by_hand():
    field = torch.tensor([[[-9.0, -1.0, -0.6, 0.0, 0.4, 1.0, 7.0, 0.9]]])
    assert histogram(field, bins=4, reach=1.0).tolist() == [[[0.375, 0, 0.25, 0.375]]]


def test_shares_of_what_is_not_finite_are_not_numbers():
    field = torch.zeros(2, 1, 4)
    field[1, 0, 2] = float("inf")
    shares = histogram(field, 4, 1.0)
    assert shares[0].isfinite().all()
    assert shares[1].isnan().all()


def test_density_of_a_gaussian_field(evaluate):
    scores = evaluated(evaluate, Distribution(bins=40, reach=4.0), gaussian(), gaussian())
    value = scores["value"][0].values
    expected = np.exp(-(value**2) / 2) / math.sqrt(2 * math.pi)
    mean = scores["density"].mean("initial_condition")[0]
    np.testing.assert_allclose(mean, expected, atol=0.01)
    np.testing.assert_allclose(scores["wasserstein"].mean(), 0, atol=0.03)


def test_distance_of_a_shifted_and_of_a_wider_field(evaluate):
    # W1 of N(0, 1) to N(d, 1) is d, to N(0, s) it is |s - 1| sqrt(2/pi)
    shifted = evaluated(evaluate, Distribution(), gaussian(mean=0.5), gaussian())
    np.testing.assert_allclose(shifted["wasserstein"].mean(), 0.5, rtol=0.02)
    wider = evaluated(evaluate, Distribution(), gaussian(std=1.5), gaussian())
    np.testing.assert_allclose(wider["wasserstein"].mean(), 0.5 * math.sqrt(2 / math.pi), rtol=0.02)


def test_distance_is_that_between_sorted_samples():
    generator = np.random.default_rng(0)
    one, two = generator.integers(0, 30, (2, 1000))
    shares, others = (np.bincount(values, minlength=30) / 1000 for values in (one, two**2 // 30))
    found = wasserstein(shares[None, None], others[None], width=0.1)
    wanted = 0.1 * np.abs(np.sort(one) - np.sort(two**2 // 30)).mean()
    assert found.item() == pytest.approx(wanted)


def test_flow_has_histograms_of_its_velocity(evaluate, plane):
    reference = torch.randn(50, 1, 8, 8)
    data = Data(plane, reference)
    scores = evaluate(
        Distribution(), Exact(), data, [RolloutBatch(reference[:2], torch.arange(2), 10, 0)]
    )
    assert scores["field"].values.tolist() == ["vorticity", "u", "v"]
    np.testing.assert_allclose((scores["reference_density"] * np.diff(scores["value"])[:, :1]).sum(
        "bin"), 1, rtol=1e-6)  # fmt: skip


def test_velocities_that_are_channels_are_not_derived_again(evaluate, plane):
    reference = torch.randn(50, 3, 8, 8)
    data = Data(plane, reference, variables=("vorticity", "u", "v"))
    starts = [RolloutBatch(reference[:2], torch.arange(2), 10, 0)]
    scores = evaluate(Distribution(), Exact(channels=3), data, starts)
    assert scores["field"].values.tolist() == ["vorticity", "u", "v"]
    assert scores["density"].attrs["units"] == "(s-1)^-1"


def test_malformed_options_are_refused():
    with pytest.raises(ValueError, match=r"2 to 100000 bins and a reach .* 1e6, got bins=1"):
        Distribution(bins=1)


def test_moments_of_a_state_that_changes_sign(evaluate, plane):
    # +q, -q, +q, ...: the mean over an even number of steps is 0, the variance q^2
    state = torch.randn(1, 1, 8, 8)
    reference = torch.randn(6, 1, 8, 8)
    diagnostic = Moments(every=1)
    scores = evaluate(
        diagnostic,
        Exact(-1.0),
        Data(plane, reference),
        [RolloutBatch(state, torch.arange(1), 10, 0)],
    )
    np.testing.assert_allclose(scores["mean_map"], 0 * state[0], atol=1e-12)
    np.testing.assert_allclose(scores["variance_map"], state[0] ** 2)
    np.testing.assert_allclose(scores["reference_mean_map"], reference.mean(0))
    np.testing.assert_allclose(
        scores["reference_variance_map"], reference.var(0, correction=0), rtol=1e-9
    )
    error = np.sqrt((reference.mean(0) ** 2).mean()) / 2  # standard deviation is 2
    np.testing.assert_allclose(scores["mean_map_error"], error)
    error = (state[0] ** 2 - reference.var(0, correction=0)).square().mean().sqrt() / 4
    np.testing.assert_allclose(scores["variance_map_error"], error)


def test_bins_reach_over_a_split_that_begins_with_a_constant(evaluate):
    diagnostic = Distribution()
    reference = torch.cat((torch.full((40, 1, 4096), 7.0), gaussian(mean=7.0)))
    scores = evaluated(evaluate, diagnostic, gaussian(mean=7.0), reference)
    ends = scores["value"][0].values[[0, -1]]
    np.testing.assert_allclose(ends, 7 + math.sqrt(0.5) * np.array([-7.96, 7.96]), atol=0.01)
    low, high = diagnostic.figures(scores)["distribution"].axes[0].get_xlim()
    assert low < 5 < 9 < high
