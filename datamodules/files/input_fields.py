"""Input fields of a file, given in addition to the state: static fields, forcing, and the mask."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from datamodules.files.dimensions import Dimensions
from datamodules.files.disk_array import LARGEST, ArrayKey, DiskArray, as_tuple, ranges_of
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.oriented_array import OrientedArray
from datamodules.files.selected import Select, selected
from datamodules.files.subset import WHOLE, Subset
from datamodules.solvers import Variable
from datamodules.solvers.finite import check_finite

MISSING = "missing"
NOT = "not "


@dataclass(frozen=True)
class InputNames:
    """Names of the static fields, forcing and mask among the variables.

    Args:
        static: Fields without time.
        forcing: Fields of time that are known ahead, or series of one number per time.
        mask: `missing` to mask the points without a value in the first snapshot; or the name of a
            variable that is 1 where there are values and 0 elsewhere; or `not NAME` for a variable
            with the opposite meaning; or None.

    Example:
        >>> InputNames(static=("orography",), mask="not lsm").variables
        ['orography', 'lsm']
    """

    static: tuple[str, ...] = ()
    forcing: tuple[str, ...] = ()
    mask: str | None = None

    @property
    def mask_variable(self) -> str | None:
        """Name of the variable that is the mask, or None."""
        return None if self.mask in (None, MISSING) else str(self.mask).removeprefix(NOT)

    @property
    def variables(self) -> list[str]:
        """Names of all variables."""
        mask = self.mask_variable
        return [*self.static, *self.forcing, *([mask] if mask else [])]


NO_INPUTS = InputNames()


class RepeatedArray(DiskArray):
    """Array that is repeated along the axes of a field that it lacks.

    Args:
        array: Array with a subset of the field's axes, in the same order.
        own: True for each axis of the field that the array has.
        shape: Shape of the field.
    """

    def __init__(self, array: DiskArray, own: Sequence[bool], shape: Sequence[int]) -> None:
        self.array, self.path = array, array.path
        self.own, self.shape = tuple(own), tuple(shape)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        parts = as_tuple(key)
        parts += (slice(None),) * (len(self.shape) - len(parts))
        sizes = [len(items) for items in ranges_of(parts, self.shape, self.path)]
        values = self.array[tuple(p for p, own in zip(parts, self.own, strict=True) if own)]
        kept = [n for n, part in enumerate(parts) if isinstance(part, slice)]
        values = values.reshape([sizes[n] if self.own[n] else 1 for n in kept])
        return np.array(np.broadcast_to(values, [sizes[n] for n in kept]))

    def close(self) -> None:
        self.array.close()


def open_as(
    field: StoredVariable,
    axes: Mapping[str, int],
    descending: Collection[str] = (),
    subset: Subset = WHOLE,
    space: Sequence[str] = (),
) -> DiskArray:
    """Return a variable with the given axes in order, repeated along axes that it lacks.

    Args:
        field: Variable.
        axes: Size of each axis, by name.
        descending: Names of the axes that are reversed.
        subset: Part of the domain.
        space: Names of the spatial dimensions.
    """
    own = [name for name in axes if name in field.dimensions]
    order = tuple(field.dimensions.index(name) for name in own)
    reversed_axes = tuple(n for n, name in enumerate(own) if name in descending)
    array = field.open()
    if order != tuple(sorted(order)) or reversed_axes:
        array = OrientedArray(array, order, reversed_axes)
    if len(own) < len(axes):
        array = RepeatedArray(array, [name in own for name in axes], tuple(axes.values()))
    return subset.of(array, list(axes), space)


class FileInputs:
    """Reader of the static fields, forcing and mask in one file.

    Args:
        contents: Contents of the file.
        names: Names of the variables.
        dimensions: Names of the dimensions.
        axes: Size of each axis of a state variable, by name, in the order trajectory (if there is
            one), time, space.
        descending: Names of the axes that are reversed when they are read.
        select: Items of further dimensions.
        subset: Part of the domain that is read.

    Raises:
        ValueError: A variable is missing or has other dimensions.
    """

    def __init__(
        self,
        contents: Contents,
        names: InputNames,
        dimensions: Dimensions,
        axes: Mapping[str, int],
        descending: Collection[str],
        select: Select,
        subset: Subset = WHOLE,
    ) -> None:
        check_finite("data", select=select)
        self.path: Path = contents.path
        self.names, self.axes = names, dict(axes)
        self.descending, self.subset = tuple(descending), subset
        self.trajectory, time = dimensions.trajectory, dimensions.time
        self.space = tuple(name for name in axes if name not in (self.trajectory, time))
        self.still = {name: size for name, size in axes.items() if name != time}
        mask = names.mask_variable
        find = _Finder(contents, dimensions, axes, select)
        self.static = [find(name, "static", self.space, False) for name in names.static]
        self.forcing = [find(name, "forcing", (), True) for name in names.forcing]
        self.mask = find(mask, "mask", self.space, False) if mask else None
        self.static_variables = tuple(map(described, names.static, self.static))
        self.forcing_variables = tuple(map(described, names.forcing, self.forcing))

    @property
    def fields(self) -> list[StoredVariable]:
        """All variables, with their names in the file."""
        return [*self.static, *self.forcing, *([self.mask] if self.mask else [])]

    def open_forcing(self) -> list[DiskArray]:
        """Return the forcing as arrays with all axes of a state variable."""
        return [self.open(field) for field in self.forcing]

    def open(self, field: StoredVariable) -> DiskArray:
        """Return a variable with all axes of a state variable, restricted to the subset."""
        return open_as(field, self.axes, self.descending, self.subset, self.space)

    def read_static(self) -> Float[np.ndarray, "_ static *space"]:
        """Return the static fields, float32, per trajectory or once if they are the same for all.

        Missing values are NaN.
        """
        fields = [self._read(field, self.subset) for field in self.static]
        fields = [np.where(np.abs(v) < LARGEST, v, np.float32(np.nan)) for v in fields]
        count = max(len(values) for values in fields)
        return np.stack([np.broadcast_to(v, (count, *v.shape[1:])) for v in fields], axis=1)

    def read_mask(self) -> Bool[np.ndarray, "*space"] | None:
        """Return the mask from its variable, True where there are values; None without a variable.

        Of an averaged block it is True if it is at all points of the block.

        Raises:
            ValueError: The mask has values other than those between 0 and 1, or differs between
                trajectories.
        """
        if self.mask is None:
            return None
        values, name = self._read(self.mask, self.subset.cropped), self.names.mask_variable
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                f"{self.path}: mask '{name}' holds {np.nanmin(values):g} to {np.nanmax(values):g}"
                f"{' and missing values' if np.isnan(values).any() else ''}, expected numbers from "
                "0 to 1; name another variable in data.mask, or `missing`."
            )
        if not (values == values[:1]).all():
            raise ValueError(
                f"{self.path}: mask '{name}' differs between trajectories, expected one for all; "
                "train on one domain, or set data.mask: missing where the same points lack values."
            )
        there = values[0] >= 0.5
        there = ~there if str(self.names.mask).startswith(NOT) else there
        return self.subset.of_mask(there, self.space)

    def _read(self, field: StoredVariable, subset: Subset) -> Float[np.ndarray, "_ *space"]:
        """Return a field without time, per trajectory or once if it is the same for all."""
        axes = {n: s for n, s in self.still.items() if n in field.dimensions}
        array = open_as(field, axes, self.descending, subset, self.space)
        with np.errstate(over="ignore"):
            values = np.asarray(array[()]).astype(np.float32)
        array.close()
        return values if self.trajectory in axes else values[None]


class _Finder:
    """Lookup of the variables that options name, with checks of their dimensions."""

    def __init__(
        self, contents: Contents, dimensions: Dimensions, axes: Mapping[str, int], select: Select
    ) -> None:
        self.contents, self.dimensions, self.axes = contents, dimensions, axes
        self.select = {name: item for name, item in select.items() if not isinstance(item, list)}

    def __call__(
        self, name: str, option: str, required: Sequence[str], timed: bool
    ) -> StoredVariable:
        """Return a variable after the selection of items along further dimensions.

        Args:
            name: Name of the variable.
            option: Option of the data that names it.
            required: Dimensions that the variable must have.
            timed: True if the variable must have the dimension of time, False if it must not.

        Raises:
            ValueError: The variable does not exist or has other dimensions.
        """
        contents, time = self.contents, self.dimensions.time
        if name not in contents.variables:
            known = [key for key in contents.variables if key not in contents.coordinates]
            raise ValueError(
                f"{contents.path} has no variable '{name}' for data.{option}, only "
                f"{', '.join(known) or 'none'}; name one of these in data.{option}."
            )
        variable = contents.variables[name]
        (field,) = selected(contents, variable, self.dimensions, self.select).fields
        found = set(field.dimensions)
        space = set(self.axes) - {time, self.dimensions.trajectory}
        fits = found <= set(self.axes) and found.issuperset(required) and (time in found) == timed
        if not fits or (found & space) not in (set(), space):
            names = ", ".join(axis for axis in self.axes if axis in space)
            wanted = f"({time}, {names}) or ({time})" if timed else f"({names}), without {time}"
            remedy = "select an item of other dimensions by data.select"
            if option == "mask" and time in found:
                remedy = "store it once, without time, set data.mask: missing"
            elif (time in found) != timed:
                remedy = f"list it in data.{'static' if timed else 'forcing'}"
            raise ValueError(
                f"{contents.path}: variable '{name}' of data.{option} has dimensions "
                f"({', '.join(field.dimensions)}), expected {wanted}; {remedy}, or name another in "
                f"data.{option}."
            )
        sizes = dict(zip(field.dimensions, field.shape, strict=True))
        for axis, size in sizes.items():
            if size != self.axes[axis]:
                raise ValueError(
                    f"{contents.path}: variable '{name}' of data.{option} has {size} points along "
                    f"'{axis}', but the fields have {self.axes[axis]}, expected as many; write it "
                    f"for the points and times of the fields, or name another in data.{option}."
                )
        return field


def described(name: str, field: StoredVariable) -> Variable:
    """Return name, long name and units of a variable."""
    label = str(field.attributes.get("long_name", name))
    return Variable(name, label, str(field.attributes.get("units", "1")))
