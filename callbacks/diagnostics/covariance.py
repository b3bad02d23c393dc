"""Covariance between the points of a field over free rollouts, compared with the data."""

from collections.abc import Mapping
from math import prod

import numpy as np
import torch
import xarray
from torch import Tensor, distributed

from callbacks.diagnostics.climate import ClimateDiagnostic, Split
from callbacks.diagnostics.compared import Column, ScoreLayout
from callbacks.diagnostics.options import is_whole
from callbacks.metrics.covariance import Covariance, block_means, covariance_error
from datamodules.point_weights import Weights, apply_weights
from emulators.rollout import RolloutBatch, State

MOST = 4096  # points, whose covariance takes 128 MiB per channel
MEMORY = 2**30  # largest size of the covariances of all channels [bytes]


class CovarianceError(ClimateDiagnostic):
    """Relative error of the covariance between all points over the rollouts (covRMSE).

    The score ‖C - C_ref‖ / ‖C_ref‖ of Schiff et al. (2024), in Frobenius norms, of each channel. C
    is the covariance between the points of a field, over the states of all rollouts and all times;
    C_ref is over all states of the reference. A perfect emulator has an error, too, which falls
    with the number of independent states. Where points have weights, fields are multiplied by √w.
    Two covariances are stored for each channel, of at most 4096 points (64 x 64), 128 MiB each, and
    1 GiB for all channels; larger states need `coarsen`.

    Args:
        coarsen: Number of points along each axis of the blocks over which fields are averaged
            first.
        every: Sampling interval of the states [steps].
        burn_in: Length of the start of a rollout that is left out [steps].
        reference: Split whose covariance is the reference.

    References:
        Schiff et al., DySLIM: Dynamics Stable Learning by Invariant Measure for Chaotic Systems,
        ICML 2024, https://arxiv.org/abs/2402.04467

    Example:
        A forecast of twice the amplitude has four times the covariance:

        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).reshape(1, 8, 1, 1).expand(1, 8, 1, 8)
        >>> scores = score_forecasts(CovarianceError(every=1), 2 * truth, truth, data)
        >>> scores["covariance_error"].values.round(6).tolist()
        [3.0]
    """

    quantities = ("state",)
    layouts = (ScoreLayout("covariance_error", ("channel",)),)

    def __init__(
        self,
        coarsen: int = 1,
        every: int = 10,
        burn_in: int = 0,
        reference: Split = "train",
    ) -> None:
        super().__init__(every, burn_in, reference)
        if not is_whole(coarsen):
            raise ValueError(f"CovarianceError.coarsen must be at least 1, got {coarsen}.")
        self.coarsen = coarsen
        self.covariance = Covariance(1, 1)
        self.counted = 0

    @property
    def points(self) -> int:
        """Number of points of the averaged fields."""
        return prod(axis.size // self.coarsen for axis in self.data.axes)

    def check(self) -> None:
        sizes = [axis.size for axis in self.data.axes]
        if any(size % self.coarsen for size in sizes):
            raise ValueError(
                f"CovarianceError.coarsen must divide the number of points along each axis, "
                f"{sizes}, got {self.coarsen}."
            )

    def unsupported_reason(self) -> str | None:
        channels, sizes = len(self.data.variables), [axis.size for axis in self.data.axes]

        def fits(points: int) -> bool:
            return points <= MOST and 8 * channels * points**2 <= MEMORY

        if not fits(self.points):
            factor = self.coarsen
            while not fits(prod(-(-size // factor) for size in sizes)):
                factor += 1
            return (
                f"the covariance of {self.points} points needs "
                f"{8 * channels * self.points**2 / 2**30:.0f} GiB; average over blocks with "
                f"CovarianceError.coarsen of at least {factor}"
            )
        return super().unsupported_reason()

    def evaluate(self, state: State) -> Mapping[str, Tensor]:
        values = state.double()
        if self.weights is None:
            return {"state": block_means(values, self.coarsen).flatten(2)}
        weights = self.coarse_weights(self.weights)
        means = block_means(apply_weights(values, self.weights), self.coarsen)
        return {"state": torch.where(weights > 0, means / weights.sqrt(), 0.0).flatten(2)}

    def coarse_weights(self, weights: Weights) -> Weights:
        """Return the weights of the blocks, the means of the weights of their points."""
        return block_means(weights[None], self.coarsen)[0]

    def prepare(self) -> None:
        super().prepare()
        self.covariance = Covariance(len(self.data.variables), self.points)
        self.centre = torch.from_numpy(self.reference["state"])

    def reference_means(self) -> Mapping[str, np.ndarray]:
        mean = dict(super().reference_means())
        # one process computes it while the others wait
        covariance = Covariance(len(self.data.variables), self.points, sync_on_compute=False)
        split, centre = self.source.trajectories(self.reference_split), mean["state"]
        for chunk in split.chunks("CovarianceError: covariance", snapshots=64):
            states = self.evaluate(chunk)["state"]
            chosen = torch.ones(len(states), dtype=torch.bool, device=states.device)
            covariance.update(states - torch.from_numpy(centre).to(states), chosen)
        return {**mean, "covariance": covariance.compute()["covariance"]}

    def begin(self, start: RolloutBatch) -> None:
        super().begin(start)
        self.centre = self.centre.to(start.initial.device)
        self.own = self._first(start.index).to(start.initial.device)

    def _first(self, index: Tensor) -> Tensor:
        """Return a mask of initial conditions that no process has counted, nor counts elsewhere.

        The sampler gives initial condition i to process i modulo the number of processes, and
        repeats some in others so that all have equally many.
        """
        known = distributed.is_available() and distributed.is_initialized()
        rank, ranks = (distributed.get_rank(), distributed.get_world_size()) if known else (0, 1)
        seen = {int(number) for part in self.means.index for number in part}
        numbers = index.tolist()
        new = [n not in seen and n not in numbers[:at] for at, n in enumerate(numbers)]
        return torch.tensor(new) & (index.cpu() % ranks == rank)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        super().observe(lead, forecast, truth)
        if self.samples(lead):
            states = self.evaluate(forecast)["state"] - self.centre
            self.covariance.update(states, self.alive & self.own)

    def end(self) -> None:
        super().end()
        if not self.covariance.update_called:  # torchmetrics warns of a metric without updates
            self.covariance.update(self.centre[None], torch.zeros_like(self.own[:1]))

    def scores(self) -> xarray.Dataset:
        self.rows()
        found = self.covariance.compute()
        self.counted = int(found["count"].item())
        error = covariance_error(found["covariance"], self.reference["covariance"])
        label = {"long_name": "relative error of the covariance between points", "units": "1"}
        data = {"covariance_error": (("channel",), error, label)}
        return xarray.Dataset(data, coords={"channel": self.data.variables})

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        remarks, missing = super().remarks(scores), int(self.counts.sum()) - self.counted
        if missing:
            remarks.append(
                f"CovarianceError: {missing} of {int(self.counts.sum())} states are left out, "
                "because the data module does not give initial condition i to process i modulo the "
                "number of processes; test in one process."
            )
        return remarks

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        return {"covariance_error": float(scores["covariance_error"].mean())}

    @classmethod
    def columns(cls) -> list[Column]:
        return [Column("covRMSE", lambda run: run.mean("covariance_error"), place=4)]
