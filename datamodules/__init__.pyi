from .datamodule import TrajectoryDataModule
from .description import DataDescription
from .files.dimensions import Dimensions
from .files.formats.dedalus import Dedalus
from .files.formats.format import FileFormat
from .files.formats.matlab import MATLAB
from .files.formats.netcdf import NetCDF
from .files.formats.numpy_arrays import NumPy
from .files.formats.pdebench import PDEBench
from .files.formats.plain_hdf5 import HDF5
from .files.formats.the_well import TheWell
from .files.formats.torch_tensors import TorchTensors
from .files.formats.xarray_engines import Xarray
from .files.formats.zarr_store import Zarr
from .files.selection import Range, SplitFiles
from .files.selection import Source as Source
from .generation.generator import CoarseSpinUp, Generator
from .generation.split_size import SplitSize
from .observations import LatticeSensors, Observations, RandomSensors, Sensors, SensorsAt
from .rollouts import InitialConditions, Rollouts, TrajectoryRolloutBatch
from .source import DataSource
from .statistics import Statistics
from .trajectories import Trajectories
from .windows import WindowDataset

__all__ = [
    "HDF5",
    "MATLAB",
    "CoarseSpinUp",
    "DataDescription",
    "DataSource",
    "Dedalus",
    "Dimensions",
    "FileFormat",
    "Generator",
    "InitialConditions",
    "LatticeSensors",
    "NetCDF",
    "NumPy",
    "Observations",
    "PDEBench",
    "RandomSensors",
    "Range",
    "Rollouts",
    "Sensors",
    "SensorsAt",
    "SplitFiles",
    "SplitSize",
    "Statistics",
    "TheWell",
    "TorchTensors",
    "Trajectories",
    "TrajectoryDataModule",
    "TrajectoryRolloutBatch",
    "WindowDataset",
    "Xarray",
    "Zarr",
]
