"""Labels and limits of figures: units on every axis, limits that follow what is drawn."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from callbacks import (
    Distribution,
    EnergyStability,
    Extremes,
    PCAAutocorrelation,
    Spectrum,
    ZonalMean,
    axis_label,
)
from callbacks.diagnostics.compared import Run, methods
from callbacks.plotting.style import at_time, visible_range
from tests.callbacks.conftest import Data, Exact, RolloutBatch
from tests.callbacks.test_comparison import method, scores


def panels_of(diagnostic, evaluate, plane, tmp_path):
    initial = torch.randn(30, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    start = RolloutBatch(initial[:2], torch.arange(2), 20, 20)
    found = evaluate(diagnostic, Exact(0.99), Data(plane, initial), [start])
    groups = methods([Run("ours", found, {}, tmp_path)])
    for panel in diagnostic.panels():
        axes = Figure().subplots()
        panel.draw(axes, groups, found)
        yield axes


@pytest.mark.parametrize(
    ("diagnostic", "units"),
    [
        (EnergyStability(), ["s", "s", "s"]),
        (Spectrum(every=2), ["m^-1"]),
        (Distribution(every=2), ["s-1"]),
        (ZonalMean(every=2), ["s-1", "m s^-1"]),
        (PCAAutocorrelation(components=1, length=9, lags=4), ["s"]),
        (Extremes(), ["s"]),
    ],
)
def test_axes_of_panels_have_the_units_of_the_data(diagnostic, units, evaluate, plane, tmp_path):
    labels = [axes.get_xlabel() for axes in panels_of(diagnostic, evaluate, plane, tmp_path)]
    assert [label.partition("[")[2].rstrip("]") for label in labels] == units


def test_label_of_mixed_channels_has_the_units_of_the_first():
    values = scores(1.0)["energy"].assign_attrs(units="kg, m")
    assert axis_label("mass", values) == "mass [kg]"
    assert axis_label("share", values.assign_attrs(units="1")) == "share"
    assert (at_time(0.5, "1"), at_time(20.0, "s")) == ("t = 0.5", "t = 20 s")


@pytest.mark.parametrize("panel", [EnergyStability.energy_panel, EnergyStability.enstrophy_panel])
@pytest.mark.parametrize("factor", [0.1, 0.8, 50.0])
def test_energy_axis_follows_the_curves_and_is_never_negative(panel, factor):
    group, axes = method("ours", factor), Figure().subplots()
    known = group.runs[0].scores.assign(reference_energy_std=1.0)
    group.runs[0] = Run("ours", known, {}, group.runs[0].folder)
    panel(axes, [group], known)
    low, high = axes.get_ylim()
    assert 0 <= low < high
    drawn = axes.lines[0].get_ydata()
    assert low <= drawn.min() if factor < 1 else high < drawn.max()  # diverging curves are cut off
    assert low <= 1 <= high


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 4.0], (1.9, 4.1)),
        ([0.0, 1e9], (0.0, 10.0)),
        ([np.nan, 2.0], (1.9, 2.1)),
        ([np.nan], (0.0, 10.0)),
        ([0.0], (0.0, 1.0)),
    ],
)
def test_visible_range_holds_the_finite_values_within_bounds(values, expected):
    assert visible_range(np.array(values), 0.0, 10.0) == pytest.approx(expected)
