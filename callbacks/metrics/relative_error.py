"""Errors of a field relative to its size."""

from jaxtyping import Float
from torch import Tensor

from datamodules.point_weights import apply_weights


def relative_l1(
    field: Float[Tensor, "batch *rest"],
    truth: Float[Tensor, "batch *rest"],
    size: Float[Tensor, "batch *rest"] | None = None,
    weights: Float[Tensor, "*rest"] | None = None,
) -> Float[Tensor, " batch"]:
    """Return the relative L1 error Σ w|û - u| / Σ w|s| of each sample.

    Args:
        field: Field û.
        truth: True field u, in the same units.
        size: Field s that sets the scale; the truth by default.
        weights: Weight w of each value of a sample; None if all are equal.

    Returns:
        Dimensionless error, in float64; infinite where s is zero everywhere.

    Example:
        >>> import torch
        >>> relative_l1(torch.full((1, 4), 3.0), torch.full((1, 4), 2.0)).tolist()
        [0.5]

        Where the second of two values counts three times as much, (1 + 3 · 2) / (2 + 3 · 4):

        >>> field, truth = torch.tensor([[3.0, 6.0]]), torch.tensor([[2.0, 4.0]])
        >>> relative_l1(field, truth, weights=torch.tensor([0.5, 1.5])).tolist()
        [0.5]
    """

    def total(size: Float[Tensor, "batch *rest"]) -> Float[Tensor, " batch"]:
        counted = size if weights is None else apply_weights(size, weights)
        return counted.flatten(1).sum(1)

    scale = truth if size is None else size
    return total((field.double() - truth.double()).abs()) / total(scale.double().abs())
