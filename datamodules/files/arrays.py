"""Arrays on disk: variables of NetCDF files, read slice by slice.

NetCDF-4 is read by h5py, and classic formats from the places of their values in the file. Packed
values are decoded, and values that were never written become NaN. The NetCDF library is not used,
so that a thread may read while another one writes with it.
"""

from pathlib import Path

import h5py

from datamodules.files.classic import ClassicArray, read_header
from datamodules.files.decoded_array import decoded
from datamodules.files.disk_array import DiskArray
from datamodules.files.filled_array import FilledArray
from datamodules.files.hdf5 import Hdf5Array, check_numbers, layout_of


def open_array(path: Path, name: str) -> DiskArray:
    """Return a variable of a NetCDF file of any format, with NaN for values never written.

    Raises:
        ValueError: The file is truncated, or neither HDF5 nor classic NetCDF, or the variable does
            not hold numbers.
    """
    if not h5py.is_hdf5(path):
        places = read_header(path)
        if name not in places:
            raise ValueError(
                f"{path} has no variable '{name}', only {', '.join(places)}; set data.variables."
            )
        place = places[name]
        check_numbers(path, name, place.dtype)
        return decoded(ClassicArray(path, place), place.dtype, place.attributes, name)
    layout = layout_of(path, name)
    array = decoded(Hdf5Array(path, name), layout.dtype, layout.attributes, name, layout.filled)
    if layout.shape == layout.held and layout.unwritten is None:
        return array
    return FilledArray(array, layout.shape, layout.chunk, layout.unwritten)
