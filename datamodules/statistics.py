"""Mean and spread of the training data, per channel, in one pass."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Statistics:
    """Per-channel statistics in physical units.

    Attributes:
        mean: Over trajectories, time and space.
        std: Standard deviation over the same.
        increment_std: Root mean square of the change over one interval.
    """

    mean: Float[Tensor, " channel"]
    std: Float[Tensor, " channel"]
    increment_std: Float[Tensor, " channel"]


def accumulate(chunks: Iterable[Float[Tensor, "_ channel *space"]]) -> Statistics:
    """Return the statistics of all snapshots; increments are taken within each chunk.

    Sums are in float64. The variance is that of the departure from the mean of the first chunk, so
    that a large mean costs no digits.

    Raises:
        ValueError: A channel does not vary.
    """
    count = increments = 0
    shift = total = square = increment = torch.zeros(1)
    for index, chunk in enumerate(chunks):
        values = chunk.double().movedim(1, 0).flatten(2)  # channel, time, space
        if index == 0:
            shift = values.mean((1, 2), keepdim=True)
        departure = values - shift
        count += departure[0].numel()
        total = total + departure.sum((1, 2))
        square = square + departure.square().sum((1, 2))
        change = values[:, 1:] - values[:, :-1]
        increments += change[0].numel()
        increment = increment + change.square().sum((1, 2))
    departure = total / count
    variance = square / count - departure**2
    if not (variance > 0).all():
        channel = int((variance <= 0).nonzero()[0])
        raise ValueError(
            f"Channel {channel} of the training data is constant; leave it out of data.variables."
        )
    mean = shift.flatten() + departure
    change = (increment / max(1, increments)).sqrt()
    return Statistics(mean.float(), variance.sqrt().float(), change.float())
