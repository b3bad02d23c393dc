"""Linear constraints that all states of the data obey, imposed on predictions by projection.

Data often lie in a subspace of the states that a network can predict: a solver removes the highest
Fourier modes, a mean is conserved, the flow has no divergence. What a network adds outside of it is
in no training input, so that nothing corrects it in a rollout, where it grows. A constraint
replaces each prediction by the nearest state of the subspace, in training and in rollouts.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.description import DataDescription
from datamodules.solvers.variable import State
from emulators.standardize import Standardize

Snapshots = Sequence[Float[Tensor, "time channel *space"]]


class Constraint(nn.Module, ABC):
    """Linear constraint of standardised states.

    Attributes:
        learned: Names of the buffers that `learn` sets, which are None until then.

    Example:
        A constraint of your own, a field whose values add up to zero:

        >>> class Centred(Constraint):
        ...     def forward(self, prediction, state):
        ...         return prediction - prediction.mean(dim=-1, keepdim=True)
        >>> Centred()(torch.tensor([[[1.0, 3.0]]]), torch.zeros(1, 1, 2)).tolist()
        [[[-1.0, 1.0]]]
    """

    learned: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        for name in self.learned:
            self.register_buffer(name, None)

    def learn(self, snapshots: Snapshots, data: DataDescription, standardize: Standardize) -> None:
        """Learn the constraint from the training data, or check that they obey it.

        Args:
            snapshots: Training snapshots of some trajectories in physical units, in order of time.
            data: Description of the data.
            standardize: Standardisation of the states.
        """

    @abstractmethod
    def forward(self, prediction: State, state: State) -> State:
        """Return the nearest state that obeys the constraint.

        Args:
            prediction: Predicted state, standardised.
            state: Standardised state from which it was predicted.
        """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # the data set the shapes; a checkpoint of an earlier version has no constraint
        for name in self.learned:
            kept = state_dict.get(prefix + name)
            now = getattr(self, name)
            device = (
                kept.device if now is None and kept is not None else getattr(now, "device", None)
            )
            setattr(self, name, None if kept is None else torch.empty_like(kept, device=device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def channels_of(owner: str, fields: Sequence[str] | None, data: DataDescription) -> list[int]:
    """Return the numbers of the channels with given names, of all channels for None.

    Args:
        owner: Class whose option `fields` holds the names.
        fields: Names of fields.
        data: Description of the data.

    Raises:
        ValueError: The data have no field of that name.
    """
    names = [field.name for field in data.fields]
    for name in fields or ():
        if name not in names:
            raise ValueError(
                f"{owner}.fields names '{name}', and the data have the fields "
                f"{', '.join(names)}; choose among these."
            )
    return [names.index(name) for name in (names if fields is None else fields)]
