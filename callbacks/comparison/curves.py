"""Curves of panels as data, which a page draws so that they can be zoomed and read.

A diagnostic draws its panel with Matplotlib, also one of the user's own; the lines and bands that
it drew are read from the axes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from callbacks.comparison.found_diagnostics import note, reason
from callbacks.diagnostics.compared import Method, Panel
from callbacks.plotting.curves import STARTS

DIGITS = 4  # of the numbers in the page


def panel_curves(panel: Panel, methods: Sequence[Method]) -> dict[str, Any] | None:
    """Return the curves of a panel as JSON values; None, with a note, if it cannot be drawn.

    Args:
        panel: Panel.
        methods: Methods that are compared.

    Returns:
        Title, axes, lines and bands; without lines if the panel has other contents, such as bars.
    """
    axes = Figure().subplots()
    drawn = panel.drawn(methods)
    try:
        panel.draw(axes, drawn, drawn[0].runs[0].scores)
    except Exception as error:  # raised by a diagnostic of the user
        note(f"{panel.draw.__qualname__} cannot be drawn: {reason(error)}")
        return None
    try:
        return curves(axes, methods)
    except (TypeError, ValueError):  # axes of dates or names, which are no numbers
        return {"title": plain(axes.get_title()), "lines": [], "bands": []}


def curves(axes: Axes, methods: Sequence[Method]) -> dict[str, Any]:
    """Return title, axes, lines and bands of axes as JSON values.

    Args:
        axes: Axes that a panel has drawn into.
        methods: Methods whose lines carry their labels; other lines are of the data.

    Example:
        >>> axes = Figure().subplots()
        >>> _ = axes.plot([1.0, 2.0], [0.5, 0.25], label="data", color="black")
        >>> axes.set(title="Error", yscale="log")  # doctest: +ELLIPSIS
        [...]
        >>> found = curves(axes, [])
        >>> found["title"], found["y"]["log"], found["lines"][0]["y"]
        ('Error', True, [0.5, 0.25])
    """
    lines = [line for line in lines_of(axes, methods) if len(line["x"])]
    x, y = described(axes, "x"), described(axes, "y")
    turned = any(not is_rising(line["x"]) for line in lines)  # profiles, whose values are along x
    if turned:
        x, y = y, x
        for line in lines:
            line["x"], line["y"] = line["y"], line["x"]
    bands = bands_of(axes, methods, turned)
    only_curves = all(isinstance(one, PolyCollection) for one in axes.collections)
    if axes.images or axes.containers or not only_curves:
        lines = []
    if any(not is_rising(line["x"]) for line in lines):
        lines = []
    for part in (*lines, *bands):
        for name in ("x", "y", "low", "high"):
            if name in part:
                part[name] = rounded(part[name])
    return {"title": plain(axes.get_title()), "x": x, "y": y, "lines": lines, "bands": bands}


def described(axes: Axes, name: str) -> dict[str, Any]:
    """Return label, scale and limits of the x or y axis; no limits where they are automatic."""
    axis = axes.xaxis if name == "x" else axes.yaxis
    free = getattr(axes, f"get_autoscale{name}_on")()
    limits = None if free else rounded(np.sort(axis.get_view_interval()))
    label = plain(axis.get_label_text())
    return {"label": label, "log": axis.get_scale() == "log", "limits": limits}


def lines_of(axes: Axes, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Return the lines of axes: label, number of the method, colour, dashes and points."""
    found: list[dict[str, Any]] = []
    owners: dict[str, int | None] = {}
    left, right = 0.0, 1.0
    whole = [line for line in axes.lines if line.get_transform() == axes.transData]
    known = [np.asarray(line.get_xdata(), float) for line in whole]
    if known:
        left, right = (edge(np.concatenate(known)) for edge in (np.nanmin, np.nanmax))
    for line in axes.lines:
        x, y = (np.asarray(values, float) for values in (line.get_xdata(), line.get_ydata()))
        if line not in whole:
            if not (x.size == 2 and y[0] == y[-1]):
                continue  # a vertical line, or one in other coordinates
            x, y = np.array([left, right]), y[[0, -1]]
        label, colour = str(line.get_label()), to_hex(line.get_color())
        number = number_of(label, methods)
        if not label.startswith("_"):
            owners[colour] = number
        own = number is not None and line.get_linestyle() == drawn_dash(methods[number])
        found.append(
            {
                "label": shown_label(label),
                "method": owners.get(colour) if label.startswith("_") else number,
                "colour": colour,
                "dash": None if own else dash(line.get_linestyle()),
                "x": x,
                "y": y,
            }
        )
    return found


def bands_of(axes: Axes, methods: Sequence[Method], turned: bool) -> list[dict[str, Any]]:
    """Return the bands of axes: what they are of, number of the method, ends and points.

    Args:
        axes: Axes that a panel has drawn into.
        methods: Methods, to which bands without a label belong by their colour.
        turned: True if the bands are along y.
    """
    colours = {to_hex(method.style["color"]): n for n, method in reversed([*enumerate(methods)])}
    found = []
    for band in axes.collections:
        if not isinstance(band, PolyCollection) or not len(band.get_facecolor()):
            continue
        label = str(band.get_label())
        number = number_of(str(band.get_gid() or ""), methods)
        if number is None and label.startswith("_"):
            number = colours.get(to_hex(band.get_facecolor()[0]))
        kind = STARTS if not band.get_visible() else "seeds" if number is not None else ""
        about = {"method": number, "of": kind, "label": shown_label(label)}
        for path in band.get_paths():  # there along one edge and back along the other
            points = path.vertices[:, ::-1] if turned else path.vertices
            half = (len(points) - 3) // 2
            if half < 2 or len(points) != 2 * half + 3:
                continue
            x, first = points[1 : half + 1].T
            second = points[half + 2 : 2 * half + 2, 1][::-1]
            edges = {"low": np.minimum(first, second), "high": np.maximum(first, second)}
            found.append({**about, "x": x, **edges})
    for patch in axes.patches:
        if isinstance(patch, Rectangle) and not turned:  # `axhspan`
            low, height = patch.get_y(), patch.get_height()
            edges = {"low": np.full(2, low), "high": np.full(2, low + height)}
            x = np.array([axes.dataLim.x0, axes.dataLim.x1])
            about = {"method": None, "of": "", "label": shown_label(str(patch.get_label()))}
            found.append({**about, "x": x, **edges})
    return found


def shown_label(label: str) -> str:
    """Return a label as a legend shows it; empty for one that a legend leaves out."""
    return "" if label.startswith("_") else plain(label)


def number_of(label: str, methods: Sequence[Method]) -> int | None:
    """Return the number of the method with a label, or None."""
    return next((n for n, method in enumerate(methods) if method.label == label), None)


def drawn_dash(method: Method) -> Any:
    """Return the dashes of a method's curves as a line of Matplotlib has them."""
    style = method.style["linestyle"]
    return "--" if isinstance(style, tuple) else style


def dash(style: Any) -> list[int]:
    """Return the lengths of dashes and gaps of a line [pixels]."""
    return {"--": [7, 4], ":": [2, 3], "-.": [7, 3, 2, 3]}.get(style, [])


def is_rising(values: np.ndarray) -> bool:
    """Return whether numbers are finite and in ascending order."""
    return bool(np.isfinite(values).all() and (np.diff(values) > 0).all())


def rounded(values: np.ndarray) -> list[float | None]:
    """Return numbers with few digits, None where they are not finite."""
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in values]


def plain(text: str) -> str:
    """Return text that was escaped for Matplotlib as it was."""
    return text.replace(r"\$", "$").strip()
