"""Histograms of fields and the distance between two of them."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def histogram(
    field: Float[Tensor, "batch channel *space"], bins: int, reach: float
) -> Float[Tensor, "batch channel bins"]:
    """Return the share of points in each of `bins` equal bins of [-reach, reach], in float64.

    What lies outside is counted in the outermost bins. A field that is not finite has shares of
    NaN.
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
    """Return ∫ |F - F_ref| of two distributions given by the shares in bins of a width."""
    return np.abs(np.cumsum(shares - reference, axis=-1)).sum(-1) * width
