"""NetCDF files, classic and NetCDF-4."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.formats.format import (
    Contents,
    FileFormat,
    StoredVariable,
    beginning,
    unreadable,
)
from datamodules.files.provenance import provenance_in

OTHERS = {  # first bytes of files that are often found among data
    b"\x80": "a pickle, which can run code when it is read; write its arrays by numpy.save",
    b"PK": "a truncated zip archive, or one of other files; restore or unpack it",
    b"\x1f\x8b": "compressed by gzip; unpack it",
}


class NetCDF(FileFormat):
    """NetCDF files of any version; a variable of a group is named `group/name`.

    Example:
        A file as xarray writes it:

        >>> import xarray
        >>> field = xarray.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=["time", "x"])
        >>> xarray.Dataset({"u": field}, {"time": [0.0, 0.5]}).to_netcdf("u.nc")
        >>> with NetCDF().open(Path("u.nc")) as contents:
        ...     print(sorted(contents.variables), contents.variables["u"].dimensions)
        ...     print(contents.variables["time"].values())
        ['time', 'u'] ('time', 'x')
        [0.  0.5]
    """

    label = "NetCDF"

    def recognizes(self, path: Path) -> bool:
        return path.is_file()

    @contextmanager
    def open(self, path: Path) -> Iterator[Contents]:
        with open_dataset(path) as dataset:
            variables = Variables(dataset, path)
            defined = {name: set(group.dimensions) for name, group in variables.groups.items()}
            yield Contents(path, variables, Attributes(dataset), defined)


class Variables(Mapping[str, StoredVariable]):
    """Variables of an open file, whose descriptions are made on access.

    Args:
        dataset: Open file.
        path: Path of the file.
    """

    def __init__(self, dataset: netCDF4.Dataset, path: Path) -> None:
        self.path, self.groups = path, dict(_groups(dataset))

    def __getitem__(self, name: str) -> StoredVariable:
        group, _, own = name.rpartition("/")
        variable = self.groups[group].variables[own]
        return StoredVariable(
            name,
            variable.dimensions,
            variable.shape,
            variable.dtype,
            dict(Attributes(variable)),
            partial(open_array, self.path, name),
            partial(read_texts, self.path, name),
        )

    def __iter__(self) -> Iterator[str]:
        for path, group in self.groups.items():
            yield from (f"{path}/{name}" if path else name for name in group.variables)

    def __len__(self) -> int:
        return sum(len(group.variables) for group in self.groups.values())


def _groups(owner: netCDF4.Dataset, path: str = "") -> Iterator[tuple[str, netCDF4.Dataset]]:
    """Yield a file and all its groups, each with its path."""
    yield path, owner
    for name, group in owner.groups.items():
        yield from _groups(group, f"{path}/{name}" if path else name)


class Attributes(Mapping[str, Any]):
    """Attributes of an open file or variable; None for values of types that cannot be read.

    Args:
        owner: Open file or variable.
    """

    def __init__(self, owner: netCDF4.Dataset | netCDF4.Variable) -> None:
        self.owner = owner

    @cached_property
    def names(self) -> list[str]:
        """Names of the attributes.

        Raises:
            ValueError: The file is damaged.
        """
        try:
            return self.owner.ncattrs()
        except (AttributeError, RuntimeError) as error:
            file = self.owner if isinstance(self.owner, netCDF4.Dataset) else self.owner.group()
            raise unreadable(Path(file.filepath()), NetCDF.label, error) from None

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        try:
            return self.owner.getncattr(name)
        except (AttributeError, RuntimeError, TypeError, UnicodeDecodeError):  # of a type unknown
            return None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def open_dataset(path: Path) -> netCDF4.Dataset:
    """Return an open NetCDF file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The path is a folder, or not a NetCDF file.
    """
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder, expected a NetCDF file; name the files within a folder by a "
            "pattern such as 'train/*.nc', and leave out data.format for a Zarr store."
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        return netCDF4.Dataset(path)
    except (OSError, RuntimeError) as error:
        for mark, kind in OTHERS.items():
            if beginning(path, len(mark)) == mark:
                raise ValueError(
                    f"{path} is not a NetCDF file, but {kind}, or remove it from data.SPLIT.files."
                ) from None
        raise ValueError(
            f"{path} is not a readable NetCDF file ({getattr(error, 'strerror', None) or error}): "
            "it may be truncated or of another format; restore it or remove it from "
            "data.SPLIT.files."
        ) from None


def read_texts(path: Path, name: str) -> list[str]:
    """Return the texts of a variable; characters are joined along the last dimension."""
    with open_dataset(path) as dataset:
        values = np.asarray(dataset[name][...])
    if values.dtype == "S1" and values.ndim:
        values = netCDF4.chartostring(values)
    return [str(value) for value in values.ravel().tolist()]


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Return the settings that determined the data of a generated file, or None for other files."""
    with open_dataset(path) as dataset:
        return provenance_in(Attributes(dataset))
