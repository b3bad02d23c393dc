"""Growth of small perturbations by wavenumber, in the emulator and in the solver."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
import xarray
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.predictability import even_choice
from callbacks.diagnostics.units import raised
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.curves import axis_label
from callbacks.plotting.style import COLOURS, DATA, EACH, mean_of_finite, sheet
from datamodules.solvers import Grid, Solver, resample
from datamodules.solvers.finite import check_finite
from datamodules.solvers.pseudo_spectral.operators import to_field, to_spectrum
from datamodules.solvers.pseudo_spectral.spectra import ring_numbers, spacing, variance_density
from emulators.context import NO_CONTEXT, Context, Steps, rollout_keys
from emulators.evaluation import first_context
from emulators.rollout import RolloutBatch, RolloutObserver, State, run_rollout


class PerturbationGrowth(RolloutDiagnostic):
    """Growth per step of small perturbations of the state, by band of wavenumbers.

    White noise δ_0 within a band b, of amplitude ε in each channel, is added to an initial state.
    From this state and from the unperturbed one the emulator takes n steps, and so does the solver
    of the data, if there is one. The growth per step within the band is

        g_b = (Σ_{m in b} |δ̂_n,m|² / Σ_{m in b} |δ̂_0,m|²)^(1/2n),

    with the sums over the channels in units of their standard deviation. Where g_b is above 1 and
    above the growth in the solver, small errors at these scales grow in a rollout until the
    emulator corrects them, if it does.

    Args:
        initial_conditions: Number of initial conditions, evenly spaced among all.
        steps: Number n of steps.
        bands: Number of bands, of equal width in wavenumber.
        amplitude: Root mean square ε of a perturbation [standard deviation of the channel].

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> PerturbationGrowth(steps=20, bands=16).options["bands"]
        16
    """

    stages = ("test",)

    def __init__(
        self,
        initial_conditions: int = 4,
        steps: int = 10,
        bands: int = 8,
        amplitude: float = 1e-3,
    ) -> None:
        check_finite("PerturbationGrowth", amplitude=amplitude)
        super().__init__()
        whole = all(is_whole(number) for number in (initial_conditions, steps, bands))
        if not (whole and amplitude > 0):
            raise ValueError(
                "PerturbationGrowth needs initial_conditions, steps and bands of at least 1 and an "
                f"amplitude above 0, got {initial_conditions}, {steps}, {bands} and {amplitude}."
            )
        self.initial_conditions = initial_conditions
        self.steps = steps
        self.bands = bands
        self.amplitude = amplitude
        self.rows = PerSampleMetric("emulator", "solver")

    def unsupported_reason(self) -> str | None:
        if self.no_grid:
            return f"the data have no periodic grid: {self.no_grid}"
        if self.weights is not None:
            return "points of the data are masked or weighted"
        return None

    def solver(self) -> Solver | None:
        """Return the solver of the data, if one solver describes all of them."""
        generator = self.source.generator
        if generator is None or generator.operating_points_differ:
            return None
        known = generator.solver.grid.is_same_domain(self.periodic_grid)
        return generator.solver if known else None

    def prepare(self) -> None:
        # a coarse grid has fewer rings than bands
        self.count = len(band_edges(self.periodic_grid, self.bands)) - 1

    def begin(self, start: RolloutBatch) -> None:
        self.chosen = even_choice(start, self.source, self.initial_conditions)
        self.index = start.index[self.chosen]
        steps, grid = min(self.steps, start.steps), self.periodic_grid
        initial = start.initial[self.chosen].float()
        growth = {name: self.unknown(start, self.count)[self.chosen] for name in self.rows.names}
        models: dict[str, Steps | None] = {"emulator": self.emulator, "solver": None}
        solver = self.solver()
        if solver is not None:
            models["solver"] = Refined(solver.to(initial.device).float(), grid)
        number = band_numbers(grid, self.count).to(initial.device)
        noise = self._noise(initial, number)
        part = self._part(start, steps, noise)
        for name, model in models.items():
            if model is not None and len(initial):
                last = Last()
                context = first_context(part)
                # all members have the same random numbers, so that they differ by the noise alone
                keys = rollout_keys(self.index).repeat(1 + len(noise), 1)
                run_rollout(model, part, [last], context=context._replace(keys=keys))
                ratio = self._growth(noise, last.members, number)
                growth[name] = ratio ** (1 / (2 * steps))
        self.rows.update(self.index, **growth)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        """Record nothing: the perturbations have rollouts of their own."""

    def _noise(
        self, initial: State, number: Int[Tensor, "*mode"]
    ) -> Float[Tensor, "band batch channel *space"]:
        """Return the perturbation of each band, which depends on the initial condition alone."""
        grid, std = self.periodic_grid, self._std(initial)
        fields = []
        for index in self.index.tolist():
            draw = torch.Generator().manual_seed(index)
            shape = (self.count, *initial.shape[1:])
            white = to_spectrum(torch.randn(shape, generator=draw, dtype=torch.float64), grid)
            kept = number.cpu() == torch.arange(self.count).reshape(-1, *[1] * number.dim())
            field = to_field(white * kept[:, None], grid)
            size = field.square().mean(grid.axes, keepdim=True).sqrt()
            fields.append(self.amplitude * field / size)
        if not fields:
            return initial.new_zeros(self.count, *initial.shape)
        return torch.stack(fields, 1).to(initial) * std

    def _std(self, like: State) -> Tensor:
        std = torch.from_numpy(self.training_std).to(like)
        return std.reshape(-1, *[1] * len(self.periodic_grid.shape))

    def _part(self, start: RolloutBatch, steps: int, noise: Tensor) -> RolloutBatch:
        """Return the chosen initial conditions, with the perturbed ones as members."""
        initial = start.initial[self.chosen].float()
        chosen, static = self.chosen.cpu(), getattr(start, "static", None)
        part: dict[str, Any] = {
            "initial": initial,
            "index": self.index,
            "steps": steps,
            "truth_steps": 0,
            "truth": start.truth,
            "perturbed": initial + noise,
            "times": [start.times[k] for k in chosen.tolist()],
            "parameters": None if start.parameters is None else start.parameters[chosen],
            "static": None if static is None else static[chosen],
        }
        forcing = getattr(start, "forcing", None)
        if forcing is not None and forcing(0) is not None:
            part["forcing"] = lambda lead: forcing(lead)[chosen]
        return cast(RolloutBatch, SimpleNamespace(**part))

    def _growth(
        self, noise: Tensor, members: Tensor, number: Int[Tensor, "*mode"]
    ) -> Float[Tensor, "batch band"]:
        """Return the ratio of mean squares, after and before, of each band."""
        std, grid = self._std(noise).double(), self.periodic_grid
        difference = members[1:].double() - members[:1].double()
        sizes = []
        for field in (noise.double(), difference):
            density = variance_density(field / std, grid).sum(2)  # band, batch, *mode
            own = [density[b][:, number == b].sum(1) for b in range(self.count)]
            sizes.append(torch.stack(own, 1))
        return sizes[1] / sizes[0]

    def scores(self) -> xarray.Dataset:
        rows, grid = self.rows.compute(), self.periodic_grid
        edges = band_edges(grid, self.count) * spacing(grid)
        dims = ("twin", "band")
        text = "growth per step of perturbations in the {}"
        data: dict[str, Any] = {
            f"perturbation_growth_{name}": (
                dims,
                rows[name],
                {"long_name": text.format(name), "units": "1"},
            )
            for name in self.rows.names
        }
        units = raised(self.data.units[0], -1)
        centre = {"long_name": "wavenumber at the centre of the band", "units": units}
        return xarray.Dataset(
            data,
            coords={
                "twin": rows["index"],
                "band": ("band", (edges[1:] + edges[:-1]) / 2, centre),
            },
        )

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        growth = scores["perturbation_growth_emulator"].mean("twin")
        return {"perturbation_growth/largest": float(growth.max())}

    @classmethod
    def columns(cls) -> list[Column]:
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure = sheet(6, 4)
        axes = figure.subplots()
        each, solver = (scores[f"perturbation_growth_{n}"].values for n in ("emulator", "solver"))
        band = scores["band"]
        axes.plot(band, each.T, **EACH)
        axes.plot(band, mean_of_finite(each), color=COLOURS[0], label="emulator")
        if np.isfinite(solver).any():
            axes.plot(band, mean_of_finite(solver), **{**DATA, "label": "solver"})
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set(xlabel=axis_label("wavenumber", band), ylabel="growth per step")
        axes.set_title("Growth of small perturbations")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        return {"perturbation_growth": figure}


class Last(RolloutObserver):
    """Observer that keeps the last states of all members.

    Example:
        >>> last = Last()
        >>> last.observe_members(1, torch.zeros(2, 1, 1, 4), None)
        >>> last.members.shape
        torch.Size([2, 1, 1, 4])
    """

    members: Tensor

    def begin(self, start: RolloutBatch) -> None:
        """Do nothing before the first step."""

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        """Do nothing: all members are observed at once."""

    def observe_members(self, lead: int, members: Tensor, truth: State | None) -> None:
        self.members = members


class Refined:
    """Steps of a solver for states that are kept on a coarser grid, with its own as the memory.

    Args:
        solver: Solver.
        grid: Grid of the states.

    Example:
        >>> from datamodules.solvers import KuramotoSivashinsky, SpectralSolver
        >>> solver = SpectralSolver(KuramotoSivashinsky(Grid((16,), (22.0,))), 0.1, 0.5).float()
        >>> state, memory = Refined(solver, Grid((8,), (22.0,))).step(torch.zeros(1, 1, 8))
        >>> state.shape, memory.shape
        (torch.Size([1, 1, 8]), torch.Size([1, 1, 16]))
    """

    def __init__(self, solver: Solver, grid: Grid) -> None:
        self.solver = solver
        self.grid = grid

    def step(
        self, state: State, memory: State | None = None, context: Context = NO_CONTEXT
    ) -> tuple[State, State]:
        """Return the state after one interval on the coarser grid, and on the solver's."""
        if memory is None:
            memory = resample(state, self.grid, self.solver.grid.shape)
        memory = self.solver.step(memory)
        return resample(memory, self.solver.grid, self.grid.shape), memory


def band_edges(grid: Grid, bands: int) -> Float[np.ndarray, " edge"]:
    """Return the edges of bands of equal width, in rings: from ½ to beyond the highest whole one.

    Example:
        >>> band_edges(Grid((16,), (1.0,)), 4).tolist()
        [0.5, 2.5, 4.5, 6.5, 8.5]
    """
    highest = min(grid.shape) // 2
    return np.linspace(0.5, highest + 0.5, min(bands, highest) + 1)


def band_numbers(grid: Grid, bands: int) -> Int[Tensor, "*mode"]:
    """Return the number of the band of every mode; -1 for the mean and beyond the last band.

    Example:
        >>> band_numbers(Grid((16,), (1.0,)), 4).tolist()
        [-1, 0, 0, 1, 1, 2, 2, 3, 3]
    """
    edges = torch.from_numpy(band_edges(grid, bands))
    number = torch.bucketize(ring_numbers(grid).double(), edges) - 1
    return torch.where(number < len(edges) - 1, number, -1)
