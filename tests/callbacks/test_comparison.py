import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import xarray
from matplotlib.figure import Figure

import callbacks
from callbacks import (
    Distribution,
    EnergyStability,
    Extremes,
    PCAAutocorrelation,
    RankHistogram,
    RolloutDiagnostic,
    RolloutError,
    Spectrum,
    ZonalMean,
)
from callbacks.comparison import load_runs
from callbacks.comparison.figures import draw_climate
from callbacks.comparison.found_diagnostics import library_diagnostics, panels
from callbacks.comparison.table import note
from callbacks.diagnostics.compared import Run, methods
from callbacks.plotting.style import styles
from commands.exported import exported

STARTS = 4


def scores(factor):
    """Scores whose arrays are simple functions of a factor."""
    start, steps = "initial_condition", np.arange(5.0)
    each = factor * np.arange(1.0, STARTS + 1)[:, None] * np.ones(5)
    return xarray.Dataset(
        {
            "mse": ((start, "lead_time"), each),
            "stability_rate": ("long_lead_time", factor * steps),
            "energy": ((start, "long_lead_time"), each),
            "reference_energy_mean": ((), 2.0),
            "reference_energy_std": ((), 0.1),
            "band": ((), 5.0),
            "enstrophy": ((start, "long_lead_time"), each),
            "reference_enstrophy_mean": ((), 5.0),
            "spectrum_isotropic": ((start, "wavenumber"), each),
            "reference_spectrum_isotropic": ("wavenumber", 2 + 0 * steps),
            "zonal_mean": ((start, "channel", "y"), each[:, None]),
            "reference_zonal_mean": (("channel", "y"), steps[None]),
            "zonal_velocity": ((start, "y"), each),
            "reference_zonal_velocity": ("y", steps),
            "density": ((start, "field", "bin"), each[:, None]),
            "reference_density": (("field", "bin"), 1 + steps[None]),
            "autocorrelation": ((start, "component", "lag"), each[:, None]),
            "reference_autocorrelation": (("component", "lag"), steps[None]),
            "return_level": ((start, "return_period"), each, {"long_name": "level"}),
            "return_level_of_all": ("return_period", 2 * factor * np.ones(5)),
            "reference_return_level": ("return_period", steps),
        },
        coords={
            "lead_time": 1 + steps,
            "long_lead_time": 1 + steps,
            "wavenumber": steps,
            "channel": ["vorticity"],
            "field": ["vorticity"],
            "value": (("field", "bin"), steps[None]),
            "lag": steps,
            "return_period": 1 + steps,
        },
    )


def method(name, *factors):
    runs = [Run(f"{name}-seed{n}", scores(f), {}, Path(name)) for n, f in enumerate(factors)]
    return methods(runs)[0]


def lines(panel, *groups):
    axes = Figure().subplots()
    panel(axes, groups, groups[0].runs[0].scores)
    return {line.get_label(): line for line in axes.lines}, axes


# mean over initial conditions of 1..4 is 2.5, over seeds of factors 1 and 3 twice that
@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        (RolloutError.panel, 5.0),
        (EnergyStability.panel, 200 * np.arange(5.0)),
        (EnergyStability.energy_panel, 2.5),
        (EnergyStability.enstrophy_panel, 1.0),
        (Spectrum.panel, 2.5),
        (Distribution.panel, 5.0),
        (PCAAutocorrelation.panel, 5.0),
        (Extremes.panel, 4.0),
    ],
)
def test_a_curve_is_the_mean_over_seeds_with_their_range(panel, expected):
    found, axes = lines(panel, method("ours", 1.0, 3.0), method("theirs", 1.0))
    count = 4 if panel is Spectrum.panel else 5  # wavenumber zero is left out
    np.testing.assert_allclose(found["ours"].get_ydata(), np.broadcast_to(expected, 5)[:count])
    (band,) = [patch for patch in axes.collections if patch.get_alpha() == 0.15]
    heights = band.get_paths()[0].vertices[:, 1]
    mean = found["ours"].get_ydata()
    np.testing.assert_allclose([heights.min(), heights.max()], [mean.min() / 2, 1.5 * mean.max()])


@pytest.mark.parametrize("panel", [ZonalMean.panel, ZonalMean.velocity_panel])
def test_jets_run_along_x_of_the_picture(panel):
    found, axes = lines(panel, method("ours", 1.0, 3.0))
    np.testing.assert_allclose(found["ours"].get_xdata(), 5.0)
    np.testing.assert_allclose(found["data"].get_xdata(), np.arange(5))
    (band,) = axes.collections
    widths = band.get_paths()[0].vertices[:, 0]
    np.testing.assert_allclose([widths.min(), widths.max()], [2.5, 7.5])


def test_methods_keep_their_colour_in_every_panel_and_none_is_that_of_the_data():
    runs = [Run(f"m{n}", scores(1.0), {}, Path("m")) for n in range(20)]
    groups, seen = methods(runs), []
    for panel in (
        RolloutError.panel,
        EnergyStability.energy_panel,
        Extremes.panel,
        ZonalMean.panel,
    ):
        found, _ = lines(panel, *groups)
        seen.append([(found[g.name].get_color(), str(found[g.name]._dash_pattern)) for g in groups])
        assert all(found[group.name].get_color() != "#000000" for group in groups)
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(set(seen[0])) == 20


def test_colour_of_a_method_does_not_depend_on_its_place():
    one = styles(["baseline", "hierarchical", "pushforward"])
    other = styles(["hierarchical", "pushforward", "baseline"])
    assert one == other
    assert styles(["hierarchical"])["hierarchical"] == one["hierarchical"]


def test_limits_of_the_first_method_are_drawn():
    first = method("ours", 1.0)
    limits = {"limit_once": (("twin", "lead_time"), np.ones((2, 5)))}
    limits["limit_always"] = (("twin", "lead_time"), 3 * np.ones((2, 5)))
    run = Run("ours", first.runs[0].scores.assign(limits), {}, Path("ours"))
    _, axes = lines(RolloutError.panel, methods([run])[0])
    (band,) = [part for part in axes.collections if "first error of ours" in part.get_label()]
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 3)


def write(folder, **about):
    about = {
        "data_hash": "a",
        "training_data_hash": "b",
        "training_std": [1.0],
        "rollouts": {},
        "metrics": {},
        **about,
    }
    folder.mkdir(parents=True)
    scores(1.0).assign_attrs(provenance=json.dumps(about)).to_netcdf(folder / "scores.nc")
    return folder


def test_shared_metrics_must_have_the_same_version_and_options(tmp_path):
    base = {"Spectrum": {"version": 1, "every": 10}, "Movie": {"version": 1, "width": 128}}
    first = write(tmp_path / "first", metrics=base)
    fewer = write(tmp_path / "fewer", metrics={"Spectrum": base["Spectrum"]})
    assert len(load_runs([first, fewer])) == 2
    other = write(tmp_path / "other", metrics={"Spectrum": {"version": 1, "every": 50}})
    with pytest.raises(
        ValueError, match=r"other and first .* Spectrum.every differs \(50 and 10\)"
    ):
        load_runs([first, other])
    older = write(tmp_path / "older", metrics={"Spectrum": {"version": 0, "every": 10}})
    with pytest.raises(ValueError, match=r"Spectrum.version differs \(0 and 1\)"):
        load_runs([first, older])
    scaled = write(tmp_path / "scaled", training_std=[2.0])
    with pytest.raises(ValueError, match=r"their training_std differs.*; train both on the"):
        load_runs([first, scaled])
    units = write(tmp_path / "units", training_data_hash="c")
    with pytest.raises(ValueError, match=r"training_data_hash differs.*; train both on the"):
        load_runs([first, units])
    longer = write(tmp_path / "longer", rollouts={"steps": 7})
    with pytest.raises(ValueError, match=r"their rollouts differ \(\{'steps': 7\} and \{\}\)"):
        load_runs([first, longer])


def test_ensembles_are_compared_with_single_forecasts(tmp_path):
    one = {"steps": 7, "members": 1, "initial_noise": 0.0, "breeding": 0}
    several = {"steps": 7, "members": 8, "initial_noise": 0.1, "breeding": 0}
    runs = load_runs(
        [write(tmp_path / "one", rollouts=one), write(tmp_path / "several", rollouts=several)]
    )
    assert "They differ in members (one: 1, several: 8)" in note(runs)
    # bred vectors need snapshots before the initial condition, which move it
    bred = write(tmp_path / "bred", rollouts={**several, "breeding": 3})
    with pytest.raises(ValueError, match=r"their breeding differs \(3 and 0\); it moves"):
        load_runs([tmp_path / "one", bred])
    earlier = {name: value for name, value in one.items() if name != "breeding"}
    assert load_runs([tmp_path / "one", write(tmp_path / "earlier", rollouts=earlier)])


def test_panels_of_ensembles_are_drawn_of_the_runs_that_have_one():
    def ensemble(members):
        dims = ("initial_condition", "rank_lead_time", "channel", "rank")
        shares = (dims, np.full((STARTS, 1, 1, members + 1), 1 / (members + 1)))
        entries = {"rank_histogram": shares, "rank_deviation": (dims[1:3], np.zeros((1, 1)))}
        return scores(1.0).assign(entries).assign_coords(rank_lead_time=[0.5])

    alone, few, many = (
        Run(name, found, {}, Path(name))
        for name, found in (("alone", scores(1.0)), ("few", ensemble(2)), ("many", ensemble(5)))
    )
    assert RankHistogram.panels()[0] in panels([alone, few, many], "climate")
    assert RankHistogram.panels()[0] not in panels([alone], "climate")
    axes = [axes for axes in draw_climate([alone, few, many]).axes if "Rank" in axes.get_title()]
    assert axes[0].get_legend_handles_labels()[1] == ["few", "many"]
    without = few.scores.drop_vars("autocorrelation")
    shared = [panel.score for panel in panels([alone, Run("few", without, {}, Path())], "climate")]
    assert "autocorrelation" not in shared
    assert "density" in shared


def test_ensembles_of_several_sizes_have_scores_of_one_shape(tmp_path):
    folders = []
    for members in (3, 8):
        folder = write(tmp_path / str(members))
        dims = ("initial_condition", "rank_lead_time", "channel", "rank")
        with xarray.open_dataset(folder / "scores.nc") as found:
            changed = found.load()
        changed["rank_histogram"] = (dims, np.ones((STARTS, 1, 1, members + 1)))
        changed.assign_coords(rank_lead_time=[0.5]).to_netcdf(folder / "scores.nc")
        folders.append(folder)
    assert len(load_runs(folders)) == 2


def test_scores_of_another_version_are_refused(tmp_path):
    scores(1.0).assign_attrs(provenance="{}").to_netcdf(tmp_path / "scores.nc")
    with pytest.raises(ValueError, match="does not hold scores of this version; run `emulate test"):
        load_runs([tmp_path])


def test_folders_of_one_name_are_told_apart(tmp_path):
    runs = load_runs([write(tmp_path / "a" / "b-seed0"), write(tmp_path / "c" / "b-seed0")])
    assert len(methods(runs)) == 2


def test_lost_trajectories_leave_the_climate_of_the_others(tmp_path):
    lost = scores(1.0)
    for name in ("autocorrelation", "mse"):
        lost[name][0] = np.nan
    (group,) = methods([Run("ours", lost, {}, Path("ours"))])
    np.testing.assert_allclose(group.per_seed("autocorrelation")[0, 0], 3.0)  # mean of 2, 3, 4
    assert np.isnan(group.per_seed("mse")).all()
    assert group.runs[0].mean("autocorrelation") == 3.0
    assert np.isnan(group.runs[0].mean("mse"))


def test_method_and_seed_are_what_the_scores_record():
    def recorded(name, **about):
        return Run(name, scores(1.0), about, Path(name))

    facts = [recorded("x", method="ours", seed=0), recorded("y-seed1", method="ours", seed=1)]
    single = recorded("z-seed3", method=None, seed=3)
    older = [recorded("old-seed0"), recorded("old-seed1")]
    found = {group.name: len(group.runs) for group in methods([*facts, single, *older])}
    assert found == {"ours": 2, "z-seed3": 1, "old": 2}
    assert recorded("a/x", method="ours", seed=0).method == "a/ours"  # names are whole paths


def test_runs_of_one_method_and_one_seed_stand_for_themselves():
    runs = [Run(n, scores(1.0), {"method": "ours", "seed": 0}, Path(n)) for n in ("x", "y")]
    assert [group.name for group in methods(runs)] == ["x", "y"]


@pytest.mark.parametrize("value", [[], {"A": 3}, {"A": {}}, {"A": {"module": "a", "summary": 3}}])
def test_diagnostics_that_no_test_recorded_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"scores\.nc does not hold scores .*diagnostics"):
        load_runs([write(tmp_path / "run", diagnostics=value)])


class Waves(RolloutDiagnostic):
    """A diagnostic with a panel of its own, and one that it inherits."""

    panel = Spectrum.panel


def test_a_panel_is_that_of_the_class_or_none():
    assert RolloutDiagnostic.panels() == []
    assert [panel.draw for panel in Waves.panels()] == [Spectrum.panel]
    assert RolloutDiagnostic.columns() is None


def test_every_diagnostic_of_the_program_says_which_columns_it_has():
    kinds = [kind for kind in exported(callbacks) if isinstance(kind, type)]
    kinds = [k for k in kinds if issubclass(k, RolloutDiagnostic) and not inspect.isabstract(k)]
    for kind in kinds:
        if kind.summary is not RolloutDiagnostic.summary:
            assert kind.columns() is not None, kind
        if kind.columns() or kind.panels():
            assert kind in library_diagnostics()
