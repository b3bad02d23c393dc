"""Trajectories: simulated or brought by the user, stored in NetCDF, served to emulators."""

from datamodules.generate import Generator, Split
from datamodules.netcdf import Dimensions
from datamodules.selection import Range, Source
from datamodules.sensors import LatticeSensors, Observations, RandomSensors, Sensors, SensorsAt
from datamodules.split import Trajectories
from datamodules.starts import InitialConditions, RolloutBatch, Rollouts
from datamodules.statistics import Statistics
from datamodules.trajectories import TrajectoryDataModule
from datamodules.windows import WindowDataset

__all__ = [
    "Dimensions",
    "Generator",
    "InitialConditions",
    "LatticeSensors",
    "Observations",
    "RandomSensors",
    "Range",
    "RolloutBatch",
    "Rollouts",
    "Sensors",
    "SensorsAt",
    "Source",
    "Split",
    "Statistics",
    "Trajectories",
    "TrajectoryDataModule",
    "WindowDataset",
]
