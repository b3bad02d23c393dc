"""Curves of all methods in one panel: one function per panel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from xarray import Dataset

from callbacks.comparison.runs import Method
from callbacks.figures import COLOURS

DATA = {"color": "black", "linestyle": "--", "label": "data"}


def style(number: int) -> dict[str, Any]:
    """Return colour and dashes of the method of that number, the same in every panel."""
    colours = [colour for colour in COLOURS if colour != "#000000"]  # black is the data
    dashes = ("-", (0, (6, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)))
    again, colour = divmod(number, len(colours))
    return {"color": colours[colour], "linestyle": dashes[again % len(dashes)]}


def plot(axes: Axes, number: int, method: Method, x: Any, each: np.ndarray) -> None:
    """Draw the mean over seeds (seed, x), and the range of several."""
    axes.plot(x, each.mean(0), label=method.name, **style(number))
    if len(each) > 1:
        low, high = each.min(0), each.max(0)
        axes.fill_between(x, low, high, color=style(number)["color"], alpha=0.15, linewidth=0)


def error(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the error against lead time, and what is within reach of the first method."""
    lead = scores["lead_time"]
    for number, method in enumerate(groups):
        plot(axes, number, method, lead, method.each("mse"))
    if "limit_once" in scores:
        limits = [groups[0].each(f"limit_{kind}", ("twin",)).mean(0) for kind in ("once", "always")]
        label = f"within reach of {groups[0].name}'s first error"
        axes.fill_between(lead, *limits, color="0.9", label=label, zorder=0)
    axes.axhline(2, color="0.5", linestyle=":", label="two unrelated states")
    axes.set(yscale="log", xlabel="lead time", ylabel="MSE / variance", title="Forecast error")
    axes.set_ylim(top=4)
    axes.legend(loc="lower right", fontsize="small")


def stable(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the share of trajectories that have not left the band."""
    for number, method in enumerate(groups):
        rate = 100 * method.each("stability_rate", over=())
        plot(axes, number, method, scores["long_lead_time"], rate)
    axes.set(xlabel="lead time", ylabel="%", ylim=(-3, 103), title="Still within the energy band")


def energy(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the energy over that of the data, mean over the trajectories that are not lost."""
    mean = float(scores["reference_energy_mean"])
    for number, method in enumerate(groups):
        each = [np.nanmedian(run.scores["energy"].values, axis=0) / mean for run in method.runs]
        plot(axes, number, method, scores["long_lead_time"], np.stack(each))
    axes.axhline(1, **{**DATA, "label": "_"})
    band = float(scores["band"] * scores["reference_energy_std"]) / mean
    axes.axhspan(1 - band, 1 + band, color="0.9", zorder=0)
    axes.set(ylim=(1 - 2 * band, 1 + 2 * band), xlabel="lead time", ylabel="forecast / data")
    axes.set_title("Energy, median over initial conditions, and its band")


def spectrum(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the spectrum of the whole rollout over that of the data."""
    k, reference = scores["wavenumber"][1:], scores["reference_spectrum_isotropic"][1:].values
    known = reference > 1e-12 * reference.max()
    for number, method in enumerate(groups):
        ratio = method.each("spectrum_isotropic")[:, 1:][:, known] / reference[known]
        plot(axes, number, method, k[known], ratio)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="wavenumber", ylabel="forecast / data")
    axes.set_title("Spectrum of the whole rollout")


def jets(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the zonal mean of the whole rollout."""
    reference = scores["reference_zonal_mean"][0].values
    y = np.arange(len(reference))
    for number, method in enumerate(groups):
        each = method.each("zonal_mean")[:, 0]
        axes.plot(each.mean(0), y, label=method.name, **style(number))
        if len(each) > 1:
            colour = style(number)["color"]
            axes.fill_betweenx(y, each.min(0), each.max(0), color=colour, alpha=0.15, linewidth=0)
    axes.plot(reference, y, **DATA)
    axes.set(xlabel=str(scores["channel"].values[0]), ylabel="y (points)")
    axes.set_title("Zonal mean of the whole rollout")
    axes.legend(fontsize="small")


def density(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the probability density of the first field."""
    reference = scores["reference_density"][0].values
    for number, method in enumerate(groups):
        plot(axes, number, method, scores["value"][0], method.each("density")[:, 0])
    axes.plot(scores["value"][0], reference, **DATA)
    axes.set(yscale="log", xlabel=str(scores["field"].values[0]), ylabel="probability density")
    axes.set_ylim(1e-6 * reference.max(), 2 * reference.max())
    known = scores["value"][0].values[reference > 0]
    axes.set_xlim(1.2 * known.min() - 0.2 * known.max(), 1.2 * known.max() - 0.2 * known.min())
    axes.set_title("Density over the whole rollout")
    axes.legend(fontsize="small")


def autocorrelation(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the autocorrelation of the first principal component."""
    for number, method in enumerate(groups):
        plot(axes, number, method, scores["lag"], method.each("autocorrelation")[:, 0])
    axes.plot(scores["lag"], scores["reference_autocorrelation"][0], **DATA)
    axes.set(xlabel="lag", title="Autocorrelation of the first principal component")


def extremes(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the return levels of the largest value in the domain."""
    for number, method in enumerate(groups):
        plot(axes, number, method, scores["return_period"], method.each("return_level"))
    axes.plot(scores["return_period"], scores["reference_return_level"], **DATA)
    axes.set(xscale="log", xlabel="return period", title="Extremes")
    axes.set_ylabel(str(scores["return_level"].attrs["long_name"]))
