"""Figures of a comparison: curves of all methods, and forecast fields."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from callbacks.comparison.found_diagnostics import note, panels, reason
from callbacks.diagnostics.compared import Method, Panel, Run, methods
from callbacks.plotting.style import at_time, draw_field, escape, sheet


def draw(runs: Sequence[Run]) -> Figure:
    """Return the figure with error, stability, spectrum, zonal mean and forecast fields."""
    groups = methods(runs)
    shared = all("panel_lead_time" in run.scores for run in runs)
    columns = min(4, runs[0].scores.sizes.get("panel_lead_time", 0)) if shared else 0
    fields = 0.4 + 1.4 * (1 + len(groups)) if columns else 0.01
    figure = sheet(11, 8 + fields)
    upper, lower = figure.subfigures(2, 1, height_ratios=[8, fields])
    draw_panels(upper, panels(runs, "forecast"), groups)
    if columns:
        draw_fields(lower.subplots(1 + len(groups), 2 * columns, squeeze=False), groups, columns)
    return figure


def draw_forecasts(groups: Sequence[Method]) -> Figure | None:
    """Return the figure of truth and forecast fields; None if the runs have no equal lead times."""
    leads = [method.runs[0].scores.sizes.get("panel_lead_time", 0) for method in groups]
    columns = min(4, leads[0])
    if not columns or len(set(leads)) > 1:
        return None
    figure = sheet(11, 0.4 + 1.4 * (1 + len(groups)))
    draw_fields(figure.subplots(1 + len(groups), 2 * columns, squeeze=False), groups, columns)
    return figure


def draw_climate(runs: Sequence[Run]) -> Figure:
    """Return the figure of energy, densities, autocorrelation and other panels of the climate."""
    shown = panels(runs, "climate")
    rows = max(1, -(-len(shown) // 2))
    figure = sheet(11, 4 * rows)
    draw_panels(figure, shown, methods(runs))
    return figure


def draw_panels(
    figure: Figure | SubFigure,
    shown: Sequence[Panel],
    groups: Sequence[Method],
    columns: int = 2,
) -> None:
    """Draw panels; a panel that raises an error is left empty, with a note.

    Args:
        figure: Figure to draw into.
        shown: Panels.
        groups: Methods that are compared.
        columns: Number of panels in a row.
    """
    rows = max(1, -(-len(shown) // columns))
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for number, (axes, panel) in enumerate(zip(places, shown, strict=False)):
        try:
            drawn = panel.drawn(groups)
            panel.draw(axes, drawn, drawn[0].runs[0].scores)
        except Exception as error:  # raised by a diagnostic of the user
            note(f"{panel.draw.__qualname__} cannot be drawn: {reason(error)}")
            axes.clear()
            axes.set_axis_off()
            continue
        axes.grid(alpha=0.3)
        if number == 0 or len(groups) <= 3:  # a longer one would hide the curves
            axes.legend(fontsize="small")
    for axes in places[len(shown) :]:
        axes.set_axis_off()


def draw_fields(axes: np.ndarray, groups: Sequence[Method], columns: int) -> None:
    """Draw the truth, and the forecast of each method's first seed next to its error."""
    first = groups[0].runs[0].scores
    shown = np.linspace(0, first.sizes["panel_lead_time"] - 1, columns).round().astype(int)
    truth = first["panel_truth"].values
    limit = 3 * float(np.nanstd(truth))
    for cell in axes.flat:
        cell.set_axis_off()
    forecasts = [method.runs[0].scores["panel_forecast"].values for method in groups]
    for column, at in enumerate(shown):
        lead = first["panel_lead_time"]
        time = at_time(float(lead[at]), str(lead.attrs.get("units", "1")))
        axes[0, column].set_title(time, fontsize="small")
        axes[1, columns + column].set_title(f"error, {time}", fontsize="small")
        for row, field in enumerate((truth, *forecasts)):
            draw_field_or_text(
                axes[row, column], field[at], limit, "not finite" if row else "no truth"
            )
            if row:
                known = np.isfinite(truth[at]).any()
                text = "not finite" if known else "no truth"
                draw_field_or_text(axes[row, columns + column], (field - truth)[at], limit, text)
    for row, name in enumerate(("truth", *(method.name for method in groups))):
        axes[row, 0].set_ylabel(escape(name.strip("_").replace("_", "\n")), fontsize="small")


def draw_field_or_text(axes: Axes, field: np.ndarray, limit: float, text: str) -> None:
    """Draw a field, or a text in its place if no value is finite."""
    axes.set_axis_on()
    if np.isfinite(field).any():
        draw_field(axes, field, limit)
        return
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize="small")
    axes.set(xticks=[], yticks=[])
    if field.ndim == 2:
        axes.set_box_aspect(field.shape[0] / field.shape[1])
