"""View of an array on disk with permuted and reversed axes."""

from collections.abc import Sequence

import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray, as_tuple


class OrientedArray(DiskArray):
    """Array whose axes are permuted and reversed when it is read.

    Args:
        array: Array in the order of the file.
        order: For each axis of the result, its number in the file.
        reversed_axes: Axes of the result that run from the last item to the first.

    Example: an array (time, x, y) with y downwards is read as (time, y, x) by
    `OrientedArray(array, (0, 2, 1), (1,))`.
    """

    def __init__(
        self, array: DiskArray, order: Sequence[int], reversed_axes: Sequence[int] = ()
    ) -> None:
        self.array = array
        self.path = array.path
        self.order = tuple(order)
        self.reversed_axes = frozenset(reversed_axes)
        self.shape = tuple(array.shape[axis] for axis in order)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        parts = [*as_tuple(key)]
        parts += [slice(None)] * (len(self.shape) - len(parts))
        there: list[slice] = [slice(None)] * len(self.shape)
        flips = []
        for axis, part in enumerate(parts):
            size = self.shape[axis]
            items = range(part, part + 1) if isinstance(part, int) else range(*part.indices(size))
            if axis in self.reversed_axes:
                items = range(size - items.stop, size - items.start)
            there[self.order[axis]] = slice(items.start, items.stop)
            flips.append(slice(None, None, -1 if axis in self.reversed_axes else 1))
        values = self.array[tuple(there)].transpose(self.order)[tuple(flips)]
        return values[(*(slice(None) if isinstance(p, slice) else 0 for p in parts), ...)]

    def close(self) -> None:
        self.array.close()
