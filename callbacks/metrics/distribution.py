"""Histograms of fields, and the distance between two histograms."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def histogram(
    field: Float[Tensor, "batch channel *space"], bins: int, reach: float
) -> Float[Tensor, "batch channel bins"]:
    """Return the share of grid points in each of `bins` equal bins of [-reach, reach].

    Values beyond the range are counted in the outermost bins.

    Args:
        field: Fields, in any units.
        bins: Number of bins.
        reach: Largest absolute value of the range, in the units of the field.

    Returns:
        Shares that add up to 1, in float64; NaN for a field with a value that is not finite.

    Example:
        >>> field = torch.tensor([[[-0.5, 0.5, 0.5, 3.0]]])
        >>> histogram(field, bins=2, reach=1.0).tolist()
        [[[0.25, 0.75]]]
    """
    values = field.flatten(2).float()
    number = ((values + reach) * (bins / (2 * reach))).floor()
    number = number.clamp(0, bins - 1).nan_to_num(0).long()
    offset = torch.arange(values.shape[0] * values.shape[1], device=values.device) * bins
    flat = (number.flatten(0, 1) + offset[:, None]).flatten()
    counts = torch.zeros(len(offset) * bins, dtype=torch.int64, device=values.device)
    counts.index_add_(0, flat, torch.ones_like(flat))  # a GPU would wait in bincount
    shares = counts.reshape(*values.shape[:2], bins).double() / values.shape[2]
    finite = values.isfinite().all(2, keepdim=True)
    return torch.where(finite, shares, float("nan"))


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
