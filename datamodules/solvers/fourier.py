"""Fourier transforms whose rounding depends neither on the threads nor on the size of the batch.

With at most 64 points along the last axis, several threads transform a batch of fields in another
way than one thread does, and on some grids a single field is transformed in another way than
several. The results differ by a relative 1e-7 in float32, which changes the whole forecast of a
chaotic system after some hundred steps. On a CPU these functions transform fields of few points on
one thread, and none alone.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

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
    if not _on_processor(field):
        return torch.fft.rfftn(field, dim=axes, norm=norm)
    with _threads_for(field.shape[-1]):
        if not _is_alone(field, axes):
            return torch.fft.rfftn(field, dim=axes, norm=norm)
        return torch.fft.rfftn(field.expand(2, *field.shape[1:]), dim=axes, norm=norm)[:1]


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
    if not _on_processor(spectrum):
        return torch.fft.irfftn(spectrum, s=shape, dim=axes, norm=norm)
    with _threads_for(shape[-1]):
        if not _is_alone(spectrum, axes):
            return torch.fft.irfftn(spectrum, s=shape, dim=axes, norm=norm)
        pair = spectrum.expand(2, *spectrum.shape[1:])
        return torch.fft.irfftn(pair, s=shape, dim=axes, norm=norm)[:1]


def _on_processor(values: Tensor) -> bool:
    """Return whether a processor computes with a tensor, outside of a compiler."""
    return values.is_cpu and not torch.compiler.is_compiling()


def _threads_for(points: int) -> AbstractContextManager[None]:
    """Use one thread within a `with` block if there are few points along the last axis."""
    return at_most(1) if points <= SMALL_AXIS else nullcontext()


def _is_alone(values: Tensor, axes: Sequence[int]) -> bool:
    """Return whether there is a single field in a batch of one."""
    batch = values.shape[: values.dim() - len(axes)]
    return bool(batch) and batch.numel() == 1
