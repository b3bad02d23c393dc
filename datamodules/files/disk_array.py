"""Base class of arrays on disk, independent of their layout in the file."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

ArrayKey = SupportsIndex | slice | tuple[SupportsIndex | slice, ...]
"""Integers and slices that select a part of an array."""

LARGEST = 9.9e36  # NetCDF fills values that were never written with 9.97e36


class DiskArray(ABC):
    """Array in a file, which is opened when it is read.

    Attributes:
        path: File, for messages.
        shape: Shape of the whole array.
        chunk: Shape of a chunk, which is decoded whole if any value of it is read; empty if
            there are none.
    """

    path: Path
    shape: tuple[int, ...]
    chunk: tuple[int, ...] = ()

    @abstractmethod
    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        """Return a copy of the values at a key of integers and slices, always as an array."""

    def copy_to(self, out: np.ndarray, key: ArrayKey) -> None:
        """Write the values at a key into an array of their shape."""
        assign(out, self[key], self.path)

    @abstractmethod
    def close(self) -> None:
        """Close the file; the next read opens it again."""

    def absent_chunk(self) -> str:
        """Return a file of the array that is not in its store; empty if there is none."""
        inner = getattr(self, "array", None)  # of a view
        return inner.absent_chunk() if isinstance(inner, DiskArray) else ""


def viewed(
    open: Callable[[], DiskArray], kind: Callable[..., DiskArray], *options: Any
) -> DiskArray:
    """Return a view of an array, of some class and with its options; picklable as a `partial`."""
    return kind(open(), *options)


def assign(out: np.ndarray, values: np.ndarray, path: Path) -> None:
    """Write values into an array of the same shape; values that overflow become infinite.

    Raises:
        ValueError: The shapes differ (NumPy would broadcast).
    """
    if out.shape != values.shape:
        check_shape(out, values.shape, path)
    if out.dtype == values.dtype:
        out[...] = values
        return
    with np.errstate(over="ignore", invalid="ignore"):
        out[...] = values


def check_shape(out: np.ndarray, shape: Sequence[int], path: Path) -> None:
    """Check that an array has the shape of the values to be written into it.

    Raises:
        ValueError: The shapes differ, as for a file that was cut.
    """
    if out.shape != tuple(shape):
        raise ValueError(
            f"{path}: values of shape {tuple(shape)} were read where {out.shape} were asked for; "
            "it may be cut or being written: restore it or remove it from data.SPLIT.files."
        )


def as_tuple(key: ArrayKey) -> tuple[int | slice, ...]:
    """Return a key as a tuple of integers and slices, without the axes that it leaves out."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(part if isinstance(part, slice) else index(part) for part in parts)


def ranges_of(key: tuple[int | slice, ...], shape: Sequence[int], path: Path) -> list[range]:
    """Return the range of items that a key of integers and slices selects on each axis.

    Raises:
        IndexError: An integer is out of range, or the step of a slice is not 1.
    """
    key += (slice(None),) * (len(shape) - len(key))
    ranges = []
    for k, size in zip(key, shape, strict=True):
        part = range(k, k + 1) if isinstance(k, int) else range(*k.indices(size))
        if part.step != 1 or (isinstance(k, int) and not 0 <= k < size):
            raise IndexError(f"{path}: {k} cannot be read of an axis of {size} items.")
        ranges.append(part)
    return ranges


def with_all_axes(out: np.ndarray, key: tuple[int | slice, ...]) -> np.ndarray:
    """Return a view of the values at a key, with an axis of length 1 for each of its integers."""
    return out[tuple(None if isinstance(k, int) else slice(None) for k in key)]
