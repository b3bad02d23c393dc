"""Variables of classic NetCDF files: formats CDF-1, CDF-2 and CDF-5.

The NetCDF library reads zeros where a classic file is cut short, and lets no thread read while
another writes; so the header is parsed here, and values are read from their places in the file. A
file begins with a list of dimensions, of attributes and of variables, each of which says where
its values begin. Numbers are big-endian, and names and values are padded to multiples of 4 bytes.
Variables over the unlimited dimension come last, one record of all of them after the other. Source:
https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray, as_tuple, ranges_of
from datamodules.files.open_files import ReplacedError

TYPES = ("i1", "S1", ">i2", ">i4", ">f4", ">f8", "u1", ">u2", ">u4", ">i8", ">u8")  # from 1 on


@dataclass(frozen=True)
class Place:
    """Place of the values of a variable in the file.

    Attributes:
        dtype: Type of the values.
        shape: Shape of the variable.
        offset: Offset of the first value [bytes].
        stride: Distance from one item of the first dimension to the next [bytes].
        attributes: Attributes of the variable.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    stride: int
    attributes: dict[str, Any]


class ClassicArray(DiskArray):
    """Array in a classic file, which is open only while it is read.

    Args:
        path: File.
        place: Place of the values.
    """

    def __init__(self, path: Path, place: Place) -> None:
        self.path, self.shape, self._place = path, place.shape, place
        self._file = file_identity(path.stat())

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        key, dtype = as_tuple(key), self._place.dtype
        ranges = ranges_of(key, self.shape, self.path)
        shape = [len(part) for part in ranges]
        strides = [dtype.itemsize * math.prod(self.shape[n + 1 :]) for n in range(len(shape))]
        strides[:1] = [self._place.stride] if shape else []
        if not all(shape):
            values = np.empty(shape, dtype)
        else:
            first = [p.start * stride for p, stride in zip(ranges, strides, strict=True)]
            last = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
            row = sum(last[1:]) + dtype.itemsize  # from the first to the last value of an item
            places = [sum(first)]
            if strides and strides[0] > 2 * row:  # most of a record is of other variables
                places = [places[0] + n * strides[0] for n in range(shape[0])]
                strides[0] = row
            else:
                row += sum(last[:1])
            values = np.ndarray(shape, dtype, self._read(places, row), 0, strides)
        return values[(*(0 if isinstance(part, int) else slice(None) for part in key), ...)]

    def _read(self, places: Sequence[int], size: int) -> bytearray:
        """Return `size` bytes from each position, counted from the first value."""
        content = bytearray(len(places) * size)
        view = memoryview(content)
        with self.path.open("rb", buffering=0) as file:
            if file_identity(os.fstat(file.fileno())) != self._file:
                raise ReplacedError(self.path)
            for number, place in enumerate(places):
                file.seek(self._place.offset + place)
                done = number * size
                while done < (number + 1) * size:
                    count = file.readinto(view[done : (number + 1) * size])
                    if not count:
                        raise OSError(
                            f"{self.path} ends within its data: it is truncated or being written; "
                            "restore it or remove it from data.SPLIT.files."
                        )
                    done += count
        return content

    def close(self) -> None:
        pass


def file_identity(state: os.stat_result) -> tuple[int, int]:
    """Return the numbers that identify a file, independent of its name."""
    return state.st_dev, state.st_ino


def read_header(path: Path) -> dict[str, Place]:
    """Return the place of each variable in a file.

    Raises:
        ValueError: The file has another format, or ends before its last value.
    """
    with open(path, "rb") as file:
        magic = file.read(4)
        if magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
            raise ValueError(
                f"{path} is neither HDF5 nor a classic NetCDF file (it begins with {magic!r}); "
                "convert it to NetCDF-4, or set data.format."
            )
        try:
            places = _Header(path, file, magic[3]).places()
        except (IndexError, ValueError, OverflowError, MemoryError) as error:
            raise ValueError(
                f"{path}: the header of the file is damaged ({error or type(error).__name__}); "
                "restore it or remove it from data.SPLIT.files."
            ) from None
        check_size(path, places, os.fstat(file.fileno()).st_size)
        return places


class _Header:
    """Reader of the header of an open file, after the magic number."""

    def __init__(self, path: Path, file: BinaryIO, version: int) -> None:
        self.path = path
        self.file = file
        self.count_type = ">u8" if version == 5 else ">u4"
        self.offset_type = ">u4" if version == 1 else ">u8"

    def number(self, kind: str) -> int:
        return int(np.frombuffer(self.file.read(int(kind[2:])), kind)[0])

    def count(self) -> int:
        return self.number(self.count_type)

    def padded(self, size: int) -> bytes:
        return self.file.read(-(-size // 4) * 4)[:size]

    def name(self) -> str:
        return self.padded(self.count()).decode()

    def items(self) -> range:
        """Return the numbers of the items of a list, behind its tag."""
        self.number(">u4")
        return range(self.count())

    def attributes(self) -> dict[str, Any]:
        found = {}
        for _ in self.items():
            name, dtype = self.name(), np.dtype(TYPES[self.number(">u4") - 1])
            values = np.frombuffer(self.padded(self.count() * dtype.itemsize), dtype)
            found[name] = values.tobytes().decode(errors="replace") if dtype.kind == "S" else values
        return found

    def places(self) -> dict[str, Place]:
        records = self.count()
        sizes = [(self.name(), self.count())[1] for _ in self.items()]
        self.attributes()
        found, in_records = {}, []
        for _ in self.items():
            name = self.name()
            lengths = [sizes[self.count()] for _ in range(self.count())]
            attributes = self.attributes()
            dtype = np.dtype(TYPES[self.number(">u4") - 1])
            self.count()  # the size, which overflows for large variables and follows anyway
            offset = self.number(self.offset_type)
            item = math.prod(lengths[1:]) * dtype.itemsize
            if lengths and lengths[0] == 0:
                lengths[0] = records
                in_records.append(name)
            found[name] = Place(dtype, tuple(lengths), offset, item, attributes)
        items = [found[name].stride for name in in_records]
        record = items[0] if len(items) == 1 else sum(-(-item // 4) * 4 for item in items)
        for name in in_records:
            place = found[name]
            found[name] = Place(place.dtype, place.shape, place.offset, record, place.attributes)
        return found


def check_size(path: Path, places: dict[str, Place], size: int) -> None:
    """Raise an error if a file is too short for its variables."""
    for name, place in places.items():
        item = math.prod(place.shape[1:]) * place.dtype.itemsize
        rows = place.shape[0] if place.shape else 1
        end = place.offset + (rows - 1) * place.stride + item
        if rows and end > size:
            raise ValueError(
                f"{path} is truncated: variable '{name}' ends at byte {end}, the file at byte "
                f"{size}; restore it or remove it from data.SPLIT.files."
            )
