"""HDF5 files without a known layout."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.decoded_array import with_texts
from datamodules.files.disk_array import viewed
from datamodules.files.formats.format import beginning
from datamodules.files.formats.hdf5_format import DAMAGE, open_hdf5
from datamodules.files.formats.plain_arrays import OTHER, PlainArrays, StoredArray
from datamodules.files.hdf5 import damaged
from datamodules.files.oriented_array import OrientedArray
from datamodules.files.part import StackedArray

JULIA = b"HDF5-based Julia Data Format", b"Julia data file"  # since 2020, before


class HDF5(PlainArrays):
    """Data sets of HDF5 files, which are named by their paths, such as `fields/u`.

    Data sets in a group whose names are numbers, such as `u/0` and `u/50`, are read as one array
    `u` with a further leading axis, in the order of the numbers, which must have equal steps if
    there are no times, and be the same for all fields. This applies to the snapshots in
    JLD2 files of FourierFlows.jl and GeophysicalFlows.jl, whose axes are in the order of Julia,
    `[time, x, y]`.
    Data sets of one axis with the name of an axis are its coordinates: the one in the group of a
    field, or in its parent groups, or else the only one in the file. Attributes of the file and
    single numbers can be named in `data.parameters`, the latter by their paths.

    Example:
        A file whose times are next to the field:

        >>> import h5py
        >>> with h5py.File("run.h5", "w") as file:
        ...     file["fields/u"] = np.zeros((3, 4))
        ...     file["fields/t"] = [0.0, 0.5, 1.0]
        >>> with HDF5(["time", "x"]).open(Path("run.h5")) as contents:
        ...     print(contents.variables["fields/u"].dimensions)
        ...     print(contents.variables["time"].values())
        ('time', 'x')
        [0.  0.5 1. ]
    """

    label = "HDF5"

    def recognizes(self, path: Path) -> bool:
        if not (path.is_file() and h5py.is_hdf5(path)):
            return False
        try:
            with h5py.File(path, "r", locking=False) as file:
                return not is_netcdf(file)
        except DAMAGE:
            return False

    def arrays(self, path: Path) -> Mapping[str, StoredArray]:
        return stacked(path, read_arrays(path, self.label), is_of_julia(path))

    def attributes(self, path: Path) -> dict[str, Any]:
        with h5py.File(path, "r", locking=False) as file:
            return with_texts(file.attrs)


def is_netcdf(file: h5py.File) -> bool:
    """Return whether the NetCDF library or a program like it wrote a file."""
    if "_NCProperties" in file.attrs:
        return True
    scale = file.visititems(
        lambda _, item: (isinstance(item, h5py.Dataset) and item.is_scale) or None
    )
    return bool(scale)


def read_arrays(path: Path, label: str) -> dict[str, StoredArray]:
    """Return the data sets of an HDF5 file, by their paths.

    Args:
        path: File.
        label: Name of the format in messages.

    Raises:
        ValueError: The file is damaged.
    """
    found: dict[str, StoredArray] = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            opened = partial(open_array, path, name)
            found[name] = StoredArray(item.shape, type_of(item), opened, with_texts(item.attrs))

    with open_hdf5(path, label) as file:
        try:
            file.visititems(add)
        except DAMAGE as error:
            raise damaged(path, "/", error) from None
    return found


def type_of(dataset: h5py.Dataset) -> np.dtype:
    """Return the type of a data set."""
    try:
        return OTHER if h5py.check_enum_dtype(dataset.dtype) else dataset.dtype
    except TypeError:  # a type that NumPy does not have
        return OTHER


def is_of_julia(path: Path) -> bool:
    """Return whether a file was written by JLD2, in the layout of FourierFlows.

    Raises:
        ValueError: The file was written by JLD2 in another layout.
    """
    if not beginning(path, len(JULIA[0])).startswith(JULIA):
        return False
    with open_hdf5(path, "JLD2") as held:
        if "snapshots/t" in held:
            return True
    raise ValueError(
        f"{path} is a file of JLD2, of which only the snapshots of FourierFlows are read; write it "
        "as NetCDF in Julia (by NetCDFWriter in Oceananigans, NCDatasets.jl elsewhere)."
    )


def stacked(path: Path, arrays: dict[str, StoredArray], julia: bool) -> dict[str, StoredArray]:
    """Return the arrays, with all arrays of a numbered group stacked into one.

    Args:
        path: File.
        arrays: Arrays by their paths.
        julia: If True, the axes of arrays are put in the order of Julia.
    """
    found, groups = dict(arrays), defaultdict(list)
    for name in arrays:
        group, _, own = name.rpartition("/")
        if group and own.isdecimal():
            groups[group].append(name)
    for group, names in groups.items():
        names.sort(key=lambda name: int(name.rpartition("/")[2]))
        first = arrays[names[0]]
        if len({(arrays[name].shape, arrays[name].dtype) for name in names}) == 1:
            for name in names:
                del found[name]
            axes = range(1, 1 + len(first.shape))
            order = [0, *(reversed(axes) if julia else axes)]
            shape = (len(names), *(first.shape[axis - 1] for axis in order[1:]))
            stack = partial(StackedArray, path, [arrays[name].open for name in names], first.shape)
            opened = partial(viewed, stack, OrientedArray, order)
            numbers = tuple(int(name.rpartition("/")[2]) for name in names)
            found[group] = replace(first, shape=shape, open=opened, numbers=numbers)
    return found
