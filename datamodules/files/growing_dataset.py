"""Datasets of xarray that grow in memory."""

from collections.abc import Mapping

import numpy as np
import xarray

from datamodules.files.growing_file import Definition


class GrowingDataset:
    """Dataset in memory that grows along one dimension, with the contents of a `GrowingFile`.

    Args:
        definition: Dimensions, variables and attributes.

    Example:
        >>> from datamodules.files.growing_file import NewVariable
        >>> time = NewVariable("time", "f8", ("time",), {"units": "hours since 2000-01-01"})
        >>> growing = GrowingDataset(Definition({"time": 2}, "time", (time,), {}))
        >>> for hours in (0.0, 6.0):
        ...     growing.append({"time": hours})
        >>> growing.dataset()["time"].dt.hour.values.tolist()
        [0, 6]
    """

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.stored = 0
        self.arrays = {
            variable.name: np.empty(definition.shape(variable), variable.dtype)
            if variable.values is None
            else np.asarray(variable.values, variable.dtype)
            for variable in definition.variables
        }

    def append(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Store one further item of each variable that grows."""
        for variable in self.definition.growing:
            key = self.definition.at(variable, self.stored)
            self.arrays[variable.name][key] = values[variable.name]
        self.stored += 1

    def complete(self) -> None:
        """Do nothing: all items are in memory."""

    def dataset(self) -> xarray.Dataset:
        """Return the items stored so far; times that count from a date are dates."""
        stored = {self.definition.grows: slice(self.stored)}
        variables = {
            variable.name: (variable.dimensions, self.arrays[variable.name], variable.attributes)
            for variable in self.definition.variables
        }
        dataset = xarray.Dataset(variables, attrs=dict(self.definition.attributes))
        return xarray.decode_cf(dataset.isel(stored), decode_timedelta=False).load()
