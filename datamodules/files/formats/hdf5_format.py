"""Base class of formats that are layouts of HDF5 files; variables that are parts of data sets."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from datamodules.files.formats.format import Contents, FileFormat, StoredVariable, unreadable
from datamodules.files.part import Part, open_part

DAMAGE = (OSError, RuntimeError, KeyError)  # errors of h5py


class HDF5Format(FileFormat):
    """Base class of formats that are a layout of HDF5 files."""

    @abstractmethod
    def fits(self, file: h5py.File) -> bool:
        """Return whether an open file has this layout, by the names in it."""

    @abstractmethod
    def contents(self, file: h5py.File, path: Path) -> Contents:
        """Return what an open file holds.

        Raises:
            ValueError: Parts of the file contradict each other.
        """

    def recognizes(self, path: Path) -> bool:
        try:
            with h5py.File(path, "r", locking=False) as file:
                return self.fits(file)
        except DAMAGE:  # a folder, a damaged file, or no HDF5
            return False

    @contextmanager
    def open(self, path: Path) -> Iterator[Contents]:
        with open_hdf5(path, self.label) as file:
            try:
                if not self.fits(file):
                    raise ValueError(
                        f"{path} is not a file of {self.label}: it holds "
                        f"{', '.join(file) or 'nothing'}; set data.format to the format of the "
                        "file, or leave it out."
                    )
                contents = self.contents(file, path)
            except DAMAGE as error:
                raise unreadable(path, self.label, error) from None
        yield contents


def open_hdf5(path: Path, label: str) -> h5py.File:
    """Return an open HDF5 file.

    Args:
        path: File.
        label: Name of the format in messages.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged or has another format.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise unreadable(path, label, error) from None


def stored_part(
    path: Path,
    dataset: h5py.Dataset,
    name: str,
    dimensions: Sequence[str],
    fixed: Sequence[Part] = (),
    attributes: Mapping[str, Any] = {},
) -> StoredVariable:
    """Return the description of a part of a data set as a variable.

    Args:
        path: File.
        dataset: Data set.
        name: Name of the variable.
        dimensions: Names of the dimensions of the part.
        fixed: Fixed index or range along each of the first axes; others are kept whole.
        attributes: Attributes of the variable.
    """
    parts = [*fixed, *[slice(None)] * (dataset.ndim - len(fixed))]
    shape = tuple(
        len(range(size)[part])
        for size, part in zip(dataset.shape, parts, strict=True)
        if isinstance(part, slice)
    )
    opened = partial(open_part, path, dataset.name.strip("/"), parts)
    return StoredVariable(name, tuple(dimensions), shape, dataset.dtype, attributes, opened)
