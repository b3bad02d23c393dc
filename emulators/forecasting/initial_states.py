"""Initial states of forecasts in datasets of xarray."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.solvers import Variable
from datamodules.solvers.variable import State
from datamodules.storage.free_memory import check_memory
from emulators.forecasting.given_fields import GivenFields


class InitialStates:
    """Initial conditions from a dataset, as a `RolloutBatch` without truth.

    Args:
        initial: Fields at one time, perhaps of several trajectories, with the physical parameters
            as variables along the trajectories, as single numbers or as attributes.
        data: Description of the training data.
        steps: Length of the forecasts [intervals].
        members: Number of forecasts from each initial condition.
        static: Static fields; by default they are in `initial`.
        forcing: Forcing from the time of the initial states on.
        device: Device of the states.
        dtype: Type of the states, of the parameters and of the input fields.

    Attributes:
        data: Description of the training data with the coordinates of `initial`.
        single: True if `initial` has no dimension of trajectories.

    Raises:
        ValueError: A dataset does not fit the training data, or an ensemble the free memory.
    """

    truth_steps = 0

    def __init__(
        self,
        initial: xarray.Dataset,
        data: DataDescription,
        steps: int,
        members: int = 1,
        static: xarray.Dataset | None = None,
        forcing: xarray.Dataset | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        given = GivenFields(initial, data, "initial")
        self.given, self.steps = given, steps
        self.kind = {"device": torch.device(device), "dtype": dtype}
        self.data = replace(data, axes=given.axes)
        masked = None if data.mask is None else ~data.mask.cpu().numpy()
        states = given.filled(given.fields(data.fields), data.variables, masked)
        first = initial[data.variables[0]]
        self.single = data.trajectory_dimension not in first.dims
        self.initial: State = torch.from_numpy(np.array(states)).to(**self.kind)
        self.index = torch.from_numpy(self._numbers())
        self.perturbed = None
        if members > 1:
            check_memory(self.initial, members)
            self.perturbed = self.initial.expand(members - 1, *self.initial.shape)
        self.times: Sequence[float] = self._times()
        self.parameters = self._parameters()
        self.ground = None if masked is None else masked.all(0)
        self.static = self._static(static)
        self._forcing = None
        if data.forcing:
            self._forcing = self._forcing_of(forcing)

    def truth(self, lead: int) -> State:
        """Raise an error: forecasts have no truth."""
        raise ValueError(f"A forecast has no truth at lead {lead}.")

    def _numbers(self) -> np.ndarray:
        """Return the numbers of the initial conditions: their coordinate, or 0, 1, ..."""
        count, name = len(self.initial), self.data.trajectory_dimension
        coordinates = self.given.dataset.coords
        if name in coordinates and coordinates[name].dtype.kind in "iu" and not self.single:
            return np.array(coordinates[name].values, np.int64)  # a copy that may be written
        return np.arange(count)

    def _per_trajectory(self, values: xarray.DataArray, what: str) -> np.ndarray:
        """Return a number for each trajectory."""
        trajectory, time = self.given.trajectory, self.given.time
        if time in values.dims and values.sizes[time] == 1:
            values = values.isel({time: 0})
        if set(values.dims) - {trajectory}:
            raise ValueError(
                f"initial: {what} has the dimensions ({', '.join(map(str, values.dims))}), "
                f"expected one number for each '{trajectory}'; select an item of others by `isel`."
            )
        return np.broadcast_to(np.asarray(values.values), (len(self.initial),))

    def _times(self) -> list[float]:
        """Return the times of the initial states [time unit of the data]."""
        found = self.given.times()
        if found is None:
            if self.data.calendar is not None:
                raise ValueError(
                    f"initial has no coordinate '{self.data.time_dimension}', expected the date of "
                    "the state, as the training data have dates; keep it when a time is selected, "
                    f"or set it by `assign_coords({self.data.time_dimension}=...)`."
                )
            return [0.0] * len(self.initial)
        return self._per_trajectory(found, f"'{found.name}'").tolist()

    def _parameters(self) -> Float[Tensor, "batch parameter"] | None:
        """Return the physical parameters."""
        if not self.data.parameters:
            return None
        dataset, columns = self.given.dataset, []
        for name in self.data.parameters:
            if name in dataset.variables:
                columns.append(self._per_trajectory(dataset[name], f"'{name}'"))
            elif isinstance(dataset.attrs.get(name), int | float | np.number):
                columns.append(np.full(len(self.initial), dataset.attrs[name]))
            else:
                raise ValueError(
                    f"initial has no physical parameter '{name}', on which the emulator is "
                    "conditioned, neither as a variable nor as an attribute; set it by "
                    f"`assign({{'{name}': ...}})`."
                )
        values = np.stack(columns, axis=1).astype(np.float64)
        return torch.from_numpy(values).float().to(**self.kind)

    def _static(self, static: xarray.Dataset | None) -> Float[Tensor, "batch static *space"] | None:
        """Return the static fields, 0 at masked points without a value."""
        if not self.data.static:
            return None
        given = self.given if static is None else GivenFields(static, self.data, "static")
        fields = given.fields(self.data.static)
        values = self._filled(given, fields, self.data.static)
        whole = np.array(np.broadcast_to(values, self._shape(len(self.data.static))))
        return torch.from_numpy(whole).to(**self.kind)

    def _filled(
        self, given: GivenFields, fields: np.ndarray, variables: Sequence[Variable]
    ) -> np.ndarray:
        """Return fields that are 0 at points without a value where all channels are masked."""
        names = [variable.name for variable in variables]
        masked = None if self.ground is None else np.broadcast_to(self.ground, fields.shape[1:])
        return given.filled(fields, names, masked)

    def _shape(self, count: int) -> tuple[int, ...]:
        """Return the shape of a number of fields of all trajectories."""
        return (len(self.initial), count, *self.data.shape)

    # Forcing ------------------------------------------------------------------------------------

    def forcing(self, lead: int) -> Float[Tensor, "batch forcing *space"] | None:
        """Return the forcing `lead` intervals after the initial states, or None without forcing.

        Beyond the last step, where a call for several states needs it, the last one is held.
        """
        if self._forcing is None:
            return None
        given, arrays, starts = self._forcing
        space, trajectory, time = given.space, given.trajectory, given.time
        found = np.empty(self._shape(len(arrays)), np.float32)
        for row, first in enumerate(starts):
            for column, array in enumerate(arrays):
                own = array.isel({time: min(first + lead, array.sizes[time] - 1)})
                if trajectory in own.dims:
                    own = own.isel({trajectory: row})
                if own.dims:
                    own = own.transpose(*space)
                found[row, column] = own.values
        return torch.from_numpy(self._filled(given, found, self.data.forcing)).to(**self.kind)

    def _forcing_of(
        self, forcing: xarray.Dataset | None
    ) -> tuple[GivenFields, list[xarray.DataArray], Sequence[int]]:
        """Return the arrays of the forcing, and the number of the initial time in it."""
        names = ", ".join(field.name for field in self.data.forcing)
        if forcing is None:
            raise ValueError(
                f"The emulator was trained with the forcing {names}, and forecast was given none; "
                "give a dataset with it as `forcing`, from the time of the initial states on."
            )
        given = GivenFields(forcing, self.data, "forcing")
        arrays = []
        for field in self.data.forcing:
            array = given.variable(field)
            if given.time not in array.dims:
                raise ValueError(
                    f"forcing: '{field.name}' has the dimensions "
                    f"({', '.join(map(str, array.dims))}), expected '{given.time}' among them; add "
                    "it."
                )
            if set(array.dims) - {given.time, given.trajectory}:  # a field, and no series
                given.check_dimensions(array, (given.trajectory, given.time, *given.space))
            arrays.append(array)
        times, size = given.times(), min(array.sizes[given.time] for array in arrays)
        starts = [0] * len(self.initial)
        if times is not None and times.dims == (given.time,):
            starts = [self._start(times.values, time) for time in self.times]
        if max(starts) + self.steps >= size:
            raise ValueError(
                f"forcing has {size} times, of which {size - max(starts)} are not before the "
                f"initial states, expected {self.steps + 1} for a forecast of {self.steps} steps; "
                "give a longer forcing or lower steps."
            )
        return given, arrays, starts

    def _start(self, times: np.ndarray, first: float) -> int:
        """Return the number of the initial time among the times of the forcing.

        Raises:
            ValueError: The initial time is not among them, or they have another interval.
        """
        interval = self.data.interval
        near = int(np.abs(times - first).argmin())
        uneven = np.abs(np.diff(times[near:]) - interval) > 1e-3 * interval
        if abs(times[near] - first) > 1e-3 * interval or uneven.any():
            raise ValueError(
                f"forcing has the times {times[0]:g} to {times[-1]:g} {self.data.time_unit}, "
                f"expected {first:g} and further ones every {interval:g} {self.data.time_unit}; "
                "interpolate it to the times of the forecast."
            )
        return near
