"""Distances d(prediction, target) between fields, one number per sample.

They average over everything but the batch, so that an emulator can leave out samples whose target
does not apply and average the rest itself.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

Fields = Float[Tensor, "batch channel *space"]


class Distance(nn.Module, ABC):
    """Distance between prediction and target, standardised numbers."""

    @abstractmethod
    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        """Return the distance of each sample."""


class L1(Distance):
    """Mean absolute difference."""

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        return (prediction - target).abs().flatten(1).mean(1)


class L2(Distance):
    """Mean squared difference."""

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        return (prediction - target).square().flatten(1).mean(1)


class L1L2(Distance):
    """Mean absolute plus mean squared difference (Jiang et al. 2025, Table 3)."""

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        difference = prediction - target
        return (difference.abs() + difference.square()).flatten(1).mean(1)
