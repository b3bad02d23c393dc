"""Statistics of a training split: of the state, and of static fields and forcing."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.notices import notify
from datamodules.point_weights import latitude_weights, point_weights
from datamodules.statistics import Statistics, accumulate
from datamodules.trajectories import Trajectories

LEAST_STEPS = 100  # of rounding, per change from snapshot to snapshot, below which a note is due


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

    Says in a note which channels lose digits in float32, because they change little from snapshot
    to snapshot compared with their mean.

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
    note_rounding(data, Statistics(*parts))
    mean, std = found.mean[channels:], found.std[channels:]
    if statics:
        own = None if own is None else own[:statics]
        still = accumulate(train.static_chunks(), weights=own, may_be_constant=statics)
        mean, std = torch.cat([still.mean, mean]), torch.cat([still.std, std])
    return Statistics(*parts), InputStatistics(mean, std)


def note_rounding(data: DataDescription, statistics: Statistics) -> None:
    """Say in a note which channels change by few steps of float32 from snapshot to snapshot.

    Args:
        data: Description of the data.
        statistics: Statistics of the state.
    """
    step = torch.from_numpy(np.spacing(statistics.mean.abs().float().numpy()))
    few = (statistics.increment_std > 0) & (statistics.increment_std < LEAST_STEPS * step)
    for channel in few.nonzero().flatten().tolist():
        field = data.fields[channel]
        values = (statistics.mean, statistics.increment_std, step)
        mean, change, size = (
            f"{float(value[channel]):.4g} {field.units}".removesuffix(" 1").strip()
            for value in values
        )
        notify(
            f"the channel '{field.name}' changes by {change} from snapshot to snapshot, with a "
            f"mean of {mean}, near which numbers in float32 are {size} apart; store it without a "
            "constant, such as its mean, to keep its digits."
        )
