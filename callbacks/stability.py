"""Whether the energy of a long rollout stays where the truth's energy is."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostic import RolloutDiagnostic
from callbacks.figures import COLOURS, lead_time_axes
from callbacks.metrics.energy import has_kinetic_energy, kinetic_energy, mean_square
from callbacks.metrics.rows import Rows
from callbacks.metrics.stability import stability_rate, within_band
from emulators.rollout import Start, State


class EnergyStability(RolloutDiagnostic):
    """Share of rollouts whose energy stays within a band of the truth's (Jiang et al. 2025, 5.1).

    A trajectory fails at the first check at which |E - mean| > width · std, with mean and standard
    deviation of the energy of a data split, and stays failed. What is not finite has failed.
    Energy is the kinetic energy of the flow where the state holds its vorticity on a periodic grid,
    and half the mean square of the state elsewhere.

    Args:
        width: Half width of the band, in standard deviations of the reference.
        every: Steps between two checks.
        reference: Split whose energy is the reference.
        points: Energies kept per trajectory, evenly spaced, for the figure.
    """

    version = 1

    def __init__(
        self,
        width: float = 5.0,
        every: int = 1,
        reference: Literal["train", "val", "test"] = "train",
        points: int = 1000,
    ) -> None:
        super().__init__()
        if not (width > 0 and every >= 1 and points >= 2):
            raise ValueError(
                "EnergyStability needs width above 0, every of at least 1 and points of at least "
                f"2, got width={width}, every={every}, points={points}."
            )
        self.width = width
        self.every = every
        self.reference = reference
        self.points = points
        self.rows = Rows("survived", "energy", "kept")
        self.mean: float | None = None
        self.std: float | None = None

    def energy(self, state: State) -> torch.Tensor:
        """Return the energy of each state in float64."""
        if has_kinetic_energy(self.data.variables, self.data.grid):
            return kinetic_energy(state, self.data.grid, self.data.variables.index("vorticity"))
        return mean_square(state)

    def prepare(self) -> None:
        if self.mean is not None:
            return
        chunks = self.data.trajectories(self.reference).chunks("reference energy")
        energy = torch.cat([self.energy(chunk) for chunk in chunks])
        self.mean, self.std = energy.mean().item(), energy.std(correction=0).item()

    def begin(self, start: Start) -> None:
        batch, device = len(start.initial), start.initial.device
        self.index = start.index
        self.checks = start.steps // self.every
        self.stride = max(1, -(-self.checks // self.points))
        self.alive = torch.ones(batch, dtype=torch.bool, device=device)
        self.survived = torch.zeros(batch, dtype=torch.int64, device=device)
        kept = self.checks // self.stride
        self.kept = torch.full((batch, kept), float("nan"), dtype=torch.float64, device=device)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        check, rest = divmod(lead, self.every)
        if rest:
            return
        energy = self.energy(forecast)
        self.alive &= within_band(energy, self.mean, self.std, self.width)
        self.survived += self.alive
        point, rest = divmod(check, self.stride)
        if not rest and point <= self.kept.shape[1]:
            self.kept[:, point - 1] = energy

    def end(self) -> None:
        size = torch.full_like(self.survived, self.checks)
        self.rows.update(self.index, survived=self.survived, energy=self.kept, kept=size)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        checks = int(rows["kept"].max())
        between = self.data.interval * self.every
        stride = max(1, -(-checks // self.points))
        rate = stability_rate(torch.from_numpy(rows["survived"]), checks)[stride - 1 :: stride]
        lead = np.arange(1, len(rate) + 1) * between * stride
        kind = (
            "kinetic energy"
            if has_kinetic_energy(self.data.variables, self.data.grid)
            else "half mean square"
        )
        return xarray.Dataset(
            {
                "energy": (
                    ("initial_condition", "long_lead_time"),
                    rows["energy"],
                    {"long_name": kind},
                ),
                "stability_rate": (
                    ("long_lead_time",),
                    rate.numpy(),
                    {"long_name": "share of trajectories that never left the band", "units": "1"},
                ),
                "survival_time": (
                    ("initial_condition",),
                    rows["survived"] * between,
                    {"long_name": "lead time before the energy first leaves the band"},
                ),
                "stable": (
                    ("initial_condition",),
                    rows["survived"] == checks,
                    {"long_name": "energy within the band to the end"},
                ),
                "reference_energy_mean": ((), self.mean, {"long_name": f"mean {kind} of the data"}),
                "reference_energy_std": ((), self.std, {"long_name": f"std of {kind} of the data"}),
                "band": ((), self.width, {"long_name": "half width of the band", "units": "std"}),
            },
            coords={"long_lead_time": lead, "initial_condition": rows["index"]},
        )

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        energy = scores["energy"].values
        return {
            "stability_rate": float(scores["stable"].mean()),
            "survival_time": float(scores["survival_time"].mean()),
            "mean_energy_ratio": float(energy.mean() / scores["reference_energy_mean"]),
        }

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes(scores["energy"].attrs["long_name"])
        mean, std = float(scores["reference_energy_mean"]), float(scores["reference_energy_std"])
        lead, stable = scores["long_lead_time"].values, scores["stable"].values
        for trajectory, good in zip(scores["energy"].values, stable, strict=True):
            axes.plot(lead, trajectory, color=COLOURS[0 if good else 1], linewidth=0.7)
        band = float(scores["band"]) * std
        axes.axhspan(
            mean - band, mean + band, color="0.85", zorder=0, label=f"truth ± {self.width:g}σ"
        )
        axes.axhline(mean, color="0.4", linewidth=0.8)
        axes.set_ylim(mean - 2 * band, mean + 2 * band)
        axes.set_title(f"{stable.sum()} of {len(stable)} trajectories stay in the band")
        axes.legend(loc="upper left")
        return {"energy": figure}
