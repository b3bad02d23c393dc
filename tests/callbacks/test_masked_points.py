"""Scores of data with masked points and points of unequal area, by every diagnostic."""

from dataclasses import replace
from inspect import isabstract

import numpy as np
import pytest
import torch
import xarray
from torch.testing import assert_close

import callbacks
from callbacks import (
    BandCRPS,
    Distribution,
    EnergyStability,
    EnsembleSkill,
    Extremes,
    Hovmoeller,
    Moments,
    Movie,
    Panels,
    PCAAutocorrelation,
    PerturbationGrowth,
    PredictabilityLimit,
    RelativeError,
    RolloutDiagnostic,
    RolloutError,
    Spectrum,
    ZonalMean,
    score_forecasts,
)
from callbacks.diagnostics.ensemble_diagnostic import EnsembleDiagnostic
from callbacks.metrics.spatial_mean import spatial_mean
from callbacks.run.score_writer import domain
from commands.exported import exported
from datamodules import DataDescription
from datamodules.files.space_axis import SpaceAxis
from datamodules.solvers import Grid, Variable
from tests.callbacks.conftest import Data, Exact, RolloutBatch

KINDS = [
    kind
    for kind in exported(callbacks)
    if isinstance(kind, type) and issubclass(kind, RolloutDiagnostic) and not isabstract(kind)
    if kind not in (callbacks.LatentFields, callbacks.LearnedCurves)  # look at the emulator alone
]
OF_A_GRID = (BandCRPS, Spectrum, PerturbationGrowth, PredictabilityLimit)
STARTS, STEPS, ROWS, COLUMNS = 2, 11, 6, 8
LATITUDES = np.array([-80.0, -50.0, -20.0, 10.0, 40.0, 70.0])


def sphere(**entries):
    """Two fields on a sphere; the first is masked in a row and a half, the second elsewhere."""
    axes = (
        SpaceAxis("lat", ROWS, LATITUDES, {"units": "degrees_north"}),
        SpaceAxis("lon", COLUMNS, np.arange(COLUMNS) * 45.0, {"units": "degrees_east"}),
    )
    fields = (Variable("t", "temperature", "K"), Variable("h", "height", "m"))
    described = DataDescription(fields, axes, 0.5, "h", (False, True))
    return replace(described, **{"mask": mask(), "weighting": "latitude", **entries})


def mask():
    there = torch.ones(2, ROWS, COLUMNS, dtype=torch.bool)
    there[0, 1], there[0, 2, :4], there[1, 4, 3:] = False, False, False
    return there


def weights():
    """Areas of the cells of `sphere`, halfway to the neighbours or to the pole, with mean 1."""
    edges = np.deg2rad([-90.0, -65.0, -35.0, -5.0, 25.0, 55.0, 85.0])
    areas = np.diff(np.sin(edges))[:, None] * mask().numpy()
    return areas / areas.mean((1, 2), keepdims=True)


def states(*shape, seed=0):
    """States of temperatures of about 10 and heights of about 300."""
    noise = torch.randn(*shape, 2, ROWS, COLUMNS, generator=torch.Generator().manual_seed(seed))
    return noise * torch.tensor([1.0, 20.0])[:, None, None] + torch.tensor([[[10.0]], [[300.0]]])


def pair():
    """Forecasts and truth, of which the forecasts are too warm and too high."""
    truth = states(STARTS, STEPS + 1).float()
    return truth[:, 1:] + 0.3 * states(STARTS, STEPS, seed=1).float(), truth


def scored(diagnostic, forecast, truth, data):
    """Return the scores of forecasts; of an ensemble, of the forecasts and two copies."""
    if not isinstance(diagnostic, EnsembleDiagnostic):
        return score_forecasts(diagnostic, forecast, truth, data)
    source, start = Data(Grid((4, 4), (1.0, 1.0)), truth[0]), RolloutBatch(truth[:, 0], None, 1, 1)
    source.description, start.index = data, torch.arange(STARTS)
    source.rollouts["test"].members, start.truth_steps = 3, STEPS
    start.perturbed = truth[None, :, 0].expand(2, *truth[:, 0].shape)
    diagnostic.attach(source, Exact(channels=2))
    diagnostic.start(torch.device("cpu"))
    diagnostic.begin(start)
    for lead in range(1, STEPS + 1):
        own = forecast[:, lead - 1]
        diagnostic.observe_members(lead, torch.stack((own, 1.1 * own, 1.3 * own)), truth[:, lead])
    diagnostic.end()
    return diagnostic.scores()


def changed(field, value):
    return torch.where(mask(), field, torch.as_tensor(value).to(field))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OF_A_GRID])
def test_values_at_masked_points_enter_no_score(kind):
    one, two, value = kind(), kind(), -1e6 * torch.ones(ROWS, COLUMNS)
    value[:, 2::3] = torch.nan
    forecast, truth = pair()
    expected = scored(one, forecast, truth, sphere())
    found = scored(two, changed(forecast, value), changed(truth, 2 * value), sphere())
    xarray.testing.assert_identical(found, expected)
    assert one.summary(expected) == pytest.approx(two.summary(found), nan_ok=True)
    assert one.remarks(expected) == two.remarks(found)
    for name, frames in one.movies(expected).items():
        np.testing.assert_array_equal(two.movies(found)[name], frames)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OF_A_GRID])
def test_without_masked_points_scores_are_of_all_points(kind):
    forecast, truth = pair()
    nothing = sphere(mask=torch.ones_like(mask()), weighting=None)
    plain = sphere(mask=None, weighting=None)
    found, expected = (scored(kind(), forecast, truth, data) for data in (nothing, plain))
    xarray.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", OF_A_GRID)
def test_scores_that_need_a_grid_are_left_out(kind):
    forecast, truth = pair()
    data = DataDescription.on_grid(sphere().fields, Grid((6, 8), (1.0, 1.0)), 0.5, mask=mask())
    diagnostic = kind()
    source = Data(Grid((6, 8), (1.0, 1.0)), truth[0])
    source.description, source.generator = data, object()
    diagnostic.attach(source, Exact(channels=2))
    assert "points are masked" in diagnostic.unsupported_reason()


def test_flow_with_masked_points_has_no_kinetic_energy():
    states = torch.randn(2, 12, 1, 8, 8)
    flow = [Variable("vorticity", "vorticity", "s-1")]
    land = torch.arange(64).reshape(1, 8, 8) > 5
    entries = {"vorticity": "vorticity", "mask": land}
    data = DataDescription.on_grid(flow, Grid((8, 8), (1.0, 1.0)), 0.5, **entries)
    diagnostic = EnergyStability()
    scores = score_forecasts(diagnostic, states[:, 1:], states, data)
    assert "enstrophy" not in scores
    assert "points are masked" in "".join(diagnostic.remarks(scores))


# Against NumPy -----------------------------------------------------------------------------------


def average(values):
    """Return means over space of values (..., channel, y, x), with the weights of `sphere`."""
    full = np.broadcast_to(weights(), values.shape)
    return np.average(values, axis=(-2, -1), weights=full)


def deviation(truth):
    """Return the standard deviation of each channel over all its points that are there."""
    flat = truth.flatten(0, 1).double().numpy()
    return np.sqrt(average((flat - average(flat).mean(0)[:, None, None]) ** 2).mean(0))


def test_errors_of_rollouts():
    forecast, truth = pair()
    scores = scored(RolloutError(), forecast, truth, sphere())
    own, true = forecast.double().numpy(), truth[:, 1:].double().numpy()
    error = average((own - true) ** 2)
    np.testing.assert_allclose(scores["mse_physical"], error)
    np.testing.assert_allclose(scores["mse"], (error / deviation(truth) ** 2).mean(-1), rtol=1e-5)
    variance = average((true - average(true)[..., None, None]) ** 2)
    np.testing.assert_allclose(scores["vrmse"], np.sqrt(error / variance).mean(-1))
    for name, centres in (
        ("pattern_correlation", [average(field)[..., None, None] for field in (own, true)]),
        ("anomaly_correlation", [truth.double().numpy().mean((0, 1))] * 2),
    ):
        a, b = own - centres[0], true - centres[1]
        expected = average(a * b) / np.sqrt(average(a * a) * average(b * b))
        np.testing.assert_allclose(scores[name], expected.mean(-1))


def test_relative_error_of_each_channel():
    forecast, truth = pair()
    scores = scored(RelativeError(), forecast, truth, sphere())
    own, true = forecast.double().numpy(), truth[:, 1:].double().numpy()
    expected = average(abs(own - true)) / average(abs(true))
    np.testing.assert_allclose(scores["relative_error"], expected.mean(-1))
    np.testing.assert_allclose(scores["relative_error_h"], expected[..., 1])


def test_skill_and_spread_of_ensembles():
    forecast, truth = pair()
    scores = scored(EnsembleSkill(), forecast, truth, sphere())
    own, true = forecast.double().numpy(), truth[:, 1:].double().numpy()
    members = np.stack((own, (1.1 * forecast).double().numpy(), (1.3 * forecast).double().numpy()))
    pairs = np.abs(members[:, None] - members[None]).sum((0, 1)) / (2 * 3 * 2)
    crps = np.abs(members - true).mean(0) - pairs
    np.testing.assert_allclose(scores["crps"], average(crps).mean(-1) / 2)  # its std is 2

    def norm(difference):
        return np.sqrt(average(difference**2).mean(-1)) / 2

    pairs = norm(members[:, None] - members[None]).sum((0, 1)) / (2 * 3 * 2)
    np.testing.assert_allclose(scores["energy_score"], norm(members - true).mean(0) - pairs)
    error = average((members - true) ** 2).mean((0, -1)) / 4
    np.testing.assert_allclose(scores["mse_of_members"], error)
    spread = average(members.var(0, ddof=1)).mean(-1)
    np.testing.assert_allclose(scores["ensemble_spread"], np.sqrt(spread) / 2)
    skill = average((members.mean(0) - true) ** 2).mean(-1)
    np.testing.assert_allclose(scores["ensemble_skill"], np.sqrt(skill) / 2)


def test_energy_is_a_weighted_mean_square():
    forecast, truth = pair()
    scores = scored(EnergyStability(width=1000.0), forecast, truth, sphere())
    climate, std = truth.double().mean((0, 1)).numpy(), deviation(truth)[:, None, None]
    expected = 0.5 * average(((forecast.double().numpy() - climate) / std) ** 2).mean(-1)
    np.testing.assert_allclose(scores["energy"], expected, rtol=1e-5)


def test_maps_are_empty_at_masked_points_and_their_errors_weighted():
    forecast, truth = pair()
    scores = scored(Moments(every=1), forecast, truth, sphere())
    own, true, std = forecast.double().numpy(), truth.double().numpy(), deviation(truth)
    departure = own.mean((0, 1)) - true.mean((0, 1))
    expected = np.sqrt(average(departure**2)) / std
    np.testing.assert_allclose(scores["mean_map_error"], expected, rtol=1e-5)
    departure = own.var((0, 1)) - true.var((0, 1))
    expected = np.sqrt(average(departure**2)) / std**2
    np.testing.assert_allclose(scores["variance_map_error"], expected, rtol=1e-5)
    for name in ("mean_map", "variance_map", "reference_mean_map", "reference_variance_map"):
        np.testing.assert_array_equal(np.isfinite(scores[name]), mask())


def test_zonal_means_are_over_what_is_there():
    forecast, truth = pair()
    scores = scored(ZonalMean(every=1), forecast, truth, sphere())
    there = mask().numpy()
    zonal = lambda field: np.ma.array(field, mask=~np.broadcast_to(there, field.shape)).mean(-1)  # noqa: E731
    own, true = zonal(forecast.double().numpy()).mean(1), zonal(truth.double().numpy()).mean((0, 1))
    for name, expected in (("zonal_mean", own), ("reference_zonal_mean", true)):
        np.testing.assert_allclose(scores[name], expected.filled(np.nan))
    rows = np.broadcast_to(weights().sum(-1), own.shape)
    error = np.ma.average(abs(own - true), axis=-1, weights=rows)
    np.testing.assert_allclose(scores["zonal_mean_error_absolute"], error)
    square = np.ma.average((own - true) ** 2, axis=-1, weights=rows)
    np.testing.assert_allclose(scores["zonal_mean_error_rms"], np.sqrt(square))
    norm = np.sqrt(square * [5, 6]) / deviation(truth)  # five of six rows are there, and all six
    np.testing.assert_allclose(scores["zonal_mean_error_scaled_norm"], norm, rtol=1e-5)
    norm = np.sqrt(square) / deviation(truth)
    np.testing.assert_allclose(scores["zonal_mean_error_scaled_rms"], norm, rtol=1e-5)


def test_densities_are_shares_of_the_area():
    forecast, truth = pair()
    scores = scored(Distribution(bins=8, reach=3.0, every=1), forecast, truth, sphere())
    for channel in (0, 1):
        values = forecast[0, :, channel].numpy()
        full = np.broadcast_to(weights()[channel], values.shape)
        centres = scores["value"][channel].values
        width = centres[1] - centres[0]
        edges = np.append(centres - width / 2, centres[-1] + width / 2)
        clipped = values.clip(edges[0] + 1e-9, edges[-1] - 1e-9)
        density, _ = np.histogram(clipped, edges, weights=full, density=True)
        np.testing.assert_allclose(scores["density"][0, channel], density, rtol=1e-5)
        assert centres.mean() == pytest.approx(average(truth.numpy())[..., channel].mean(), 1e-5)
        assert width == pytest.approx(6 / 8 * deviation(truth)[channel], 1e-5)


def test_principal_components_are_of_the_weighted_inner_product():
    forecast, truth = pair()
    diagnostic = PCAAutocorrelation(components=2, length=10, lags=3)
    scores = scored(diagnostic, forecast, truth, sphere())
    flat = truth.flatten(0, 1).double().numpy() / deviation(truth)[:, None, None]
    rooted = ((flat - flat.mean(0)) * np.sqrt(weights())).reshape(len(flat), -1)
    _, values, vectors = np.linalg.svd(rooted, full_matrices=False)
    share = values[:2] ** 2 / (values**2).sum()
    np.testing.assert_allclose(scores["explained_variance"], share, rtol=1e-5)
    components = diagnostic.basis[1].numpy()
    assert not components[:, ~mask().numpy().ravel()].any()
    np.testing.assert_allclose(np.abs((components * vectors[:2]).sum(1)), 1, rtol=1e-5)


def test_largest_value_is_of_points_that_are_there():
    forecast, truth = pair()
    diagnostic = Extremes(channel=1)
    scored(diagnostic, forecast, truth, sphere())
    own = np.where(mask()[1], forecast[:, :, 1].numpy(), 0)
    np.testing.assert_array_equal(diagnostic.rows.compute()["largest"], own.max((2, 3)))


# Pictures ----------------------------------------------------------------------------------------


def test_pictures_are_grey_at_masked_points():
    forecast, truth = pair()
    for diagnostic, name in ((Panels((1, 5)), "panels"), (Moments(every=1), "moments")):
        scores = scored(diagnostic, forecast, truth, sphere())
        images = [one for axes in diagnostic.figures(scores)[name].axes for one in axes.images]
        assert len(images) >= 4
        for image in images:
            drawn = image.to_rgba(image.get_array())[..., :3]
            assert_close(drawn[~mask()[0].numpy()], np.full((12, 3), 0.8))
            assert (np.ptp(drawn, -1) > 0)[mask()[0].numpy()].any()
    movie = Movie(width=1)
    frame = movie.movies(scored(movie, forecast, truth, sphere()))["movie"][0]
    assert (frame[::-1, :COLUMNS][~mask()[0].numpy()] == 204).all()
    scores = scored(Hovmoeller(), forecast, truth, sphere())
    zonal = [np.nan if not row.any() else 1 for row in mask()[0]]
    np.testing.assert_array_equal(
        scores["hovmoeller_truth"][3] / scores["hovmoeller_truth"][3], zonal
    )
    mean = forecast[0, 0, 0, 2, 4:].double().mean()  # the half of the row that is there
    assert float(scores["hovmoeller_forecast"][0, 2]) == pytest.approx(mean.item())


# Forecasts that diverge ---------------------------------------------------------------------------


def test_states_that_are_not_finite_leave_the_means():
    forecast, truth = pair()
    forecast[1, 10:, 0, 0, 0] = torch.nan  # from lead 11 on, at one point
    diagnostic = Moments(every=1)
    scores = scored(diagnostic, forecast, truth, sphere())
    assert diagnostic.counts.tolist() == [11, 10]
    means = (forecast[0, :, 1].double().mean(0) + forecast[1, :10, 1].double().mean(0)) / 2
    np.testing.assert_allclose(scores["mean_map"][1], np.where(mask()[1], means, np.nan))
    error = scored(RolloutError(), forecast, truth, sphere())["mse"]
    np.testing.assert_array_equal(np.isnan(error).sum("lead_time"), [0, 1])


def test_last_good_state_is_empty_at_masked_points():
    forecast, truth = pair()
    forecast[1, 5:] *= 1000
    scores = scored(EnergyStability(width=1000.0), forecast, truth, sphere())
    assert scores["stable"].values.tolist() == [True, False]
    expected = np.where(mask(), forecast[1, 4], np.nan)
    np.testing.assert_array_equal(scores["last_good_state"][0], expected)


# Definitions -------------------------------------------------------------------------------------


def test_mask_and_weighting_are_part_of_what_scores_depend_on():
    others = [
        sphere(),
        sphere(weighting=None),
        sphere(mask=None),
        sphere(mask=None, weighting=None),
        sphere(mask=mask().flip(0)),
    ]
    definitions = [definition(data) for data in others]
    domains = [domain(data) for data in others]
    for found in (definitions, domains):
        assert all(found.count(one) == 1 for one in found)
    assert not {"mask", "weighting"} & {*definitions[3], *domains[3]}


def definition(data):
    diagnostic = Moments()
    source = Data(None, states(3))
    source.description = data
    diagnostic.attach(source, Exact(channels=2))
    return diagnostic.definition()


class Mean(RolloutDiagnostic):
    """A diagnostic of one's own: the mean of every channel at the last step."""

    def begin(self, start):
        self.mean = None

    def observe(self, lead, forecast, truth):
        self.mean, self.map = spatial_mean(forecast, self.weights), self.hide_masked(forecast)

    def scores(self):
        where = ("start", "channel", "y", "x")
        return xarray.Dataset({"mean": (where[:2], self.mean), "map": (where, self.map)})


def test_own_diagnostic_has_weights():
    forecast, truth = pair()
    scores = scored(Mean(), changed(forecast, torch.nan), truth, sphere())
    np.testing.assert_allclose(scores["mean"], average(forecast[:, -1].numpy()), rtol=1e-6)
    np.testing.assert_array_equal(np.isfinite(scores["map"]), mask().expand(2, -1, -1, -1))
    plain = scored(Mean(), forecast, truth, sphere(mask=None, weighting=None))
    np.testing.assert_allclose(plain["mean"], forecast[:, -1].mean((2, 3)), rtol=1e-6)
    assert np.isfinite(plain["map"]).all()


def test_weights_are_on_the_device_of_the_rollouts_after_the_reference_is_computed():
    diagnostic = RolloutError()
    source = Data(None, states(3))
    source.description = sphere()
    diagnostic.attach(source, Exact(channels=2))
    before = []
    source.reference = lambda split, definition, compute: (
        before.append(diagnostic.weights.device.type) or compute()
    )
    diagnostic.start(torch.device("meta"))
    assert before == ["cpu"]
    assert diagnostic.weights.device.type == "meta"


def test_weights_are_not_saved_with_interrupted_rollouts():
    forecast, truth = pair()
    diagnostic = RolloutError()
    scored(diagnostic, forecast, truth, sphere())
    assert diagnostic.weights is not None
    assert "weights" not in diagnostic.rollout_state()
