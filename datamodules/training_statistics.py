"""Statistics of a training split: of the state, and of static fields and forcing."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.point_weights import latitude_weights
from datamodules.statistics import Statistics, accumulate
from datamodules.trajectories import Trajectories


@dataclass(frozen=True)
class InputStatistics:
    """Mean and standard deviation of the static fields, then of the forcing.

    Args:
        mean: Mean of each field in its units.
        std: Standard deviation of each field; 1 for a constant one.
    """

    mean: Float[Tensor, " field"]
    std: Float[Tensor, " field"]


def training_statistics(
    train: Trajectories, data: DataDescription
) -> tuple[Statistics, InputStatistics]:
    """Return the statistics of the state, and of static fields and forcing, in one pass.

    Args:
        train: Trajectories of the training split.
        data: Description of the data.
    """
    weights, forcings = data.weights, len(data.forcing)
    if weights is not None and forcings:
        area = torch.ones(data.shape, dtype=torch.float64)
        if data.weighting == "latitude":
            area = latitude_weights(data.axes)
        weights = torch.cat([weights, area.expand(forcings, *data.shape)])
    chunks = train.chunks_and_forcing("statistics", 4096)
    found = accumulate(chunks, train.lengths, weights, forcings)
    channels = data.channels
    parts = [values[:channels] for values in (found.mean, found.std, found.increment_std)]
    mean, std = found.mean[channels:], found.std[channels:]
    static = train.static(range(len(train)))
    if static is not None:
        fields = static.transpose(0, 1).flatten(1).double()
        spread = fields.std(1, correction=0)
        mean = torch.cat([fields.mean(1).float(), mean])
        varies = fields.amax(1) > fields.amin(1)
        std = torch.cat([torch.where(varies, spread, 1.0).float(), std])
    return Statistics(*parts), InputStatistics(mean, std)
