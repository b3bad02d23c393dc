"""Curves of several methods in one panel: the mean over their seeds, and the range."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes

from callbacks.plotting.style import DATA, quantity


@runtime_checkable
class Drawn(Protocol):
    """What curves need of a method: its scores, its label, its colour and its dashes."""

    @property
    def label(self) -> str:
        """Name in the legend."""

    @property
    def style(self) -> dict[str, Any]:
        """Colour and dashes."""

    def per_seed(self, name: str) -> np.ndarray:
        """Return the means (seed, ...) of a score over initial conditions."""


def axis_label(name: str, values: Any) -> str:
    """Return the label of an axis with the units of its labelled values."""
    return quantity(name, str(values.attrs.get("units", "1")))


def plot_seeds(axes: Axes, method: Drawn, x: Any, values: np.ndarray) -> None:
    """Draw the mean of values (seed, x) over seeds, and the range of several."""
    axes.plot(x, values.mean(0), label=method.label, **method.style)
    if len(values) > 1:
        low, high = values.min(0), values.max(0)
        axes.fill_between(x, low, high, color=method.style["color"], alpha=0.15, linewidth=0)


def plot_ratios(axes: Axes, methods: Sequence[Drawn], scores: Any, name: str) -> None:
    """Draw a series of the long rollout over its mean in the data, `reference_NAME_mean`."""
    lead, mean = scores["long_lead_time"], float(scores[f"reference_{name}_mean"])
    for method in methods:
        plot_seeds(axes, method, lead, method.per_seed(name) / mean)
    axes.axhline(1, **{**DATA, "label": "_"})
    axes.set(xlabel=axis_label("lead time", lead), ylabel="forecast / data")


def plot_profiles(
    axes: Axes, methods: Sequence[Drawn], reference: Any, values: Callable[[Any], np.ndarray]
) -> None:
    """Draw profiles along y, which points up: mean over seeds (seed, y), range, and the data's."""
    y = np.arange(len(reference))
    for method in methods:
        profile = values(method)
        axes.plot(profile.mean(0), y, label=method.label, **method.style)
        if len(profile) > 1:
            low, high = profile.min(0), profile.max(0)
            axes.fill_betweenx(y, low, high, color=method.style["color"], alpha=0.15, linewidth=0)
    axes.plot(reference, y, **DATA)
    axes.set_ylabel("y (points)")
