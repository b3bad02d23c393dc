"""Inner products, norms and selections sample by sample: the first axis is the batch.

No sum is over samples, so that a sample that is slow, singular or not finite does not change the
others.

Vectors are (batch, ...), numbers and choices per sample (batch,). The functions here are called
many times per iteration; their shapes are not checked, as a check costs more than a dot product.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Vector = Float[Tensor, "batch ..."]
PerSample = Float[Tensor, " batch"]
Choice = Bool[Tensor, " batch"]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product Σ a b of each sample, (batch,)."""
    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def norm(a: Tensor) -> Tensor:
    """Return the Euclidean norm √Σ a² of each sample, (batch,), detached from the graph."""
    return torch.linalg.vector_norm(a.detach().flatten(1), dim=1)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """Return values (batch,) as (batch, 1, ..., 1), which broadcast over the axes of samples."""
    return values.view(-1, *[1] * (like.dim() - 1))


def scale(factor: Tensor, a: Tensor) -> Tensor:
    """Return f a, with one factor f per sample."""
    return spread(factor, a) * a


def add(a: Tensor, factor: Tensor, b: Tensor) -> Tensor:
    """Return a + f b, with one factor f per sample."""
    return torch.addcmul(a, spread(factor, b), b)


def subtract(a: Tensor, factor: Tensor, b: Tensor) -> Tensor:
    """Return a - f b, with one factor f per sample."""
    return torch.addcmul(a, spread(factor, b), b, value=-1)


def choose(which: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return, sample by sample, a where `which` is true and b elsewhere.

    NaN in the sample that is not chosen does not spread.
    """
    return torch.where(spread(which, a), a, b)


def ratio(numerator: Tensor, denominator: Tensor, where: Tensor) -> Tensor:
    """Return numerator / denominator where `where` is true and the denominator is not 0, else 0.

    Its gradient is finite everywhere.
    """
    defined = where & (denominator != 0)
    if not torch.is_grad_enabled():
        return torch.where(defined, numerator / denominator, 0.0)
    safe = torch.where(defined, denominator, torch.ones_like(denominator))
    return torch.where(defined, numerator, torch.zeros_like(numerator)) / safe
