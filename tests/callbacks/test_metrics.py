import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from callbacks.metrics.energy import has_kinetic_energy, kinetic_energy, mean_square
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.rollout_mse import (
    anomaly_correlation,
    mean_squared_error,
    pattern_correlation,
    spatial_variance,
    valid_steps,
)
from callbacks.metrics.stability import stability_rate, within_band
from datamodules.solvers import Grid

NAN = float("nan")


def test_mse_averages_over_space_per_channel():
    forecast, truth = torch.randn(3, 2, 4, 5), torch.randn(3, 2, 4, 5)
    expected = ((forecast.numpy() - truth.numpy()) ** 2).mean(axis=(2, 3))
    np.testing.assert_allclose(mean_squared_error(forecast, truth), expected)
    assert_close(mean_squared_error(truth, truth), torch.zeros(3, 2))


def test_mse_of_single_precision_is_accumulated_in_double():
    forecast = torch.full((1, 1, 8), 1e4 + 1, dtype=torch.float32)
    error = mean_squared_error(forecast, torch.full((1, 1, 8), 1e4, dtype=torch.float32))
    assert error.dtype == torch.float64
    assert error.item() == 1.0


def test_valid_steps_stop_at_the_first_excess_of_each_trajectory():
    # threshold 0.5 on the root: 0.25 on the square
    error = torch.tensor(
        [[0.1, 0.2, 0.3, 0.1], [0.1, 0.1, 0.1, 0.1], [0.9, 0.1, 0.1, 0.1], [0.1, NAN, 0.1, 0.1]]
    )
    assert valid_steps(error, 0.5).tolist() == [2, 4, 0, 1]


def test_band_is_closed_and_excludes_what_is_not_finite():
    energy = torch.tensor([4.0, 7.0, 7.1, 1.0, 0.9, NAN, math.inf])
    expected = [True, True, False, True, False, False, False]
    assert within_band(energy, 4.0, 1.5, 2.0).tolist() == expected


def test_stability_rate_counts_those_that_never_failed():
    # four trajectories that survive 0, 1, 3 and 3 of three checks
    rate = stability_rate(torch.tensor([0, 1, 3, 3]), 3)
    assert rate.tolist() == [0.75, 0.5, 0.5]


def test_kinetic_energy_reads_the_chosen_channel():
    grid = Grid((16, 16), (2 * math.pi, 2 * math.pi))
    y, _ = grid.points()
    state = torch.stack([torch.zeros(16, 16), 3 * torch.cos(2 * y)])[None]
    # u = 1.5 sin 2y in size: mean of ½ · 2.25 sin² = 9/16
    assert_close(kinetic_energy(state, grid, 1), torch.tensor([9 / 16]))
    assert_close(kinetic_energy(state, grid, 0), torch.zeros(1))


def test_mean_square_by_hand():
    assert mean_square(torch.tensor([[[1.0, 3.0]]])).item() == 2.5


def test_kinetic_energy_needs_vorticity_on_a_periodic_plane():
    plane = Grid((4, 4), (1.0, 1.0))
    assert has_kinetic_energy(["vorticity"], plane)
    assert not has_kinetic_energy(["u"], plane)
    assert not has_kinetic_energy(["vorticity"], None)
    assert not has_kinetic_energy(["vorticity"], Grid((4,), (1.0,)))


def test_rows_come_sorted_and_without_duplicates():
    rows = PerSampleMetric("a", "b")
    rows.update(torch.tensor([4, 0]), a=torch.tensor([40.0, 0.0]), b=torch.ones(2, 3))
    rows.update(torch.tensor([2, 4]), a=torch.tensor([20.0, 99.0]), b=torch.zeros(2, 3))
    result = rows.compute()
    assert result["index"].tolist() == [0, 2, 4]
    assert result["a"].tolist() == [0.0, 20.0, 40.0]  # the first of two rows is kept
    assert result["b"].shape == (3, 3)


def test_rows_do_not_depend_on_batches_or_order():
    values = torch.randn(7)
    whole, parts = PerSampleMetric("a"), PerSampleMetric("a")
    whole.update(torch.arange(7), a=values)
    for chosen in ([5, 6], [0], [3, 1, 2], [4]):
        parts.update(torch.tensor(chosen), a=values[chosen])
    np.testing.assert_array_equal(whole.compute()["a"], parts.compute()["a"])


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ({"a": torch.zeros(2)}, "'a', 'b'"),
        ({"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(2)}, "'c'"),
        ({"a": torch.zeros(2), "b": torch.zeros(3)}, "'b', got 3"),
    ],
)
def test_rows_that_could_come_to_stand_beside_another_number_are_refused(rows, named):
    kept = PerSampleMetric("a", "b")
    with pytest.raises(ValueError, match=named):
        kept.update(torch.tensor([0, 1]), **rows)
    kept.update(torch.tensor([0]), a=torch.tensor([5.0]), b=torch.tensor([6.0]))
    assert kept.compute()["index"].tolist() == [0]  # nothing of what was refused is kept


def test_rows_gathered_from_processes_that_kept_different_names_are_refused():
    kept = PerSampleMetric("a", "b")
    kept.update(torch.tensor([0]), a=torch.tensor([5.0]), b=torch.tensor([6.0]))
    kept.index.append(torch.tensor([1]))  # as another process would add
    kept.a.append(torch.tensor([5.0]))
    with pytest.raises(ValueError, match="'b': 1"):
        kept.compute()


def test_rows_can_be_reset():
    rows = PerSampleMetric("a")
    rows.update(torch.tensor([0]), a=torch.tensor([1.0]))
    rows.reset()
    rows.update(torch.tensor([1]), a=torch.tensor([2.0]))
    assert rows.compute()["index"].tolist() == [1]


def test_correlation_of_a_shifted_wave_is_the_cosine_of_the_shift():
    x = torch.arange(24) * 2 * math.pi / 24
    wave = 3 + torch.cos(x).expand(1, 1, 6, 24)
    for shift in (0, 3, 6, 12):
        moved = 7 + 2 * torch.cos(x - x[shift]).expand(1, 1, 6, 24)
        assert_close(pattern_correlation(moved, wave).item(), math.cos(x[shift]))


def test_anomaly_correlation_is_of_departures_from_the_climate():
    x = 2 * math.pi * torch.arange(24, dtype=torch.float64) / 24
    climate = 50 * torch.cos(2 * x)[None]
    for shift in (0, 3, 6, 12):
        one, two = torch.cos(x - x[shift])[None, None], 3 * torch.cos(x)[None, None]
        found = anomaly_correlation(climate + one, climate + two, climate)
        assert_close(found.item(), math.cos(x[shift]))
        assert pattern_correlation(climate + one, climate + two).item() > 0.99
    bias = torch.ones(1, 1, 24)  # spatial means belong to the anomalies
    assert_close(anomaly_correlation(climate - 2 * bias, climate + bias, climate).item(), -1.0)


def test_correlation_with_a_constant_is_zero_and_with_nothing_finite_is_not_a_number():
    wave = torch.randn(1, 1, 4, 4)
    assert pattern_correlation(torch.ones(1, 1, 4, 4), wave).item() == 0
    assert pattern_correlation(wave * NAN, wave).isnan().all()


def test_spatial_variance_is_per_channel():
    field = torch.randn(3, 2, 4, 5)
    np.testing.assert_allclose(spatial_variance(field), field.numpy().var(axis=(2, 3)))
