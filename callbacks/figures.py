"""What all figures share: size, axes, colours. Drawn without a window system."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with any colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def lead_time_axes(label: str) -> tuple[Figure, Axes]:
    """Return a figure with one panel against lead time."""
    figure = Figure(figsize=(7, 4), layout="constrained", dpi=120)
    axes = figure.subplots()
    axes.set_xlabel("lead time")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    return figure, axes


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
