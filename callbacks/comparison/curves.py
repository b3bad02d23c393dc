"""Curves of all methods in one panel: one function per panel."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from xarray import DataArray, Dataset

from callbacks.comparison.runs import Method
from callbacks.plotting.style import DATA, literal, quantity


def axis(name: str, values: DataArray) -> str:
    """Return the label of an axis with the units of its values."""
    return quantity(name, str(values.attrs.get("units", "1")))


def plot(axes: Axes, method: Method, x: Any, each: np.ndarray) -> None:
    """Draw the mean over seeds (seed, x), and the range of several."""
    axes.plot(x, each.mean(0), label=method.label, **method.style)
    if len(each) > 1:
        low, high = each.min(0), each.max(0)
        axes.fill_between(x, low, high, color=method.style["color"], alpha=0.15, linewidth=0)


def profiles(
    axes: Axes, groups: Sequence[Method], reference: DataArray, each: Callable[[Method], np.ndarray]
) -> None:
    """Draw profiles along y, which points up: mean over seeds (seed, y), range, and the data's."""
    y = np.arange(len(reference))
    for method in groups:
        profile = each(method)
        axes.plot(profile.mean(0), y, label=method.label, **method.style)
        if len(profile) > 1:
            low, high = profile.min(0), profile.max(0)
            axes.fill_betweenx(y, low, high, color=method.style["color"], alpha=0.15, linewidth=0)
    axes.plot(reference, y, **DATA)
    axes.set_ylabel("y (points)")


def over_data(axes: Axes, groups: Sequence[Method], scores: Dataset, name: str) -> None:
    """Draw a series of the long rollout over its mean in the data."""
    lead, mean = scores["long_lead_time"], float(scores[f"reference_{name}_mean"])
    for method in groups:
        plot(axes, method, lead, method.each(name) / mean)
    axes.axhline(1, **{**DATA, "label": "_"})
    axes.set(xlabel=axis("lead time", lead), ylabel="forecast / data")


def error(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the error against lead time, and what is within reach of the first method."""
    lead = scores["lead_time"]
    for method in groups:
        plot(axes, method, lead, method.each("mse"))
    if "limit_once" in scores:
        limits = [groups[0].each(f"limit_{kind}", "twin").mean(0) for kind in ("once", "always")]
        label = f"within reach of {groups[0].label.strip()}'s first error"
        axes.fill_between(lead, *limits, color="0.9", label=label, zorder=0)
    axes.axhline(2, color="0.5", linestyle=":", label="two unrelated states")
    axes.set(yscale="log", ylabel="MSE / variance", title="Forecast error")
    axes.set_xlabel(axis("lead time", lead))
    axes.set_ylim(top=4)


def stable(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the share of trajectories that have not left the band."""
    for method in groups:
        rate = 100 * method.each("stability_rate")
        plot(axes, method, scores["long_lead_time"], rate)
    axes.set(
        xlabel=axis("lead time", scores["long_lead_time"]),
        ylabel="%",
        ylim=(-3, 103),
        title="Still within the energy band",
    )


def energy(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the energy over that of the data, mean over the trajectories that are not lost."""
    over_data(axes, groups, scores, "energy")
    std, mean = (scores[f"reference_energy_{kind}"] for kind in ("std", "mean"))
    band = float(scores["band"] * std / mean)
    axes.axhspan(1 - band, 1 + band, color="0.9", zorder=0)
    axes.set(ylim=(1 - 2 * band, 1 + 2 * band), title="Energy and its band, mean of those not lost")


def spectrum(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the spectrum of the whole rollout over that of the data."""
    k, reference = scores["wavenumber"][1:], scores["reference_spectrum_isotropic"][1:].values
    known = reference > 1e-12 * reference.max()
    for method in groups:
        ratio = method.each("spectrum_isotropic")[:, 1:][:, known] / reference[known]
        plot(axes, method, k[known], ratio)
    axes.axhline(1, color="0.4", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="wavenumber", ylabel="forecast / data")
    axes.set_title("Spectrum of the whole rollout")


def jets(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the zonal mean of the whole rollout."""
    reference = scores["reference_zonal_mean"][0]
    profiles(axes, groups, reference, lambda method: method.each("zonal_mean")[:, 0])
    axes.set(
        xlabel=literal(str(scores["channel"].values[0])), title="Zonal mean of the whole rollout"
    )


def density(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the probability density of the first field."""
    reference = scores["reference_density"][0].values
    for method in groups:
        plot(axes, method, scores["value"][0], method.each("density")[:, 0])
    axes.plot(scores["value"][0], reference, **DATA)
    axes.set(
        yscale="log", xlabel=literal(str(scores["field"].values[0])), ylabel="probability density"
    )
    axes.set_ylim(1e-6 * reference.max(), 2 * reference.max())
    known = scores["value"][0].values[reference > 0]
    axes.set_xlim(1.2 * known.min() - 0.2 * known.max(), 1.2 * known.max() - 0.2 * known.min())
    axes.set_title("Density over the whole rollout")


def autocorrelation(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the autocorrelation of the first principal component."""
    for method in groups:
        plot(axes, method, scores["lag"], method.each("autocorrelation")[:, 0])
    axes.plot(scores["lag"], scores["reference_autocorrelation"][0], **DATA)
    axes.set(
        xlabel=axis("lag", scores["lag"]), title="Autocorrelation of the first principal component"
    )


def extremes(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the return levels of the largest value in the domain."""
    for method in groups:
        plot(axes, method, scores["return_period"], method.each("return_level_of_all"))
    axes.plot(scores["return_period"], scores["reference_return_level"], **DATA)
    axes.set(xscale="log", title="Extremes")
    axes.set_xlabel(axis("return period", scores["return_period"]))
    axes.set_ylabel(literal(str(scores["return_level"].attrs.get("long_name", "return level"))))


def enstrophy(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the enstrophy over that of the data."""
    over_data(axes, groups, scores, "enstrophy")
    axes.set(ylim=(0, 2), title="Enstrophy, mean of those not lost")


def correlation(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the anomaly correlation against lead time."""
    for method in groups:
        plot(axes, method, scores["lead_time"], method.each("anomaly_correlation"))
    axes.set(ylim=(-0.1, 1.02), title="Anomaly correlation")
    axes.set_xlabel(axis("lead time", scores["lead_time"]))


def velocity(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the zonal mean of the zonal velocity over the whole rollout."""
    reference = scores["reference_zonal_velocity"]
    profiles(axes, groups, reference, lambda method: method.each("zonal_velocity"))
    axes.set_xlabel(axis("zonal velocity", reference))
    axes.set_title("Zonal velocity over the whole rollout")


def ensemble(axes: Axes, groups: Sequence[Method], scores: Dataset) -> None:
    """Draw the continuous ranked probability score, and dotted the spread."""
    for method in groups:
        plot(axes, method, scores["lead_time"], method.each("crps"))
        spread = method.each("ensemble_spread").mean(0)
        axes.plot(scores["lead_time"], spread, color=method.style["color"], linestyle=":")
    axes.set(yscale="log", ylabel="standard deviations", title="CRPS, and spread (dotted)")
    axes.set_xlabel(axis("lead time", scores["lead_time"]))
