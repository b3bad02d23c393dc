"""Cropping and block averaging of a domain when it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from datamodules.files.disk_array import LARGEST, DiskArray, as_tuple, ranges_of
from datamodules.files.selection import Range
from datamodules.files.space_axis import CONDITION, SpaceAxis, type_for


@dataclass(frozen=True)
class Subset:
    """Part of the domain that is read, and number of points per averaged block.

    Args:
        crop: Range of points of each cropped axis, by name, in the order of increasing coordinates.
        coarsen: Number of points per block along every axis, or for some axes by name.

    Example:
        >>> subset = Subset({"lat": Range(stop=4)}, coarsen={"lat": 2})
        >>> axis = SpaceAxis("lat", 5, np.array([0.0, 10.0, 20.0, 30.0, 40.0]), {})
        >>> subset.axis(axis, Path("a.nc")).values.tolist()
        [5.0, 25.0]
    """

    crop: Mapping[str, Range] = field(default_factory=dict)
    coarsen: int | Mapping[str, int] = 1

    def factor(self, name: str) -> int:
        """Return the number of points per block along an axis."""
        return self.coarsen if isinstance(self.coarsen, int) else self.coarsen.get(name, 1)

    @property
    def cropped(self) -> "Subset":
        """The same part of the domain at all its points."""
        return Subset(self.crop)

    def check(self, space: Sequence[str]) -> None:
        """Check that all names are spatial dimensions and all blocks have at least one point.

        Args:
            space: Names of the spatial dimensions.

        Raises:
            ValueError: A name is not a spatial dimension, or a block has no point.
        """
        by_name = {} if isinstance(self.coarsen, int) else self.coarsen
        for option, names in (("crop", self.crop), ("coarsen", by_name)):
            for name in names:
                if name not in space:
                    raise ValueError(
                        f"data.{option} names '{name}', expected one of data.dimensions.space "
                        f"({', '.join(space)})."
                    )
        least = min([self.factor(name) for name in space])
        if least < 1:
            raise ValueError(f"data.coarsen must be at least 1 along each axis, got {least}.")

    def axis(self, axis: SpaceAxis, path: Path) -> SpaceAxis:
        """Return the cropped and coarsened axis.

        Args:
            axis: Whole axis of the file.
            path: File, for messages.

        Raises:
            ValueError: An end is beyond the axis, no points are left, or the blocks do not divide
                them.
        """
        name, factor = axis.name, self.factor(axis.name)
        kept = self.crop.get(name, Range()).of(axis.size)
        if not kept:
            raise ValueError(
                f"{path}: data.crop.{name} leaves none of the {axis.size} points of '{name}'; "
                f"set data.crop.{name} to indices that exist."
            )
        ends = self.crop.get(name, Range())
        for end, index in (("start", ends.start), ("stop", ends.stop)):
            if index is not None and not -axis.size <= index <= axis.size:
                raise ValueError(
                    f"{path}: data.crop.{name}.{end} is {index}, but '{name}' has {axis.size} "
                    f"points, expected an index in -{axis.size}..{axis.size}; set "
                    f"data.crop.{name} to indices that exist."
                )
        if len(kept) % factor:
            raise ValueError(
                f"{path}: '{name}' has {len(kept)} points, which data.coarsen: {factor} does not "
                f"divide; leave some out by data.crop: {{{name}: {{start: {kept.start}, stop: "
                f"{kept.start + len(kept) // factor * factor}}}}}, or choose another factor."
            )
        attributes = dict(axis.attributes)
        if len(kept) < axis.size:
            for key in ("topology", CONDITION):  # a part of a circle has two ends
                attributes.pop(key, None)
        values, dtype = axis.values, axis.dtype
        if values is not None:
            values = values[kept.start : kept.stop].reshape(-1, factor).mean(1)
            dtype = type_for(values, np.dtype(dtype))  # centres of blocks may not be whole
        size = len(kept) // factor
        return replace(axis, size=size, values=values, attributes=attributes, dtype=dtype)

    def of(self, array: DiskArray, names: Sequence[str], space: Sequence[str]) -> DiskArray:
        """Return the cropped and block-averaged view of an array.

        Args:
            array: Array with whole axes, in increasing order.
            names: Names of the axes of the array.
            space: Names of the spatial dimensions.
        """
        if self == WHOLE:
            return array
        kept = [
            self.crop.get(name, Range()).of(size)
            for name, size in zip(names, array.shape, strict=True)
        ]
        factors = [self.factor(name) if name in space else 1 for name in names]
        return SubsetArray(array, kept, factors)

    def of_mask(
        self, there: Bool[np.ndarray, "*space"], space: Sequence[str]
    ) -> Bool[np.ndarray, "*coarse"]:
        """Return the mask of the blocks, which have a value where all of their points have one.

        The average of any other block would contain points without a meaning.

        Args:
            there: Mask of a cropped domain, True where there are values.
            space: Names of the spatial dimensions.
        """
        factors = [self.factor(name) for name in space]
        blocks = [n for size, f in zip(there.shape, factors, strict=True) for n in (size // f, f)]
        return np.asarray(there.reshape(blocks).all(tuple(range(1, len(blocks), 2))))


WHOLE = Subset()


class SubsetArray(DiskArray):
    """Cropped and block-averaged view of an array.

    The average of a block is NaN if one of its values is missing.

    Args:
        array: Array.
        kept: Range of indices that is read along each axis.
        factors: Number of points per block along each axis.
    """

    def __init__(self, array: DiskArray, kept: Sequence[range], factors: Sequence[int]) -> None:
        self.array, self.path = array, array.path
        self.kept, self.factors = list(kept), list(factors)
        self.shape = tuple(len(k) // f for k, f in zip(kept, factors, strict=True))

    def __getitem__(self, key: Any) -> np.ndarray:
        parts = as_tuple(key)
        items = ranges_of(parts, self.shape, self.path)
        there = tuple(
            slice(own.start + part.start * factor, own.start + part.stop * factor)
            for own, part, factor in zip(self.kept, items, self.factors, strict=True)
        )
        values = self.array[there]
        if any(factor > 1 for factor in self.factors):
            blocks = [n for p, f in zip(items, self.factors, strict=True) for n in (len(p), f)]
            values = np.where(np.abs(values) < LARGEST, values, np.nan).astype(np.float64)
            means = values.reshape(blocks).mean(tuple(range(1, len(blocks), 2)))
            values = means.astype(np.float32)
        return values[(*(0 if isinstance(part, int) else slice(None) for part in parts), ...)]

    def close(self) -> None:
        self.array.close()
