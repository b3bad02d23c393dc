"""Uniform periodic grids of spectral solvers.

Axes are ordered y before x, and x is the last axis and the `rfft` axis. The left edge belongs to
the grid, the right edge does not: x_j = j L / N for j = 0 .. N-1. Wavenumbers are angular,
k = 2π m / L [1/L] with the integer mode number m.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite


@dataclass(frozen=True)
class Grid:
    """Uniform periodic grid in one or two dimensions.

    Args:
        shape: Number of points along each axis, (y, x) or (x,); even.
        lengths: Period along each axis [L], in the same order.

    Raises:
        ValueError: Shape and lengths do not match, a size is odd or below 4, or a length is not
            positive.

    Example:
        >>> grid = Grid(shape=(4,), lengths=(2.0,))
        >>> grid.coordinates()[0].tolist(), grid.modes()[0].tolist()
        ([0.0, 0.5, 1.0, 1.5], [0.0, 1.0, 2.0])
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...]

    def __post_init__(self) -> None:
        check_finite("Grid", lengths=self.lengths)
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "lengths", tuple(float(length) for length in self.lengths))
        if len(self.shape) not in (1, 2) or len(self.shape) != len(self.lengths):
            raise ValueError(
                "Grid.shape and Grid.lengths must both have one entry (x) or two (y, x), "
                f"got shape {self.shape} and lengths {self.lengths}."
            )
        if any(size < 4 or size % 2 for size in self.shape):
            raise ValueError(f"Grid.shape must hold even sizes of at least 4, got {self.shape}.")
        if any(not (math.isfinite(length) and length > 0) for length in self.lengths):
            raise ValueError(f"Grid.lengths must be positive, got {self.lengths}.")

    @property
    def dimensions(self) -> int:
        """Number of spatial axes."""
        return len(self.shape)

    @property
    def axes(self) -> tuple[int, ...]:
        """Spatial axes of a field, counted from its end."""
        return tuple(range(-self.dimensions, 0))

    @property
    def spectrum_shape(self) -> tuple[int, ...]:
        """Shape of the `rfft` of a field: the last axis keeps only k >= 0."""
        return (*self.shape[:-1], self.shape[-1] // 2 + 1)

    def is_same_domain(self, other: "Grid") -> bool:
        """Return whether another grid covers the same domain, with any number of points.

        Lengths agree if they differ by less than one part in a thousand: lengths from a file in
        float32 are no more accurate where its axis begins thousands of lengths from zero, or where
        coordinates were rounded to three digits, and domains that are meant to differ differ more.

        Example:
            >>> Grid((8,), (1.0,)).is_same_domain(Grid((16,), (1.0002,)))
            True
        """
        return self.dimensions == other.dimensions and all(
            math.isclose(a, b, rel_tol=1e-3)
            for a, b in zip(self.lengths, other.lengths, strict=True)
        )

    def coordinates(self) -> tuple[Tensor, ...]:
        """Return the coordinates [L] of the points along each axis, from 0, in float64."""
        return tuple(
            torch.arange(size, dtype=torch.float64) * (length / size)
            for size, length in zip(self.shape, self.lengths, strict=True)
        )

    def points(self) -> tuple[Tensor, ...]:
        """Return the coordinates [L] of all points as fields (*space), ordered (y, x) or (x,)."""
        return torch.meshgrid(*self.coordinates(), indexing="ij")

    def modes(self) -> tuple[Tensor, ...]:
        """Return the integer mode numbers along each axis of a spectrum, shaped to broadcast."""
        axes = [torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in self.shape[:-1]]
        axes.append(torch.fft.rfftfreq(self.shape[-1], 1 / self.shape[-1], dtype=torch.float64))
        count = self.dimensions
        return tuple(
            axis.round().reshape([-1 if i == j else 1 for j in range(count)])
            for i, axis in enumerate(axes)
        )

    def wavenumbers(self) -> tuple[Tensor, ...]:
        """Return the angular wavenumbers (l, k) or (k,) [1/L], shaped to broadcast."""
        return tuple(
            mode * (2 * math.pi / length)
            for mode, length in zip(self.modes(), self.lengths, strict=True)
        )

    def derivative_wavenumbers(self) -> tuple[Tensor, ...]:
        """Return the wavenumbers [1/L] of a first derivative, which are zero for Nyquist modes.

        On the grid the Nyquist mode of an axis is cos(π j), whose sign of k is ambiguous; the
        derivative of the smoothest function through the points vanishes there.
        """
        return tuple(
            torch.where(mode.abs() == size / 2, 0.0, wavenumber)
            for size, mode, wavenumber in zip(
                self.shape, self.modes(), self.wavenumbers(), strict=True
            )
        )
