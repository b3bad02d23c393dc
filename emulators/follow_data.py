"""Transfer of boundaries, mask, weights, statistics and constraints from data to an emulator."""

from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from datamodules.description import DataDescription
from emulators.checkpoint_checks import follow_boundaries
from emulators.hierarchy.coarsening import LearnedCoarsening
from emulators.networks.interface import Network
from emulators.training.losses import Criterion
from emulators.training.objectives import Objective

if TYPE_CHECKING:
    from emulators.emulator import Emulator


def follow_data(emulator: "Emulator", data: DataDescription | None) -> None:
    """Set padding, mask and weights of points of an emulator from the data.

    Args:
        emulator: Emulator.
        data: Description of the data, or None where a checkpoint of an earlier version has none,
            which was trained with periodic padding.

    Raises:
        ValueError: A part of the emulator is defined on periodic domains only, or without masked
            points and weights, and the data are different.
    """
    follow_boundaries(emulator, (data and data.periodic) or (True,) * emulator.dimensions)
    mask = None if data is None else data.mask
    weights = None if data is None else data.weights
    emulator.standardize.set_mask(mask)
    emulator.input_fields.set_mask(mask)
    for module in emulator.modules():
        if isinstance(module, Criterion):
            if weights is not None and not module.weighted:
                option = "data.weights" if mask is None else "data.mask"
                kind, others = ("distance", "L1, L2 or L1L2")
                if isinstance(module, Objective):
                    kind, others = "objective", "CRPS or EnergyScore"
                raise ValueError(
                    f"{type(module).__name__} does not weight grid points, and the data have "
                    f"{option}; set model.{kind} to {others}, or, in a class of your own, average "
                    "by `self.average` and set `weighted = True`."
                )
            if module.weighted:
                module.set_weights(weights)
    if mask is not None and any(isinstance(m, LearnedCoarsening) for m in emulator.modules()):
        raise ValueError(
            "LearnedCoarsening reconstructs every point, and the data have masked points; set "
            "model.coarsening to Pooling."
        )
    emulator.to(emulator.device)


def learn_from(emulator: "Emulator", source: Any, data: DataDescription) -> None:
    """Set the statistics and constraints of an emulator from the training split of a data module.

    Args:
        emulator: Emulator before training.
        source: Data module.
        data: Its description.
    """
    found = source.statistics
    emulator.standardize.set_statistics(found.mean, found.std, found.increment_std)
    if data.static or data.forcing:
        inputs = source.input_statistics
        emulator.input_fields.set_statistics(inputs.mean, inputs.std)
    if data.parameters:
        emulator.conditioning.set_statistics(source.trajectories("train").parameters)
    emulator.projection.learn(source, data, emulator.standardize)
    if emulator.trainer.ckpt_path is None:  # the network of a resumed run is what it is
        advise(emulator.trained, data)


def advise(network: nn.Module, data: DataDescription) -> None:
    """Warn where a flow is given by its vorticity and points far apart hardly meet in the network.

    Args:
        network: Trained part of an emulator.
        data: Description of the data.
    """
    if data.vorticity and isinstance(network, Network) and (advice := network.advice(data.shape)):
        rank_zero_warn(advice)
