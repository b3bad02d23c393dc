"""Mean and standard deviations of the training data, per channel, in one pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 2**18  # values that are summed at a time


@dataclass(frozen=True)
class Statistics:
    """Statistics of each channel in physical units.

    Attributes:
        mean: Mean over trajectories, time and space, (channel,).
        std: Standard deviation over trajectories, time and space, (channel,).
        increment_std: Root mean square of the change over one interval, (channel,).

    Example:
        Two snapshots of one channel on two points. The values 0, 2, 2, 4 have mean 2 and variance
        2, and each changes by 2:

        >>> states = torch.tensor([[[0.0, 2.0]], [[2.0, 4.0]]])  # time, channel, x
        >>> found = accumulate([states])
        >>> found.mean.item(), round(found.std.item(), 4), found.increment_std.item()
        (2.0, 1.4142, 2.0)
    """

    mean: Float[Tensor, " channel"]
    std: Float[Tensor, " channel"]
    increment_std: Float[Tensor, " channel"]


def accumulate(
    chunks: Iterable[Float[Tensor, "_ channel *space"]],
    lengths: Sequence[int] | None = None,
    weights: Float[Tensor, "channel *space"] | None = None,
    may_be_constant: int = 0,
) -> Statistics:
    """Return the statistics of all snapshots, which do not depend on the size of the chunks.

    Sums are in float64. The mean of the first snapshots is subtracted first, so that a large
    mean does not reduce the precision of the variance.

    Args:
        chunks: Snapshots (snapshot, channel, *space), one trajectory after the other.
        lengths: Number of snapshots of each trajectory, so that no increment is taken from one
            trajectory to the next; None if there is one trajectory.
        weights: Weight of each point in the means, with the mean 1 over the points of a channel;
            None if all are 1.
        may_be_constant: Number of channels, the last ones, that may be constant; the standard
            deviation of a constant one is 1.

    Raises:
        ValueError: A channel does not vary.
    """
    begins = np.unique(np.cumsum([0, *(lengths or ())]))
    count = snapshots = increments = 0
    shift = total = square = increment = torch.zeros(1)
    last: Tensor | None = None
    weight = None if weights is None else weights.double().flatten(1)
    for block in blocks(chunks):
        values = block.flatten(2).to(torch.float64, copy=True)  # time, channel, space
        if last is None:
            shift = values.mean((0, 2), keepdim=True)
            if weight is not None:  # of a point that is there: a constant channel stays exact
                shift = values[:1].gather(2, weight.argmax(1)[None, :, None])
        departure = values.sub_(shift)
        if weight is None:
            total = total + departure.sum((0, 2))
        else:
            total = total + (departure * weight).sum((0, 2))
            departure = departure.mul_(weight.sqrt())  # so that squares are weighted
        count += departure[:, 0].numel()
        square = square + departure.square().sum((0, 2))
        before = departure[:1] if last is None else last
        change = torch.cat([before, departure[:-1]]).sub_(departure).square_().sum(2)
        first, stop = np.searchsorted(begins, [snapshots, snapshots + len(block)])
        change[begins[first:stop] - snapshots] = 0
        increment = increment + change.sum(0)
        increments += (len(block) - (stop - first)) * departure[0, 0].numel()
        snapshots += len(block)
        last = departure[-1:].clone()
    departure = total / count
    variance = square / count - departure**2
    states = variance[: len(variance) - may_be_constant]
    variance = torch.cat([states, torch.where(variance > 0, variance, 1.0)[len(states) :]])
    if not (states > 0).all():
        channel = int((states <= 0).nonzero()[0])
        raise ValueError(
            f"Channel {channel} of the training data is constant; leave it out of data.variables."
        )
    mean = shift.flatten() + departure
    change = (increment / max(1, increments)).sqrt()
    return Statistics(mean.float(), variance.sqrt().float(), change.float())


def blocks(chunks: Iterable[Float[Tensor, "_ channel *space"]]) -> Iterator[Tensor]:
    """Yield a few snapshots at a time, so that their float64 copies stay in the cache."""
    for chunk in chunks:
        yield from chunk.split(max(1, BLOCK // max(1, chunk[:1].numel())))
