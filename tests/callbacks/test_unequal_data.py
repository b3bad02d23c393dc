"""Every score is that of a few lines of numpy, on data that could hide no mistake.

Two channels of unequal size and offset, values and errors of both signs, unequal samples, and an
error that is proportional neither to the truth nor to the climate.
"""

import numpy as np
import pytest
import torch

import callbacks
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted
from tests.conftest import check_units

STD = np.array([2.0, 0.3])
STEPS, TRUTH, COUNT = 12, 6, 3


class Bending(Scripted):
    """Shifts each sample by another share of a wave and bends it, by a function of the lead."""

    def at(self, lead, first):
        number = torch.arange(1.0, len(first) + 1).reshape(-1, 1, 1, 1)
        scale = torch.from_numpy(STD).reshape(1, 2, 1, 1)
        signs = torch.tensor([1.0, -0.4]).reshape(2, 1, 1)
        wave = 0.1 * lead * scale * signs * torch.sin(torch.arange(64.0).reshape(8, 8))
        return first * (1 - 0.02 * lead * number) + number * wave


@pytest.fixture
def case(plane):
    torch.manual_seed(0)
    scale, offset = (torch.tensor(x).reshape(2, 1, 1) for x in ([2.0, 0.3], [-1.0, 0.2]))
    states = offset + scale * torch.randn(60, 2, 8, 8) * (1 + torch.arange(8.0) / 8)
    known = Data(plane, states, variables=("p", "t"))
    initial = states[[3, 17, 40]] * torch.tensor([0.7, 1.0, 1.4]).reshape(3, 1, 1, 1)
    start = RolloutBatch(initial, torch.arange(COUNT), STEPS, TRUTH, growth=0.9)
    emulator = Bending(channels=2)
    emulator.standardize.std = torch.from_numpy(STD)
    forecast = np.stack([emulator.at(lead, initial).numpy() for lead in range(1, STEPS + 1)], 1)
    truth = np.stack([start.truth(lead).numpy() for lead in range(1, TRUTH + 1)], 1)
    return known, emulator, start, forecast, truth  # (start, lead, channel, y, x)


def run(kind, case, evaluate, **options):
    known, emulator, start, _, _ = case
    diagnostic = getattr(callbacks, kind)(**options)
    scores = evaluate(diagnostic, emulator, known, [start])
    summary = diagnostic.summary(scores)
    check_units(summary, scores)
    return scores, summary


GRID = (-2, -1)


def test_rollout_error(case, evaluate):
    *_, forecast, truth = case
    scores, summary = run("RolloutError", case, evaluate, threshold=0.5, leads=(1, 4))
    u, v = forecast[:, :TRUTH], truth
    square = ((u - v) ** 2).mean(GRID)
    mse = (square / STD**2).mean(-1)
    np.testing.assert_allclose(scores["mse"], mse)
    np.testing.assert_allclose(scores["rmse"], np.sqrt(mse))
    np.testing.assert_allclose(scores["vrmse"], np.sqrt(square / v.var(GRID)).mean(-1))
    np.testing.assert_allclose(scores["mse_std"], mse.std(0))
    pattern = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in
               zip(u.reshape(-1, 64), v.reshape(-1, 64), strict=True)]  # fmt: skip
    pattern = np.reshape(pattern, u.shape[:3])
    np.testing.assert_allclose(scores["pattern_correlation"], pattern.mean(-1), atol=1e-12)
    climate = case[0].states.numpy().mean(0)
    a, b = u - climate, v - climate
    anomaly = (a * b).sum(GRID) / np.sqrt((a**2).sum(GRID) * (b**2).sum(GRID))
    np.testing.assert_allclose(scores["anomaly_correlation"], anomaly.mean(-1), atol=1e-12)
    bad = np.sqrt(mse) > 0.5
    first = np.where(bad.any(1), bad.argmax(1), TRUTH)
    assert len(set(first)) > 1  # samples differ
    np.testing.assert_allclose(scores["valid_prediction_time"], 0.5 * first)
    assert summary["mse/lead_4"] == pytest.approx(mse[:, 3].mean())
    assert summary["valid_prediction_time"] == pytest.approx(0.5 * first.mean())


@pytest.mark.parametrize("relative_to", ["truth", "start"])
def test_relative_error(relative_to, case, evaluate):
    *_, forecast, truth = case
    scores, summary = run("RelativeError", case, evaluate, relative_to=relative_to, leads=(2,))
    size = truth if relative_to == "truth" else case[2].initial.numpy()[:, None]
    each = np.abs(forecast[:, :TRUTH] - truth).sum(GRID) / np.abs(size).sum(GRID)
    np.testing.assert_allclose(scores["relative_error"], each.mean(-1))
    np.testing.assert_allclose(scores["relative_error_t"], each[..., 1])
    assert summary["relative_error/t/lead_2"] == pytest.approx(each[:, 1, 1].mean())


def test_ensemble_skill(case, evaluate):
    known, emulator, start, *_ = case
    start.perturbed = start.initial + 0.5 * torch.randn(4, *start.initial.shape)
    known.rollouts["test"].members = 5
    diagnostic = callbacks.EnsembleSkill()
    scores = evaluate(diagnostic, emulator, known, [start])
    members = torch.cat((start.initial[None], start.perturbed))
    lead = 3
    x = np.stack([emulator.at(lead, m.clone()).numpy() for m in members])
    # `at` numbers the samples of all members in a row
    x = emulator.at(lead, members.flatten(0, 1)).unflatten(0, (5, COUNT)).numpy()
    y = start.truth(lead).numpy()
    pairs = np.abs(x[:, None] - x[None]).sum((0, 1)) / (2 * 5 * 4)
    crps = ((np.abs(x - y).mean(0) - pairs).mean(GRID) / STD).mean(-1)
    np.testing.assert_allclose(scores["crps"][:, lead - 1], crps)
    spread = (x.var(0, ddof=1).mean(GRID) / STD**2).mean(-1)
    skill = (((x.mean(0) - y) ** 2).mean(GRID) / STD**2).mean(-1)
    np.testing.assert_allclose(scores["ensemble_spread"][:, lead - 1], np.sqrt(spread))
    np.testing.assert_allclose(scores["ensemble_skill"][:, lead - 1], np.sqrt(skill))
    ratio = np.sqrt(6 / 5 * spread.mean() / skill.mean())
    np.testing.assert_allclose(scores["spread_skill_ratio"][lead - 1], ratio)
    np.testing.assert_allclose(scores["mse_of_mean"][:, lead - 1], skill)
    error = (((x - y) ** 2).mean(GRID) / STD**2).mean((0, -1))
    np.testing.assert_allclose(scores["mse_of_members"][:, lead - 1], error)


def test_moments(case, evaluate):
    known, _, _, forecast, _ = case
    scores, summary = run("Moments", case, evaluate, every=3, burn_in=2)
    seen, reference = forecast[:, [4, 7, 10]], known.states.numpy()
    mean, square = seen.mean((0, 1)), (seen**2).mean((0, 1))
    np.testing.assert_allclose(scores["mean_map"], mean, atol=1e-12)
    np.testing.assert_allclose(scores["variance_map"], square - mean**2, atol=1e-12)
    std = STD[:, None, None]
    error = np.sqrt((((mean - reference.mean(0)) / std) ** 2).mean(GRID))
    np.testing.assert_allclose(scores["mean_map_error"], error)
    difference = (square - mean**2 - reference.var(0)) / std**2
    np.testing.assert_allclose(scores["variance_map_error"], np.sqrt((difference**2).mean(GRID)))
    assert summary["mean_map_error"] == pytest.approx(error.mean())


def test_zonal_mean(case, evaluate):
    known, _, _, forecast, _ = case
    scores, summary = run("ZonalMean", case, evaluate, every=4)
    profile = forecast[:, [3, 7, 11]].mean((1, -1))
    reference = known.states.numpy().mean((0, -1))
    d, scaled = profile - reference, (profile - reference) / STD[:, None]
    for name, wanted in {
        "absolute": np.abs(d).mean(-1),
        "rms": np.sqrt((d**2).mean(-1)),
        "scaled_norm": np.sqrt((scaled**2).sum(-1)),
        "scaled_rms": np.sqrt((scaled**2).mean(-1)),
    }.items():
        np.testing.assert_allclose(scores[f"zonal_mean_error_{name}"], wanted)
    assert summary["zonal_mean_error_absolute"] == pytest.approx(np.abs(d).mean())


def test_distribution(case, evaluate):
    known, _, _, forecast, _ = case
    scores, summary = run("Distribution", case, evaluate, every=4, bins=40, reach=3.0)
    reference = known.states.numpy()
    seen = forecast[:, [3, 7, 11]]
    for c, name in enumerate(("p", "t")):
        centre, scale = reference[:, c].mean(), reference[:, c].std()
        edges = np.linspace(-3, 3, 41)

        def shares(values, centre=centre, scale=scale, edges=edges):
            inside = np.clip((values - centre) / scale, -2.999, 2.999)
            return np.histogram(inside, edges)[0] / values.size

        wanted = shares(reference[:, c])
        own = np.stack([shares(one[:, c]) for one in seen])
        np.testing.assert_allclose(scores["density"][:, c], own / (scale * 0.15), atol=1e-12)
        np.testing.assert_allclose(scores["reference_density"][c], wanted / (scale * 0.15))
        distance = np.abs(np.cumsum(own - wanted, 1)).sum(1) * 0.15
        np.testing.assert_allclose(scores["wasserstein"][:, c], distance)
        assert summary[f"wasserstein/{name}"] == pytest.approx(distance.mean())


def test_spectrum(case, evaluate):
    known, _, _, forecast, truth = case
    scores, summary = run("Spectrum", case, evaluate, every=4, leads=(2,))

    def density(values):  # ½|f̂|² of all channels, in units of their std, on rings of |m|
        hat = np.fft.fft2(values / STD[:, None, None]) / 64
        power = (0.5 * np.abs(hat) ** 2).sum(-3)
        m = np.fft.fftfreq(8, 1 / 8)
        ring = np.ceil(np.hypot(m[:, None], m[None]) - 0.5).astype(int)
        return np.stack([power[..., ring == n].sum(-1) for n in range(5)], -1)

    own, reference = density(forecast[:, [3, 7, 11]]).mean(1), density(known.states.numpy()).mean(0)
    np.testing.assert_allclose(scores["spectrum_isotropic"], own)
    error = np.abs(own - reference)[:, 1:].mean(1)
    signs = np.sign(own.mean(0) - reference)[1:]
    assert {-1, 1} <= set(signs)  # too strong in one ring, too weak in another
    np.testing.assert_allclose(scores["spectrum_error"], error)
    assert summary["spectrum_error"] == pytest.approx(error.mean())
    at = np.abs(density(forecast[:, 1]) - density(truth[:, 1]))[:, 1:].mean(1)
    np.testing.assert_allclose(scores["spectrum_error_at_lead"][:, 0], at)


def test_extremes(case, evaluate):
    known, _, _, forecast, _ = case
    scores, summary = run("Extremes", case, evaluate, channel=1, every=2, periods=9)
    largest = np.abs(forecast[:, 1::2, 1]).max(GRID)
    reference = np.abs(known.states.numpy()[:, 1]).max(GRID)
    periods = np.geomspace(2.0, 6.0, 9)
    np.testing.assert_allclose(scores["return_period"], periods)

    def level(values, between):
        n = len(values)
        of = between / (1 - np.arange(1, n + 1) / (n + 1))
        return np.interp(np.log(periods), np.log(of), np.sort(values), right=np.nan)

    np.testing.assert_allclose(scores["return_level"], [level(x, 1.0) for x in largest])
    together = level(largest.ravel(), 1.0)
    np.testing.assert_allclose(scores["return_level_of_all"], together)
    wanted = level(reference, 0.5)
    np.testing.assert_allclose(scores["reference_return_level"], wanted)
    assert summary["return_level_ratio"] == pytest.approx((together / wanted).mean())


def test_energy(case, evaluate):
    known, _, _, forecast, _ = case
    scores, summary = run("EnergyStability", case, evaluate, width=1e3)
    states = known.states.numpy()
    std = STD[:, None, None]

    def energy(x):
        return 0.5 * (((x - states.mean(0)) / std) ** 2).mean((-3, *GRID))

    own, reference = energy(forecast), energy(states)
    np.testing.assert_allclose(scores["energy"], own)
    np.testing.assert_allclose(scores["reference_energy_std"], reference.std())
    assert summary["mean_energy_ratio"] == pytest.approx(own.mean() / reference.mean())


def test_principal_components(case, evaluate):
    known, _, _, forecast, _ = case
    scores, summary = run("PCAAutocorrelation", case, evaluate, components=2, length=10, lags=4)
    states = (known.states.numpy() / STD[:, None, None]).reshape(60, -1)
    mean = states.mean(0)
    _, singular, rows = np.linalg.svd(states - mean, full_matrices=False)
    np.testing.assert_allclose(
        scores["explained_variance"], singular[:2] ** 2 / (singular**2).sum()
    )

    def correlation(series):
        x = series - series.mean(0)
        c = np.stack([(x[: 10 - k] * x[k:]).sum(0) for k in range(5)])
        return c / c[0]

    own = (forecast[:, :10] / STD[:, None, None]).reshape(COUNT, 10, -1)
    found = np.stack([correlation((one - mean) @ rows[:2].T).T for one in own])
    pieces = ((states - mean) @ rows[:2].T).reshape(6, 10, 2)
    reference = np.mean([correlation(piece).T for piece in pieces], 0)
    np.testing.assert_allclose(scores["autocorrelation"], found, atol=1e-10)
    np.testing.assert_allclose(scores["reference_autocorrelation"], reference, atol=1e-10)
    deviation = np.abs(found - reference).mean(-1)
    np.testing.assert_allclose(scores["autocorrelation_deviation"], deviation, atol=1e-10)
    assert summary["autocorrelation_deviation/pc_2"] == pytest.approx(deviation[:, 1].mean())


def test_limits_are_ratios_of_means_over_initial_conditions(evaluate, plane):
    class Squaring(torch.nn.Module):
        grid = plane

        def step(self, state):
            return state**2

    # u, 3u: the error of the forecast goes with the square of the start, that of the twin with
    # its fourth power; a mean of ratios would be (1 + 1/9)/2
    known = Data(plane, torch.randn(3, 1, 8, 8))
    known.generator = type("G", (), {"solver": Squaring(), "operating_points_differ": False})()
    initial = torch.ones(2, 1, 8, 8) * torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    starts = [RolloutBatch(initial, torch.arange(2), 2, 2, growth=2.0)]
    diagnostic = callbacks.PredictabilityLimit(leads=(2,))
    scores = evaluate(diagnostic, Exact(2.1), known, starts)
    np.testing.assert_allclose(scores["limit_ratio_once"][1], (1 + 9) / (1 + 81), rtol=1e-5)
    always = 0.01 * (1 + 9) + 0.41**2 * (1 + 81)
    wanted = 0.41**2 * (1 + 9) / always
    np.testing.assert_allclose(scores["limit_ratio_always"][1], wanted, rtol=1e-5)
    assert diagnostic.summary(scores)["limit_ratio_once/lead_2"] == pytest.approx(10 / 82, rel=1e-5)
