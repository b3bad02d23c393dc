"""Variables of NetCDF-4 files, read by h5py."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datamodules.files.decoded_array import CODING
from datamodules.files.disk_array import DiskArray, as_tuple, ranges_of
from datamodules.files.open_files import Access, ReplacedError

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
        unwritten: Whether each chunk was never written, or None where all were.
        filled: Whether the file says which value stands for what was never written.
    """

    dtype: np.dtype
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    held: tuple[int, ...]
    chunk: tuple[int, ...]
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
        file = Access(path).get().file
        return _layout(_variable(file, path, name), path, name)
    except (OSError, RuntimeError, LookupError, OverflowError) as error:
        raise damaged(path, name, error) from None


class Hdf5Array(DiskArray):
    """Array that h5py reads.

    Args:
        path: File.
        name: Name of the variable.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._file = Access(path)
        self.shape = tuple(self.dataset.shape)

    @property
    def dataset(self) -> h5py.Dataset:
        """Data set of the open file."""
        file = self._file.get()
        if self.name not in file.parts:
            file.parts[self.name] = _variable(file.file, self.path, self.name)
        return file.parts[self.name]

    def __getitem__(self, key: Any) -> np.ndarray:
        key = as_tuple(key)
        ranges_of(key, self.shape, self.path)  # h5py reads backwards, and counts from the end
        try:
            values = np.asarray(self.dataset[key])
            self._file.check_size()
        except ReplacedError:
            raise
        except (OSError, RuntimeError, KeyError) as error:
            raise damaged(self.path, self.name, error) from None
        return values

    def close(self) -> None:
        self._file.close()


def damaged(path: Path, name: str, error: Exception) -> ValueError:
    """Return a refusal of a file that HDF5 cannot read."""
    return ValueError(
        f"{path}: variable '{name}' cannot be read ({str(error).strip(chr(39))}): the file is "
        "damaged or truncated, or compressed by a filter that is not installed; restore it or "
        "remove it from the folder."
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
    """Return whether each chunk was never written, by its number along every axis."""
    chunk = dataset.chunks
    counts = [-(-size // part) for size, part in zip(dataset.shape, chunk, strict=True)]
    unwritten = np.ones(counts, bool)

    def note(found: Any) -> None:
        number = tuple(at // part for at, part in zip(found.chunk_offset, chunk, strict=True))
        unwritten[number] = False

    dataset.id.chunk_iter(note)
    return unwritten
