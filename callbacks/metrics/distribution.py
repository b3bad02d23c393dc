"""Histograms of fields, and the distance between two histograms."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.point_weights import Weights


def histogram(
    field: Float[Tensor, "batch channel *space"],
    bins: int,
    reach: float,
    weights: Weights | None = None,
) -> Float[Tensor, "batch channel bins"]:
    """Return the share of grid points in each of `bins` equal bins of [-reach, reach].

    With weights w it is the share of Σ w. Values beyond the range are counted in the outermost
    bins.

    Args:
        field: Fields, in any units.
        bins: Number of bins.
        reach: Largest absolute value of the range, in the units of the field.
        weights: Weight w of each point, (channel, *space); None if all are equal.

    Returns:
        Shares that add up to 1, in float64; NaN for a field with a value that is not finite, unless
        its weight is zero.

    Example:
        >>> field = torch.tensor([[[-0.5, 0.5, 0.5, 3.0]]])
        >>> histogram(field, bins=2, reach=1.0).tolist()
        [[[0.25, 0.75]]]

        The last point is masked, and the first counts twice as much as the others:

        >>> histogram(field, 2, 1.0, torch.tensor([[2.0, 1.0, 1.0, 0.0]])).tolist()
        [[[0.5, 0.5]]]
    """
    values = field.flatten(2).float()
    number = ((values + reach) * (bins / (2 * reach))).floor()
    number = number.clamp(0, bins - 1).nan_to_num(0).long()
    offset = torch.arange(values.shape[0] * values.shape[1], device=values.device) * bins
    flat = (number.flatten(0, 1) + offset[:, None]).flatten()
    if weights is None:
        counts, known = torch.ones_like(flat), values.isfinite()
        total: Tensor | int = values.shape[2]
    else:
        each = weights.flatten(1).double()
        counts = each.expand(values.shape).flatten()
        known = values.isfinite() | (each == 0)
        total = each.sum(1, keepdim=True)
    bars = torch.zeros(len(offset) * bins, dtype=counts.dtype, device=values.device)
    bars.index_add_(0, flat, counts)  # a GPU would wait in bincount
    shares = bars.reshape(*values.shape[:2], bins).double() / total
    return torch.where(known.all(2, keepdim=True), shares, float("nan"))


def quantiles_of_data(
    chunks: Callable[[], Iterable[Tensor]],
    quantiles: Sequence[float],
    weights: Weights | None = None,
    bins: int = 4000,
) -> Float[np.ndarray, "quantile channel"]:
    """Return quantiles of each channel over all points and times of the data.

    They are interpolated in a histogram of equal bins from the smallest to the largest value, so
    that data of any size are read twice and never kept.

    Args:
        chunks: Function that returns an iterable over pieces (time, channel, *space) of the data.
        quantiles: Quantiles between 0 and 1.
        weights: Weight w of each point, (channel, *space); None if all are equal.
        bins: Number of bins.

    Returns:
        Quantiles in the units of the channels, exact to the width of a bin.

    Example:
        Of the values 0 ... 100, 95 % are smaller than 95:

        >>> values = torch.arange(101.0).reshape(101, 1, 1)
        >>> quantiles_of_data(lambda: values.split(40), (0.5, 0.95)).round().tolist()
        [[50.0], [95.0]]
    """
    low, high = torch.tensor(torch.inf), torch.tensor(-torch.inf)
    for chunk in chunks():
        least = most = chunk.double()
        if weights is not None:
            least = torch.where(weights > 0, chunk, torch.inf).double()
            most = torch.where(weights > 0, chunk, -torch.inf).double()
        channels = least.transpose(0, 1).flatten(1), most.transpose(0, 1).flatten(1)
        low, high = low.minimum(channels[0].amin(1)), high.maximum(channels[1].amax(1))
    middle, half = (low + high) / 2, ((high - low) / 2).clamp_min(torch.finfo(low.dtype).tiny)
    total, count = torch.zeros(len(low), bins, dtype=torch.float64), 0
    for chunk in chunks():
        shape = (-1, *[1] * (chunk.dim() - 2))
        place = (chunk.double() - middle.reshape(shape)) / half.reshape(shape)
        total += histogram(place, bins, 1.0, weights).sum(0)
        count += len(chunk)
    below = np.pad((total / count).cumsum(1).numpy(), ((0, 0), (1, 0)))
    edges = np.linspace(low.numpy(), high.numpy(), bins + 1, axis=1)
    found = [np.interp(quantiles, *pair) for pair in zip(below, edges, strict=True)]
    return np.stack(found, axis=1)


def wasserstein(
    shares: Float[np.ndarray, "start field bins"],
    reference: Float[np.ndarray, "field bins"],
    width: float,
) -> Float[np.ndarray, "start field"]:
    """Return the 1-Wasserstein distance ∫ |F - F_ref| dx, with F the cumulative distributions.

    Args:
        shares: Share of points in each bin, as `histogram` returns it.
        reference: Share of points of the reference distribution in the same bins.
        width: Width of a bin, in the units of the field.

    Returns:
        Distance in the units of the field: how far mass must be moved on average.

    References: C. Villani, "Optimal Transport", 2009, chapter 6; on the line, S. S. Vallender,
    Theory Probab. Appl. 18 (1974) 784-786.

    Example:
        All mass moves by two bins of width 0.5:

        >>> first, last = np.array([[[1.0, 0.0, 0.0]]]), np.array([[0.0, 0.0, 1.0]])
        >>> wasserstein(first, last, width=0.5).tolist()
        [[1.0]]
    """
    return np.abs(np.cumsum(shares - reference, axis=-1)).sum(-1) * width
