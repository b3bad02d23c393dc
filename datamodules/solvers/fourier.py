"""Fourier transforms whose rounding depends neither on the threads nor on the size of the batch.

With at most 64 points along the last axis, several threads transform a batch of fields in another
way than one thread does, and a single field is transformed in another way than several. The results
differ by a relative 1e-7 in float32, which changes the whole forecast of a chaotic system after
some hundred steps. On a CPU these functions transform such fields on one thread, never one alone.
"""

from collections.abc import Sequence

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
    if not _is_small(field, field.shape[-1]):
        return torch.fft.rfftn(field, dim=axes, norm=norm)
    with at_most(1):
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
    if not _is_small(spectrum, shape[-1]):
        return torch.fft.irfftn(spectrum, s=shape, dim=axes, norm=norm)
    with at_most(1):
        if not _is_alone(spectrum, axes):
            return torch.fft.irfftn(spectrum, s=shape, dim=axes, norm=norm)
        pair = spectrum.expand(2, *spectrum.shape[1:])
        return torch.fft.irfftn(pair, s=shape, dim=axes, norm=norm)[:1]


def _is_small(values: Tensor, points: int) -> bool:
    """Return whether a processor transforms few points along the last axis, outside a compiler."""
    return values.is_cpu and points <= SMALL_AXIS and not torch.compiler.is_compiling()


def _is_alone(values: Tensor, axes: Sequence[int]) -> bool:
    """Return whether there is a single field in a batch of one."""
    batch = values.shape[: values.dim() - len(axes)]
    return bool(batch) and batch.numel() == 1
