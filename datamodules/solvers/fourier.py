"""Fourier transforms whose rounding depends neither on the threads nor on the size of the batch.

With at most 64 points along the last axis, several threads transform a batch of fields in another
way than one thread does, and on some grids a single field is transformed in another way than
several. The results differ by a relative 1e-7 in float32, which changes the whole forecast of a
chaotic system after some hundred steps. On a CPU these functions transform fields of few points on
one thread, and none alone.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from datamodules.solvers.cpu import SMALL_AXIS, at_most


def rfftn(
    field: Float[Tensor, "*any"], axes: Sequence[int], norm: str = "backward"
) -> Complex[Tensor, "*any2"]:
    """Return `torch.fft.rfftn` of real fields.

    Args:
        field: Real fields.
        axes: Axes of the transform; the last is the last axis of the fields.
        norm: Factor of the transform: `backward` (none) or `forward` (1/n).

    Example:
        >>> rfftn(torch.ones(8), axes=(0,)).real.tolist()
        [8.0, 0.0, 0.0, 0.0, 0.0]
    """
    transform = partial(torch.fft.rfftn, dim=axes, norm=norm)
    return _transformed(transform, field, axes, field.shape[-1])


def irfftn(
    spectrum: Complex[Tensor, "*any"],
    shape: Sequence[int],
    axes: Sequence[int],
    norm: str = "backward",
) -> Float[Tensor, "*any2"]:
    """Return `torch.fft.irfftn` of spectra, real fields.

    Args:
        spectrum: Complex spectra of real fields.
        shape: Number of points of the fields along each axis of the transform.
        axes: Axes of the transform; the last is the last axis of the spectra.
        norm: Factor of the transform: `backward` (1/n) or `forward` (none).

    Example:
        >>> irfftn(torch.tensor([8.0, 0.0, 0.0]) + 0j, shape=(4,), axes=(0,)).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    transform = partial(torch.fft.irfftn, s=shape, dim=axes, norm=norm)
    return _transformed(transform, spectrum, axes, shape[-1])


def _transformed(
    transform: Callable[[Tensor], Tensor], values: Tensor, axes: Sequence[int], points: int
) -> Tensor:
    """Return a transform of values that are real fields with some points along the last axis."""
    if not values.is_cpu or torch.compiler.is_compiling():
        return transform(values)
    batch = values.shape[: values.dim() - len(axes)]
    with at_most(1) if points <= SMALL_AXIS else nullcontext():
        if batch and batch.numel() == 1:  # a single field, which is transformed with a copy
            return transform(values.expand(2, *values.shape[1:]))[:1]
        return transform(values)
