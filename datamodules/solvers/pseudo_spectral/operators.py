"""Fourier transforms and operators on a periodic `Grid`.

A field is real with shape (..., *grid.shape); its spectrum is complex with shape
(..., *grid.spectrum_shape), transformed without normalisation (numpy's "backward" convention),
so that entry 0 is the sum of the field over the grid.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from datamodules.solvers.fourier import irfftn, rfftn
from datamodules.solvers.grid import Grid

LARGE = 256  # rows from which a transform of some columns alone is the faster one


class SpectralModule(nn.Module):
    """Module whose plain tensor attributes follow `.to()`, `.float()` and `.double()`.

    Complex tensors are converted as pairs of real numbers (PyTorch leaves complex buffers alone in
    `.double()` and drops their imaginary part in `.to(torch.float64)`), so a solver is built in
    double precision and `.float()` gives the single-precision one. They are plain attributes and
    not buffers because reading a buffer costs as much as transforming a small field.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SpectralModule":
        for name, value in self.__dict__.items():
            if isinstance(value, Tensor):
                if value.is_complex():
                    value = torch.view_as_complex(fn(torch.view_as_real(value)))
                else:
                    value = fn(value)
                self.__dict__[name] = value
        return super()._apply(fn, recurse)


def to_spectrum(field: Float[Tensor, "*any"], grid: Grid) -> Complex[Tensor, "*any2"]:
    """Return the spectrum of a real field.

    Args:
        field: Real fields (..., *grid.shape).
        grid: Periodic grid of the fields.

    Returns:
        Complex spectra (..., *grid.spectrum_shape), not normalised.

    Example:
        >>> to_spectrum(torch.ones(8), Grid((8,), (1.0,))).real.tolist()
        [8.0, 0.0, 0.0, 0.0, 0.0]
    """
    return rfftn(field, grid.axes)


def to_field(spectrum: Complex[Tensor, "*any"], grid: Grid) -> Float[Tensor, "*any2"]:
    """Return the real field of a spectrum.

    Args:
        spectrum: Complex spectra (..., *grid.spectrum_shape), not normalised.
        grid: Periodic grid of the fields.

    Returns:
        Real fields (..., *grid.shape).

    Example:
        >>> grid = Grid((4,), (1.0,))
        >>> to_field(to_spectrum(torch.tensor([1.0, 2.0, 3.0, 2.0]), grid), grid).tolist()
        [1.0, 2.0, 3.0, 2.0]
    """
    return irfftn(spectrum, grid.shape, grid.axes)


def dealias_mask(grid: Grid) -> Float[Tensor, "*spectrum"]:
    """Return 1 on modes with |m| < N/3 along every axis and 0 elsewhere.

    With this 2/3 rule a product of two masked fields is exact on the modes that the mask keeps:
    its aliases fall on modes that the mask removes.

    Args:
        grid: Periodic grid.

    References: S. A. Orszag, J. Atmos. Sci. 28 (1971) 1074.

    Example:
        >>> dealias_mask(Grid((8,), (1.0,))).tolist()
        [1.0, 1.0, 1.0, 0.0, 0.0]
    """
    kept = torch.ones(grid.spectrum_shape, dtype=torch.float64)
    for size, mode in zip(grid.shape, grid.modes(), strict=True):
        kept = kept * (3 * mode.abs() < size)
    return kept


def kept_columns(grid: Grid) -> int:
    """Return how many columns, along the last axis of a spectrum, hold modes that are dealiased.

    Example:
        >>> kept_columns(Grid((8, 64), (1.0, 1.0)))  # 0 .. 21, as 3 · 22 exceeds 64
        22
    """
    return -(-grid.shape[-1] // 3)


def _on_one_thread(values: Tensor) -> bool:
    """Return whether one thread of a processor computes with a tensor, outside of a compiler."""
    compiling = torch.compiler.is_compiling()
    return not compiling and values.is_cpu and torch.get_num_threads() == 1


def field_of_columns(
    columns: Complex[Tensor, "*batch l k"], grid: Grid
) -> Float[Tensor, "*batch y x"]:
    """Return the fields of a spectrum of two dimensions whose columns beyond the first are zero.

    With one thread of a processor only the given columns are transformed along y, which takes three
    quarters of the time of `to_field` and gives the same.

    Args:
        columns: First columns of the spectra.
        grid: Periodic grid of the fields.

    Example:
        >>> grid = Grid((6, 8), (1.0, 1.0))
        >>> spectrum = to_spectrum(torch.rand(6, 8), grid) * torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
        >>> torch.allclose(field_of_columns(spectrum[:, :2], grid), to_field(spectrum, grid))
        True
    """
    if not _on_one_thread(columns):
        return torch.fft.irfft2(columns, s=grid.shape)
    return torch.fft.irfft(torch.fft.ifft(columns, dim=-2), n=grid.shape[-1])


def columns_of_field(
    field: Float[Tensor, "*batch y x"], count: int
) -> Complex[Tensor, "*batch l k"]:
    """Return the first columns of the spectra of fields of two dimensions.

    With one thread of a processor, and on large grids, only these columns are transformed along y.

    Args:
        field: Periodic fields.
        count: Number of columns.

    Example:
        >>> field = torch.rand(6, 8)
        >>> torch.allclose(columns_of_field(field, 2), torch.fft.rfft2(field)[:, :2])
        True
    """
    if field.shape[-2] < LARGE or not _on_one_thread(field):
        return torch.fft.rfft2(field)[..., :count]
    return torch.fft.fft(torch.fft.rfft(field)[..., :count], dim=-2)


def squared_wavenumber(grid: Grid) -> Float[Tensor, "*spectrum"]:
    """Return the squared wavenumber |k|² = k² + l² [1/L²] of every mode.

    Example:
        >>> from math import pi
        >>> squared_wavenumber(Grid((4,), (2 * pi,))).tolist()
        [0.0, 1.0, 4.0]
    """
    total = torch.zeros(grid.spectrum_shape, dtype=torch.float64)
    for axis in grid.wavenumbers():
        total = total + axis**2
    return total


def inverse_squared_wavenumber(grid: Grid) -> Float[Tensor, "*spectrum"]:
    """Return 1/|k|² [L²] of every mode, with 0 for the mean: minus the inverse Laplacian.

    Example:
        >>> from math import pi
        >>> inverse_squared_wavenumber(Grid((4,), (2 * pi,))).tolist()
        [0.0, 1.0, 0.25]
    """
    squared = squared_wavenumber(grid)
    return torch.where(squared > 0, 1 / squared.clamp_min(1e-300), 0.0)


@lru_cache(maxsize=32)
def parseval_weights(
    grid: Grid, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "*spectrum"]:
    """Return w with mean(f g) = Σ w Re(f̂* ĝ): 1/N², doubled where `rfft` keeps one of a pair.

    Args:
        grid: Periodic grid of N points in all.
        dtype: Real data type of the weights.
        device: Device of the weights.

    Example:
        >>> parseval_weights(Grid((4,), (1.0,)), torch.float64, torch.device("cpu")).tolist()
        [0.0625, 0.125, 0.0625]
    """
    weights = torch.full(grid.spectrum_shape, 2.0, dtype=torch.float64)
    weights[..., 0] = 1
    weights[..., -1] = 1
    points = 1
    for size in grid.shape:
        points *= size
    return (weights / points**2).to(dtype=dtype, device=device)


def resample(
    field: Float[Tensor, "*any"], grid: Grid, shape: tuple[int, ...]
) -> Float[Tensor, "*any2"]:
    """Return the field on another number of points, by truncating or zero-padding its spectrum.

    Modes that both grids resolve are unchanged. The Nyquist modes of the smaller grid along an
    axis, whose sign is ambiguous, are dropped.

    Args:
        field: Real fields (..., *grid.shape).
        grid: Periodic grid of the fields.
        shape: Number of points of the result along each axis, even.

    Returns:
        Real fields (..., *shape).

    Example:
        >>> from math import pi
        >>> grid = Grid((8,), (2 * pi,))
        >>> (resample(grid.points()[0].cos(), grid, (4,)).numpy().round(6) + 0.0).tolist()
        [1.0, 0.0, -1.0, 0.0]
    """
    target = Grid(shape, grid.lengths)
    if target.shape == grid.shape:
        return field
    spectrum = to_spectrum(field, grid)
    scale = 1.0
    for axis, old, new in zip(grid.axes, grid.shape, target.shape, strict=True):
        scale *= new / old
        positive = min(old, new) // 2
        size = new // 2 + 1 if axis == -1 else new
        parts = [spectrum.narrow(axis, 0, positive)]
        negative = 0 if axis == -1 else positive - 1
        empty = list(parts[0].shape)
        empty[axis] = size - positive - negative
        parts.append(spectrum.new_zeros(empty))
        if negative:
            parts.append(spectrum.narrow(axis, old - negative, negative))
        spectrum = torch.cat(parts, dim=axis)
    return to_field(spectrum * scale, target)
