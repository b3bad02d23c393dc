"""Zarr stores that grow."""

import warnings
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from datamodules.files.atomic import replace_folder
from datamodules.files.growing_file import GrowingFile, NewVariable

CHUNK = 2**20  # size of a chunk [bytes], unless one item is larger


class GrowingZarr(GrowingFile):
    """Zarr store, version 3, that grows chunk by chunk.

    A chunk holds consecutive items of one trajectory, at all points. Items are buffered in memory
    until a chunk is full, so that each chunk is written once. Unwritten items of a partial store
    are NaN. A complete store has consolidated metadata.
    """

    suffix = ".zarr"

    @classmethod
    def check_installed(cls) -> None:
        try:
            import zarr

            installed = hasattr(zarr, "create_array")  # since version 3
        except ImportError:
            installed = False
        if not installed:
            raise ValueError(
                "Zarr stores are written by the package zarr, version 3 or later, which is "
                'missing; run `pip install "implicit-emulators[zarr]"`.'
            )

    def _create(self) -> None:
        import zarr

        defined = self.definition
        chunks = {
            variable.name: defined.chunk(variable, self._items(variable))
            for variable in defined.growing
        }
        period = min(map(self._items, defined.growing))
        self.held = {
            variable.name: np.empty(defined.shape(variable, period), variable.dtype)
            for variable in defined.growing
        }
        self.period, self.written = period, 0
        group = zarr.open_group(
            self.partial, mode="w", zarr_format=3, attributes=as_json(defined.attributes)
        )
        self.arrays = {}
        for variable in defined.variables:
            shape, dtype = tuple(defined.shape(variable)), np.dtype(variable.dtype)
            self.arrays[variable.name] = array = group.create_array(
                variable.name,
                shape=shape,
                dtype=dtype,
                chunks=tuple(chunks.get(variable.name, shape)),
                fill_value=np.nan if dtype.kind == "f" else 0,
                attributes=as_json(variable.attributes),
                dimension_names=variable.dimensions,
            )
            if variable.values is not None:
                array[:] = variable.values

    def _items(self, variable: NewVariable) -> int:
        """Return the number of items in a chunk of a variable."""
        one = np.dtype(variable.dtype).itemsize * prod(self.definition.chunk(variable, 1))
        return min(max(1, CHUNK // one), self.definition.sizes[self.definition.grows])

    def _append(self, values: Mapping[str, np.ndarray | float]) -> None:
        for variable in self.definition.growing:
            key = self.definition.at(variable, self.stored - self.written)
            self.held[variable.name][key] = values[variable.name]
        if self.stored + 1 - self.written == self.period:
            self._flush(self.stored + 1)

    def _flush(self, stop: int) -> None:
        """Write the buffered items before `stop`; the coordinates are written last."""
        for variable in reversed(self.definition.growing):
            there = self.definition.at(variable, slice(self.written, stop))
            here = self.definition.at(variable, slice(0, stop - self.written))
            self.arrays[variable.name][there] = self.held[variable.name][here]
        self.written = stop

    def close(self) -> None:
        if self.stored > self.written:
            self._flush(self.stored)
        if self.stored < self.definition.sizes[self.definition.grows]:
            for variable in self.definition.growing:
                shape = self.definition.shape(variable)
                shape[variable.dimensions.index(self.definition.grows)] = self.stored
                self.arrays[variable.name].resize(tuple(shape))

    def _rename(self) -> None:
        import zarr

        with warnings.catch_warnings():  # that version 3 does not specify them yet
            warnings.filterwarnings("ignore", message="Consolidated metadata", module="zarr")
            zarr.consolidate_metadata(self.partial, zarr_format=3)
        replace_folder(self.partial, self.path)


def as_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON values."""
    return {
        name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for name, value in attributes.items()
    }
