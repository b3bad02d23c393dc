"""Spectra of energy and enstrophy, at chosen lead times and over the whole rollout."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.climate import ClimateDiagnostic, Split
from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.lead_times import whole_leads
from callbacks.diagnostics.units import energy_units, enstrophy_units, raised
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.metrics.spectra import EMPTY, band_error, bands, energy_log_ratio, spectra
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.plotting.style import COLOURS, DATA, EACH, at_time, mean_of_finite, sheet
from datamodules.solvers.pseudo_spectral.spectra import spacing
from emulators.rollout import Members, RolloutBatch, State

SEEN = 1e-8  # share of the energy in empty modes that is remarked on
OF_MEMBERS = {"members": "members, mean over members", "mean": "the ensemble mean"}


class Spectrum(ClimateDiagnostic):
    """Spectra of the free run compared with the data, and of forecast compared with truth.

    Where the state holds the vorticity of a flow on a periodic grid these are its energy spectra
    (isotropic, zonal, meridional) and its enstrophy spectrum, whose sums are the domain means of
    ½(u² + v²) and ½ζ²; elsewhere the spectrum of ½u² of all channels together. The error of the
    long run is the mean over wavenumbers k >= 1 of |⟨E(k)⟩ - ⟨E_ref(k)⟩| in units of the training
    variance, after Jiang et al. (2025, 5.1); the error of a band is the relative error of its
    sum, with bands of equal width in log k. The mean energy log ratio (MELR) of Schiff et al.
    (2024) is Σ w_k |ln(E(k)/E_ref(k))| of the mean spectrum E of all rollouts, over the wavenumbers
    k >= 1 that the data occupy, with equal weights w_k or with weights in proportion to E_ref(k).

    Of an ensemble these are spectra of the first member. At single lead times the mean of the
    spectra of all members is compared with the spectrum of their mean, whose high wavenumbers, on
    which members disagree, are too weak.

    Args:
        leads: Leads [intervals] at which forecast and truth are compared.
        every: Sampling interval of the means [steps].
        burn_in: Length of the start of a rollout that the means leave out [steps].
        reference: Split whose mean is the reference.

    Example:
        The figure shows the spectra of rollouts and data, the table their error:

        >>> Spectrum(leads=(1, 10), burn_in=500).options["leads"]
        [1, 10]

        Half the variance of the wave sin(2πx) is ¼, and 1 where its amplitude is twice as large:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> wave = (2 * torch.pi * grid.points()[0]).sin().float().expand(1, 11, 1, 8)
        >>> scores = score_forecasts(Spectrum(every=1), 2 * wave[:, 1:], wave, data)
        >>> for name in ("reference_spectrum_isotropic", "spectrum_isotropic"):
        ...     scores[name].values.round(5).ravel().tolist()
        [0.0, 0.25, 0.0, 0.0, 0.0]
        [0.0, 1.0, 0.0, 0.0, 0.0]
    """

    version = 2
    of_forecasts = ClimateDiagnostic.of_forecasts | {"leads"}
    quantities = ("isotropic", "zonal", "meridional", "enstrophy")
    layouts = (
        ScoreLayout("spectrum_error", ("initial_condition",)),
        ScoreLayout("energy_log_ratio", ()),
        ScoreLayout("energy_log_ratio_weighted", ()),
        ScoreLayout(
            "spectrum_isotropic",
            ("initial_condition", "wavenumber"),
            needs=("reference_spectrum_isotropic", "wavenumber"),
        ),
        ScoreLayout("reference_spectrum_isotropic", ("wavenumber",)),
        ScoreLayout("wavenumber", ("wavenumber",)),
    )

    def __init__(
        self,
        leads: Sequence[int] = (1, 25, 100),
        every: int = 10,
        burn_in: int = 0,
        reference: Split = "train",
    ) -> None:
        super().__init__(every, burn_in, reference)
        self.leads = whole_leads("Spectrum", leads)
        self.at_leads = PerSampleMetric("forecast", "truth", *OF_MEMBERS)

    def unsupported_reason(self) -> str | None:
        if self.no_grid:
            return f"the data have no periodic grid: {self.no_grid}"
        return super().unsupported_reason()

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        if self.vorticity is None:
            state = self.comparable(state)
        return spectra(state, self.periodic_grid, self.vorticity)

    def _units(self, name: str) -> str:
        """Return the units of one of the spectra."""
        if name == "enstrophy" and self.vorticity is not None:
            return enstrophy_units(self.data.fields, self.vorticity)
        return energy_units(self.data.fields, self.data.units[0], self.vorticity)

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.of_members: dict[int, tuple[Tensor, Tensor]] = {}
        self.truth_steps = start.truth_steps
        self.shown = [lead for lead in self.leads if lead <= start.truth_steps]

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        super().observe(lead, forecast, truth)
        if lead in self.shown:
            own, true = (self.evaluate(state)["isotropic"] for state in (forecast, truth))
            if self.diverged is not None:
                own = torch.where(self.diverged[:, None], float("nan"), own)
            self.kept[lead] = own, true
            self.of_members[lead] = (torch.full_like(own, float("nan")),) * 2

    def observe_members(self, lead: int, members: Members, truth: State | None) -> None:
        if lead in self.shown:
            each = self.evaluate(members.flatten(0, 1))["isotropic"]
            mean = self.evaluate(members.double().mean(0))["isotropic"]
            self.of_members[lead] = each.unflatten(0, (len(members), -1)).mean(0), mean

    def end(self) -> None:
        super().end()
        if self.shown:
            kept = [(*self.kept[lead], *self.of_members[lead]) for lead in self.shown]
            parts = [torch.stack(part, 1) for part in zip(*kept, strict=True)]
            self.at_leads.update(self.index, **dict(zip(self.at_leads.names, parts, strict=True)))

    def scores(self) -> xarray.Dataset:
        rows, grid = self.rows(), self.periodic_grid
        energy = self.vorticity is not None
        kind = "energy" if energy else "half the variance"
        unit = self._variance()
        wavenumber = np.arange(rows["isotropic"].shape[-1]) * spacing(grid)
        data: dict[str, Any] = {}
        for name in rows.keys() & set(self.quantities):
            axis = {"zonal": "zonal_mode", "meridional": "meridional_mode"}.get(name, "wavenumber")
            what = "enstrophy" if name == "enstrophy" else f"{kind}, {name}"
            units = self._units(name)
            label = {"long_name": f"{what}, mean over the rollout", "units": units}
            data[f"spectrum_{name}"] = (("initial_condition", axis), rows[name], label)
            text = f"{what}, mean over the {self.reference_split} split"
            label = {"long_name": text, "units": units}
            data[f"reference_spectrum_{name}"] = ((axis,), self.reference[name], label)
        mean, reference = rows["isotropic"], self.reference["isotropic"]
        error = np.abs(mean - reference)[:, 1:].mean(1) / unit
        data["spectrum_error"] = (
            ("initial_condition",),
            error,
            {"long_name": "mean over wavenumbers of |E - E_ref|", "units": "training variance"},
        )
        data["spectrum_band_error"] = (
            ("initial_condition", "wavenumber_band"),
            band_error(mean, reference),
            {"long_name": "relative error of the energy of a band", "units": "1"},
        )
        ratios = energy_log_ratio(mean_of_finite(mean), reference)
        for name, ratio in zip(("", "_weighted"), ratios, strict=True):
            label = {"long_name": "mean over wavenumbers of |ln(E / E_ref)|", "units": "1"}
            if name:
                label["long_name"] += ", weighted by E_ref"
            data[f"energy_log_ratio{name}"] = ((), ratio, label)
        coordinates: dict[str, Any] = {
            "wavenumber": (
                "wavenumber",
                wavenumber,
                {"long_name": "wavenumber", "units": raised(self.data.units[0], -1)},
            ),
            "wavenumber_band": [name for name, _ in bands(len(reference))],
        }
        coordinates["initial_condition"] = rows["index"]
        if self.at_leads.index:
            kept = self.at_leads.compute()
            dims = ("initial_condition", "spectrum_lead_time", "wavenumber")
            names = {"forecast": "the forecast", "truth": "the truth"}
            if self.source.rollouts["test"].members > 1:
                names |= OF_MEMBERS
            for name, text in names.items():
                label = {"long_name": f"{kind} of {text}", "units": self._units("isotropic")}
                data[f"spectrum_at_lead_{name}"] = (dims, kept[name], label)
            difference = np.abs(kept["forecast"] - kept["truth"])[..., 1:].mean(-1) / unit
            text = "mean over wavenumbers of |E - E_truth|"
            label = {"long_name": text, "units": "training variance"}
            data["spectrum_error_at_lead"] = (dims[:2], difference, label)
            shown = self.leads[: kept["forecast"].shape[1]]
            coordinates["spectrum_lead_time"] = self.times("spectrum_lead_time", shown, "lead time")
        return xarray.Dataset(data, coords=coordinates)

    def _variance(self) -> float:
        """Return the variance of the comparable states."""
        if self.vorticity is not None:
            return float(self.training_std[self.vorticity] ** 2)
        return 1.0 if self.mixed else float(self.training_std[0] ** 2)

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        beyond = self.beyond(self.leads, self.truth_steps, "the truth")
        return [*super().remarks(scores), *beyond, *self._beyond_the_data(scores)]

    def _beyond_the_data(self, scores: xarray.Dataset) -> list[str]:
        """Return a remark on energy of the rollouts in modes that are empty in the data, if any."""
        shares = [0.0]
        for name in ("isotropic", "zonal", "meridional"):
            if f"spectrum_{name}" in scores:
                reference = scores[f"reference_spectrum_{name}"].values
                forecast = mean_of_finite(scores[f"spectrum_{name}"].values)
                empty = reference < EMPTY * reference.sum()
                shares.append(forecast[empty].sum() / forecast.sum())
        if not max(shares) > SEEN:
            return []
        return [
            f"Spectrum: {100 * max(shares):.2g} % of the energy of the rollouts is in Fourier "
            f"modes that are empty in the {self.reference_split} split, where errors grow; train "
            "with --model.project=data, which keeps these modes empty."
        ]

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        named = {"spectrum_error": float(scores["spectrum_error"].mean())}
        for band in scores["wavenumber_band"].values:
            error = scores["spectrum_band_error"].sel(wavenumber_band=band).mean()
            named[f"spectrum_band_error/{band}"] = float(error)
        ratios = ("energy_log_ratio", "energy_log_ratio_weighted")
        return named | {name: float(scores[name]) for name in ratios}

    @classmethod
    def columns(cls) -> list[Column]:
        return [
            Column.of_score("spectrum error", "spectrum_error", best="least", place=2),
            Column("MELR", lambda run: run.mean("energy_log_ratio"), place=2),
            Column(
                "weighted MELR",
                lambda run: run.mean("energy_log_ratio_weighted"),
                place=2,
                folded=True,
            ),
        ]

    @classmethod
    def panels(cls) -> list[Panel]:
        return [Panel(cls.panel, "spectrum_isotropic", "forecast", 2)]

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw the spectra of the whole rollout and of the data."""
        k = scores["wavenumber"][1:]
        reference = scores["reference_spectrum_isotropic"][1:].values
        known = reference > 1e-12 * reference.max()
        for method in methods:
            mean, each = (
                f("spectrum_isotropic")[:, 1:][:, known] / reference[known]
                for f in (method.per_seed, method.each)
            )
            plot_seeds(axes, method, k[known], mean, each)
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set(xscale="log", yscale="log", ylabel="forecast / data")
        axes.set_xlabel(axis_label("wavenumber", k))
        axes.set_title(f"Spectrum of {kind_of(scores)}, mean over the rollout")

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure = sheet(11, 4)
        long, short = figure.subplots(1, 2, sharey=True)
        wavenumber = axis_label("wavenumber", scores["wavenumber"])
        k = scores["wavenumber"].values[1:]
        each = scores["spectrum_isotropic"].values[:, 1:]
        long.loglog(k, each.T, **EACH)
        long.loglog(k, mean_of_finite(each), color=COLOURS[0], label="forecast")
        truth = scores["reference_spectrum_isotropic"].values[1:]
        long.loglog(k, truth, **DATA)
        label = axis_label(kind_of(scores), scores["spectrum_isotropic"])
        long.set(xlabel=wavenumber, ylabel=label, title="Mean over the rollout")
        if "spectrum_at_lead_truth" in scores:
            at = scores.mean("initial_condition")
            lines = {"forecast": "-", "truth": "--"}
            if "spectrum_at_lead_members" in scores:
                lines = {"members": "-", "mean": ":", "truth": "--"}
            for colour, lead in zip(COLOURS, scores["spectrum_lead_time"].values, strict=False):
                for name, line in lines.items():
                    curve = at[f"spectrum_at_lead_{name}"].sel(spectrum_lead_time=lead).values[1:]
                    label = f"{name}, {at_time(lead, self.data.units[1])}"
                    short.loglog(k, curve, color=colour, linestyle=line, label=label)
        short.set(xlabel=wavenumber, title="At single lead times")
        positive = truth[truth > 1e-12 * truth.max()]
        long.set_ylim(positive.min() / 10, 10 * truth.max())
        for axes in (long, short):
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        return {"spectrum": figure}


def kind_of(scores: xarray.Dataset) -> str:
    """Return the name of the quantity of a spectrum, such as kinetic energy."""
    attributes = scores["reference_spectrum_isotropic"].attrs
    return str(attributes.get("long_name", "the state")).split(",")[0]
