"""Metrics with weights of points: constant fields, values that are not used, equal weights."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from callbacks.metrics.distribution import histogram
from callbacks.metrics.energy import mean_square
from callbacks.metrics.ensemble import crps, energy_score, ensemble_spread, ensemble_square_error
from callbacks.metrics.relative_error import relative_l1
from callbacks.metrics.rollout_mse import (
    anomaly_correlation,
    mean_squared_error,
    pattern_correlation,
    spatial_variance,
)
from callbacks.metrics.spatial_mean import spatial_mean
from callbacks.metrics.zonal_mean import profile_errors, zonal_mean

SPACE = (4, 6)
CLIMATE = torch.arange(2.0).reshape(2, 1, 1).expand(2, *SPACE)
METRICS = {  # of members (member, batch, channel, *space), of which the last one is the truth
    "spatial_mean": lambda u, w: spatial_mean(u[0], w),
    "mean_squared_error": lambda u, w: mean_squared_error(u[0], u[-1], w),
    "spatial_variance": lambda u, w: spatial_variance(u[0], w),
    "pattern_correlation": lambda u, w: pattern_correlation(u[0], u[-1], w),
    "anomaly_correlation": lambda u, w: anomaly_correlation(u[0], u[-1], CLIMATE, w),
    "crps": lambda u, w: crps(u[:-1], u[-1], w),
    "energy_score": lambda u, w: energy_score(u[:-1], u[-1], torch.tensor([2.0, 0.3]), w),
    "ensemble_spread": lambda u, w: ensemble_spread(u[:-1], w),
    "ensemble_square_error": lambda u, w: ensemble_square_error(u[:-1], u[-1], w),
    "relative_l1": lambda u, w: relative_l1(u[0], u[-1], weights=w),
    "mean_square": lambda u, w: mean_square(u[0], w),
    "zonal_mean": lambda u, w: zonal_mean(u[0], w),
    "histogram": lambda u, w: histogram(u[0], 7, 2.0, w),
}


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def weights():
    """Weights of unequal channels, zero at some points and in one row of the second channel."""
    some = random(2, *SPACE).abs()
    some[0, 0, :3] = some[1, 2:4, 1] = some[1, 1] = 0
    return some


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_equal_weights_are_no_weights(metric):
    members = random(4, 3, 2, *SPACE)
    assert_close(metric(members, torch.full((2, *SPACE), 0.3)), metric(members, None))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_scale_of_weights_drops_out(metric):
    members = random(4, 3, 2, *SPACE)
    scaled = weights() * (
        1 if metric is METRICS["relative_l1"] else torch.tensor([[[2.0]], [[5.0]]])
    )
    assert_close(metric(members, scaled), metric(members, weights()), equal_nan=True)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_values_without_weight_are_not_used(metric):
    members = random(4, 3, 2, *SPACE)
    expected = metric(members, weights())
    for value in (torch.nan, torch.inf, 1e30):
        found = metric(torch.where(weights() > 0, members, value), weights())
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "name", sorted(METRICS.keys() - {"pattern_correlation", "zonal_mean", "relative_l1"})
)
def test_weights_of_fields_that_are_constant_in_space_drop_out(name):
    members = random(4, 3, 2, 1, 1).expand(4, 3, 2, *SPACE)
    assert_close(METRICS[name](members, weights()), METRICS[name](members, None))


def test_means_are_those_of_numpy():
    field = random(3, 2, *SPACE)
    full = np.broadcast_to(weights(), field.shape)
    expected = np.average(field, axis=(2, 3), weights=full)
    np.testing.assert_allclose(spatial_mean(field, weights()), expected)
    expected = np.average(
        (field.numpy() - expected[..., None, None]) ** 2, axis=(2, 3), weights=full
    )
    np.testing.assert_allclose(spatial_variance(field, weights()), expected)


def test_zonal_mean_of_a_row_without_points_is_missing():
    found = zonal_mean(random(3, 2, *SPACE), weights())
    assert found.isnan().any(0).tolist() == [[False] * 4, [False, True, False, False]]
    errors = profile_errors(found.numpy(), np.zeros((2, 4)), np.ones(2), weights().sum(-1).numpy())
    assert all(np.isfinite(error).all() for error, _ in errors.values())


def test_share_of_a_value_that_is_not_finite_is_missing_unless_its_weight_is_zero():
    field = torch.tensor([[[0.5, torch.nan]], [[0.5, 0.5]]])
    assert histogram(field, 2, 1.0, torch.tensor([[1.0, 2.0]])).isnan().all(2).tolist() == [
        [True],
        [False],
    ]
    assert histogram(field, 2, 1.0, torch.tensor([[1.0, 0.0]]))[0].tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_results_do_not_depend_on_the_batch_to_the_last_bit(metric):
    members = random(4, 3, 2, *SPACE)
    alone = torch.cat([metric(members[:, k : k + 1], weights()) for k in range(3)])
    torch.testing.assert_close(metric(members, weights()), alone, rtol=0, atol=0, equal_nan=True)
