"""Emulators: training recipes and steps, their networks, and the rollout that they share."""

from emulators.baseline import Baseline
from emulators.bundled import Bundled
from emulators.constraints.conserved_mean import ConservedMean
from emulators.constraints.constraint import Constraint
from emulators.constraints.data_modes import DataModes
from emulators.constraints.divergence_free import DivergenceFree
from emulators.constraints.fixed_boundary import FixedBoundary
from emulators.context import Context
from emulators.distributed import Sharded
from emulators.emulator import Emulator
from emulators.hierarchical import Hierarchical
from emulators.hierarchical_pushforward import HierarchicalPushforward
from emulators.hierarchy.coarsening import (
    Coarsening,
    LearnedCoarsening,
    Pooling,
    SpectralTruncation,
)
from emulators.im_pindiff import ImPiNDiff
from emulators.loading import load
from emulators.networks.dilated_resnet import DilatedResNet
from emulators.networks.fno import FNO
from emulators.networks.fourier_unet import FourierUNet
from emulators.networks.from_module import FromModule
from emulators.networks.interface import Network, NetworkInterface
from emulators.networks.unet import UNet
from emulators.pushforward import Pushforward, Unrolled
from emulators.rollout import RolloutObserver
from emulators.simulation import Simulation
from emulators.training.losses import L1, L1L2, L2, Distance
from emulators.training.muon import Muon
from emulators.training.objectives import (
    CRPS,
    EnergyScore,
    KernelScore,
    Objective,
    SpectralCRPS,
    WeightedSum,
)
from emulators.training.schedules import ConstantCosine, WarmupConstant, WarmupCosine
from emulators.training.spectral_losses import BinnedSpectralPower, Sobolev

__all__ = [
    "CRPS",
    "FNO",
    "L1",
    "L1L2",
    "L2",
    "Baseline",
    "BinnedSpectralPower",
    "Bundled",
    "Coarsening",
    "ConservedMean",
    "ConstantCosine",
    "Constraint",
    "Context",
    "DataModes",
    "DilatedResNet",
    "Distance",
    "DivergenceFree",
    "Emulator",
    "EnergyScore",
    "FixedBoundary",
    "FourierUNet",
    "FromModule",
    "Hierarchical",
    "HierarchicalPushforward",
    "ImPiNDiff",
    "KernelScore",
    "LearnedCoarsening",
    "Muon",
    "Network",
    "NetworkInterface",
    "Objective",
    "Pooling",
    "Pushforward",
    "RolloutObserver",
    "Sharded",
    "Simulation",
    "Sobolev",
    "SpectralCRPS",
    "SpectralTruncation",
    "UNet",
    "Unrolled",
    "WarmupConstant",
    "WarmupCosine",
    "WeightedSum",
    "load",
]
