"""Static fields of the files of a split, which are in memory once if files share them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from datamodules.files.last_arrays import LastArrays
from datamodules.files.provenance import digest
from datamodules.files.reader import TrajectoryReader

MOST = 2**29  # bytes of static fields in memory


class StaticFields:
    """Static fields of files; equal ones are in memory once, and all of them up to a limit.

    Args:
        most: Largest number of bytes in memory; beyond it, files are read again.
    """

    def __init__(self, most: int = MOST) -> None:
        self.last = LastArrays(most)
        self._contents: dict[Path, str | None] = {}

    def of(self, file: TrajectoryReader) -> Float[np.ndarray, "_ static *space"]:
        """Return the static fields of a file, per trajectory or once if they are equal for all."""
        if file.path in self._contents:
            return self.last.get(self._contents[file.path], file.read_static)
        fields = file.read_static()
        self._contents[file.path] = contents = digest(fields)
        return self.last.get(contents, lambda: fields)
