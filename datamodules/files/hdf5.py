"""How the variables of a NetCDF-4 file lie in it, as HDF5 knows."""

import math
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datamodules.files.decoded_array import CODING
from datamodules.files.disk_array import DiskArray
from datamodules.files.open_files import Access, Hdf5File

SMALL = 2**12  # bytes of a chunk below which HDF5 puts chunks together faster than we
SHADOW = "_nc4_non_coord_"  # before the name of a variable that a dimension has, too
KINDS = {
    "O": "texts or lists",
    "S": "texts",
    "U": "texts",
    "V": "records or values of an own type",
    "c": "complex numbers",
    "b": "truth values",
}


@dataclass(frozen=True)
class Layout:
    """Layout of the values of a variable.

    Attributes:
        dtype: Type of the values.
        attributes: Attributes that say what the values mean.
        shape: Shape by the dimensions.
        held: Shape of what the file holds, nowhere more.
        chunk: Shape of a chunk; the whole where there are none.
        offset: Place of the first value in bytes if all adjoin, or None.
        places: Place of each chunk in bytes by its number along every axis, or None where HDF5 has
            to read them: where they are compressed or small, or some were never written.
        unwritten: Whether each chunk was never written, or None where all were.
        filled: Whether the file says which value stands for what was never written.
    """

    dtype: np.dtype
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    held: tuple[int, ...]
    chunk: tuple[int, ...]
    offset: int | None
    places: np.ndarray | None
    unwritten: np.ndarray | None
    filled: bool


def layout_of(path: Path, name: str) -> Layout:
    """Return how a variable lies in its file.

    It is remembered while the file stays as it is: files are opened again and again where there
    are many.

    Raises:
        ValueError: There is no such variable, or it does not hold numbers, or the file is damaged.
    """
    state = path.stat()
    return find_layout(path, name, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1024)
def find_layout(path: Path, name: str, *state: int) -> Layout:
    """Return what `layout_of` does, of a file in some state."""
    try:
        file = Access(Hdf5File, path).get().file
        return _layout(_variable(file, path, name), path, name)
    except (OSError, RuntimeError, LookupError, OverflowError) as error:
        raise damaged(path, name, error) from None


class ChunkedArray(DiskArray):
    """Array that HDF5 must put together from compressed or small chunks; h5py lets one thread in.

    Args:
        path: File.
        name: Name of the variable.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._file = Access(Hdf5File, path)
        self.shape = tuple(self.dataset.shape)

    @property
    def dataset(self) -> h5py.Dataset:
        """Data set of the open file."""
        file = self._file.get()
        if self.name not in file.parts:
            file.parts[self.name] = _variable(file.file, self.path, self.name)
        return file.parts[self.name]

    def __getitem__(self, key: Any) -> np.ndarray:
        try:
            return np.asarray(self.dataset[key])
        except (OSError, RuntimeError, KeyError) as error:
            raise damaged(self.path, self.name, error) from None

    def close(self) -> None:
        self._file.close()


def damaged(path: Path, name: str, error: Exception) -> ValueError:
    """Return a refusal of a file that HDF5 cannot read."""
    return ValueError(
        f"{path}: variable '{name}' cannot be read ({str(error).strip(chr(39))}): the file is "
        "damaged, or compressed by a filter that is not installed; restore it or remove it from "
        "the folder."
    )


def _variable(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """Return the data set of a variable of numbers."""
    stored = SHADOW + name if SHADOW + name in file else name
    if stored not in file:
        raise ValueError(f"{path} has no variable '{name}', only {', '.join(file)}.")
    dataset = file[stored]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise ValueError(f"{path}: '{name}' holds no values; name another variable.")
    try:
        dtype = dataset.dtype
    except TypeError:  # NumPy has no such type
        dtype = np.dtype("V1")
    check_numbers(path, name, dtype)
    return dataset


def check_numbers(path: Path, name: str, dtype: np.dtype) -> None:
    """Refuse a variable that holds anything but real numbers."""
    kind = KINDS.get(dtype.kind)
    if dtype.kind in "iu" and h5py.check_enum_dtype(dtype):
        kind = "names of an enumeration"
    if kind:
        raise ValueError(
            f"{path}: variable '{name}' holds {kind}, expected real numbers; write it as numbers, "
            "or name another variable."
        )


def _layout(dataset: h5py.Dataset, path: Path, name: str) -> Layout:
    """Return how a data set lies in its file."""
    for source in dataset.virtual_sources() if dataset.is_virtual else ():
        if source.file_name != "." and not (path.parent / source.file_name).exists():
            raise ValueError(
                f"{path}: variable '{name}' lies in {source.file_name}, which is missing; put that "
                "file beside it."
            )
    held = tuple(dataset.shape)
    creation = dataset.id.get_create_plist()
    contiguous = creation.get_layout() == h5py.h5d.CONTIGUOUS and not creation.get_external_count()
    filled = creation.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
    offset = dataset.id.get_offset()
    chunk, places, unwritten = dataset.chunks or held, None, None
    plain = dataset.chunks is not None and _is_plain(dataset)
    if dataset.chunks and (plain or _lacks_chunks(dataset)):
        places = _places(dataset)
    elif contiguous and offset is None:
        places = np.full([1] * len(held), -1)
    if places is not None and places.size and places.min() < 0:
        unwritten, places = places < 0, None
    attributes = {key: dataset.attrs[key] for key in CODING if key in dataset.attrs}
    same = h5py.h5t.py_create(dataset.dtype) == dataset.id.get_type()
    return Layout(
        dataset.dtype,
        attributes,
        _dimensions(dataset),
        held,
        chunk,
        offset if same else None,
        places if plain and places is not None and places.size else None,
        unwritten,
        filled,
    )


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


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Return whether chunks can be read without HDF5, once it is known where they are."""
    return not (
        sys.platform == "win32"
        or dataset.file.userblock_size
        or dataset.id.get_create_plist().get_nfilters()
        or math.prod(dataset.chunks) * dataset.dtype.itemsize < SMALL
        or h5py.h5t.py_create(dataset.dtype) != dataset.id.get_type()
    )


def _counts(dataset: h5py.Dataset) -> list[int]:
    """Return how many chunks there are along each axis."""
    pairs = zip(dataset.shape, dataset.chunks, strict=True)
    return [-(-size // part) for size, part in pairs]


def _lacks_chunks(dataset: h5py.Dataset) -> bool:
    """Return whether a chunk was never written; its place need not be found for that."""
    return dataset.id.get_num_chunks() < math.prod(_counts(dataset))


def _places(dataset: h5py.Dataset) -> np.ndarray:
    """Return the offset of every chunk in bytes, -1 where it was never written."""
    chunk = dataset.chunks
    places = np.full(_counts(dataset), -1, dtype=np.int64)

    def note(found: Any) -> None:
        number = tuple(at // part for at, part in zip(found.chunk_offset, chunk, strict=True))
        places[number] = found.byte_offset

    dataset.id.chunk_iter(note)
    return places
