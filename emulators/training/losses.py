"""Distances d(prediction, target) between fields, one number per sample.

They average over all axes but the batch, so that an emulator can leave out samples whose target
does not apply and average over the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from datamodules.point_weights import Weights, apply_weights
from emulators.networks.interface import coarsen

Fields = Float[Tensor, "batch channel *space"]


class Criterion(nn.Module, ABC):
    """Quantity that training minimises, one number per sample.

    Attributes:
        weighted: Whether it weights grid points, by averaging with `average`; others cannot be used
            for data with masked points or weights.
    """

    weighted: ClassVar[bool] = False
    point_weights: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("point_weights", None, persistent=False)

    def __call__(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        """Return one number per sample.

        Raises:
            ValueError: Prediction and target have different shapes, which would be broadcast.
        """
        if prediction.shape != target.shape:
            raise ValueError(
                f"{type(self).__name__} compares a prediction of shape {tuple(prediction.shape)} "
                f"with a target of shape {tuple(target.shape)}; give fields of equal shapes, such "
                "as `window[:, 1]` of a window of states."
            )
        return super().__call__(prediction, target)

    def set_weights(self, weights: Weights | None) -> None:
        """Set the weight of each point of each channel, with the mean 1; None for equal weights."""
        device = None if self.point_weights is None else self.point_weights.device
        self.point_weights = None if weights is None else weights.float().to(device)

    def average(self, values: Fields) -> Float[Tensor, " batch"]:
        """Return the weighted mean Σ w v / Σ w over channels and grid points of each sample.

        On a coarse grid the weight of a point is the mean of the weights of its block.

        Args:
            values: Values v of each point, also on a coarse grid.
        """
        if self.point_weights is None:
            return values.flatten(1).mean(1)
        weights = self.point_weights.to(values.device)
        if weights.shape[1:] != values.shape[2:]:
            weights = coarsen(weights[None], weights.shape[-1] // values.shape[-1])[0]
        return apply_weights(values, weights.to(values.dtype)).flatten(1).mean(1)

    def check(self, shape: tuple[int, ...], latents: Sequence[tuple[int, ...]] = ()) -> None:
        """Check that fields on these grids can be compared.

        Args:
            shape: Number of points of a state along each axis.
            latents: The same of each latent that the network predicts.
        """

    @abstractmethod
    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        """Return one number per sample.

        Args:
            prediction: Standardised prediction (batch, channel, *space).
            target: Standardised target of the same shape.
        """


class Distance(Criterion):
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

    weighted = True

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        return self.average((prediction - target).abs())


class L2(Distance):
    """Mean squared difference over channels and grid points.

    Example:
        >>> import torch
        >>> L2()(torch.full((1, 1, 8), 3.0), torch.full((1, 1, 8), 1.0)).tolist()
        [4.0]
    """

    weighted = True

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        return self.average((prediction - target).square())


class L1L2(Distance):
    """Sum of mean absolute and mean squared difference (Jiang et al. 2025, Table 3).

    Example:
        >>> import torch
        >>> L1L2()(torch.full((1, 1, 8), 3.0), torch.full((1, 1, 8), 1.0)).tolist()
        [6.0]
    """

    weighted = True

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        difference = prediction - target
        return self.average(difference.abs() + difference.square())
