"""Variables of NetCDF-4 files, read by h5py."""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datamodules.files.decoded_array import CODING
from datamodules.files.decoded_chunks import ChunkedArray
from datamodules.files.disk_array import ArrayKey, as_tuple, ranges_of
from datamodules.files.open_files import Access, ReplacedError

SHADOW = "_nc4_non_coord_"  # prefix of a variable that has the name of a dimension
SMALL = 2**16  # bytes of a chunk; HDF5 itself keeps smaller ones
KINDS = {
    "O": "texts or lists",
    "S": "texts",
    "U": "texts",
    "V": "records or values of an own type",
    "c": "complex numbers",
    "b": "truth values",
    "M": "times of a type of their own",
    "m": "time spans of a type of their own",
}


@dataclass(frozen=True)
class Layout:
    """Layout of the values of a variable.

    Attributes:
        dtype: Type of the values.
        attributes: Attributes that define packing and missing values.
        shape: Shape by the dimensions.
        held: Shape of the data set in the file, at most `shape` along each axis.
        chunk: Shape of a chunk; `held` if there are none.
        unwritten: Mask of the chunks that were never written; None if all were written.
        filled: If True, the file sets the fill value for values that were never written.
    """

    dtype: np.dtype
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    held: tuple[int, ...]
    chunk: tuple[int, ...]
    unwritten: np.ndarray | None
    filled: bool


def layout_of(path: Path, name: str) -> Layout:
    """Return the layout of a variable in its file.

    Layouts are cached until the file changes, because files of large data sets are opened
    repeatedly.

    Raises:
        ValueError: The variable does not exist or is not numeric, or the file is damaged.
    """
    state = path.stat()
    return find_layout(path, name, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1024)
def find_layout(path: Path, name: str, *state: int) -> Layout:
    """Return the layout of a variable, cached by the size and time of the file."""
    try:
        file = Access(path).get().file
        return _layout(_variable(file, path, name), path, name)
    except (OSError, RuntimeError, LookupError, OverflowError) as error:
        raise damaged(path, name, error) from None


class Hdf5Array(ChunkedArray):
    """Array read by h5py, chunk by chunk if its chunks are compressed and hold more than is read.

    Args:
        path: Path of the file.
        name: Name of the variable.
    """

    def __init__(self, path: Path, name: str) -> None:
        super().__init__()
        self.path, self.name = path, name
        self._file = Access(path)
        self.shape, self.dtype = tuple(self.dataset.shape), self.dataset.dtype
        if self.dataset.id.get_create_plist().get_nfilters():  # or parts of chunks are read
            self.chunk = self.dataset.chunks

    @property
    def dataset(self) -> h5py.Dataset:
        """Data set of the open file."""
        file = self._file.get()
        if self.name not in file.parts:
            file.parts[self.name] = _variable(file.file, self.path, self.name)
        return file.parts[self.name]

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        key = as_tuple(key)
        ranges = ranges_of(key, self.shape, self.path)  # h5py accepts negative steps and indices
        large = self.dtype.itemsize * prod(self.chunk) >= SMALL
        if self.chunk and large and self._in_parts(ranges):
            return self._of_chunks(key, ranges)
        return self._read(key)

    def _block(self, number: tuple[int, ...]) -> np.ndarray:
        parts = zip(number, self.chunk, strict=True)
        return self._read(tuple(slice(n * c, n * c + c) for n, c in parts))

    def _read(self, key: tuple[int | slice, ...]) -> np.ndarray:
        """Return the values at a key as HDF5 reads them."""
        try:
            values = np.asarray(self.dataset[key])
            self._file.check_size()
        except ReplacedError:
            raise
        except (OSError, RuntimeError, KeyError) as error:
            raise damaged(self.path, self.name, error) from None
        return values

    def close(self) -> None:
        super().close()
        self._file.close()


def damaged(path: Path, name: str, error: Exception) -> ValueError:
    """Return the error for a variable that HDF5 cannot read."""
    return ValueError(
        f"{path}: variable '{name}' cannot be read ({str(error).strip(chr(39))}): the file is "
        "damaged or truncated, or compressed by a filter that is not installed; restore it or "
        "remove it from data.SPLIT.files."
    )


def _variable(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """Return the data set of a variable, after checking that it holds numbers."""
    group, slash, own = name.rpartition("/")
    shadow = group + slash + SHADOW + own
    stored = shadow if shadow in file else name
    if stored not in file:
        raise ValueError(
            f"{path} has no variable '{name}', only {', '.join(file)}; set data.variables."
        )
    dataset = file[stored]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise ValueError(f"{path}: '{name}' holds no values; name another in data.variables.")
    try:
        dtype = dataset.dtype
    except TypeError:  # NumPy does not have this type
        dtype = np.dtype("V1")
    check_numbers(path, name, dtype)
    return dataset


def check_numbers(path: Path, name: str, dtype: np.dtype) -> None:
    """Check that a variable holds real numbers.

    Raises:
        ValueError: The variable holds text, records, complex numbers or other types.
    """
    kind = KINDS.get(dtype.kind)
    if dtype.kind in "iu" and h5py.check_enum_dtype(dtype):
        kind = "names of an enumeration"
    if dtype.names == ("re", "im"):  # of Julia
        kind = KINDS["c"]
    if kind:
        raise ValueError(
            f"{path}: variable '{name}' holds {kind}, expected real numbers; write it as numbers, "
            "or name another in data.variables."
        )


def _layout(dataset: h5py.Dataset, path: Path, name: str) -> Layout:
    """Return the layout of a data set."""
    held = tuple(dataset.shape)
    creation = dataset.id.get_create_plist()
    check_sources(path, name, dataset)
    check_raw_files(path, name, dataset, creation)
    contiguous = creation.get_layout() == h5py.h5d.CONTIGUOUS and not creation.get_external_count()
    filled = creation.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
    unwritten = None
    if dataset.chunks:
        unwritten = _unwritten_chunks(dataset)
    elif contiguous and dataset.id.get_offset() is None:
        unwritten = np.ones([1] * len(held), bool)
    if unwritten is not None and not unwritten.any():
        unwritten = None
    attributes = {key: dataset.attrs[key] for key in CODING if key in dataset.attrs}
    return Layout(
        dataset.dtype,
        attributes,
        _dimensions(dataset),
        held,
        dataset.chunks or held,
        unwritten,
        filled,
    )


def check_sources(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Check that the sources of a virtual data set are there; HDF5 reads zeros for others.

    Raises:
        ValueError: A file, a data set in it, or a part of the values is missing.
    """
    remedy = "restore it, or name another variable in data.variables."
    sources = dataset.virtual_sources() if dataset.is_virtual else []
    for file, source in dict.fromkeys((each.file_name, each.dset_name) for each in sources):
        place = path if file == "." else path.parent / file
        if not place.exists():
            raise ValueError(
                f"{path}: variable '{name}' lies in {file}, which is missing; put that "
                "file into the same folder, or name another variable in data.variables."
            )
        if not _has_data_set(place, source):
            raise ValueError(
                f"{path}: variable '{name}' lies in '{source}' of {place}, which that "
                f"file does not have; {remedy}"
            )
    mapped = sum(each.vspace.get_select_npoints() for each in sources)
    if sources and mapped < dataset.size and not np.isnan(dataset.fillvalue):
        raise ValueError(
            f"{path}: of the {dataset.size} values of variable '{name}' only {mapped} are mapped "
            f"to a source, and the others would be read as {dataset.fillvalue:g}; {remedy}"
        )


def check_raw_files(
    path: Path, name: str, dataset: h5py.Dataset, creation: h5py.h5p.PropDCID
) -> None:
    """Check that raw files with the values of a data set are whole; HDF5 reads zeros beyond them.

    Raises:
        ValueError: A file is missing or too short.
    """
    remedy = "restore it, or name another variable in data.variables."
    needed = dataset.size * dataset.dtype.itemsize
    for number in range(creation.get_external_count()):
        raw, offset, size = creation.get_external(number)
        place = path.parent / raw.decode()
        there = max(0, place.stat().st_size - offset) if place.exists() else 0
        wanted = min(size, needed)
        if there < wanted:
            raise ValueError(
                f"{path}: variable '{name}' lies in {place}, which has {there} bytes of it, "
                f"expected {wanted}; {remedy}"
            )
        needed -= wanted


def _has_data_set(path: Path, name: str) -> bool:
    """Return whether a file has a data set; True for a pattern of several names."""
    if "%" in name:
        return True
    with h5py.File(path, "r", locking=False) as file:
        return isinstance(file.get(name), h5py.Dataset)


def _dimensions(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the lengths of the dimensions of a data set.

    An unlimited dimension is as long as the longest of the variables that have it.
    """
    lengths = list(dataset.shape)
    for axis, scales in enumerate(dataset.dims if lengths else ()):
        if axis == 0 and dataset.is_scale:  # a coordinate is the scale of its own dimension
            scale = dataset
        elif len(scales):
            scale = scales[0]
        else:
            continue
        lengths[axis] = max(lengths[axis], *scale.shape[:1])
        unlimited = dataset.maxshape[axis] is None
        for reference, number in scale.attrs.get("REFERENCE_LIST", ()) if unlimited else ():
            other = dataset.file[reference]
            lengths[axis] = max(lengths[axis], other.shape[number])
    return tuple(lengths)


def _unwritten_chunks(dataset: h5py.Dataset) -> np.ndarray:
    """Return a mask of the chunks that were never written, indexed by chunk along each axis."""
    chunk = dataset.chunks
    counts = [-(-size // part) for size, part in zip(dataset.shape, chunk, strict=True)]
    unwritten = np.ones(counts, bool)

    def note(found: Any) -> None:
        number = tuple(at // part for at, part in zip(found.chunk_offset, chunk, strict=True))
        unwritten[number] = False

    dataset.id.chunk_iter(note)
    return unwritten
