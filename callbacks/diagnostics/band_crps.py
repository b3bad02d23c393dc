"""Continuous ranked probability score by wavenumber band."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.diagnostics.compared import Column, Method, Panel, Run, ScoreLayout
from callbacks.diagnostics.ensemble_diagnostic import EnsembleDiagnostic
from callbacks.metrics.ensemble import crps
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.spectra import band_masks, bands, filtered
from callbacks.plotting.curves import axis_label
from callbacks.plotting.style import COLOURS, EACH, lead_time_axes
from datamodules.solvers.pseudo_spectral.spectra import ring_count
from emulators.rollout import Members, RolloutBatch, State

DASHES = {"low": "-", "mid": "--", "high": ":"}


class BandCRPS(EnsembleDiagnostic):
    """Fair CRPS of the low, middle and high wavenumbers of the fields against lead time.

    Members and truth are filtered to a band of the Fourier modes, with the bands of `Spectrum`, and
    scored as in `EnsembleSkill`: in units of the training standard deviations of the whole fields,
    means over channels. It shows up to which lead time an ensemble has skill at each scale, and at
    small scales, which the CRPS of the whole field barely shows, whether they are right. Without
    an ensemble the score is the absolute error of the filtered field.

    Example:
        A forecast of the wave sin(2πx/L), which is missing in a constant truth:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((32,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 32)
        >>> wave = (2 * torch.pi * grid.points()[0]).sin().float().expand(1, 1, 1, 32)
        >>> scores = score_forecasts(BandCRPS(), truth[:, 1:] + wave, truth, data)
        >>> scores["crps_band"].values.round(2).tolist()  # the mean of |sin| is 2/π
        [[[0.63, 0.0, 0.0]]]
    """

    version = 1
    needs_ensemble = False
    room = 18.0  # errors, their spectrum and one band of it in float64, sorted
    layouts = (
        ScoreLayout(
            "crps_band",
            ("initial_condition", "lead_time", "wavenumber_band"),
            needs=("lead_time",),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.rows = PerSampleMetric("crps")

    def unsupported_reason(self) -> str | None:
        if self.no_grid:
            return f"the data have no periodic grid: {self.no_grid}"
        return super().unsupported_reason()

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.masks = band_masks(self.periodic_grid).to(start.initial.device)
        self.crps = self.unknown(start, start.truth_steps, start.initial.shape[1], len(self.masks))
        self.nothing = torch.zeros_like(start.initial)

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if truth is None:
            return
        errors = members.double() - truth.double()  # the score and the filter are the same for them
        for number, band in enumerate(filtered(errors, self.masks, self.periodic_grid)):
            self.crps[:, lead - 1, :, number] = crps(band, self.nothing)

    def end(self) -> None:
        self.rows.update(self.index, crps=self.crps)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        score = (rows["crps"] / self.training_std[:, None]).mean(2)
        return xarray.Dataset(
            {
                "crps_band": (
                    ("initial_condition", "lead_time", "wavenumber_band"),
                    score,
                    {"long_name": "fair CRPS of a band of wavenumbers", "units": "training std"},
                )
            },
            coords={
                "initial_condition": rows["index"],
                "lead_time": self.times("lead_time", range(1, score.shape[1] + 1), "lead time"),
                "wavenumber_band": [name for name, _ in bands(ring_count(self.periodic_grid))],
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return self.remark_on_broken(scores["crps_band"])

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        mean = scores["crps_band"].mean(("initial_condition", "lead_time"), skipna=False)
        return {f"crps_band/{name}": float(mean.sel(wavenumber_band=name)) for name in DASHES}

    @classmethod
    def columns(cls) -> list[Column]:
        return [band_column(number, name) for number, name in enumerate(DASHES)]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "crps_band", "climate", 7)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the scores of the low, middle and high wavenumbers, means over seeds."""
        lead = scores["lead_time"]
        for method in methods:
            score, colour = method.per_seed("crps_band").mean(0), method.style["color"]
            for number, dashes in enumerate(DASHES.values()):
                label = "_" if number else method.label
                axes.plot(lead, score[:, number], color=colour, linestyle=dashes, label=label)
        axes.set(yscale="log", title="CRPS by wavenumbers: low (lines), mid, high (dotted)")
        axes.set(xlabel=axis_label("lead time", lead), ylabel="CRPS [training std]")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes("fair CRPS [training std]", self.data.units[1])
        for colour, name in zip(COLOURS, DASHES, strict=False):
            each = scores["crps_band"].sel(wavenumber_band=name)
            each = each.transpose("lead_time", "initial_condition")
            axes.plot(scores["lead_time"], each, **{**EACH, "color": colour})
            mean = each.mean("initial_condition", skipna=False)
            axes.plot(scores["lead_time"], mean, color=colour, label=f"{name} wavenumbers")
        axes.set_yscale("log")
        axes.legend()
        return {"band_crps": figure}


def band_column(number: int, name: str) -> Column:
    """Return the column of the mean score of a band.

    Args:
        number: Number of the band.
        name: Name of the band.
    """
    return Column(
        f"CRPS, {name} wavenumbers",
        partial(band_mean, number=number),
        place=6,
        each=lambda run: run.each("crps_band", wavenumber_band=number),
        best="least",
        folded=True,
    )


def band_mean(run: Run, number: int) -> float | None:
    """Return the mean score of a band, or None if it was not computed."""
    return run.mean("crps_band", wavenumber_band=number)
