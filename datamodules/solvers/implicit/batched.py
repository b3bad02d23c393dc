"""Inner products, norms and selections sample by sample: the first axis is the batch.

No sum is over samples, so that a sample that is slow, singular or not finite does not change the
others.

Vectors are (batch, ...), numbers and choices per sample (batch,). The functions here are called
many times in each iteration, and say so in words: a checked shape costs more than a dot product.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Vector = Float[Tensor, "batch ..."]
PerSample = Float[Tensor, " batch"]
Choice = Bool[Tensor, " batch"]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return Σ a b of each sample."""
    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def norm(a: Tensor) -> Tensor:
    """Return √Σ a² of each sample, outside of any graph."""
    return torch.linalg.vector_norm(a.detach().flatten(1), dim=1)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """Return one value per sample, shaped to broadcast over the samples' axes."""
    return values.view(-1, *[1] * (like.dim() - 1))


def scale(factor: Tensor, a: Tensor) -> Tensor:
    """Return each sample times its own factor."""
    return spread(factor, a) * a


def add(a: Tensor, factor: Tensor, b: Tensor) -> Tensor:
    """Return a plus each sample of b times its own factor."""
    return torch.addcmul(a, spread(factor, b), b)


def subtract(a: Tensor, factor: Tensor, b: Tensor) -> Tensor:
    """Return a minus each sample of b times its own factor."""
    return torch.addcmul(a, spread(factor, b), b, value=-1)


def choose(which: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return a where chosen, else b, sample by sample; NaN of the other does not come through."""
    return torch.where(spread(which, a), a, b)


def ratio(numerator: Tensor, denominator: Tensor, where: Tensor) -> Tensor:
    """Return the quotient where chosen and defined, else 0, with finite gradients everywhere."""
    defined = where & (denominator != 0)
    if not torch.is_grad_enabled():
        return torch.where(defined, numerator / denominator, 0.0)
    safe = torch.where(defined, denominator, torch.ones_like(denominator))
    return torch.where(defined, numerator, torch.zeros_like(numerator)) / safe
