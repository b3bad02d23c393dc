"""HDF5 files of The Well (Ohana et al., NeurIPS 2024).

Groups `t0_fields`, `t1_fields` and `t2_fields` hold scalars, vectors and tensors over (trajectory,
time, *space, *component); fields may lack any of the first axes. Specification:
https://github.com/PolymathicAI/the_well/blob/master/docs/data_format.md
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datamodules.files.decoded_array import texts, with_texts
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.formats.hdf5_format import HDF5Format, stored_part
from datamodules.files.part import Part
from datamodules.files.space_axis import CONDITION

GROUPS = ("t0_fields", "t1_fields", "t2_fields")  # by the order of the tensor


class TheWell(HDF5Format):
    """HDF5 files of The Well; components of vectors and tensors are variables of their own.

    The components of `velocity` along x and y are `velocity_x` and `velocity_y`. Scalars and the
    simulation parameters can be named in `data.parameters`. An axis is periodic if its boundary
    condition is.

    Example:
        A file with one vector field of a plane that is periodic along x, by the specification:

        >>> with h5py.File("flow.hdf5", "w") as file:
        ...     dimensions = file.create_group("dimensions")
        ...     dimensions.attrs["spatial_dims"] = ["x", "y"]
        ...     for name, size in (("time", 3), ("x", 4), ("y", 6)):
        ...         dimensions[name] = np.arange(size) / 2
        ...     around = file.create_group("boundary_conditions/x_periodic")
        ...     around.attrs.update({"bc_type": "PERIODIC", "associated_dims": ["x"]})
        ...     file["t1_fields/velocity"] = np.zeros((5, 3, 4, 6, 2))  # 5 trajectories
        >>> with TheWell().open(Path("flow.hdf5")) as contents:
        ...     print(contents.variables["velocity_y"].dimensions)
        ...     print(contents.variables["x"].attributes, contents.variables["y"].attributes)
        ('trajectory', 'time', 'x', 'y')
        {'topology': 'circular', 'bc_type': 'PERIODIC'} {}
    """

    label = "The Well"

    def fits(self, file: h5py.File) -> bool:
        return "dimensions" in file and any(group in file for group in GROUPS)

    def contents(self, file: h5py.File, path: Path) -> Contents:
        dimensions = file["dimensions"]
        space = texts(dimensions.attrs.get("spatial_dims")) or [
            name for name in dimensions if name != "time"
        ]
        variables = Fields()
        for name in ("time", *space):
            if name in dimensions:
                variables[name] = coordinate(file, path, name)
        for order, group in enumerate(GROUPS):
            for variable in fields(file, path, group, order, space):
                variables[variable.name] = variable
        for name, dataset in file.get("scalars", {}).items():
            names = varying(dataset, leading=dataset.ndim)
            variables[name] = stored_part(path, dataset, name, names)
        return Contents(path, variables, with_texts(file.attrs))


class Fields(dict[str, StoredVariable]):
    """Variables by name; `t0_fields/u` finds the same variable as `u`."""

    def get(self, name: str, default: Any = None) -> Any:
        group, _, own = name.partition("/")
        return super().get(own if group in GROUPS else name, default)

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None

    def __getitem__(self, name: str) -> StoredVariable:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found


def coordinate(file: h5py.File, path: Path, name: str) -> StoredVariable:
    """Return a coordinate, the first row of times that are stored for each trajectory.

    Raises:
        ValueError: Times differ between trajectories.
    """
    dataset, fixed = file["dimensions"][name], []
    names: tuple[str, ...] = (name,)
    if dataset.ndim == 2:
        values = dataset[()]
        if (values == values[0]).all():
            fixed = [0]
        elif name == "time":
            raise ValueError(
                f"{path}: the times of its trajectories differ, expected one time axis for all; "
                "write the others to files of their own, or remove it from data.SPLIT.files."
            )
        else:
            names = ("trajectory", name)
    kinds = boundary_conditions(file).get(name, [])
    attributes = {"topology": "circular"} if "PERIODIC" in kinds else {}
    if kinds:
        attributes[CONDITION] = ", ".join(kinds)
    return stored_part(path, dataset, name, names, fixed, attributes)


def boundary_conditions(file: h5py.File) -> dict[str, list[str]]:
    """Return the kinds of the boundary conditions by their axis; masks are ignored."""
    found: dict[str, list[str]] = {}
    for condition in file.get("boundary_conditions", {}).values():
        for kind in texts(condition.attrs.get("bc_type")):
            for axis in texts(condition.attrs.get("associated_dims")):
                kinds = found.setdefault(axis, [])
                kinds += [] if kind.upper() in kinds else [kind.upper()]
    return found


def fields(
    file: h5py.File, path: Path, group: str, order: int, space: list[str]
) -> Iterator[StoredVariable]:
    """Yield the components of the fields in a group.

    Raises:
        ValueError: The axes of a field do not fit its flags.
    """
    held = file.get(group, {})
    named = texts(held.attrs.get("field_names")) if group in file else []
    for name in named or held:
        dataset = held[name]
        varies = np.atleast_1d(dataset.attrs.get("dim_varying", [True] * len(space))).tolist()
        axes = dataset.ndim - order
        leading = varying(dataset, axes - len(space))
        short = axes - len(leading) != len(space)  # axes along which it is constant are left out
        if short:
            leading = varying(dataset, axes - sum(varies))
        kept = [*leading, *(axis for axis, own in zip(space, varies, strict=True) if own)]
        fixed: list[Part] = [slice(None)] * len(leading)
        fixed += [slice(None) if own else 0 for own in varies if own or not short]
        if len(fixed) != axes or dataset.shape[axes:] != (len(space),) * order:
            raise ValueError(
                f"{path}: field '{group}/{name}' has the shape {dataset.shape}, expected "
                f"({', '.join([*kept, *['component'] * order])}) by its attributes sample_varying, "
                "time_varying and dim_varying; correct them, "
                "or remove it from data.SPLIT.files."
            )
        for component in product(range(len(space)), repeat=order):
            label = "".join(space[number] for number in component)
            whole = f"{name}_{label}" if label else name
            yield stored_part(path, dataset, whole, kept, [*fixed, *component])


def varying(dataset: h5py.Dataset, leading: int) -> tuple[str, ...]:
    """Return the names of the axes before space, by the flags of a data set or their number."""
    flags = [dataset.attrs.get(f"{what}_varying") for what in ("sample", "time")]
    sample = leading > 1 if flags[0] is None else bool(flags[0])
    time = leading > 0 if flags[1] is None else bool(flags[1])
    return (*(["trajectory"] if sample else []), *(["time"] if time else []))
