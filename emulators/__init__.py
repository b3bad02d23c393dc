"""Emulators: training recipes and steps, the networks inside them, and the rollout they share."""

from emulators.baseline import Baseline
from emulators.bookmark import Bookmark
from emulators.bundled import Bundled
from emulators.compilation import Compile
from emulators.emulator import Emulator
from emulators.fine_tuning import FineTuning
from emulators.hierarchical import Hierarchical
from emulators.hierarchical_pushforward import HierarchicalPushforward
from emulators.im_pindiff import ImPiNDiff
from emulators.losses import L1, L1L2, L2, Distance
from emulators.muon import Muon
from emulators.networks.fourier_unet import FourierUNet
from emulators.networks.network import Network, PlainNetwork
from emulators.networks.plain import FNO, DilatedResNet
from emulators.networks.unet import UNet
from emulators.pushforward import Pushforward, Unrolled
from emulators.rollout import RolloutObserver
from emulators.schedules import ConstantCosine, WarmupConstant, WarmupCosine
from emulators.sharding import Sharded
from emulators.simulation import Simulation
from emulators.spectral_losses import BinnedSpectralPower, Sobolev
from emulators.termination import Termination
from emulators.transforms import Learned, Pooling, SpectralTruncation, Transform

__all__ = [
    "FNO",
    "L1",
    "L1L2",
    "L2",
    "Baseline",
    "BinnedSpectralPower",
    "Bookmark",
    "Bundled",
    "Compile",
    "ConstantCosine",
    "DilatedResNet",
    "Distance",
    "Emulator",
    "FineTuning",
    "FourierUNet",
    "Hierarchical",
    "HierarchicalPushforward",
    "ImPiNDiff",
    "Learned",
    "Muon",
    "Network",
    "PlainNetwork",
    "Pooling",
    "Pushforward",
    "RolloutObserver",
    "Sharded",
    "Simulation",
    "Sobolev",
    "SpectralTruncation",
    "Termination",
    "Transform",
    "UNet",
    "Unrolled",
    "WarmupConstant",
    "WarmupCosine",
]
