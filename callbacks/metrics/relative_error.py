"""Errors of a field relative to its size."""

from jaxtyping import Float
from torch import Tensor


def relative_l1(
    field: Float[Tensor, "batch *rest"],
    truth: Float[Tensor, "batch *rest"],
    size: Float[Tensor, "batch *rest"] | None = None,
) -> Float[Tensor, " batch"]:
    """Return the relative L1 error Σ|û - u| / Σ|s| of each sample.

    Args:
        field: Field û.
        truth: True field u, in the same units.
        size: Field s that sets the scale; the truth by default.

    Returns:
        Dimensionless error, in float64; infinite where s is zero everywhere.

    Example:
        >>> import torch
        >>> relative_l1(torch.full((1, 4), 3.0), torch.full((1, 4), 2.0)).tolist()
        [0.5]
    """
    difference = (field.double() - truth.double()).abs().flatten(1).sum(1)
    return difference / (truth if size is None else size).double().abs().flatten(1).sum(1)
