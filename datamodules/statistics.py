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
        std: Standard deviation over the same, (channel,).
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
    chunks: Iterable[Float[Tensor, "_ channel *space"]], lengths: Sequence[int] | None = None
) -> Statistics:
    """Return the statistics of all snapshots, which do not depend on the size of the chunks.

    Sums are in float64. The mean of the first snapshots is subtracted before, so that a large mean
    does not cost digits of the variance.

    Args:
        chunks: Snapshots (snapshot, channel, *space), one trajectory after the other.
        lengths: Number of snapshots of each trajectory, so that no increment is taken from one
            trajectory to the next; None if there is one trajectory.

    Raises:
        ValueError: A channel does not vary.
    """
    begins = np.unique(np.cumsum([0, *(lengths or ())]))
    count = snapshots = increments = 0
    shift = total = square = increment = torch.zeros(1)
    last: Tensor | None = None
    for block in blocks(chunks):
        values = block.flatten(2).to(torch.float64, copy=True)  # time, channel, space
        if last is None:
            shift = values.mean((0, 2), keepdim=True)
        departure = values.sub_(shift)
        count += departure[:, 0].numel()
        total = total + departure.sum((0, 2))
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
    if not (variance > 0).all():
        channel = int((variance <= 0).nonzero()[0])
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
