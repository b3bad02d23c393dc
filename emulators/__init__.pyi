from .baseline import Baseline
from .bundled import Bundled
from .constraints.conserved_mean import ConservedMean
from .constraints.constraint import Constraint
from .constraints.data_modes import DataModes
from .constraints.divergence_free import DivergenceFree
from .constraints.fixed_boundary import FixedBoundary
from .context import Context
from .distributed import Sharded
from .emulator import Emulator
from .exporting.export import export
from .hierarchical import Hierarchical
from .hierarchical_pushforward import HierarchicalPushforward
from .hierarchy.coarsening import (
    Coarsening,
    LearnedCoarsening,
    Pooling,
    SpectralTruncation,
)
from .im_pindiff import ImPiNDiff
from .loading import load
from .networks.dilated_resnet import DilatedResNet
from .networks.fno import FNO
from .networks.fourier_unet import FourierUNet
from .networks.from_module import FromModule
from .networks.interface import Network, NetworkInterface
from .networks.unet import UNet
from .persistence import Persistence
from .pushforward import Pushforward, Unrolled
from .rollout import RolloutObserver
from .simulation import Simulation
from .training.losses import L1, L1L2, L2, Distance
from .training.muon import Muon
from .training.objectives import (
    CRPS,
    EnergyScore,
    KernelScore,
    Objective,
    SpectralCRPS,
    WeightedSum,
)
from .training.schedules import ConstantCosine, WarmupConstant, WarmupCosine
from .training.spectral_losses import BinnedSpectralPower, Sobolev
from .untrained import Untrained

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
    "Persistence",
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
    "Untrained",
    "WarmupConstant",
    "WarmupCosine",
    "WeightedSum",
    "export",
    "load",
]
