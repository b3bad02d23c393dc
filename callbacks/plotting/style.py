"""What all figures share: size, axes, colours. Drawn without a window system."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with any colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

EACH = {"color": COLOURS[0], "alpha": 0.2, "linewidth": 0.7}  # each trajectory, beside their mean
DATA = {"color": "black", "linestyle": "--", "label": "data"}

FAMILIAR = ("baseline", "hierarchical", "pushforward", "noisy_increment", "unrolled")
DASHES = ("-", (0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)))


def literal(text: str) -> str:
    """Return text as a figure must be given it to show just that, whoever wrote it.

    Matplotlib reads formulas between dollar signs, and leaves out of legends what begins with "_".
    """
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def quantity(name: str, units: str) -> str:
    """Return the label of an axis."""
    return literal(name if units == "1" else f"{name} [{units}]")


def sheet(width: float | int, height: float | int) -> Figure:
    """Return an empty figure of a size in inches."""
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def lead_time_axes(label: str, units: str) -> tuple[Figure, Axes]:
    """Return a figure with one panel against lead time in some units."""
    figure = sheet(7, 4)
    axes = figure.subplots()
    axes.set_xlabel(quantity("lead time", units))
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    return figure, axes


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return colour and dashes for each name, different from each other.

    Those of `FAMILIAR` have colours of their own; another has the one that its letters give, if it
    is free. So a name keeps its colour from one figure to the next, whatever its place among the
    others. Black is left to the data.
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
    """Return the mean over the first axis of what is finite; NaN where nothing is."""
    finite = np.isfinite(rows)
    total = np.where(finite, rows, 0).sum(0)
    count = finite.sum(0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def draw_field(axes: Axes, field: np.ndarray, limit: float) -> None:
    """Draw a field (y, x) in colours symmetric about zero, or (x,) as a line; y points up."""
    axes.set_xticks([])
    if field.ndim == 1:
        axes.plot(field, color=COLOURS[0])
        axes.set_ylim(-1.2 * limit, 1.2 * limit)
        return
    axes.set_yticks([])
    axes.imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
