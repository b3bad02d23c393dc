"""Size, axes, colours and labels of all figures, drawn without a window system."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

# Okabe and Ito's palette, distinguishable with any colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

EACH = {"color": COLOURS[0], "alpha": 0.2, "linewidth": 0.7}  # each trajectory, behind their mean
DATA = {"color": "black", "linestyle": "--", "label": "data"}

FAMILIAR = ("baseline", "hierarchical", "pushforward", "noisy_increment", "unrolled")
DASHES = ("-", (0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)))


def escape(text: str) -> str:
    """Return text escaped such that Matplotlib shows it literally.

    Matplotlib reads formulas between dollar signs, and leaves labels that begin with "_" out of
    legends.
    """
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def quantity(name: str, units: str) -> str:
    """Return the label of an axis: a name, and its units in brackets."""
    return escape(name if units == "1" else f"{name} [{units}]")


def at_time(time: float, units: str) -> str:
    """Return the label of a state at a time, such as `t = 0.5 s`."""
    return escape(f"t = {time:g}" if units == "1" else f"t = {time:g} {units}")


def visible_range(values: np.ndarray, least: float, most: float) -> tuple[float, float]:
    """Return limits of an axis that hold all finite values with a margin, within bounds.

    Args:
        values: Values that are drawn, some of which lie within the bounds.
        least: Lowest limit.
        most: Highest limit, beyond which curves of diverging forecasts are cut off.

    Example:
        >>> visible_range(np.array([1.0, 3.0, np.nan]), least=0.0, most=100.0)
        (0.9, 3.1)
    """
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (least, most)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return max(least, low - margin), min(most, high + margin)


def label_log_ticks(axes: Axes) -> None:
    """Label few ticks, by plain numbers, of logarithmic axes of less than two decades.

    Matplotlib labels 2, 3, 4, ... where less than a decade is shown, which overlap in small panels.
    Here 1, 2 and 5 of each decade have labels, and a few round numbers below a factor of five.

    Args:
        axes: Axes with their curves.

    Example:
        >>> axes = Figure().subplots()
        >>> axes.set(xscale="log", xlim=(0.15, 3.0)) and label_log_ticks(axes)
        >>> [f"{x:g}" for x in axes.xaxis.get_majorticklocs() if 0.15 <= x <= 3]
        ['0.2', '0.5', '1', '2']
        >>> axes.set(yscale="log", ylim=(0.65, 1.25)) and label_log_ticks(axes)
        >>> [f"{y:g}" for y in axes.yaxis.get_majorticklocs() if 0.65 <= y <= 1.25]
        ['0.8', '1', '1.2']
    """
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() == "log" and high < 100 * low:
            few, more = MaxNLocator(5, steps=[1, 2, 5, 10]), LogLocator(subs=(1.0, 2.0, 5.0))
            axis.set_major_locator(few if high < 5 * low else more)
            axis.set_major_formatter(FormatStrFormatter("%g"))
            axis.set_minor_formatter(NullFormatter())


def sheet(width: float | int, height: float | int) -> Figure:
    """Return an empty figure of a width and height in inches."""
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def lead_time_axes(label: str, units: str) -> tuple[Figure, Axes]:
    """Return a figure with one panel whose x axis is lead time.

    Args:
        label: Label of the y axis.
        units: Units of lead time.
    """
    figure = sheet(7, 4)
    axes = figure.subplots()
    axes.set_xlabel(quantity("lead time", units))
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    return figure, axes


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return a colour and dashes for each name, different for all names.

    Names in `FAMILIAR` have fixed colours. The colour of another name is computed from its letters,
    so that it is the same in all figures, unless that colour is taken. Black is kept for the data.
    """
    colours = [colour for colour in COLOURS if colour != "#000000"]
    taken: dict[str, dict[str, Any]] = {}
    for name in sorted(names, key=lambda name: (name not in FAMILIAR, name)):
        known = name in FAMILIAR
        first = FAMILIAR.index(name) if known else crc32(name.encode()) % len(colours)
        turned = colours[first:] + colours[:first]
        free = [{"color": colour, "linestyle": dash} for dash in DASHES for colour in turned]
        taken[name] = next((one for one in free if one not in taken.values()), free[0])
    return taken


def mean_of_finite(rows: np.ndarray) -> np.ndarray:
    """Return the mean of the finite values over the first axis; NaN where there are none."""
    finite = np.isfinite(rows)
    total = np.where(finite, rows, 0).sum(0)
    count = finite.sum(0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def colour_map(name: str) -> Colormap:
    """Return a map of colours, grey for values that are not finite, as at masked points."""
    return colormaps[name].with_extremes(bad="0.8")


def draw_field(axes: Axes, field: np.ndarray, limit: float) -> None:
    """Draw a field (y, x) in colours from -limit to limit, y upwards, or a field (x,) as a line."""
    axes.set_xticks([])
    if field.ndim == 1:
        axes.plot(field, color=COLOURS[0])
        axes.set_ylim(-1.2 * limit, 1.2 * limit)
        return
    axes.set_yticks([])
    axes.imshow(field, cmap=colour_map("RdBu_r"), vmin=-limit, vmax=limit, origin="lower")
