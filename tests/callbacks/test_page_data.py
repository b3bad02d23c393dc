"""Curves and fields that the page of a comparison draws."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from matplotlib.figure import Figure
from PIL import Image

from callbacks import Movie, score_forecasts
from callbacks.comparison.curves import curves, panel_curves
from callbacks.comparison.fields import field_pictures
from callbacks.diagnostics.compared import Panel, Run, methods
from callbacks.plotting.curves import STARTS, plot_profiles, plot_seeds
from callbacks.plotting.style import DATA
from datamodules import DataDescription
from datamodules.solvers import Grid, Variable


def groups(*seeds):
    """Return methods `m0`, `m1`, ... of so many seeds, with errors of three initial conditions."""
    runs = []
    for number, count in enumerate(seeds):
        for seed in range(count):
            errors = (1 + number) * (1 + seed) * np.array([[1.0, 2.0], [2.0, 4.0], [6.0, 12.0]])
            scores = xarray.Dataset({"error": (("initial_condition", "lead_time"), errors)})
            about = {"method": f"m{number}", "seed": seed}
            runs.append(Run(f"m{number}-{seed}", scores, about, Path("m")))
    return methods(runs)


def axes_of(compared):
    axes = Figure().subplots()
    for method in compared:
        mean, each = method.per_seed("error"), method.each("error")
        plot_seeds(axes, method, [0.5, 1.0], mean, each)
    return axes


# Curves -----------------------------------------------------------------------------------------


def test_lines_belong_to_their_methods():
    compared = groups(1, 2)
    axes = axes_of(compared)
    axes.plot([0.5, 1.0], [7.0, np.nan], **DATA)
    axes.axhline(2, color="0.5", linestyle=":", label="independent states")
    axes.set(xlabel="lead time [s]", ylabel="MSE", title="Error of $x", yscale="log")
    axes.set_ylim(0.1, 40)
    found = curves(axes, compared)
    assert (found["title"], found["x"]["label"], found["y"]["label"]) == (
        "Error of $x",
        "lead time [s]",
        "MSE",
    )
    assert found["y"] | {"label": ""} == {"label": "", "log": True, "limits": [0.1, 40.0]}
    assert found["x"]["limits"] is None
    assert [(line["label"], line["method"], line["dash"]) for line in found["lines"]] == [
        ("m0", 0, None),
        ("m1", 1, None),
        ("data", None, [7, 4]),
        ("independent states", None, [2, 3]),
    ]
    # means over initial conditions are 3 and 6; of m1, 6 and 12 with seed 0, twice that with seed 1
    assert [line["y"] for line in found["lines"]] == [[3, 6], [9, 18], [7, None], [2, 2]]
    assert [line["x"] for line in found["lines"]] == [[0.5, 1.0]] * 4


def test_bands_are_over_seeds_and_over_initial_conditions():
    compared = groups(1, 2)
    axes = axes_of(compared)
    axes.fill_between([0.5, 1.0], 1.0, 5.0, label="limit", color="0.9")
    axes.axhspan(2.0, 3.0, label="energies", color="0.9")
    found = curves(axes, compared)["bands"]
    (seeds,) = [band for band in found if band["of"] == "seeds"]
    assert (seeds["method"], seeds["low"], seeds["high"]) == (1, [6, 12], [12, 24])
    data = {band["label"]: (band["low"], band["high"]) for band in found if not band["of"]}
    assert data == {"limit": ([1, 1], [5, 5]), "energies": ([2, 2], [3, 3])}
    starts = [band for band in found if band["of"] == STARTS]
    assert [band["method"] for band in starts] == [0, 1]
    for band, factors in zip(starts, ((1.0,), (2.0, 4.0)), strict=True):
        rows = np.concatenate([factor * np.array([1.0, 2.0, 6.0]) for factor in factors])
        assert band["low"][0] == pytest.approx(np.quantile(rows, 0.1), rel=1e-3)
        assert band["high"][0] == pytest.approx(np.quantile(rows, 0.9), rel=1e-3)


def test_a_hidden_band_is_not_in_the_figure_and_has_no_value_where_none_is_finite():
    (method,) = groups(1)
    axes = Figure().subplots()
    each = np.array([[1.0, np.nan], [3.0, np.nan]])
    plot_seeds(axes, method, [1, 2], np.array([[2.0, np.nan]]), each)
    (band,) = axes.collections
    assert not band.get_visible()


def test_profiles_are_turned_so_that_y_is_along_the_axis():
    compared = groups(1)
    axes = Figure().subplots()
    profile = np.array([[0.0, 3.0, -1.0]])
    plot_profiles(axes, compared, np.array([0.0, 2.0, 0.5]), lambda method: profile)
    axes.set_xlabel("velocity")
    found = curves(axes, compared)
    assert (found["x"]["label"], found["y"]["label"]) == ("y [grid points]", "velocity")
    assert [line["y"] for line in found["lines"]] == [[0, 3, -1], [0, 2, 0.5]]
    assert [line["x"] for line in found["lines"]] == [[0, 1, 2]] * 2


def test_bands_along_y_are_turned_with_their_profiles():
    compared = groups(2)
    axes = Figure().subplots()
    profiles = np.array([[0.0, 3.0, -1.0], [1.0, 5.0, -3.0]])
    plot_profiles(axes, compared, np.zeros(3), lambda method: profiles)
    (band,) = curves(axes, compared)["bands"]
    assert (band["of"], band["x"]) == ("seeds", [0, 1, 2])
    assert (band["low"], band["high"]) == ([0, 3, -3], [1, 5, -1])


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: axes.imshow(np.eye(2)),
        lambda axes: axes.bar([1, 2], [3, 4]),
        lambda axes: axes.scatter([1, 2], [3, 4]),
        lambda axes: axes.plot([1, 2, 1], [3, 4, 3]),
    ],
)
def test_pictures_bars_and_points_have_no_lines(draw):
    axes = Figure().subplots()
    axes.plot([1, 2], [3, 4])
    draw(axes)
    assert curves(axes, [])["lines"] == []


def test_a_panel_that_raises_an_error_is_left_out_with_a_note(capsys):
    def broken(axes, methods, scores):
        raise KeyError("no such score")

    assert panel_curves(Panel(broken), groups(1)) is None
    assert "cannot be drawn: KeyError: 'no such score'" in capsys.readouterr().err


def test_a_panel_whose_axis_has_no_numbers_has_no_lines():
    panel = Panel(lambda axes, methods, scores: axes.plot(["low", "high"], [1, 2]))
    assert panel_curves(panel, groups(1)) == {"title": "", "lines": [], "bands": []}


# Fields -----------------------------------------------------------------------------------------


def fields(forecast, truth, steps=4, **options):
    wind, grid = Variable("u", "wind", "m s-1"), Grid(forecast.shape[-2:], (1.0, 1.0))
    data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
    return score_forecasts(Movie(**options), forecast, truth, data)


def test_a_movie_keeps_some_of_its_states_as_grey_levels():
    truth = torch.tensor([1.0, -1.0]).repeat(45).view(1, 90, 1, 1, 1).expand(1, 90, 1, 4, 8)
    scores = fields(1.5 * truth[:, 1:], truth)
    assert scores["movie_lead_time"].values.tolist() == [6.0 * lead for lead in range(1, 90, 3)]
    assert scores["movie_forecast"].dtype == np.uint8
    limit = scores["movie_forecast"].attrs["limit"]
    assert limit == pytest.approx(3.0)
    values = (scores["movie_forecast"].astype(float) - 128) / 127 * limit
    np.testing.assert_allclose(values[:2, 0, 0], [-1.5, 1.5], atol=0.5 * limit / 127)
    np.testing.assert_array_equal(scores["movie_truth"][:2, 3, 7], [128 - 42, 128 + 42])


def run_of(name, levels, **panels):
    dims = ("movie_lead_time", "movie_y", "movie_x")
    label = {"limit": 3.0, "long_name": "vorticity", "units": "s-1"}
    scores = xarray.Dataset(
        {"movie_forecast": (dims, levels, label), "movie_truth": (dims, levels[::-1], label)},
        {"movie_lead_time": ("movie_lead_time", [1.0, 2.0][: len(levels)], {"units": "s"})},
    )
    for kind, values in panels.items():
        scores[f"panel_{kind}"] = (("panel_lead_time", "y", "x"), values)
        scores = scores.assign_coords(
            panel_lead_time=("panel_lead_time", [2.0, 5.0], {"units": "s"})
        )
    return Run(name, scores, {}, Path(name))


def levels_of(row):
    content = base64.b64decode(row["source"].partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def test_fields_are_the_frames_of_the_movies_then_later_panels():
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, 4)).astype(np.uint8)
    forecast, truth = np.full((2, 3, 4), 1.5), np.full((2, 3, 4), np.nan)
    runs = [run_of(name, levels, forecast=forecast, truth=truth) for name in "ab"]
    found = field_pictures(methods(runs))
    assert found["leads"] == [1.0, 2.0, 5.0]
    assert [row["name"] for row in found["rows"]] == ["truth", "a", "b"]
    assert (found["height"], found["width"], found["units"]) == (3, 4, "s")
    assert found["name"] == "vorticity [s-1]"
    shown = levels_of(found["rows"][1]).reshape(3, 3, 4)[:, ::-1]  # y upwards
    np.testing.assert_array_equal(shown[:2], levels)
    assert (shown[2] == 128 + 63).all() or (shown[2] == 128 + 64).all()
    assert (levels_of(found["rows"][0])[6:] == 0).all()  # no truth


def test_fields_of_runs_without_movies_are_the_panels():
    levels = np.ones((2, 3, 4), np.uint8)
    values = np.arange(24.0).reshape(2, 3, 4)
    old = run_of("old", levels, forecast=values, truth=values)
    old = Run("old", old.scores.drop_dims("movie_lead_time"), {}, Path("old"))
    new = run_of("new", levels, forecast=values, truth=values)
    assert field_pictures(methods([old, new]))["leads"] == [2.0, 5.0]
    assert field_pictures(methods([old]))["limit"] == pytest.approx(3 * np.std(values))
    old.scores["panel_truth"][:] = np.nan
    assert field_pictures(methods([old]))["limit"] == 1.0


def test_fields_at_other_lead_times_or_along_a_line_are_not_compared():
    one, two = (
        run_of("one", np.ones((1, 3, 4), np.uint8)),
        run_of("two", np.ones((2, 3, 4), np.uint8)),
    )
    assert field_pictures(methods([one, two])) is None
    line = xarray.Dataset({"panel_forecast": (("panel_lead_time", "x"), np.ones((2, 4)))})
    assert field_pictures(methods([Run("line", line, {}, Path("line"))])) is None
