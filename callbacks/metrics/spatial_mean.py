"""Mean over space, in which points may have weights."""

from jaxtyping import Float
from torch import Tensor

from datamodules.point_weights import Weights, apply_weights


def spatial_mean(
    field: Float[Tensor, "batch channel *space"], weights: Weights | None = None
) -> Float[Tensor, "batch channel"]:
    """Return the mean over the grid, Σ w q / Σ w.

    Args:
        field: Fields q.
        weights: Weight w of each point of each channel; None if all are equal. A value whose weight
            is zero is not used, even if it is not finite.

    Returns:
        Mean in the units of each channel; NaN where all weights of a channel are zero.

    Example:
        The second point counts three times as much as the first, the last one is masked:

        >>> import torch
        >>> field = torch.tensor([[[4.0, 8.0, torch.nan]]])
        >>> spatial_mean(field, torch.tensor([[1.0, 3.0, 0.0]])).tolist()  # (4 + 3 · 8) / 4
        [[7.0]]
    """
    if weights is None:
        return field.flatten(2).mean(2)
    return apply_weights(field, weights).flatten(2).sum(2) / weights.flatten(1).sum(1)
