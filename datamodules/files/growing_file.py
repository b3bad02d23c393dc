"""Interface of files of any format that are written while a forecast is computed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datamodules.files.atomic import writing


@dataclass(frozen=True)
class NewVariable:
    """Variable of a file that is to be written.

    Attributes:
        name: Name of the variable.
        dtype: Type of its values in the file.
        dimensions: Names of its dimensions.
        attributes: Attributes such as its units.
        values: All of its values, or None if it grows.
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
        sizes: Sizes of the dimensions, of the one that grows the size that it has at the end.
        grows: Name of the dimension that grows.
        variables: Variables; those over the dimension that grows have no values yet.
        attributes: Attributes of the whole file.
    """

    sizes: Mapping[str, int]
    grows: str
    variables: tuple[NewVariable, ...]
    attributes: Mapping[str, Any]

    @property
    def growing(self) -> list[NewVariable]:
        """Variables over the dimension that grows."""
        return [variable for variable in self.variables if self.grows in variable.dimensions]

    def shape(self, variable: NewVariable, items: int | None = None) -> list[int]:
        """Return the shape of a variable, with some items of the dimension that grows."""
        sizes = {**self.sizes, self.grows: items or self.sizes[self.grows]}
        return [sizes[name] for name in variable.dimensions]

    def chunk(self, variable: NewVariable, items: int) -> list[int]:
        """Return the shape of a chunk: one item of what is before the dimension that grows.

        Args:
            variable: Variable over the dimension that grows.
            items: Number of items of that dimension in a chunk.
        """
        axis = variable.dimensions.index(self.grows)
        return [1] * axis + self.shape(variable, items)[axis:]

    def at(self, variable: NewVariable, part: int | slice) -> tuple[int | slice, ...]:
        """Return the key of items of a variable along the dimension that grows."""
        return (slice(None),) * variable.dimensions.index(self.grows) + (part,)


class GrowingFile(ABC):
    """File that grows along one dimension.

    It is `NAME.partial.SUFFIX` while it grows, which is what a killed process leaves behind, and
    loses `partial` when it is complete.

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
        """Check that the packages are installed that write the format.

        Raises:
            ValueError: A package is missing; the message says how to install it.
        """

    def append(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Write one more item of each variable that grows.

        Raises:
            OSError: The file cannot be written.
        """
        with writing(self.partial):
            self._append(values)
            self.stored += 1

    def complete(self) -> None:
        """Close the file and give it the name of a complete one, in place of an earlier file.

        Raises:
            OSError: The file cannot be written.
        """
        with writing(self.partial):
            self.close()
            self._rename()

    @abstractmethod
    def close(self) -> None:
        """Write what is still held and close the file, which remains a partial one."""

    @abstractmethod
    def _create(self) -> None:
        """Make the partial file, with everything that does not grow."""

    @abstractmethod
    def _append(self, values: Mapping[str, np.ndarray | float]) -> None:
        """Write item number `stored` of each variable that grows."""

    def _rename(self) -> None:
        """Give the closed file the name of a complete one."""
        self.partial.replace(self.path)
