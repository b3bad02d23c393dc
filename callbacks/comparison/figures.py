"""The figure of a comparison: curves of all methods, and the fields themselves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.comparison.runs import Method, Run, methods
from callbacks.figures import COLOURS, draw_field


def draw(runs: Sequence[Run]) -> Figure:
    """Return error, stability, spectrum and jets, and forecasts at several lead times."""
    first, groups = runs[0].scores, methods(runs)
    columns = min(4, first.sizes.get("panel_lead_time", 0))
    fields = 2.1 * (1 + len(groups)) if columns else 0.01
    figure = Figure(figsize=(11, 8 + fields), layout="constrained", dpi=120)
    curves, pictures = figure.subfigures(2, 1, height_ratios=[8, fields])
    for axes, panel in zip(
        curves.subplots(2, 2).flat, (error, stable, spectrum, jets), strict=True
    ):
        panel(axes, groups)
        axes.grid(alpha=0.3)
        if not axes.has_data():
            axes.set_axis_off()
    if columns:
        draw_fields(pictures.subplots(1 + len(groups), columns, squeeze=False), groups, columns)
    return figure


def error(axes: Axes, groups: Sequence[Method]) -> None:
    """Draw the error against lead time, and what is within reach of the first method."""
    scores = groups[0].runs[0].scores
    if "mse" not in scores:
        return
    lead = scores["lead_time"]
    for colour, method in zip(COLOURS, groups, strict=False):
        axes.plot(lead, method.curve("mse"), color=colour, label=method.name)
    if "limit_once" in scores:
        limits = [groups[0].curve(f"limit_{kind}", over=["twin"]) for kind in ("once", "always")]
        label = f"within reach of {groups[0].name}'s first error"
        axes.fill_between(lead, *limits, color="0.85", label=label, zorder=0)
    axes.axhline(2, color="0.5", linestyle=":", label="two unrelated states")
    axes.set(yscale="log", xlabel="lead time", ylabel="MSE / variance", title="Forecast error")
    axes.set_ylim(top=4)
    axes.legend(loc="lower right", fontsize="small")


def stable(axes: Axes, groups: Sequence[Method]) -> None:
    """Draw the share of trajectories that have not left the band."""
    scores = groups[0].runs[0].scores
    if "stability_rate" not in scores:
        return
    for colour, method in zip(COLOURS, groups, strict=False):
        rate = 100 * method.curve("stability_rate", over=())
        axes.plot(scores["long_lead_time"], rate, color=colour, label=method.name)
    axes.set(xlabel="lead time", ylabel="%", ylim=(-3, 103), title="Still within the energy band")


def spectrum(axes: Axes, groups: Sequence[Method]) -> None:
    """Draw the spectrum of the whole rollout over that of the data."""
    scores = groups[0].runs[0].scores
    if "spectrum_isotropic" not in scores:
        return
    k, reference = scores["wavenumber"][1:], scores["reference_spectrum_isotropic"][1:].values
    known = reference > 1e-12 * reference.max()
    for colour, method in zip(COLOURS, groups, strict=False):
        ratio = method.curve("spectrum_isotropic")[1:][known] / reference[known]
        axes.loglog(k[known], ratio, color=colour, label=method.name)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(xlabel="wavenumber", ylabel="forecast / data", title="Spectrum of the whole rollout")


def jets(axes: Axes, groups: Sequence[Method]) -> None:
    """Draw the zonal mean of the whole rollout."""
    scores = groups[0].runs[0].scores
    if "zonal_mean" not in scores:
        return
    reference = scores["reference_zonal_mean"][0].values
    y = np.arange(len(reference))
    for colour, method in zip(COLOURS, groups, strict=False):
        axes.plot(method.curve("zonal_mean")[0], y, color=colour, label=method.name)
    axes.plot(reference, y, color="black", linestyle="--", label="data")
    axes.set(xlabel=str(scores["channel"].values[0]), ylabel="y (points)")
    axes.set_title("Zonal mean of the whole rollout")
    axes.legend(fontsize="small")


def draw_fields(axes: np.ndarray, groups: Sequence[Method], columns: int) -> None:
    """Draw the truth and each method's forecast, of its first seed, at the kept lead times."""
    first = groups[0].runs[0].scores
    shown = np.linspace(0, first.sizes["panel_lead_time"] - 1, columns).round().astype(int)
    truth = first["panel_truth"].values
    limit = 3 * float(np.nanstd(truth))
    rows = [("truth", truth)]
    rows += [(method.name, method.runs[0].scores["panel_forecast"].values) for method in groups]
    for row, (name, panels) in enumerate(rows):
        for column, at in enumerate(shown):
            cell: Axes = axes[row, column]
            if row == 0:
                cell.set_title(f"t = {float(first['panel_lead_time'][at]):g}")
            if np.isfinite(panels[at]).any():
                draw_field(cell, panels[at], limit)
            else:
                cell.text(0.5, 0.5, "not finite" if row else "no truth", ha="center", va="center")
                cell.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(name)
