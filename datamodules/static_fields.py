"""Static fields of the files of a split, which are in memory once if files share them."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from datamodules.files.last_arrays import LastArrays
from datamodules.files.provenance import digest
from datamodules.files.reader import TrajectoryReader

MOST = 2**29  # bytes of static fields in memory


class StaticFields:
    """Static fields of files; equal ones are in memory once, and all of them up to a limit.

    Args:
        masked: Points at which all channels of the state are masked; a static field that has no
            value there is 0. None if there are no such points.
        most: Largest number of bytes in memory; beyond it, files are read again.
    """

    def __init__(self, masked: Bool[np.ndarray, "*space"] | None = None, most: int = MOST) -> None:
        self.masked, self.last = masked, LastArrays(most)
        self._contents: dict[Path, str | None] = {}

    def of(self, file: TrajectoryReader) -> Float[np.ndarray, "_ static *space"]:
        """Return the static fields of a file, per trajectory or once if they are equal for all.

        Raises:
            ValueError: A value is missing at a point that is not masked.
        """
        if file.path in self._contents:
            return self.last.get(self._contents[file.path], lambda: self._read(file))
        fields = self._read(file)
        self._contents[file.path] = contents = digest(fields)
        return self.last.get(contents, lambda: fields)

    def _read(self, file: TrajectoryReader) -> Float[np.ndarray, "_ static *space"]:
        fields = file.read_static()
        absent = np.isnan(fields)
        needed = absent if self.masked is None else absent & ~self.masked
        if needed.any():
            _, number, *point = map(int, np.argwhere(needed)[0])
            raise ValueError(
                f"{file.path}: static field '{file.static[number].name}' has no finite value at "
                f"point {tuple(point)}, expected one at each point that data.mask does not leave "
                "out; fill missing values, for instance with 0."
            )
        fields[absent] = 0
        return fields
