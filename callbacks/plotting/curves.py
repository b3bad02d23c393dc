"""Curves of several methods in one panel: the mean over their seeds, and the ranges."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes

from callbacks.plotting.style import DATA, quantity, visible_range

STARTS = "initial conditions"
"""Name of the bands over initial conditions, which the page of a comparison shows on request."""

MOST_OF_THEM = (0.1, 0.9)
"""Quantiles between which the bands over initial conditions are."""


@runtime_checkable
class Drawn(Protocol):
    """Interface of a method for plots: its scores, label, colour and dashes."""

    @property
    def label(self) -> str:
        """Name in the legend."""

    @property
    def style(self) -> dict[str, Any]:
        """Colour and dashes."""

    def per_seed(self, name: str) -> np.ndarray:
        """Return the means (seed, ...) of a score over initial conditions."""

    def each(self, name: str) -> np.ndarray:
        """Return a score of all initial conditions of all seeds, (seed x condition, ...)."""


def axis_label(name: str, values: Any) -> str:
    """Return the label of an axis: a name, and the units of labelled values in brackets.

    Args:
        name: Name of the quantity.
        values: Labelled array, such as a score. If its channels have several units, the label has
            the units of the first channel, which is the channel that panels draw.

    Example:
        >>> import xarray
        >>> axis_label("lead time", xarray.DataArray([0.0, 0.5], attrs={"units": "s"}))
        'lead time [s]'
    """
    return quantity(name, str(values.attrs.get("units", "1")).split(", ")[0])


def plot_seeds(
    axes: Axes, method: Drawn, x: Any, values: np.ndarray, each: np.ndarray | None = None
) -> None:
    """Draw the mean over seeds of values (seed, x), and their range if there are several seeds.

    Args:
        axes: Axes to draw into.
        method: Label, colour and dashes of the curve.
        x: Values along the x axis, such as lead times.
        values: Values (seed, x).
        each: Values (seed x initial condition, x), such as `method.each(name)`. The band between
            their 10 % and 90 % quantiles is hidden in a figure, and shown on request in a page.

    Example:
        The curve of two seeds is their mean, 2 and 3:

        >>> from pathlib import Path
        >>> import xarray
        >>> from matplotlib.figure import Figure
        >>> from callbacks.diagnostics.compared import Run, methods
        >>> (method,) = methods([Run("unet", xarray.Dataset(), {}, Path("runs/unet"))])
        >>> axes = Figure().subplots()
        >>> plot_seeds(axes, method, [1.0, 2.0], np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> axes.lines[0].get_label(), axes.lines[0].get_ydata().tolist()
        ('unet', [2.0, 3.0])
    """
    axes.plot(x, values.mean(0), label=method.label, **method.style)
    if len(values) > 1:
        low, high = values.min(0), values.max(0)
        axes.fill_between(x, low, high, color=method.style["color"], alpha=0.15, linewidth=0)
    if each is not None and len(each) > len(values):
        finite = np.where(np.isfinite(each), each, np.nan)
        with warnings.catch_warnings():  # where no value is finite
            warnings.simplefilter("ignore", RuntimeWarning)
            low, high = np.nanquantile(finite, MOST_OF_THEM, axis=0)
        band = axes.fill_between(x, low, high, color=method.style["color"], alpha=0.08, linewidth=0)
        band.set(visible=False, gid=method.label)


def plot_ratios(
    axes: Axes, methods: Sequence[Drawn], scores: Any, name: str, band: float = 0.0
) -> None:
    """Draw a score of the long rollout relative to its mean in the data.

    Args:
        axes: Axes to draw into.
        methods: Methods that are compared.
        scores: Scores of the first run.
        name: Name of a score that is never negative; `reference_NAME_mean` is its mean.
        band: Half width of the band of the data, relative to the mean; 0 if there is none.
    """
    lead, mean = scores["long_lead_time"], float(scores[f"reference_{name}_mean"])
    drawn = [np.array([1 - band, 1 + band])]
    for method in methods:
        values = method.per_seed(name) / mean
        plot_seeds(axes, method, lead, values, method.each(name) / mean)
        drawn.append(values.ravel())
    axes.axhline(1, **{**DATA, "label": "_"})
    axes.set(xlabel=axis_label("lead time", lead), ylabel="forecast / mean of the data")
    axes.set_ylim(*visible_range(np.concatenate(drawn), 0.0, max(1 + 2 * band, 4.0)))


def plot_profiles(
    axes: Axes, methods: Sequence[Drawn], reference: Any, values: Callable[[Any], np.ndarray]
) -> None:
    """Draw profiles along y, with y upwards.

    Args:
        axes: Axes to draw into.
        methods: Methods that are compared.
        reference: Profile (y,) of the data.
        values: Function of a method that returns its profiles (seed, y), of which the mean and the
            range are drawn.
    """
    y = np.arange(len(reference))
    for method in methods:
        profile = values(method)
        axes.plot(profile.mean(0), y, label=method.label, **method.style)
        if len(profile) > 1:
            low, high = profile.min(0), profile.max(0)
            axes.fill_betweenx(y, low, high, color=method.style["color"], alpha=0.15, linewidth=0)
    axes.plot(reference, y, **DATA)
    axes.set_ylabel("y [grid points]")
