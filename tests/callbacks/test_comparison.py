import json
from pathlib import Path

import numpy as np
import pytest
import xarray
from matplotlib.figure import Figure

from callbacks.comparison import curves, load_runs
from callbacks.comparison.runs import Method, Run

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
            "spectrum_isotropic": ((start, "wavenumber"), each),
            "reference_spectrum_isotropic": ("wavenumber", 2 + 0 * steps),
            "zonal_mean": ((start, "channel", "y"), each[:, None]),
            "reference_zonal_mean": (("channel", "y"), steps[None]),
            "density": ((start, "field", "bin"), each[:, None]),
            "reference_density": (("field", "bin"), 1 + steps[None]),
            "autocorrelation": ((start, "component", "lag"), each[:, None]),
            "reference_autocorrelation": (("component", "lag"), steps[None]),
            "return_level": ((start, "return_period"), each, {"long_name": "level"}),
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
    return Method(name, [Run(name, scores(factor), {}, Path(name)) for factor in factors])


def lines(panel, *groups):
    axes = Figure().subplots()
    panel(axes, groups, groups[0].runs[0].scores)
    return {line.get_label(): line for line in axes.lines}, axes


# mean over initial conditions of 1..4 is 2.5, over seeds of factors 1 and 3 twice that
@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        (curves.error, 5.0),
        (curves.stable, 200 * np.arange(5.0)),
        (curves.energy, 2.5),
        (curves.spectrum, 2.5),
        (curves.density, 5.0),
        (curves.autocorrelation, 5.0),
        (curves.extremes, 5.0),
    ],
)
def test_a_curve_is_the_mean_over_seeds_with_their_range(panel, expected):
    found, axes = lines(panel, method("ours", 1.0, 3.0), method("theirs", 1.0))
    count = 4 if panel is curves.spectrum else 5  # wavenumber zero is left out
    np.testing.assert_allclose(found["ours"].get_ydata(), np.broadcast_to(expected, 5)[:count])
    (band,) = [patch for patch in axes.collections if patch.get_alpha() == 0.15]
    heights = band.get_paths()[0].vertices[:, 1]
    mean = found["ours"].get_ydata()
    np.testing.assert_allclose([heights.min(), heights.max()], [mean.min() / 2, 1.5 * mean.max()])


def test_jets_run_along_x_of_the_picture():
    found, _ = lines(curves.jets, method("ours", 1.0, 3.0))
    np.testing.assert_allclose(found["ours"].get_xdata(), 5.0)
    np.testing.assert_allclose(found["data"].get_xdata(), np.arange(5))


def test_methods_keep_their_colour_in_every_panel_and_none_is_that_of_the_data():
    groups = [method(f"m{n}", 1.0) for n in range(20)]
    seen = []
    for panel in (curves.error, curves.energy, curves.extremes, curves.jets):
        found, _ = lines(panel, *groups)
        seen.append([(found[g.name].get_color(), str(found[g.name]._dash_pattern)) for g in groups])
        assert found[groups[0].name].get_color() != "#000000"
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(set(seen[0])) == 20


def test_limits_of_the_first_method_are_drawn():
    first = method("ours", 1.0)
    limits = {"limit_once": (("twin", "lead_time"), np.ones((2, 5)))}
    limits["limit_always"] = (("twin", "lead_time"), 3 * np.ones((2, 5)))
    run = Run("ours", first.runs[0].scores.assign(limits), {}, Path("ours"))
    _, axes = lines(curves.error, Method("ours", [run]))
    (band,) = [part for part in axes.collections if "within reach of ours" in part.get_label()]
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 3)


def test_scores_of_an_older_version_are_refused(tmp_path):
    for name, about in (("new", {"data_hash": "a", "rollouts": {}, "metric_versions": {}}),
                        ("old", {"data_hash": "a", "rollouts": {}})):  # fmt: skip
        (tmp_path / name).mkdir()
        found = scores(1.0).assign_attrs(provenance=json.dumps(about))
        found.to_netcdf(tmp_path / name / "scores.nc")
    with pytest.raises(ValueError, match="old and new cannot be compared: their metric_versions"):
        load_runs([tmp_path / "new", tmp_path / "old"])
