"""Rank histograms, exceedances and scores by wavenumbers, against a few lines of NumPy."""

from copy import deepcopy

import numpy as np
import pytest
import torch
import xarray

import callbacks
from callbacks import BandCRPS, ExceedanceReliability, RankHistogram
from callbacks.diagnostics.compared import Run, methods
from callbacks.diagnostics.ensemble_diagnostic import EnsembleDiagnostic
from callbacks.diagnostics.space_names import RESERVED
from callbacks.metrics.calibration import brier_score, rank_histogram
from callbacks.metrics.distribution import quantiles_of_data
from callbacks.plotting.style import sheet
from commands.exported import exported
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, RolloutBatch
from tests.callbacks.test_masked_points import average, pair, scored, sphere, weights

STD = (2.0, 0.3)
KINDS = [
    kind
    for kind in exported(callbacks)
    if isinstance(kind, type) and issubclass(kind, EnsembleDiagnostic)
]


def members_and_truth():
    """Return the members that `scored` makes of forecasts, and the truth, (..., lead, ...)."""
    forecast, truth = pair()
    members = torch.stack([factor * forecast for factor in (1, 1.1, 1.3)])
    return members.double().numpy(), truth[:, 1:].double().numpy()


# Ranks ------------------------------------------------------------------------------------------


def test_ranks_are_counted_with_weights():
    scores = scored(RankHistogram(leads=(2, 7)), *pair(), sphere())
    x, y = members_and_truth()
    rank = (x < y).sum(0)[:, [1, 6]]
    wanted = np.stack([average(rank == r) for r in range(4)], -1)
    np.testing.assert_allclose(scores["rank_histogram"], wanted)
    deviation = np.abs(4 * wanted.mean(0) - 1).max(-1)
    np.testing.assert_allclose(scores["rank_deviation"], deviation)
    assert scores["rank_lead_time"].values.tolist() == [1.0, 3.5]


def test_ties_count_for_all_possible_ranks():
    members = torch.tensor([0.0, 1.0, 1.0]).reshape(3, 1, 1, 1)
    low, high = (rank_histogram(members, torch.full((1, 1, 1), y))[0, 0] for y in (0.0, 1.0))
    assert low.tolist() == [1 / 2, 1 / 2, 0, 0]
    assert high.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


def test_histogram_of_a_reliable_ensemble_is_flat_and_of_a_narrow_one_a_u(evaluate):
    torch.manual_seed(0)
    for spread in (1.0, 0.3):
        found = RolloutBatch(spread * torch.randn(1, 1, 300, 300), torch.arange(1), 1, 1)
        found.perturbed = spread * torch.randn(3, 1, 1, 300, 300)
        found.truth = lambda lead: torch.randn(1, 1, 300, 300)
        known = Data(None, torch.randn(3, 1, 300, 300))
        known.rollouts["test"].members = 4
        diagnostic = RankHistogram(leads=(1, 9))
        scores = evaluate(diagnostic, Exact(), known, [found])
        (deviation,) = diagnostic.summary(scores).values()
        assert deviation < 0.03 if spread == 1 else deviation > 0.5
        shares = scores["rank_histogram"].values[0, 0, 0]
        assert shares.sum() == pytest.approx(1)
    assert shares[[0, 4]].min() > 2 * shares[1:4].max()  # the narrow one
    assert "lead times 9 lie past the end of the truth (1 steps)" in diagnostic.remarks(scores)[0]


# Exceedances --------------------------------------------------------------------------------------


def test_exceedances_are_counted_with_weights():
    diagnostic = ExceedanceReliability(quantiles=(0.3, 0.8), leads=(1, 5))
    scores = scored(diagnostic, *pair(), sphere())
    x, y = (values[..., [0, 4], :, :, :] for values in members_and_truth())
    data = pair()[1][0].double().numpy()  # the first trajectory is the training split
    weighted = np.broadcast_to(weights(), data.shape)
    for number, quantile in enumerate((0.3, 0.8)):
        level = np.array([weighted_quantile(data[:, c], weighted[:, c], quantile) for c in (0, 1)])
        found = scores["exceedance_threshold"].values[number]
        np.testing.assert_allclose(found, level, atol=0.02 * data.std((0, 2, 3)).max())
        level = found[:, None, None]
        k, event = (x > level).sum(0), y > level
        brier = average((k / 3 - event) ** 2)
        np.testing.assert_allclose(scores["brier_score"][:, :, number], brier)
        for count in range(4):
            share, both = (average(part).mean(0) for part in (k == count, (k == count) & event))
            np.testing.assert_allclose(scores["exceedance_share"][:, number, :, count], share)
            with np.errstate(invalid="ignore"):
                frequency = both / share
            frequency_found = scores["exceedance_frequency"][:, number, :, count]
            np.testing.assert_allclose(frequency_found, frequency)
    summary = diagnostic.summary(scores)
    assert summary["brier_score_0.8/lead_5"] == pytest.approx(brier[:, 1].mean())


def weighted_quantile(values, weights, quantile):
    order = np.argsort(values, axis=None)
    total = np.cumsum(weights.ravel()[order])
    return values.ravel()[order][np.searchsorted(total, quantile * total[-1])]


def test_quantiles_are_exact_to_a_bin_in_pieces_of_any_length():
    torch.manual_seed(0)
    data = torch.randn(40, 2, 30) * torch.tensor(STD)[:, None] + torch.tensor([[50.0], [-3.0]])
    wanted = np.quantile(data.transpose(0, 1).flatten(1).numpy(), (0.1, 0.95), axis=1)
    for length in (1, 7, 40):
        found = quantiles_of_data(lambda n=length: data.split(n), (0.1, 0.95))
        np.testing.assert_allclose(found, wanted, atol=0.02)
    constant = quantiles_of_data(lambda: [torch.full((2, 1, 4), 3.0)], (0.5,))
    np.testing.assert_allclose(constant, 3)


def test_brier_score_is_the_mean_squared_error_of_probabilities():
    # half of the points at k = 1 of 4 without an event, half at k = 3, of which half with one
    forecast, both = torch.tensor([0, 0.5, 0, 0.5, 0]), torch.tensor([0, 0, 0, 0.25, 0])
    wanted = 0.5 * 0.25**2 + 0.25 * 0.75**2 + 0.25 * 0.25**2
    assert brier_score(forecast, both).item() == pytest.approx(wanted)


# Bands ------------------------------------------------------------------------------------------


def test_bands_are_scored_as_filtered_fields(evaluate):
    torch.manual_seed(0)
    scale = torch.tensor(STD).reshape(2, 1, 1)
    grid = Grid((12, 12), (2.0, 2.0))
    found = RolloutBatch(scale * torch.randn(2, 2, 12, 12), torch.arange(2), 2, 2, growth=0.7)
    found.perturbed = scale * torch.randn(2, 2, 2, 12, 12)
    known = Data(grid, scale * torch.randn(3, 2, 12, 12), variables=("p", "t"))
    known.rollouts["test"].members = 3
    emulator = Exact(channels=2)
    emulator.standardize.std = torch.tensor(STD)
    diagnostic = BandCRPS()
    scores = evaluate(diagnostic, emulator, known, [found])
    x = torch.cat((found.initial[None], found.perturbed)).double().numpy()
    y = found.initial.double().numpy() * 0.7**2
    k = np.sqrt(sum(np.meshgrid(*2 * [np.fft.fftfreq(12, 1 / 12) ** 2])))
    ring = np.ceil(k - 0.5)
    # six rings above the mean: thirds in log k end at 1.8 and 3.3
    parts = ((ring >= 1) & (ring <= 2), ring == 3, (ring >= 4) & (ring <= 6))
    for number, inside in enumerate(parts):
        one, true = (np.fft.ifft2(np.fft.fft2(v) * inside).real for v in (x, y))
        pairs = np.abs(one[:, None] - one[None]).sum((0, 1)) / (2 * 3 * 2)
        crps = (np.abs(one - true).mean(0) - pairs).mean((-2, -1)) / np.array(STD)
        np.testing.assert_allclose(scores["crps_band"][:, 1, number], crps.mean(-1), rtol=1e-6)
    mean = scores["crps_band"].values.mean((0, 1))
    assert list(diagnostic.summary(scores).values()) == pytest.approx(mean.tolist())


# All ----------------------------------------------------------------------------------------------


def case(count=3, steps=6, broken=False):
    torch.manual_seed(1)
    grid = Grid((8, 8), (2.0, 2.0))
    scale = torch.tensor(STD).reshape(2, 1, 1)
    known = Data(grid, scale * torch.randn(20, 2, 8, 8), variables=("p", "t"))
    known.rollouts["test"].members, known.rollouts["test"].initial_conditions = 3, count
    members = scale * torch.randn(steps, 3, count, 2, 8, 8)
    if broken:
        members[3:, 2, 1, 1, 4, 4] = torch.nan
    truth = scale * torch.randn(steps, count, 2, 8, 8)
    return known, members, truth


def part_of(members, truth, chosen):
    start = RolloutBatch(members[0, 0, chosen], torch.tensor(chosen), len(truth), len(truth))
    start.perturbed = members[0, 1:, chosen]
    return start


def started(kind, known):
    with_leads = "leads" in kind().options
    diagnostic = kind(leads=(2, 5)) if with_leads else kind()
    diagnostic.attach(known, Exact(channels=2))
    diagnostic.start(torch.device("cpu"))
    return diagnostic


def observe(diagnostic, members, truth, chosen, leads):
    for lead in leads:
        own, true = members[lead - 1][:, chosen], truth[lead - 1][chosen]
        diagnostic.observe(lead, own[0], true)
        diagnostic.observe_members(lead, own, true)


def whole(kind, broken=False, batches=((0, 1, 2),)):
    known, members, truth = case(broken=broken)
    diagnostic = started(kind, known)
    for chosen in batches:
        diagnostic.begin(part_of(members, truth, list(chosen)))
        observe(diagnostic, members, truth, list(chosen), range(1, 7))
        diagnostic.end()
    return diagnostic, diagnostic.scores()


@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_their_order_change_no_score(kind):
    _, one = whole(kind)
    _, parts = whole(kind, batches=((2, 0), (1,)))
    xarray.testing.assert_identical(one, parts)


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_scores_are_those_of_an_uninterrupted_rollout(kind):
    known, members, truth = case()
    first = started(kind, known)
    for chosen, leads in (([0, 2], range(1, 7)), ([1], range(1, 4))):
        first.begin(part_of(members, truth, chosen))
        observe(first, members, truth, chosen, leads)
        if chosen != [1]:
            first.end()
    saved = deepcopy(first.rollout_state())
    second = started(kind, known)
    second.begin(part_of(members, truth, [1]))
    second.load_rollout_state(saved)
    observe(second, members, truth, [1], range(4, 7))
    second.end()
    xarray.testing.assert_identical(second.scores(), whole(kind)[1])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.columns()])
def test_member_that_breaks_is_not_left_out_in_silence(kind):
    diagnostic, scores = whole(kind, broken=True)
    (text,) = diagnostic.remarks(scores)
    assert text.startswith(f"{kind.__name__}: 1 of 3 ensembles have a member that is not finite")
    late = [v for n, v in diagnostic.summary(scores).items() if "lead_2" not in n]
    assert late
    assert np.isnan(late).all()
    early = [v for n, v in diagnostic.summary(scores).items() if "lead_2" in n]
    assert np.isfinite(early).all()


@pytest.mark.parametrize("kind", KINDS)
def test_names_among_the_scores_are_reserved(kind):
    _, scores = whole(kind)
    names = {*map(str, scores.variables), *map(str, scores.dims)} - {"y", "x"}
    assert [name for name in sorted(names) if not RESERVED.fullmatch(name)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_ensembles_of_two_sizes_are_drawn_together(kind):
    diagnostic, scores = whole(kind)
    assert diagnostic.figures(scores)
    known, members, truth = case()
    fewer = started(kind, known)
    start = part_of(members, truth, [0, 1, 2])
    start.perturbed = start.perturbed[:1]
    fewer.begin(start)
    observe(fewer, members[:, :2], truth, [0, 1, 2], range(1, 7))
    fewer.end()
    pair_of_runs = methods([Run("a", scores, {}, None), Run("b", fewer.scores(), {}, None)])
    for panel in kind.panels():
        axes = sheet(4, 3).subplots()
        panel.draw(axes, pair_of_runs, scores)
        assert axes.get_legend_handles_labels()[1][:2] == ["a", "b"]
    for column in kind.columns():
        value = column.value(pair_of_runs[0].runs[0])
        assert value is None or np.isfinite(value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.needs_ensemble])
def test_is_left_out_without_an_ensemble(kind, plane):
    diagnostic, known = kind(), Data(plane, torch.randn(3, 1, 8, 8))
    diagnostic.attach(known)
    assert diagnostic.unsupported_reason() == (
        "there is no ensemble: data.test_rollouts.members is 1"
    )


# Figures ------------------------------------------------------------------------------------------


def test_plume_has_the_energy_of_every_member_and_of_the_mean_state():
    diagnostic = callbacks.EnergyPlume(initial_conditions=2)
    scores = scored(diagnostic, *pair(), sphere())
    x, y = members_and_truth()
    climate = pair()[1][0].double().numpy().mean(0)

    def energy(state):
        square = average(((state - climate) / 2) ** 2)  # its std is 2
        return 0.5 * square.mean(-1)

    np.testing.assert_allclose(scores["plume"], np.moveaxis(energy(x), 0, -1), rtol=1e-6)
    np.testing.assert_allclose(scores["plume_of_mean"], energy(x.mean(0)), rtol=1e-6)
    np.testing.assert_allclose(scores["plume_truth"], energy(y), rtol=1e-6)
    one = scored(callbacks.EnergyPlume(initial_conditions=1), *pair(), sphere())
    xarray.testing.assert_identical(one.isel(plume_start=0), scores.isel(plume_start=0))


def test_panels_are_of_the_first_initial_condition_and_hide_masked_points():
    scores = scored(callbacks.EnsemblePanels(leads=(3, 99), channel=1), *pair(), sphere())
    x, y = (values[..., 0, 2, 1, :, :] for values in members_and_truth())
    wanted = {
        "truth": y,
        "first": x[0],
        "second": x[1],
        "mean": x.mean(0),
        "spread": x.std(0, ddof=1),
    }
    for name, field in wanted.items():
        found = scores[f"ensemble_panel_{name}"]
        assert found.sizes["ensemble_panel_lead_time"] == 1
        np.testing.assert_allclose(found[0], np.where(weights()[1] > 0, field, np.nan), rtol=1e-5)


def test_spectrum_of_the_mean_of_independent_members_has_a_part_of_their_energy(evaluate):
    # of M independent members the energy of the mean is 1/M of the energy of each
    torch.manual_seed(0)
    found = RolloutBatch(torch.randn(2, 1, 64, 64), torch.arange(2), 10, 10)
    found.perturbed = torch.randn(3, 2, 1, 64, 64)
    known = Data(Grid((64, 64), (2.0, 2.0)), torch.randn(3, 1, 64, 64), variables=("p",))
    known.rollouts["test"].members = 4
    diagnostic = callbacks.Spectrum(leads=(1, 5))
    scores = evaluate(diagnostic, Exact(), known, [found])
    members, mean = (scores[f"spectrum_at_lead_{name}"] for name in ("members", "mean"))
    assert members.shape == scores["spectrum_at_lead_forecast"].shape
    total = [part[..., 1:].sum("wavenumber").values for part in (mean, members)]
    np.testing.assert_allclose(total[0] / total[1], 1 / 4, rtol=0.1)
    each = torch.cat((found.initial[None], found.perturbed)).double().numpy()
    density = np.abs(np.fft.fft2(each, norm="forward")) ** 2 / 2
    k = np.sqrt(sum(np.meshgrid(*2 * [np.fft.fftfreq(64, 1 / 64) ** 2])))
    ring = np.ceil(k - 0.5) == 7
    wanted = (density * ring).sum((-3, -2, -1)).mean(0)
    np.testing.assert_allclose(members[:, 0, 7], wanted, rtol=1e-6)
    assert diagnostic.figures(scores)


CLIMATE = ("EnergyStability", "Spectrum", "ZonalMean", "Distribution", "Moments", "Extremes",
           "PCAAutocorrelation", "Hovmoeller", "Panels", "RolloutError")  # fmt: skip


@pytest.mark.parametrize("kind", CLIMATE)
def test_the_climate_is_of_the_first_member_and_never_of_the_mean(kind, evaluate, plane):
    torch.manual_seed(0)
    initial = torch.randn(2, 1, 8, 8)
    perturbed = 3 + torch.randn(2, 2, 1, 8, 8)
    scores = []
    for members in (1, 3):
        known = Data(plane, torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(2)))
        known.rollouts["test"].members = members
        start = RolloutBatch(initial, torch.arange(2), 20, 8)
        start.perturbed = perturbed if members > 1 else None
        options = {"length": 15, "lags": 4} if kind == "PCAAutocorrelation" else {}
        diagnostic = getattr(callbacks, kind)(**options)
        scores.append(evaluate(diagnostic, Exact(0.9), known, [start]))
    alone, several = scores
    assert len(alone)
    shared = several[list(alone.data_vars)]
    xarray.testing.assert_identical(shared, alone)
