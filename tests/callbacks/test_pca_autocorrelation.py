import functools
import math

import numpy as np
import pytest
import torch

from callbacks import PCAAutocorrelation
from callbacks.metrics.pca import autocorrelation, principal_components
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted


def spread(states=90, points=40, rank=6):
    """States with clearly separated components and a mean."""
    basis = torch.linalg.qr(torch.randn(points, rank)).Q
    scale = 2.0 ** -torch.arange(rank)
    return torch.randn(states, rank) * scale @ basis.T + torch.randn(points)


@pytest.mark.parametrize("centre", [True, False])
def test_components_are_those_of_a_singular_value_decomposition(centre):
    data = spread()
    mean, components, variances = principal_components(lambda: data.split(7), 3, centre)
    x = (data - data.mean(0) * centre).numpy()
    _, singular, rows = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(variances, singular[:3] ** 2 / 90, rtol=1e-10)
    overlap = np.abs((components.numpy() * rows[:3]).sum(1))
    np.testing.assert_allclose(overlap, 1, rtol=1e-8)
    np.testing.assert_allclose(mean, data.mean(0) * centre, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"direct": 0}, {"direct": 0, "memory": 8 * 13 * 300 * 6}])
@pytest.mark.parametrize("shape", [(400, 300), (300, 400)])
def test_components_are_exact_where_variances_fall_slowly(shape, options):
    data = 5 + torch.randn(shape) * torch.arange(1.0, shape[1] + 1) ** -0.3
    _, singular, rows = np.linalg.svd((data - data.mean(0)).numpy(), full_matrices=False)
    _, components, variances = principal_components(lambda: data.split(64), 3, **options)
    np.testing.assert_allclose(variances, singular[:3] ** 2 / shape[0], rtol=1e-10)
    sign = np.sign((components.numpy() * rows[:3]).sum(1, keepdims=True))
    np.testing.assert_allclose(components, sign * rows[:3], atol=1e-9)


def test_components_of_fewer_directions_than_states_are_exact_in_any_way():
    data = spread(300, 200)
    wanted = principal_components(lambda: data.split(64), 3)
    found = principal_components(lambda: data.split(64), 3, direct=0)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_as_many_components_as_states_are_orthonormal():
    # without the mean of 4 states there are only 3 directions in which they vary
    data = torch.randn(4, 40)
    _, components, variances = principal_components(lambda: data.split(3), 4)
    np.testing.assert_allclose(components @ components.T, np.eye(4), atol=1e-12)
    assert 0 <= variances[3] < 1e-12


def test_components_that_did_not_converge_are_said_to_be_approximate(evaluate, plane, monkeypatch):
    few = functools.partial(principal_components, direct=0, passes=2)
    known = Data(plane, torch.randn(90, 1, 8, 8))
    starts = [RolloutBatch(torch.randn(1, 1, 8, 8), torch.arange(1), 60, 0)]
    diagnostic = PCAAutocorrelation(length=50, lags=9)
    assert not diagnostic.remarks(evaluate(diagnostic, Exact(), known, starts))
    monkeypatch.setattr("callbacks.diagnostics.components.principal_components", few)
    known.root = known.root / "elsewhere"
    diagnostic = PCAAutocorrelation(length=50, lags=9)
    (remark,) = diagnostic.remarks(evaluate(diagnostic, Exact(), known, starts))
    assert "approximate" in remark


@pytest.mark.parametrize("seed", range(5))
def test_sign_makes_the_largest_entry_positive(seed):
    # of a decomposition, half of the components have the other sign
    torch.manual_seed(seed)
    data = spread()
    for options in ({}, {"direct": 0}):
        _, components, _ = principal_components(lambda: data.split(50), 4, **options)
        assert (components.gather(1, components.abs().argmax(1, keepdim=True)) > 0).all()


def test_sign_of_a_wave_whose_crest_and_trough_are_as_large_is_that_of_the_first():
    x = torch.arange(16) * 2 * math.pi / 16
    for shift, amplitude in ((0, 1), (0, -1), (4, 1), (4, -1)):
        wave = torch.cos(x - x[shift]) + 1e-13 * torch.randn(16)
        data = amplitude * torch.randn(50, 1) * wave
        _, components, _ = principal_components(lambda data=data: data.split(20), 1)
        first = int((components[0].abs() > 0.3535).int().argmax())  # 1/√8 = 0.354
        assert components[0, first] > 0


def test_chunks_do_not_matter():
    data = spread()
    one, several = (principal_components(lambda n=n: data.split(n), 2)[1] for n in (90, 11))
    np.testing.assert_allclose(one, several, atol=1e-9)


def test_fewer_states_than_components_are_refused():
    with pytest.raises(ValueError, match=r"9 principal components .* there are 5 states; lower"):
        principal_components(lambda: [torch.randn(5, 40)], 9)


def test_fewer_values_of_a_state_than_components_are_refused():
    with pytest.raises(ValueError, match=r"6 principal components .* a state has 4 values; lower"):
        principal_components(lambda: [torch.randn(9, 4)], 6)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
def test_autocorrelation_is_that_of_numpy(centre, normalise):
    series = 1 + torch.randn(3, 50)
    found = autocorrelation(series, 20, centre, normalise)
    for row, x in zip(found, series.numpy(), strict=True):
        x = x - x.mean() * centre
        wanted = np.correlate(x, x, "full")[49:69]
        np.testing.assert_allclose(row, wanted / wanted[0] if normalise else wanted, atol=1e-10)


def test_autocorrelation_of_a_first_order_autoregression():
    # x_{t+1} = a x_t + noise has c(k) = a^k
    generator = np.random.default_rng(0)
    x, a = [0.0], 0.9
    for noise in generator.standard_normal(200_000):
        x.append(a * x[-1] + noise)
    found = autocorrelation(torch.tensor(x), 10)
    np.testing.assert_allclose(found, a ** np.arange(10), atol=0.02)


class Turning(Scripted):
    """A standing wave that oscillates with a period of 40 steps."""

    def at(self, lead, first):
        return first * math.cos(2 * math.pi * lead / 40)


def test_oscillation_is_seen_in_its_component(evaluate, plane):
    pattern = torch.randn(1, 1, 8, 8)
    times = torch.arange(400) * 2 * math.pi / 40
    reference = torch.cos(times).reshape(-1, 1, 1, 1) * pattern
    diagnostic = PCAAutocorrelation(components=1, length=400, lags=40)
    scores = evaluate(
        diagnostic,
        Turning(),
        Data(plane, reference),
        [RolloutBatch(pattern, torch.arange(1), 400, 0)],
    )
    lag = np.arange(41)
    wave = np.cos(2 * math.pi * np.arange(1, 401) / 40)
    wanted = np.correlate(wave, wave, "full")[399:440] / 200
    np.testing.assert_allclose(wanted, np.cos(2 * math.pi * lag / 40), atol=0.11)
    np.testing.assert_allclose(scores["autocorrelation"][0, 0], wanted, atol=1e-9)
    wave = np.roll(wave, 1)
    wanted = np.correlate(wave, wave, "full")[399:440] / 200
    np.testing.assert_allclose(scores["reference_autocorrelation"][0], wanted, atol=1e-9)
    np.testing.assert_allclose(scores["explained_variance"], 1, rtol=1e-9)
    np.testing.assert_allclose(scores["lag"], lag * 0.5)
    assert 0 < float(scores["autocorrelation_deviation"].max()) < 0.03
    assert set(diagnostic.figures(scores)) == {"pca_autocorrelation"}


def test_variant_of_the_paper_keeps_means_and_sums(evaluate, plane):
    state = torch.ones(1, 1, 8, 8)
    diagnostic = PCAAutocorrelation(1, length=20, lags=5, centre=False, normalise=False)
    scores = evaluate(
        diagnostic, Exact(), Data(plane, state.expand(30, -1, -1, -1).clone()),
        [RolloutBatch(state, torch.arange(1), 20, 0)],
    )  # fmt: skip
    # the projection on the constant unit vector is 8; 20 - k products of 64
    np.testing.assert_allclose(scores["autocorrelation"][0, 0], 64 * (20 - np.arange(6)))
    np.testing.assert_allclose(scores["autocorrelation_deviation"], 0, atol=1e-9)


def test_series_are_as_short_as_those_of_the_reference(evaluate, plane):
    start = RolloutBatch(torch.randn(1, 1, 8, 8), torch.arange(1), 60, 0)
    diagnostic = PCAAutocorrelation()
    scores = evaluate(diagnostic, Exact(), Data(plane, torch.randn(50, 1, 8, 8)), [start])
    assert scores.sizes["lag"] == 50
    (remark,) = diagnostic.remarks(scores)
    assert "the train split has 50 snapshots" in remark


def test_a_constant_series_has_no_autocorrelation():
    x = torch.full((2, 30), 3.7, dtype=torch.float64)
    x[1] += 1e-15 * torch.randn(30, dtype=torch.float64)
    assert autocorrelation(x, 5).isnan().all()
    assert torch.isfinite(autocorrelation(x, 5, normalise=False)).all()


def test_channels_are_standardised_before_they_are_combined(evaluate, plane):
    # the second channel varies a thousand times as much, in a unit of its own
    pattern, small = torch.randn(2, 8, 8), torch.randn(50, 1, 1, 1)
    reference = torch.cat((3 * small * pattern[:1], 1000 * torch.randn(50, 1, 8, 8)), 1)
    data = Data(plane, reference, variables=("a", "b"))
    emulator = Exact(channels=2)
    one = torch.tensor([3.0, 1000.0])
    emulator.standardize.set_statistics(0 * one, one, one)
    diagnostic = PCAAutocorrelation(components=1)
    evaluate(diagnostic, emulator, data, [RolloutBatch(reference[:1], torch.arange(1), 50, 0)])
    component = diagnostic.basis[1].reshape(2, 8, 8)
    assert component[0].square().sum() > 0.9


def test_malformed_options_are_refused():
    with pytest.raises(ValueError, match="below length, got components=1, lags=9, length=9"):
        PCAAutocorrelation(1, 9, 9)
