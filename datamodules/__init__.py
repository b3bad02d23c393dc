"""Data sets for emulators: trajectories, simulated or read from files of many formats."""

from datamodules.datamodule import TrajectoryDataModule
from datamodules.description import DataDescription
from datamodules.files.dimensions import Dimensions
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
from datamodules.files.selection import Range, SplitFiles
from datamodules.generation.generator import CoarseSpinUp, Generator, SplitSize
from datamodules.observations import LatticeSensors, Observations, RandomSensors, Sensors, SensorsAt
from datamodules.rollouts import InitialConditions, Rollouts, TrajectoryRolloutBatch
from datamodules.source import DataSource
from datamodules.statistics import Statistics
from datamodules.trajectories import Trajectories
from datamodules.windows import WindowDataset

Source = SplitFiles
"""Former name, accepted until 0.3."""

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
