"""Error of a field relative to its size."""

from jaxtyping import Float
from torch import Tensor


def relative_l1(
    field: Float[Tensor, "batch *rest"],
    truth: Float[Tensor, "batch *rest"],
    size: Float[Tensor, "batch *rest"] | None = None,
) -> Float[Tensor, " batch"]:
    """Return Σ|û - u| / Σ|s| of each sample, in float64; infinite for a size s of zero.

    Args:
        field: û.
        truth: u.
        size: s, the truth by default.
    """
    difference = (field.double() - truth.double()).abs().flatten(1).sum(1)
    return difference / (truth if size is None else size).double().abs().flatten(1).sum(1)
