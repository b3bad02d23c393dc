"""The projection of an emulator's predictions onto the constraints of its data."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.description import DataDescription
from datamodules.solvers.variable import State
from emulators.constraints.constraint import Constraint
from emulators.constraints.data_modes import DataModes
from emulators.standardize import Standardize


@runtime_checkable
class Trajectories(Protocol):
    """Interface of the trajectories of a split.

    Attributes:
        lengths: Number of snapshots of each trajectory.
    """

    lengths: Sequence[int]

    def read(self, k: int, start: int, stop: int) -> Float[Tensor, "time channel *space"]:
        """Return snapshots [start, stop) of trajectory k in physical units."""


class Projection(nn.ModuleList):
    """Constraints of an emulator, imposed one after the other.

    Args:
        project: Constraints; `data` is `DataModes` alone.

    Example:
        >>> Projection(None)(torch.ones(1, 1, 4), torch.zeros(1, 1, 4)).tolist()
        [[[1.0, 1.0, 1.0, 1.0]]]
    """

    def __init__(self, project: Literal["data"] | Sequence[Constraint] | None) -> None:
        # an option is shared by the emulators made with it, what they learn is not
        super().__init__([DataModes()] if project == "data" else deepcopy(list(project or ())))

    def learn(self, source: object, data: DataDescription, standardize: Standardize) -> None:
        """Learn the constraints from the training split of a data module.

        Raises:
            ValueError: The data do not obey a constraint; or constraints were named, and the data
                module has no trajectories from which they could be learned.
        """
        if not len(self):
            return
        trajectories = getattr(source, "trajectories", lambda split: None)("train")
        if isinstance(trajectories, Trajectories):
            snapshots = sample(trajectories)
            for constraint in self:
                constraint.learn(snapshots, data, standardize)
                for name, buffer in list(constraint.named_buffers(recurse=False)):
                    # processes of a training cannot exchange a part of a larger tensor
                    whole = buffer.clone(memory_format=torch.contiguous_format)
                    setattr(constraint, name, whole)
        elif not all(isinstance(constraint, DataModes) for constraint in self):
            raise ValueError(
                f"model.project is learned from trajectories, and {type(source).__name__} has "
                'none; return Trajectories from trajectories("train"), or leave model.project out.'
            )

    def forward(self, prediction: State, state: State) -> State:
        """Return the prediction on the constraints, given the state before it.

        Raises:
            ValueError: They have different shapes.
        """
        if prediction.shape != state.shape:
            raise ValueError(
                f"A prediction of shape {tuple(prediction.shape)} cannot be projected with a state "
                f"of shape {tuple(state.shape)} before it; give states of equal shapes."
            )
        for constraint in self:
            prediction = constraint(prediction, state)
        return prediction


def sample(trajectories: Trajectories, values: int = 2**25) -> list[Tensor]:
    """Return snapshots of some trajectories, evenly spread, with the first and the last of each.

    Args:
        trajectories: Trajectories of a split.
        values: Largest number of values that are read, unless two snapshots hold more.
    """
    first = trajectories.read(0, 0, 1)
    count = max(2, min(512, values // first.numel()))
    numbers = spread(len(trajectories.lengths), max(1, min(32, count // 2)))
    times = max(2, count // len(numbers))
    return [
        torch.cat([trajectories.read(k, n, n + 1) for n in spread(trajectories.lengths[k], times)])
        for k in numbers
    ]


def spread(size: int, count: int) -> list[int]:
    """Return up to `count` of the numbers 0 .. size - 1, evenly spread from first to last.

    Example:
        >>> spread(10, 4), spread(2, 4), spread(5, 1)
        ([0, 3, 6, 9], [0, 1], [0])
    """
    return sorted(set(torch.linspace(0, size - 1, min(count, size)).round().int().tolist()))
