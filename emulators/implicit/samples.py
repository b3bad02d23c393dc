"""Inner products, norms and selections sample by sample: the first axis is the batch.

Samples never meet in a sum, so that one that is slow, singular or not finite leaves the others as
they would be alone.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Vector = Float[Tensor, "batch ..."]
PerSample = Float[Tensor, " batch"]
Choice = Bool[Tensor, " batch"]


def dot(a: Vector, b: Vector) -> PerSample:
    """Return Σ a b of each sample."""
    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def norm(a: Vector) -> PerSample:
    """Return √Σ a² of each sample, outside of any graph."""
    return torch.linalg.vector_norm(a.detach().flatten(1), dim=1)


def spread(values: Float[Tensor, " batch"] | Choice, like: Vector) -> Tensor:
    """Return one value per sample, shaped to broadcast over the samples' axes."""
    return values.view(-1, *[1] * (like.dim() - 1))


def scale(factor: PerSample, a: Vector) -> Vector:
    """Return each sample times its own factor."""
    return spread(factor, a) * a


def choose(which: Choice, a: Vector, b: Vector) -> Vector:
    """Return a where chosen, else b, sample by sample; NaN of the other does not come through."""
    return torch.where(spread(which, a), a, b)


def ratio(numerator: PerSample, denominator: PerSample, where: Choice) -> PerSample:
    """Return the quotient where chosen and defined, else 0, with finite gradients everywhere."""
    defined = where & (denominator != 0)
    safe = torch.where(defined, denominator, torch.ones_like(denominator))
    return torch.where(defined, numerator, torch.zeros_like(numerator)) / safe
