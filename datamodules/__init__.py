"""Trajectories: simulated or brought by the user, stored in NetCDF, served to emulators."""

from datamodules.dataset import InitialConditions, Range, RolloutBatch, Trajectories, WindowDataset
from datamodules.generate import Generator, Split
from datamodules.netcdf import Dimensions
from datamodules.statistics import Statistics
from datamodules.trajectories import Rollouts, Source, TrajectoryDataModule

__all__ = [
    "Dimensions",
    "Generator",
    "InitialConditions",
    "Range",
    "RolloutBatch",
    "Rollouts",
    "Source",
    "Split",
    "Statistics",
    "Trajectories",
    "TrajectoryDataModule",
    "WindowDataset",
]
