"""Arrays saved with a checksum, which detects damaged or wrong files when they are loaded.

The file is written by `np.savez`, followed by the SHA-256 of a label and of all bytes before. Bytes
that were changed, are missing, or were written under another label are found before use.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datamodules.files.atomic import atomic_file

SEAL = hashlib.sha256().digest_size
PIECE = 2**20


def save(path: Path, label: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays atomically.

    Args:
        path: Path of the file.
        label: Text that identifies the arrays; `load` must be given the same.
        arrays: Arrays by their names.

    Raises:
        ValueError: An array holds objects, which would be pickled.
        OSError: The file cannot be written.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise ValueError(
            f"{path}: '{objects[0]}' is an array of objects, {arrays[objects[0]].dtype}; only "
            "numbers and text can be kept."
        )
    with atomic_file(path) as temporary, temporary.open("wb+") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # for the stub, all are allow_pickle
        file.write(_seal(file, file.seek(0, os.SEEK_END), label))


def load(path: Path, label: str) -> dict[str, np.ndarray] | None:
    """Return the arrays saved under a label, or None if the file is damaged or has another label.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - SEAL
        if size < 0:
            return None
        seal = _seal(file, size, label)
        if file.read() != seal:
            return None
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)


def _seal(file: BinaryIO, size: int, label: str) -> bytes:
    """Return the hash of a label and the first `size` bytes of a file, which are read."""
    digest = hashlib.sha256(label.encode())
    digest.update(b"\0")
    file.seek(0)
    while size > 0 and (piece := file.read(min(PIECE, size))):
        digest.update(piece)
        size -= len(piece)
    return digest.digest()
