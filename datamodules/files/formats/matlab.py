"""Files of MATLAB, which may hold one snapshot each, such as the files of py2d."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.arrays import open_array
from datamodules.files.decoded_array import text
from datamodules.files.disk_array import viewed
from datamodules.files.formats.format import beginning, unreadable
from datamodules.files.formats.plain_arrays import OTHER, PlainArrays, StoredArray, refuse
from datamodules.files.formats.plain_hdf5 import read_arrays
from datamodules.files.loaded_array import LoadedArray
from datamodules.files.oriented_array import OrientedArray
from datamodules.files.part import PartArray
from datamodules.notices import notify

BEGINS = b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
REAL = {"single", "double", *INTEGERS}
LARGE = 2**24  # bytes of a file whose reading is worth a note


class MATLAB(PlainArrays):
    """Matrices of real numbers in `.mat` files of versions 5 to 7.3.

    The order of the axes is the order of the indices in MATLAB. Files of version 7.3 are read
    piece by piece, others as a whole by SciPy (`pip install "implicit-emulators[matlab]"`).
    Vectors with the name of an axis are its coordinates, and single numbers can be named in
    `data.parameters`.

    Example:
        A snapshot in a file of its own with its time, as py2d writes them:

        >>> from scipy.io import savemat
        >>> savemat("1.mat", {"Omega": np.ones((3, 4)), "time": 0.1})
        >>> with MATLAB(["x", "y"]).open(Path("1.mat")) as contents:
        ...     omega, time = contents.variables["Omega"], contents.variables["time"]
        ...     print(omega.dimensions, omega.shape, time.values())
        ('time', 'x', 'y') (1, 3, 4) [0.1]
    """

    label = "MATLAB"

    def recognizes(self, path: Path) -> bool:
        return beginning(path, len(BEGINS[0])) in BEGINS

    def arrays(self, path: Path) -> Mapping[str, StoredArray]:
        of_hdf5 = beginning(path, len(BEGINS[1])) == BEGINS[1]
        found = in_hdf5(path) if of_hdf5 else of_version_5(path)
        return {name: _without_single_axes(array) for name, array in found.items()}


def in_hdf5(path: Path) -> dict[str, StoredArray]:
    """Return the matrices in a file of version 7.3, with the axes in the order of MATLAB."""
    found = {}
    for name, array in read_arrays(path, MATLAB.label).items():
        if name.startswith("#refs#"):  # values of cells
            continue
        kind = text(array.attributes.get("MATLAB_class"))
        if kind in REAL and array.is_real:
            order = range(len(array.shape))[::-1]
            opened = partial(viewed, partial(open_array, path, name), OrientedArray, order)
            found[name] = StoredArray(array.shape[::-1], array.dtype, opened)
        elif "/" not in name:
            kind = "complex numbers" if kind in REAL else f"values of class {kind}"
            found[name] = _other(path, name, array.shape[::-1], kind)
    return found


def _other(path: Path, name: str, shape: tuple[int, ...], kind: str) -> StoredArray:
    """Return a variable that is not a matrix of real numbers."""
    return StoredArray(shape, OTHER, partial(refuse, path, name, kind))


def of_version_5(path: Path) -> dict[str, StoredArray]:
    """Return the matrices in a file of a version before 7.3.

    Raises:
        ValueError: SciPy is not installed, or the file is damaged.
    """
    try:
        from scipy.io import whosmat
    except ImportError:
        raise ValueError(
            f"{path} is a file of MATLAB before version 7.3, for which SciPy is missing; run "
            '`pip install "implicit-emulators[matlab]"`, or write it in MATLAB by '
            "save(..., '-v7.3')."
        ) from None
    try:
        held = whosmat(path)
    except Exception as error:  # of several kinds, by the fault of the file
        raise unreadable(path, MATLAB.label, error) from None
    if path.stat().st_size > LARGE:
        notify(
            f"{path.parent}: .mat files are read into memory one by one; MATLAB writes files "
            "that are read piece by piece by save(..., '-v7.3')."
        )
    return {
        name: StoredArray(
            *(shape, np.dtype(kind)),
            partial(LoadedArray, path, name, shape, partial(_load, path, name)),
        )
        if kind in REAL
        else _other(path, name, shape, f"values of class {kind}")
        for name, shape, kind in held
    }


def _load(path: Path, name: str) -> np.ndarray:
    """Return the numbers of a matrix.

    Raises:
        ValueError: The file is damaged, or the numbers are complex.
    """
    from scipy.io import loadmat

    try:
        values: Any = loadmat(path, variable_names=[name])[name]
    except Exception as error:  # of several kinds, by the fault of the file
        raise unreadable(path, MATLAB.label, error) from None
    if values.dtype.kind == "c":
        refuse(path, name, "complex numbers")
    return values


def _without_single_axes(array: StoredArray) -> StoredArray:
    """Return a vector or single number of MATLAB, which has two axes there, without them."""
    if len(array.shape) != 2 or 1 not in array.shape:
        return array
    fixed = [0 if size == 1 else slice(None) for size in array.shape]
    shape = tuple(size for size in array.shape if size != 1)
    return replace(array, shape=shape, open=partial(viewed, array.open, PartArray, fixed))
