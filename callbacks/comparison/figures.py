"""The figures of a comparison: curves of all methods, and the fields themselves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from callbacks.comparison import curves
from callbacks.comparison.runs import Method, Run, methods
from callbacks.figures import draw_field

# each panel with the score that it needs
FORECAST = (
    (curves.error, "mse"),
    (curves.stable, "stability_rate"),
    (curves.spectrum, "spectrum_isotropic"),
    (curves.jets, "zonal_mean"),
)
CLIMATE = (
    (curves.energy, "energy"),
    (curves.density, "density"),
    (curves.autocorrelation, "autocorrelation"),
    (curves.extremes, "return_level_of_all"),
    (curves.enstrophy, "enstrophy"),
    (curves.correlation, "anomaly_correlation"),
    (curves.velocity, "zonal_velocity"),
    (curves.ensemble, "crps"),
)


def draw(runs: Sequence[Run]) -> Figure:
    """Return error, stability, spectrum and jets, and forecasts at several lead times."""
    groups = methods(runs)
    shared = all("panel_lead_time" in run.scores for run in runs)
    columns = min(4, runs[0].scores.sizes.get("panel_lead_time", 0)) if shared else 0
    fields = 2.1 * (1 + 2 * len(groups)) if columns else 0.01
    figure = Figure(figsize=(11, 8 + fields), layout="constrained", dpi=120)
    upper, lower = figure.subfigures(2, 1, height_ratios=[8, fields])
    draw_curves(upper, computed(FORECAST, runs), groups)
    if columns:
        draw_fields(lower.subplots(1 + 2 * len(groups), columns, squeeze=False), groups, columns)
    return figure


def draw_climate(runs: Sequence[Run]) -> Figure:
    """Return energy, density, autocorrelation, extremes and others, those that were computed."""
    rows = -(-len(computed(CLIMATE, runs)) // 2)
    figure = Figure(figsize=(11, 4 * max(1, rows)), layout="constrained", dpi=120)
    draw_curves(figure, computed(CLIMATE, runs), methods(runs))
    return figure


def computed(panels: Sequence[tuple], runs: Sequence[Run]) -> list[tuple]:
    """Return the panels whose scores all runs have."""
    return [panel for panel in panels if all(panel[1] in run.scores for run in runs)]


def draw_curves(
    figure: Figure | SubFigure, panels: Sequence[tuple], groups: Sequence[Method]
) -> None:
    """Draw panels, two in a row."""
    places = list(figure.subplots(max(1, -(-len(panels) // 2)), 2, squeeze=False).flat)
    for axes, (panel, _) in zip(places, panels, strict=False):
        panel(axes, groups, groups[0].runs[0].scores)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    for axes in places[len(panels) :]:
        axes.set_axis_off()


def draw_fields(axes: np.ndarray, groups: Sequence[Method], columns: int) -> None:
    """Draw the truth, and each method's forecast and its difference from it, of its first seed."""
    first = groups[0].runs[0].scores
    shown = np.linspace(0, first.sizes["panel_lead_time"] - 1, columns).round().astype(int)
    truth = first["panel_truth"].values
    limit = 3 * float(np.nanstd(truth))
    rows = [("truth", truth)]
    for method in groups:
        forecast = method.runs[0].scores["panel_forecast"].values
        rows += [(method.name, forecast), (f"{method.name}\n- truth", forecast - truth)]
    for row, (name, panels) in enumerate(rows):
        for column, at in enumerate(shown):
            cell: Axes = axes[row, column]
            if row == 0:
                cell.set_title(f"t = {float(first['panel_lead_time'][at]):g}")
            if np.isfinite(panels[at]).any():
                draw_field(cell, panels[at], limit)
            else:
                unknown = not np.isfinite(truth[at]).any() and row % 2 == 0
                text = "no truth" if unknown else "not finite"
                cell.text(0.5, 0.5, text, ha="center", va="center")
                cell.set(xticks=[], yticks=[])
                if truth.ndim == 3:
                    cell.set_box_aspect(truth.shape[1] / truth.shape[2])
        axes[row, 0].set_ylabel(name)
