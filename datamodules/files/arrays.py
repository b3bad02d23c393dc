"""Arrays on disk: variables of NetCDF files, read slice by slice.

An array is copied from a memory map where its values lie in one piece in the file (classic formats,
HDF5 without chunks), read chunk by chunk where these are plain, by h5py where they are compressed,
decoded where it is packed, and filled where it was never written. The NetCDF library takes no part,
so that a thread may read while another one writes with it.
"""

from pathlib import Path

import h5py
import netCDF4
import numpy as np

from datamodules.files.classic import read_header
from datamodules.files.decoded_array import decoded
from datamodules.files.disk_array import DiskArray
from datamodules.files.filled_array import FilledArray
from datamodules.files.hdf5 import ChunkedArray, Layout, check_numbers, layout_of
from datamodules.files.mapped_array import MappedArray
from datamodules.files.plain_chunks import PlainChunks

FILL = netCDF4.default_fillvals["f8"]  # of floats that were never written


def open_array(path: Path, name: str) -> DiskArray:
    """Return a variable of a NetCDF file of any format, with NaN for what was never written.

    Raises:
        ValueError: The file is truncated, or neither HDF5 nor classic NetCDF, or the variable does
            not hold numbers.
    """
    if not h5py.is_hdf5(path):
        places = read_header(path)
        if name not in places:
            raise ValueError(f"{path} has no variable '{name}', only {', '.join(places)}.")
        place = places[name]
        check_numbers(path, name, place.dtype)
        array = MappedArray(path, place.dtype, place.shape, place.offset, place.stride)
        return decoded(array, place.dtype, place.attributes, name)
    layout = layout_of(path, name)
    array = _stored(path, name, layout)
    array = decoded(array, layout.dtype, layout.attributes, name, layout.filled)
    if layout.shape == layout.held and layout.unwritten is None:
        return array
    return FilledArray(array, layout.shape, layout.chunk, layout.unwritten)


def read_values(path: Path, name: str) -> np.ndarray:
    """Return all values of a variable in float64, NaN where they are missing.

    Raises:
        ValueError: As for `open_array`.
    """
    array = open_array(path, name)
    values = np.asarray(array[()], dtype=np.float64)
    return np.where(np.isclose(np.abs(values), FILL, rtol=1e-6, atol=0), np.nan, values)


def _stored(path: Path, name: str, layout: Layout) -> DiskArray:
    """Return the values of an HDF5 file as they are stored."""
    if layout.offset is not None:
        return MappedArray(path, layout.dtype, layout.held, layout.offset)
    if layout.places is not None:
        return PlainChunks(path, layout.dtype, layout.held, layout.chunk, layout.places)
    return ChunkedArray(path, name)
