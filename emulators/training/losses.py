"""Distances d(prediction, target) between fields, one number per sample.

They average over all axes but the batch, so that an emulator can leave out samples whose target
does not apply and average over the rest.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

Fields = Float[Tensor, "batch channel *space"]


class Distance(nn.Module, ABC):
    """Distance between a prediction and its target, both standardised.

    Example:
        A distance of your own, the largest difference:

        >>> import torch
        >>> class Largest(Distance):
        ...     def forward(self, prediction, target):
        ...         return (prediction - target).abs().flatten(1).amax(1)
        >>> Largest()(torch.tensor([[[1.0, 5.0]]]), torch.zeros(1, 1, 2)).tolist()
        [5.0]
    """

    @abstractmethod
    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        """Return the distance of each sample.

        Args:
            prediction: Standardised prediction (batch, channel, *space).
            target: Standardised target of the same shape.

        Returns:
            Distances (batch), not negative, and zero where prediction and target agree.
        """


class L1(Distance):
    """Mean absolute difference over channels and grid points.

    Example:
        >>> import torch
        >>> L1()(torch.full((1, 1, 8), 3.0), torch.full((1, 1, 8), 1.0)).tolist()
        [2.0]
    """

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        return (prediction - target).abs().flatten(1).mean(1)


class L2(Distance):
    """Mean squared difference over channels and grid points.

    Example:
        >>> import torch
        >>> L2()(torch.full((1, 1, 8), 3.0), torch.full((1, 1, 8), 1.0)).tolist()
        [4.0]
    """

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        return (prediction - target).square().flatten(1).mean(1)


class L1L2(Distance):
    """Sum of mean absolute and mean squared difference (Jiang et al. 2025, Table 3).

    Example:
        >>> import torch
        >>> L1L2()(torch.full((1, 1, 8), 3.0), torch.full((1, 1, 8), 1.0)).tolist()
        [6.0]
    """

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        difference = prediction - target
        return (difference.abs() + difference.square()).flatten(1).mean(1)
