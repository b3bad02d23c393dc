"""Statistics of a training split: of the state, and of static fields and forcing."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.point_weights import latitude_weights, point_weights
from datamodules.statistics import Statistics, accumulate
from datamodules.trajectories import Trajectories


@dataclass(frozen=True)
class InputStatistics:
    """Mean and standard deviation of the static fields, then of the forcing.

    The means are over the points at which any channel of the state has a value, with the weights of
    `data.weights`, and over all trajectories.

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
    channels, forcings, statics = data.channels, len(data.forcing), len(data.static)
    weights, mask = data.weights, data.mask
    area = latitude_weights(data.axes) if data.weighting == "latitude" else None
    count = max(1, forcings, statics)
    there = None if mask is None else mask.any(0).expand(count, *data.shape)
    own = point_weights(count, there, area)  # of points at which any channel has a value
    if weights is not None and own is not None and forcings:
        weights = torch.cat([weights, own[:forcings]])
    chunks = train.chunks_and_forcing("statistics", 4096)
    found = accumulate(chunks, train.lengths, weights, may_be_constant=forcings)
    parts = [values[:channels] for values in (found.mean, found.std, found.increment_std)]
    mean, std = found.mean[channels:], found.std[channels:]
    if statics:
        own = None if own is None else own[:statics]
        still = accumulate(train.static_chunks(), weights=own, may_be_constant=statics)
        mean, std = torch.cat([still.mean, mean]), torch.cat([still.std, std])
    return Statistics(*parts), InputStatistics(mean, std)
