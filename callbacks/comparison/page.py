"""A comparison as one web page that needs no other file."""

import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.colors import to_hex

from callbacks.comparison.curves import panel_curves
from callbacks.comparison.fields import field_pictures
from callbacks.comparison.figures import draw_forecasts, draw_panels
from callbacks.comparison.found_diagnostics import panels
from callbacks.comparison.page_tables import (
    all_differences,
    all_scores,
    chosen_table,
    fold,
    options_table,
)
from callbacks.comparison.pictures import compressed
from callbacks.comparison.searches import Searched, search_section
from callbacks.comparison.table import note
from callbacks.comparison.words import summary
from callbacks.diagnostics.compared import Panel, Run, methods
from callbacks.plotting.curves import STARTS
from callbacks.plotting.export import png
from callbacks.plotting.style import colour_map, sheet

SIGNATURES = {".png": b"\x89PNG", ".gif": b"GIF8"}
FILES = Path(__file__).with_name("page_files")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
HEAD = (
    "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
    '<meta name=viewport content="width=device-width, initial-scale=1">\n'
    f'<meta http-equiv=Content-Security-Policy content="{POLICY}">\n'
    "<title>Comparison of emulators</title>"
)
TOOLS = (  # of a plot: what a button does, its sign and its name
    ("in", "+", "Zoom in"),
    ("out", "−", "Zoom out"),
    ("left", "←", "Move to the left"),
    ("right", "→", "Move to the right"),
    ("all", "All", "Show all of it"),
)


def page(runs: Sequence[Run], unit: float | None = None, searches: Sequence[Searched] = ()) -> str:
    """Return the page: words, tables, curves, fields, and all figures of all runs.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error, whose square is the unit of the MSE; by default the MSE is in
            units of the training variance.
        searches: Searches by which options of the runs were chosen.
    """
    about = runs[0].about
    data, commit = (str(about.get(key) or "unknown") for key in ("data_hash", "commit"))
    words = html.escape(" ".join(summary(runs, unit))).replace(" %", "\u00a0%")
    fields = field_pictures(methods(runs))
    scripts = ("uPlot.iife.min.js", "tables.js", "curves.js", "fields.js")
    parts = [
        HEAD,
        f"<style>{file('uPlot.min.css')}\n{file('style.css')}</style>",
        "<main>\n<h1>Comparison of emulators</h1>",
        f"<p class=words>{words}</p>" if words else "",
        chosen_table(runs, unit),
        f"<p class=note>{html.escape(note(runs, unit))}</p>",
        all_scores(runs, unit),
        all_differences(runs, unit),
        options_table(runs),
        *search_section(searches),
        *curve_section(runs),
        *field_section(runs, fields),
        *figure_section(runs, fields is not None),
        f"<p class=note>Data {html.escape(data[:16])}, commit {html.escape(commit)}.</p>",
        "</main>",
        f"<!-- uPlot, which draws the curves:\n{file('uPlot.LICENSE')}-->",
        *(f"<script>\n{file(name)}</script>" for name in scripts),
        "</html>",
    ]
    return "\n".join(part for part in parts if part)


def file(name: str) -> str:
    """Return the text of a file that is a part of every page."""
    return (FILES / name).read_text(encoding="utf-8")


def json_element(name: str, value: Any) -> str:
    """Return JSON values as an element that scripts read."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (
        f"<script type=application/json id={name}>{text.replace('<', chr(92) + 'u003c')}</script>"
    )


def curve_section(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the curves of all panels; panels without lines as pictures."""
    groups = methods(runs)
    shown = [*panels(runs, "forecast"), *panels(runs, "climate")]
    found = [(panel, drawn) for panel in shown if (drawn := panel_curves(panel, groups))]
    if not found:
        return
    yield "<h2>Curves</h2>"
    yield (
        "<p class=note>Drag to zoom, double-click to see all. With the keyboard: arrows move the "
        "cursor, + and − zoom, 0 shows all.</p>"
    )
    names = "".join(
        f"<label><input type=checkbox checked data-method={number}>"
        f"<span data-swatch={number}></span>{html.escape(method.name)}</label>"
        for number, method in enumerate(groups)
    )
    yield f"<fieldset><legend>Methods</legend>{names}</fieldset>"
    kinds = {band["of"] for _, drawn in found for band in drawn["bands"]}
    texts = {"seeds": "range over seeds", STARTS: "10 to 90 % of the initial conditions"}
    spreads = "".join(
        f'<label><input type=checkbox{" checked" if kind == "seeds" else ""} data-spread="{kind}">'
        f"{text}</label>"
        for kind, text in texts.items()
        if kind in kinds
    )
    if spreads:
        yield f"<fieldset><legend>Spread</legend>{spreads}</fieldset>"
    yield "<div class=plots>"
    for number, (panel, drawn) in enumerate(found):
        yield plot(number, drawn) if drawn["lines"] else picture_of(panel, drawn["title"], runs)
    yield "</div>"
    colours = [{"name": m.name, "colour": to_hex(m.style["color"])} for m in groups]
    yield json_element("curves-data", {"methods": colours, "panels": [one for _, one in found]})


def plot(number: int, drawn: dict[str, Any]) -> str:
    """Return the place of a plot with its buttons.

    Args:
        number: Number of the panel.
        drawn: Curves of the panel.
    """
    title = html.escape(drawn["title"])
    buttons = "".join(
        f'<button type=button data-do={name} aria-label="{text}" title="{text}">{sign}</button>'
        for name, sign, text in TOOLS
    )
    log = "<label><input type=checkbox data-do=log>logarithmic</label>"
    return (
        f"<section class=plot data-plot={number}><h3>{title}</h3>"
        f'<div class=canvas tabindex=0 role=application aria-label="{title}"></div>'
        f"<div class=tools>{buttons}{log}</div><output></output></section>"
    )


def picture_of(panel: Panel, title: str, runs: Sequence[Run]) -> str:
    """Return a panel as a picture."""
    figure = sheet(6, 4)
    draw_panels(figure, [panel], methods(runs), columns=1)
    image = compressed(png(figure), "png").element(title)
    return f"<section class=plot><h3>{html.escape(title)}</h3>{image}</section>"


def field_section(runs: Sequence[Run], found: dict[str, Any] | None) -> Iterator[str]:
    """Yield the fields of all methods and the truth with a slider, or else a picture of them.

    Args:
        runs: Runs that are compared.
        found: Fields at many lead times, or None if there are none in two dimensions.
    """
    if found is None:
        figure = draw_forecasts(methods(runs))
        if figure is not None:
            image = compressed(png(figure), "png").element("Truth and forecasts of all methods")
            yield f"<h2>Forecasts</h2>\n<figure>{image}</figure>"
        return
    yield "<h2>Fields</h2>"
    yield (
        "<p class=note>Truth and forecasts from the first initial condition, by the first seed of "
        "each method.</p>"
    )
    yield (
        "<div class=slider><input type=range id=lead aria-label='Lead time' min=0 step=1 value=0 "
        f"max={len(found['leads']) - 1}><span id=lead-text></span><button type=button id=play>Play"
        "</button><label><input type=checkbox id=errors> errors</label></div>"
    )
    size = f"width={found['width']} height={found['height']}"
    pictures = "".join(
        f"<figure><figcaption><span></span>{html.escape(row['name'])}<small></small></figcaption>"
        f'<canvas {size} data-field={number} role=img aria-label="{html.escape(row["name"])}">'
        "</canvas></figure>"
        for number, row in enumerate(found["rows"])
    )
    yield f"<div class=fields aria-busy=true>{pictures}</div>"
    limit, name = f"{found['limit']:.3g}", html.escape(found["name"])
    yield (
        f"<div class=scale>−{limit}<canvas id=scale width=255 height=1 aria-hidden=true></canvas>"
        f"{limit} {name}</div>"
    )
    table = colour_map("RdBu_r")(range(256))
    colours = "".join(to_hex(colour)[1:] for colour in table)
    yield json_element("fields-data", {**found, "colours": colours})


def figure_section(runs: Sequence[Run], fields: bool) -> Iterator[str]:
    """Yield the figures of all runs in alphabetical order, folded, figures of one name in a row.

    Args:
        runs: Runs that are compared.
        fields: True if the page shows the frames of the movies among the fields.
    """
    pictures = [own_figures(run.folder) for run in runs]
    if any(pictures):
        yield "<h2>Figures of each run</h2>"
    if fields and all("movie_forecast" in run.scores for run in runs):
        for own in pictures:
            own.pop("movie.gif", None)
    for name in sorted(set().union(*pictures)):
        stem, _, kind = name.rpartition(".")
        title = stem.replace("_", " ").capitalize()
        found = [
            f"<figure><figcaption>{html.escape(run.name)}</figcaption>"
            f"{compressed(own[name], kind).element(f'{title}, {run.name}')}</figure>"
            for run, own in zip(runs, pictures, strict=True)
            if name in own
        ]
        shown = "\n".join(found)
        yield fold(title, f"<div class=runs>{shown}</div>")


def own_figures(folder: Path) -> dict[str, bytes]:
    """Return the pictures in a run's folder, without links to files outside of it."""
    found = {}
    for path in folder.iterdir():
        start = SIGNATURES.get(path.suffix)
        if start and path.is_file() and path.resolve().parent == folder.resolve():
            content = path.read_bytes()
            if content.startswith(start):
                found[path.name] = content
    return found
