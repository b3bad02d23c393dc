"""Error of a field relative to its size."""

from jaxtyping import Float
from torch import Tensor


def relative_l1(
    field: Float[Tensor, "batch *rest"], truth: Float[Tensor, "batch *rest"]
) -> Float[Tensor, " batch"]:
    """Return Σ|û - u| / Σ|u| of each sample, in float64; infinite for a truth of zero."""
    difference = (field.double() - truth.double()).abs().flatten(1).sum(1)
    return difference / truth.double().abs().flatten(1).sum(1)
