"""Interface for files that are written while a forecast is computed, in any format."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datamodules.files.atomic import writing


@dataclass(frozen=True)
class NewVariable:
    """Definition of a variable in a new file.

    Attributes:
        name: Name of the variable.
        dtype: Type of the values in the file.
        dimensions: Names of the dimensions.
        attributes: Attributes, such as the units.
        values: All values, or None for a variable that grows.
    """

    name: str
    dtype: str
    dimensions: tuple[str, ...]
    attributes: Mapping[str, Any]
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Definition:
    """Dimensions, variables and attributes of a file, the same in every format.

    Attributes:
        sizes: Sizes of the dimensions; for the dimension that grows, its final size.
        grows: Name of the dimension that grows.
        variables: Variables; `values` is None if they grow.
        attributes: Attributes of the whole file.
    """

    sizes: Mapping[str, int]
    grows: str
    variables: tuple[NewVariable, ...]
    attributes: Mapping[str, Any]

    @property
    def growing(self) -> list[NewVariable]:
        """Variables with the dimension that grows."""
        return [variable for variable in self.variables if self.grows in variable.dimensions]

    def shape(self, variable: NewVariable, items: int | None = None) -> list[int]:
        """Return the shape of a variable with `items` along the growing dimension."""
        sizes = {**self.sizes, self.grows: items or self.sizes[self.grows]}
        return [sizes[name] for name in variable.dimensions]

    def chunk(self, variable: NewVariable, items: int) -> list[int]:
        """Return the shape of a chunk: length 1 along each dimension before the one that grows.

        Args:
            variable: Variable with the dimension that grows.
            items: Number of items per chunk along that dimension.
        """
        axis = variable.dimensions.index(self.grows)
        return [1] * axis + self.shape(variable, items)[axis:]

    def at(self, variable: NewVariable, part: int | slice) -> tuple[int | slice, ...]:
        """Return the index of some items along the dimension that grows."""
        return (slice(None),) * variable.dimensions.index(self.grows) + (part,)


class GrowingFile(ABC):
    """File that grows along one dimension.

    While it grows, its name is `NAME.partial.SUFFIX`; a process that is killed leaves this file
    behind. It is renamed to `NAME.SUFFIX` when it is complete.

    Args:
        path: Path of the complete file; its suffix is replaced by the format's.
        definition: Contents of the file.

    Attributes:
        stored: Number of items that were appended.

    Raises:
        OSError: The file cannot be written.
    """

    suffix: ClassVar[str]

    def __init__(self, path: Path, definition: Definition) -> None:
        self.path = path.with_suffix(self.suffix)
        self.partial = path.with_suffix(f".partial{self.suffix}")
        self.definition = definition
        self.stored = 0
        with writing(self.partial):
            self._create()

    @classmethod
    @abstractmethod
    def check_installed(cls) -> None:
        """Check that the packages that write the format are installed.

        Raises:
            ValueError: A package is missing; the message says how to install it.
        """

    def append(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Write one further item of each variable that grows.

        Raises:
            OSError: The file cannot be written.
        """
        with writing(self.partial):
            self._append(values)
            self.stored += 1

    def complete(self) -> None:
        """Close and rename the complete file, which replaces an earlier one.

        Raises:
            OSError: The file cannot be written.
        """
        with writing(self.partial):
            self.close()
            self._rename()

    @abstractmethod
    def close(self) -> None:
        """Write the buffered items and close the file, which keeps its partial name."""

    @abstractmethod
    def _create(self) -> None:
        """Create the partial file and write all variables that do not grow."""

    @abstractmethod
    def _append(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Write item number `stored` of each variable that grows."""

    def _rename(self) -> None:
        """Rename the closed file to the name of the complete one."""
        self.partial.replace(self.path)
