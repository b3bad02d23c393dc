"""Energy of rollouts, and its mean and standard deviation in the data."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.units import energy_units, enstrophy_units
from callbacks.metrics.energy import kinetic_energy, mean_square, time_mean
from datamodules.solvers.pseudo_spectral.vorticity import enstrophy
from emulators.rollout import State


class EnergyDiagnostic(RolloutDiagnostic):
    """Energy of each state, and of a flow its enstrophy, against their statistics in the data.

    Energy is the kinetic energy of the flow where the state holds its vorticity on a periodic grid.
    Elsewhere it is half the mean square of the departure from the time mean of the data at each
    point, so that the time mean itself has no energy, however far from zero it is; for each
    reference trajectory the time mean is taken over all others.

    Args:
        reference: Split whose energy is the reference.

    Attributes:
        mean: Mean over the reference of each quantity that is defined for the data, by name.
        std: Standard deviation over the reference, by name.
        climate: Time mean of the reference, (channel, *space), where the data are no flow.
    """

    def __init__(self, reference: Split = "train") -> None:
        super().__init__()
        self.reference = reference
        self.mean: Mapping[str, float] = {}
        self.std: Mapping[str, float] = {}
        self.climate: Tensor | None = None

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        """Return the energy of each state, and the enstrophy of a flow, in float64."""
        if self.vorticity is None:
            departure = state.double() - self.climate
            return {"energy": mean_square(self.comparable(departure), self.weights)}
        return {
            "energy": kinetic_energy(state, self.periodic_grid, self.vorticity),
            "enstrophy": enstrophy(state[:, self.vorticity].double()),
        }

    def prepare(self) -> None:
        if self.mean:
            return
        series = dict(self.reference_of(self.reference, self._reference))
        if self.vorticity is None:
            self.climate = torch.from_numpy(series.pop("climate"))
        self.mean = {name: float(values.mean()) for name, values in series.items()}
        self.std = {name: float(values.std()) for name, values in series.items()}

    def _reference(self) -> Mapping[str, np.ndarray]:
        split = self.source.trajectories(self.reference)
        if self.vorticity is not None:
            return self._series(split.chunks("reference energy"))
        mean = self.climate = time_mean(split.chunks("time mean"))
        found = {"climate": mean.cpu().numpy()}
        if len(split.lengths) == 1:
            return {**self._series(split.chunks("reference energy")), **found}
        energies = []
        for k, length in enumerate(split.lengths):
            # A mean that includes trajectory k lies closer to it than to forecasts and unseen data,
            # so its energy would be too small. m + (m - m_k) n_k / (N - n_k) is the mean over the
            # other trajectories.
            share = length / (sum(split.lengths) - length)
            self.climate = mean + share * (mean - time_mean(split.pieces_of(k)))
            energies.append(self._series(split.pieces_of(k))["energy"])
        self.climate = mean
        return {"energy": np.concatenate(energies), **found}

    def _series(self, chunks: Iterable[Tensor]) -> dict[str, np.ndarray]:
        """Return the energy of every state, and the enstrophy of a flow."""
        parts = [self.evaluate(chunk) for chunk in chunks]
        return {name: torch.cat([p[name] for p in parts]).cpu().numpy() for name in parts[0]}

    def label(self, name: str) -> tuple[str, str]:
        """Return the long name of a quantity and its units."""
        fields = self.data.fields
        if name == "enstrophy" and self.vorticity is not None:
            return name, enstrophy_units(fields, self.vorticity)
        departure = "half mean square departure from the time mean"
        kind = departure if self.vorticity is None else "kinetic energy"
        return kind, energy_units(fields, self.data.units[0], self.vorticity)
