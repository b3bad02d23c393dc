"""NumPy's files: one array in `.npy`, several in `.npz`."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from datamodules.files.formats.format import beginning
from datamodules.files.formats.plain_arrays import (
    OTHER,
    REAL,
    TYPED,
    PlainArrays,
    StoredArray,
    refuse,
)
from datamodules.files.loaded_array import LoadedArray
from datamodules.files.mapped_array import MappedArray
from datamodules.files.paths import inspection_of
from datamodules.files.store_files import data_offset, names_in
from datamodules.files.units import SECONDS, time_unit
from datamodules.notices import notify

TIMES = {"M": "seconds since 1970-01-01", "m": "seconds"}
"""Units in which dates (`datetime64`) and durations (`timedelta64`) are read."""


class NumPy(PlainArrays):
    """Arrays in `.npy` and `.npz` files, which are mapped unless they are compressed.

    The variable in `a.npy` is called `a` unless there are channels. In an `.npz` file
    one-dimensional arrays with the name of an axis are its coordinates, and single numbers can be
    named in `data.parameters`. Dates (`datetime64`) are read in seconds since 1970, unless an
    interval is given.

    Example:
        Two trajectories of five snapshots, every 0.5 s, on 8 points of a line of 4 m:

        >>> np.save("u.npy", np.zeros((2, 5, 8), dtype="f4"))
        >>> order = ["trajectory", "time", "x"]
        >>> format = NumPy(order, interval=0.5, time_units="s", lengths=[4.0])
        >>> with format.open(Path("u.npy")) as contents:
        ...     print(contents.variables["u"].dimensions, contents.variables["u"].shape)
        ...     print(contents.variables["time"].values(), contents.variables["x"].values()[:3])
        ('trajectory', 'time', 'x') (2, 5, 8)
        [0.  0.5 1.  1.5 2. ] [0.  0.5 1. ]
    """

    label = "NumPy"

    def recognizes(self, path: Path) -> bool:
        if names := names_in(path):
            return all(name.endswith(".npy") for name in names)
        return beginning(path, len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX

    def arrays(self, path: Path) -> Mapping[str, StoredArray]:
        found = self._stored(path)
        if self.interval is None:
            return found
        return {name: self._passed_over(path, name, array) for name, array in found.items()}

    def _passed_over(self, path: Path, name: str, array: StoredArray) -> StoredArray:
        """Return an array; dates as one without numbers, because the interval gives the times.

        Raises:
            ValueError: The interval of the dates is another one.
        """
        if TYPED not in array.attributes or self.interval is None:
            return array
        values, unit = np.atleast_1d(array.open()[()]), SECONDS.get(time_unit(self.time_units))
        steps = np.diff(values)
        if unit and not np.allclose(steps, self.interval * unit, rtol=1e-3, atol=0):
            raise ValueError(
                f"{path}: the dates in '{name}' are {steps[0]:g} s apart, and NumPy.interval is "
                f"{self.interval:g} {self.time_units}, expected the same; leave interval and "
                f"time_units out to read the dates; {inspection_of(path)}"
            )
        return replace(array, dtype=OTHER, attributes={})

    def _stored(self, path: Path) -> dict[str, StoredArray]:
        """Return the arrays in a file, dates among them."""
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return {path.stem: _array(path, file, path.stem, 0)}
        found = {}
        with zipfile.ZipFile(path) as archive, path.open("rb") as whole:
            for part in archive.infolist():
                name = part.filename.removesuffix(".npy")
                with archive.open(part) as file:
                    place = None
                    if part.compress_type == zipfile.ZIP_STORED:
                        place = data_offset(whole, part.header_offset)
                    found[name] = _array(path, file, name, place)
        return found


def _array(path: Path, file: Any, name: str, place: int | None) -> StoredArray:
    """Return the description of an array from its header; mapped if its place is known.

    Raises:
        ValueError: The header is damaged.
    """
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
        header = file.tell()
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable NumPy file ({error}); restore it or remove it from "
            "data.SPLIT.files."
        ) from None
    if dtype.kind in TIMES and len(shape) < 2 and _has_seconds(dtype):  # times, not a field
        attributes = {"units": TIMES[dtype.kind], TYPED: str(dtype)}
        seconds = partial(LoadedArray, path, name, shape, partial(_seconds, path, name))
        return StoredArray(shape, np.dtype("f8"), seconds, attributes)
    if dtype.kind not in REAL:
        kind = "Python objects" if dtype.hasobject else f"values of type {dtype}"
        return StoredArray(shape, dtype, partial(refuse, path, name, kind))
    if place is None:
        notify(
            f"{path.parent}: compressed .npz files are read into memory one by one; numpy.savez "
            "writes them without compression."
        )
        load = partial(_load, path, name)
        return StoredArray(shape, dtype, partial(LoadedArray, path, name, shape, load))
    inner = shape[:-1] if fortran else shape[:0:-1]  # from the axis that varies fastest
    strides = tuple(accumulate(inner, mul, initial=dtype.itemsize))[: len(shape)]
    strides = strides if fortran else strides[::-1]
    opened = partial(MappedArray, path, place + header, shape, dtype, strides)
    return StoredArray(shape, dtype, opened)


def _load(path: Path, name: str) -> np.ndarray:
    """Return a whole array of a file."""
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return found
    with found:
        return found[name]


def _seconds(path: Path, name: str) -> np.ndarray:
    """Return dates or durations in seconds; NaN where one is missing."""
    values = _load(path, name)
    since = np.datetime64(0, "s") if values.dtype.kind == "M" else np.timedelta64(0, "s")
    return (values - since) / np.timedelta64(1, "s")


def _has_seconds(dtype: np.dtype) -> bool:
    """Return whether dates or durations have a length in seconds, unlike months as durations."""
    return dtype.kind == "M" or np.datetime_data(dtype)[0] not in ("Y", "M", "generic")
