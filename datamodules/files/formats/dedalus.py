"""HDF5 files that Dedalus 3 writes (Burns et al., Phys. Rev. Research 2020).

A task is an array over (time, *component, *space) with a scale of `scales` attached to each axis.
The files of one handler, `snapshots_s1.h5`, `snapshots_s2.h5`, ..., are parts of one run.
"""

from itertools import product
from math import prod
from pathlib import Path

import h5py

from datamodules.files.decoded_array import texts
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.formats.hdf5_format import HDF5Format, stored_part


class Dedalus(HDF5Format):
    """HDF5 files of Dedalus 3; components of vectors and tensors are variables of their own.

    The components of `u` along x and z are `u_x` and `u_z`. Axes of a task of another resolution
    have their size in their names, `x_24`. Tasks of coefficients are left out. The files do not say
    whether the domain is periodic: set `data.periodic`. The files of one run are joined by
    `data.join: time`.

    Example:
        A file with one vector task of a plane, as Dedalus lays it out:

        >>> import numpy as np
        >>> with h5py.File("run_s1.h5", "w") as file:
        ...     file["scales/sim_time"] = [0.0, 0.5, 1.0]
        ...     task = file.create_dataset("tasks/u", data=np.zeros((3, 2, 4, 6)))
        ...     task.attrs["grid_space"] = [True, True]
        ...     task.dims[0].label = "t"
        ...     for axis, name in ((2, "x"), (3, "z")):
        ...         file[f"scales/{name}"] = np.arange(task.shape[axis]) / 4
        ...         file[f"scales/{name}"].make_scale(name)
        ...         task.dims[axis].label = name
        ...         task.dims[axis].attach_scale(file[f"scales/{name}"])
        >>> with Dedalus().open(Path("run_s1.h5")) as contents:
        ...     print(sorted(contents.variables), contents.variables["u_z"].dimensions)
        ['time', 'u_x', 'u_z', 'x', 'z'] ('time', 'x', 'z')
    """

    label = "Dedalus"

    def fits(self, file: h5py.File) -> bool:
        return "tasks" in file and ("scales" in file or "ext_mesh" in first_attributes(file))

    def contents(self, file: h5py.File, path: Path) -> Contents:
        if "scales" not in file:
            raise ValueError(
                f"{path} holds the part of one process, expected a file of the whole domain; "
                f"name {path.parent}.h5, which refers to it, in data.SPLIT.files."
            )
        times = file["scales/sim_time"]
        variables = {"time": stored_part(path, times, "time", ("time",))}
        for name, task in file["tasks"].items():
            if task.attrs["grid_space"].all():
                for variable in fields(path, name, task, times.shape[0], variables):
                    variables[variable.name] = variable
        return Contents(path, variables)


def first_attributes(file: h5py.File) -> set[str]:
    """Return the names of the attributes of the first task."""
    return {name for task in list(file["tasks"].values())[:1] for name in task.attrs}


def fields(
    path: Path, name: str, task: h5py.Dataset, times: int, known: dict[str, StoredVariable]
) -> list[StoredVariable]:
    """Return the components of a task, and the coordinates of its axes that are not known yet.

    Raises:
        ValueError: The task has another number of times than the file.
    """
    if task.shape[0] != times:
        raise ValueError(
            f"{path}: task '{name}' has {task.shape[0]} times, 'scales/sim_time' {times}; the "
            f"files of its processes in {path.with_suffix('')} may be missing: put them there, or "
            "remove it from data.SPLIT.files."
        )
    labels = texts(task.attrs["DIMENSION_LABELS"])
    found, axes = [], []
    for axis, label in enumerate(labels):
        if axis == 0 or label in ("", "constant"):
            continue
        scale = task.dims[axis][0]
        place, own = scale.name.strip("/"), label
        if label in known and known[label].attributes["scale"] != place:  # of another grid
            own = f"{label}_{scale.shape[0]}"
        if own in known and known[own].attributes["scale"] != place:
            raise ValueError(
                f"{path}: task '{name}' is on another grid of {scale.shape[0]} points along "
                f"'{label}' than tasks before it, expected one grid of each size; write it by a "
                "handler of its own, or remove the file from data.SPLIT.files."
            )
        axes.append(own)
        if own not in known:
            found.append(stored_part(path, scale, own, (own,), attributes={"scale": place}))
    components = [axis for axis, label in enumerate(labels) if axis and not label]
    sizes = [task.shape[axis] for axis in components]
    spatial = [label for label in labels[1:] if label not in ("", "constant")]
    named = spatial if prod(sizes) == len(axes) ** len(sizes) else []
    dimensions = ("time", *axes)
    for component in product(*map(range, sizes)):
        indices = dict(zip(components, component, strict=True))
        key = [
            indices.get(axis, 0 if label == "constant" else slice(None))
            for axis, label in enumerate(labels)
        ]
        words = [named[number] if named else str(number) for number in component]
        whole = f"{name}_{''.join(words)}" if words else name
        found.append(stored_part(path, task, whole, dimensions, key))
    return found
