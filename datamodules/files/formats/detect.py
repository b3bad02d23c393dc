"""Format of a file, found from its first bytes and the names within it."""

from pathlib import Path

from datamodules.files.formats.dedalus import Dedalus
from datamodules.files.formats.format import FileFormat
from datamodules.files.formats.matlab import MATLAB
from datamodules.files.formats.netcdf import NetCDF
from datamodules.files.formats.numpy_arrays import NumPy
from datamodules.files.formats.pdebench import PDEBench
from datamodules.files.formats.plain_hdf5 import HDF5
from datamodules.files.formats.the_well import TheWell
from datamodules.files.formats.torch_tensors import TorchTensors
from datamodules.files.formats.xarray_engines import Xarray
from datamodules.files.formats.zarr_store import Zarr

FORMATS: tuple[type[FileFormat], ...] = (
    Zarr,
    TheWell,
    Dedalus,
    PDEBench,
    NumPy,
    TorchTensors,
    MATLAB,
    HDF5,
    Xarray,
    NetCDF,
)  # the most specific ones first


def format_of(path: Path) -> FileFormat:
    """Return the first format that recognizes a file, or NetCDF, whose errors tell the reason."""
    for kind in FORMATS:
        if kind().recognizes(path):
            return kind()
    return NetCDF()
