"""Interface between a file of any format and the reader of trajectories.

A format describes a file as variables with named dimensions, attributes, and values that are read
lazily. Everything above (axes, time, parameters, windows, hashes, storage) knows no format.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import netCDF4
import numpy as np

from datamodules.files.disk_array import DiskArray
from datamodules.files.paths import inspection_of

MOST = 2**16  # texts or characters of a coordinate that are read
FILL = netCDF4.default_fillvals["f8"]  # value of floats that were never written


@dataclass(frozen=True)
class StoredVariable:
    """Variable of a file.

    Args:
        name: Name of the variable.
        dimensions: Names of the dimensions, in the order of the file.
        shape: Sizes of the dimensions.
        dtype: Type of the values in the file.
        attributes: Attributes, such as `units` and `long_name`.
        open: Picklable function that returns the values as an array on disk.
        read_texts: Picklable function that returns the values of a variable of texts; None where
            there is none.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    attributes: Mapping[str, Any]
    open: Callable[[], DiskArray]
    read_texts: Callable[[], list[str]] | None = None

    @property
    def kind(self) -> str:
        """Kind of the type by NumPy's letter; `O` for texts and types of a file's own."""
        return getattr(self.dtype, "kind", "O")

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=int))

    def values(self) -> np.ndarray:
        """Return all values in float64, with NaN for missing ones and those never written."""
        array = self.open()
        values = np.asarray(array[()], dtype=np.float64)
        array.close()
        return np.where(np.isclose(np.abs(values), FILL, rtol=1e-6, atol=0), np.nan, values)

    def texts(self) -> list[str] | None:
        """Return the values of a coordinate of texts, such as names of members; None of others."""
        if self.kind not in "SUO" or self.read_texts is None or self.size > MOST:
            return None
        return [text.strip() for text in self.read_texts()]


@dataclass(frozen=True)
class Contents:
    """Contents of a file.

    Args:
        path: File, for messages.
        variables: Variables by name, coordinates included.
        attributes: Global attributes, among them parameters that the whole file shares.
        defined: Names of the dimensions that each group defines, by the path of the group, where
            the format has dimensions of groups.
    """

    path: Path
    variables: Mapping[str, StoredVariable]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    defined: Mapping[str, Collection[str]] = field(default_factory=dict)

    @cached_property
    def coordinates(self) -> set[str]:
        """Names of the dimensions of all variables."""
        return {name for variable in self.variables.values() for name in variable.dimensions}


def check_length(contents: Contents, coordinate: StoredVariable, size: int) -> None:
    """Check that a coordinate has one value for each point of its dimension.

    Dimensions of formats without named ones are known from the fields alone.

    Raises:
        ValueError: It has fewer or more values.
    """
    if coordinate.shape != (size,):
        raise ValueError(
            f"{contents.path}: the coordinate '{coordinate.name}' has {coordinate.size} values, "
            f"but the fields have {size} along '{coordinate.dimensions[0]}', expected as many; "
            f"correct the file; {inspection_of(contents.path)}"
        )


class FileFormat(ABC):
    """Reader of files of one format.

    Example:
        A format of your own, tables of numbers (time, x) as comma-separated values:

        >>> from contextlib import contextmanager
        >>> from functools import partial
        >>> from datamodules.files.formats.plain_arrays import Values
        >>> class Table(FileFormat):
        ...     label = "CSV"
        ...     def recognizes(self, path):
        ...         return path.suffix == ".csv"
        ...     @contextmanager
        ...     def open(self, path):
        ...         numbers = np.loadtxt(path, delimiter=",")
        ...         read = partial(Values, path, numbers)
        ...         names, kind = ("time", "x"), numbers.dtype
        ...         field = StoredVariable("u", names, numbers.shape, kind, {}, read)
        ...         yield Contents(path, {"u": field})
        >>> np.savetxt("u.csv", [[1, 2], [3, 4], [5, 6]], delimiter=",")
        >>> with Table().open(Path("u.csv")) as contents:
        ...     print(contents.variables["u"].shape, contents.variables["u"].values()[2])
        (3, 2) [5. 6.]
    """

    label: ClassVar[str]
    """Name of the format in messages."""

    @abstractmethod
    def recognizes(self, path: Path) -> bool:
        """Return whether a file or folder is of this format, from its first bytes or names."""

    @abstractmethod
    def open(self, path: Path) -> AbstractContextManager[Contents]:
        """Return what a file holds, for the time of a `with` statement.

        Raises:
            ValueError: The file is damaged or of another format.
        """


def beginning(path: Path, size: int) -> bytes:
    """Return the first bytes of a file, by which formats are recognised; none of a folder."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(size)


def unreadable(path: Path, label: str, error: Exception) -> ValueError:
    """Return the error for a file that a library cannot read.

    Args:
        path: File.
        label: Name of the format.
        error: Error of the library, of which the first line is shown.
    """
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return ValueError(
        f"{path} is not a readable file of {label} ({reason:.200}): it may be truncated or of "
        "another format; restore it or remove it from data.SPLIT.files."
    )
