"""Arrays on disk: variables of NetCDF files, read slice by slice.

An array is copied from a memory map where its values lie in one piece in the file (classic formats,
HDF5 without chunks), read chunk by chunk where these are plain, by h5py where they are compressed,
and decoded where it is packed. The NetCDF library takes no part, so that a thread may read while
another one writes with it.
"""

import math
import mmap
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np

from datamodules.classic import read_header
from datamodules.disk_array import DiskArray
from datamodules.plain_chunks import PlainChunks, chunks_in

CODED = ("scale_factor", "add_offset", "valid_min", "valid_max", "valid_range", "_Unsigned")
ADVICE = sys.platform != "win32"  # where a memory map takes it
LARGE = 2**20  # bytes from which on it pays to ask for all pages of a window together
AROUND = 2**16  # bytes that Linux maps around a page that is touched


def open_array(path: Path, name: str) -> DiskArray:
    """Return a variable of a NetCDF file of any format.

    Raises:
        ValueError: The file is truncated, or neither HDF5 nor classic NetCDF.
    """
    if not h5py.is_hdf5(path):
        place = read_header(path)[name]
        array = MappedArray(path, place.dtype, place.shape, place.offset, place.stride)
        return decoded(array, place.dtype, place.attributes)
    chunked = ChunkedArray(h5py.File(path, "r", locking=False)[name])
    dataset = chunked.dataset
    dtype, attributes, offset = dataset.dtype, dict(dataset.attrs), dataset.id.get_offset()
    places = chunks_in(path, name) if offset is None else None
    if offset is None and places is None:
        return decoded(chunked, dtype, attributes)
    shape, chunk = dataset.shape, dataset.chunks
    chunked.close()
    if places is None:
        return decoded(MappedArray(path, dtype, shape, offset), dtype, attributes)
    return decoded(PlainChunks(path, dtype, shape, chunk, places), dtype, attributes)


class MappedArray(DiskArray):
    """Array whose values lie plainly in a file, copied from a memory map.

    The pages that a copy touches count as memory of this process until they are released. The
    operating system keeps them in its cache all the same while it has room.

    Args:
        path: File.
        dtype: Of the values.
        shape: Of the array.
        offset: Of the first value, in bytes.
        stride: From one item of the first axis to the next, in bytes; None where they adjoin.
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype,
        shape: tuple[int, ...],
        offset: int,
        stride: int | None = None,
    ) -> None:
        self.shape = tuple(shape)
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        strides = [dtype.itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        strides[0] = strides[0] if stride is None else stride
        self._values = np.ndarray(self.shape, dtype, self._map, offset, strides)
        self._begin = np.frombuffer(self._map, np.uint8, 1).ctypes.data

    def __getitem__(self, key: Any) -> np.ndarray:
        view = self._values[key]
        out = np.empty(view.shape, view.dtype)
        self.copy_to(out, key)
        self.release()
        return out

    def copy_to(self, out: np.ndarray, key: Any) -> int:
        view = self._values[key]
        if view.nbytes >= LARGE and ADVICE:
            begin = view.ctypes.data - self._begin
            page = begin % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, begin - page, page + view.nbytes)
        out[...] = view
        return max(view.nbytes, view.shape[0] * view.strides[0]) + AROUND

    def release(self) -> None:
        if ADVICE:
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        del self._values, self._map


class ChunkedArray(DiskArray):
    """Array that HDF5 must put together from compressed or small chunks; h5py lets one thread in.

    Args:
        dataset: Of an open file of its own.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset = dataset
        self.file = dataset.file  # or h5py would close it
        self.shape = tuple(dataset.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self.dataset[key])

    def close(self) -> None:
        self.file.close()


class DecodedArray(DiskArray):
    """Packed values unpacked, with missing ones as NaN, in the manner of the CF conventions.

    Args:
        array: Values as they are in the file.
        attributes: That say how they are packed.
        missing: Values in the file that stand for missing ones.
    """

    def __init__(
        self, array: DiskArray, attributes: Mapping[str, Any], missing: tuple[Any, ...]
    ) -> None:
        self.array = array
        self.shape = array.shape
        self.missing = missing
        self.unsigned = text(attributes.get("_Unsigned", "")).lower() == "true"
        self.low, self.high = attributes.get("valid_range", (None, None))
        self.low = first(attributes.get("valid_min", self.low))
        self.high = first(attributes.get("valid_max", self.high))
        self.scale = first(attributes.get("scale_factor"))
        self.offset = first(attributes.get("add_offset"))

    def __getitem__(self, key: Any) -> np.ndarray:
        raw = self.array[key]
        if self.unsigned:
            raw = raw.view(raw.dtype.str.replace("i", "u"))
        lost = np.isin(raw, np.array(self.missing, raw.dtype))
        if self.low is not None:
            lost |= raw < self.low
        if self.high is not None:
            lost |= raw > self.high
        values = raw if self.scale is None else raw * self.scale
        values = values if self.offset is None else values + self.offset
        return np.where(lost, np.nan, values.astype(np.float64))

    def release(self) -> None:
        self.array.release()

    def close(self) -> None:
        self.array.close()


def decoded(array: DiskArray, dtype: np.dtype, attributes: Mapping[str, Any]) -> DiskArray:
    """Return an array itself where its values mean what they are, or else a `DecodedArray`."""
    marks = ("_FillValue", "missing_value")
    given = [np.asarray(attributes[name]) for name in marks if name in attributes]
    numbers = [value for mark in given if mark.dtype.kind in "iuf" for value in mark.ravel()]
    missing = tuple(value for value in numbers if not np.isnan(value))
    if dtype.kind == "f" and not missing and not any(name in attributes for name in CODED):
        return array
    if "_FillValue" not in attributes and dtype.itemsize > 1:
        missing += (netCDF4.default_fillvals[dtype.str[1:]],)
    return DecodedArray(array, attributes, missing)


def first(value: Any) -> Any:
    """Return the number of an attribute, which HDF5 keeps in an array of one, or None."""
    return None if value is None else np.asarray(value).ravel()[0]


def text(value: Any) -> str:
    """Return an attribute as text, which HDF5 may keep as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
