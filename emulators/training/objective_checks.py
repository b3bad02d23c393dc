"""Checks that an objective over members, the network and the other options fit together."""

from torch import nn

from emulators.training.objectives import Objective

DEFAULT_MEMBERS = 2  # of `Emulator`


def check_dropout(network: nn.Module, objective: Objective | None) -> None:
    """Check that members differ in training by nothing that is absent from rollouts.

    Args:
        network: Network of an emulator.
        objective: Objective of the emulator, or None.

    Raises:
        ValueError: There is an objective, and the network has dropout.
    """
    for module in network.modules() if objective is not None else ():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            raise ValueError(
                f"The network has dropout of {module.p:g}, by which members would differ in "
                f"training and not in a rollout; set it to 0 with model.objective="
                f"{type(objective).__name__}."
            )


def check_objective(
    objective: Objective | None, distance: object, members: int, stochastic: bool
) -> None:
    """Check that an objective over members has members, which differ.

    Args:
        objective: Objective of an emulator, or None.
        distance: Distance of the emulator.
        members: Number of members in training.
        stochastic: Whether the network is given random numbers.

    Raises:
        ValueError: There are members and no objective, fewer than two members, they would be
            equal, or nothing would say where waves are.
    """
    if isinstance(distance, Objective):
        raise ValueError(
            f"model.distance is {type(distance).__name__}, which scores an ensemble; set "
            "model.objective to it."
        )
    if objective is None:
        if members != DEFAULT_MEMBERS:
            raise ValueError(
                f"model.members is {members}, and model.distance scores single predictions; set "
                "model.objective to a score of members, such as CRPS."
            )
        return
    name = getattr(objective, "__name__", type(objective).__name__)
    if not isinstance(objective, Objective):
        raise ValueError(
            f"model.objective is {name}, expected an object such as CRPS() that scores an "
            "ensemble; a distance of single predictions is given as model.distance."
        )
    if not objective.sees_phases:
        raise ValueError(
            f"model.objective={name} compares the energy of wavenumbers, which does not say where "
            "waves are; give it a share of a WeightedSum with CRPS."
        )
    if members < 2:
        raise ValueError(
            f"model.objective={name} needs model.members of at least 2, got {members}."
        )
    if not stochastic:
        raise ValueError(
            f"model.objective={name} compares members, and the network is given no random numbers "
            "by which they would differ; set model.noise_fields or model.noise_numbers."
        )
