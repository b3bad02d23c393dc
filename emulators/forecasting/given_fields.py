"""Fields of a dataset of xarray, checked against the data that an emulator was trained on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray
from jaxtyping import Float

from datamodules.description import DataDescription
from datamodules.files.disk_array import LARGEST
from datamodules.files.space_axis import SpaceAxis, axis_of
from datamodules.files.units import SECONDS, same_units
from datamodules.forecast_layout import valid_time_name
from datamodules.solvers import Variable

Fields = Float[np.ndarray, "trajectory field *space"]


class GivenFields:
    """Fields, coordinates and times of a dataset, in the order and units of the training data.

    Dimensions may have any order, and coordinates may decrease.

    Args:
        dataset: Dataset with dates, as `xarray.open_dataset` returns it.
        data: Description of the training data.
        argument: Name of the argument that is the dataset, for messages.

    Raises:
        ValueError: A coordinate differs from the training data.
    """

    def __init__(self, dataset: xarray.Dataset, data: DataDescription, argument: str) -> None:
        if not isinstance(dataset, xarray.Dataset):
            raise TypeError(
                f"{argument} is a {type(dataset).__name__}, expected an xarray.Dataset; make one "
                "of a DataArray by its method `to_dataset`."
            )
        self.argument, self.data = argument, data
        axes = {axis.name: self._axis(dataset, axis) for axis in data.axes}
        self.axes = tuple(axes.values())
        down = [axis.name for axis in self.axes if axis.descending]
        self.dataset = dataset.isel({name: slice(None, None, -1) for name in down})
        names = data.dimension_names
        self.trajectory, self.time, self.space = names.trajectory, names.time, names.space
        self.check(replace(data, axes=self.axes))

    def check(self, found: DataDescription) -> None:
        """Check that a description agrees with the training data.

        Raises:
            ValueError: It does not.
        """
        difference = found.difference(self.data)
        if difference is not None:
            raise ValueError(
                f"{self.argument} does not fit the emulator, which was trained on {difference}; "
                "give states of the same variables, units and grid, or train it on these."
            )

    def _axis(self, dataset: xarray.Dataset, axis: SpaceAxis) -> SpaceAxis:
        """Return an axis with the coordinate of the dataset, or of the training data without it."""
        if axis.name not in dataset.coords or dataset[axis.name].dims != (axis.name,):
            size = dataset.sizes.get(axis.name, axis.size)
            return axis if size == axis.size else SpaceAxis(axis.name, size, None, {})
        given = dataset[axis.name]
        values = np.asarray(given.values, dtype=np.float64)
        attributes = {**axis.attributes, **given.attrs}
        return axis_of(axis.name, values, attributes, given.dtype)

    def variable(self, field: Variable) -> xarray.DataArray:
        """Return the array of a field, after a check of its name and units.

        Raises:
            ValueError: The dataset has no such variable, or it has other units.
        """
        if field.name not in self.dataset:
            known = ", ".join(map(str, self.dataset.data_vars)) or "none"
            raise ValueError(
                f"{self.argument} has no variable '{field.name}', only {known}; expected the names "
                "of the training data, which `emulator.trained_on.variables` lists."
            )
        array = self.dataset[field.name]
        units = array.attrs.get("units")
        if units is not None and not same_units(str(units), field.units):
            raise ValueError(
                f"{self.argument}: '{field.name}' is in '{units}', the training data in "
                f"'{field.units}'; convert the values and the attribute `units`."
            )
        return array

    def check_dimensions(self, array: xarray.DataArray, known: Sequence[str]) -> None:
        """Check that an array has no other dimensions than the known ones, and all of space.

        Raises:
            ValueError: It has others, or lacks one.
        """
        others = [str(name) for name in array.dims if name not in known]
        missing = [name for name in self.space if name not in array.dims]
        if others or missing:
            remedy = f"select an item of '{others[0]}' by `isel`" if others else "add it"
            raise ValueError(
                f"{self.argument}: '{array.name}' has the dimensions "
                f"({', '.join(map(str, array.dims))}), expected ({', '.join(known)}) in any order; "
                f"{remedy}."
            )

    def fields(self, variables: Sequence[Variable]) -> Fields:
        """Return fields at one time, float32, per trajectory.

        A field without the dimension of trajectories is the same for all.

        Raises:
            ValueError: A variable is missing, or has other units, dimensions or several times.
        """
        found = []
        for field in variables:
            array = self.variable(field)
            self.check_dimensions(array, (self.trajectory, self.time, *self.space))
            if array.sizes.get(self.time, 1) != 1:
                raise ValueError(
                    f"{self.argument} has {array.sizes[self.time]} times along '{self.time}', "
                    f"expected one; select it by `isel({self.time}=[0])`."
                )
            if self.time in array.dims:
                array = array.isel({self.time: 0})
            if self.trajectory not in array.dims:
                array = array.expand_dims(self.trajectory)
            array = array.transpose(self.trajectory, *self.space)
            with np.errstate(over="ignore"):
                found.append(np.asarray(array.values, dtype=np.float32))
        count = max(map(len, found))
        return np.stack([np.broadcast_to(one, (count, *one.shape[1:])) for one in found], axis=1)

    def filled(self, values: Fields, names: Sequence[str], masked: np.ndarray | None) -> Fields:
        """Return fields that are 0 where they are masked and have no value.

        Args:
            values: Fields.
            names: Names of the fields.
            masked: True at masked points, (field, *space), or None.

        Raises:
            ValueError: A value is missing at a point that is not masked.
        """
        absent = ~(np.abs(values) < LARGEST)
        if not absent.any():
            return values
        wrong = absent if masked is None else absent & ~masked
        if wrong.any():
            trajectory, number, *point = map(int, np.argwhere(wrong)[0])
            raise ValueError(
                f"{self.argument}: '{names[number]}' is not finite at trajectory {trajectory}, "
                f"point {tuple(point)}, expected a value at each point that is not masked in the "
                "training data; fill missing values."
            )
        return np.where(absent, np.float32(0), values)

    # Times --------------------------------------------------------------------------------------

    def times(self) -> xarray.DataArray | None:
        """Return the times as numbers in the unit of the training data, or None without any.

        The times of a forecast are those at which its states are valid.

        Raises:
            ValueError: They cannot be expressed in that unit.
        """
        for name in (valid_time_name(self.data), self.time):
            if name in self.dataset.variables:
                return self._numbers(self.dataset[name])
        return None

    def _numbers(self, times: xarray.DataArray) -> xarray.DataArray:
        units, kind = self.data.time_attributes.get("units", "1"), times.dtype.kind
        if kind == "m" and self.data.time_unit in SECONDS:
            seconds = times.values / np.timedelta64(1, "ns") * 1e-9
            return times.copy(data=seconds / SECONDS[self.data.time_unit])
        if kind in "MO" and "since" in units:
            calendar = self.data.time_attributes.get("calendar", "standard")
            encoding = {"units": units, "calendar": calendar, "dtype": np.dtype("f8")}
            stamps = xarray.Variable(times.dims, times.values, {}, encoding)
            encoded = xarray.conventions.encode_cf_variable(stamps)
            return times.copy(data=np.asarray(encoded.values, np.float64))
        given = str(times.attrs.get("units", units))
        if kind in "iuf" and given.lower() == units.lower():
            return times.astype(np.float64)
        raise ValueError(
            f"{self.argument}: '{times.name}' holds {times.dtype} in '{given}', expected times "
            f"that count in '{units}' as the training data do; give dates, as "
            "`xarray.open_dataset` returns them, or numbers in that unit."
        )
