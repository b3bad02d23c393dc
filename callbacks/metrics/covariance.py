"""Covariance of the points of a field, summed state by state."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric


def block_means(field: Float[Tensor, "batch channel *space"], size: int) -> Tensor:
    """Return the means over blocks of `size` points along every axis of space.

    Example:
        >>> block_means(torch.tensor([[[1.0, 3.0, 5.0, 9.0]]]), 2).tolist()
        [[[2.0, 7.0]]]
    """
    for axis in range(2, field.dim()):
        field = field.unflatten(axis, (-1, size)).mean(axis + 1)
    return field


def covariance_error(
    covariance: Float[np.ndarray, "channel point point"],
    reference: Float[np.ndarray, "channel point point"],
) -> Float[np.ndarray, " channel"]:
    """Return the relative error ‖C - C_ref‖ / ‖C_ref‖ of a covariance, in Frobenius norms.

    Example:
        >>> reference = np.array([[[2.0, 1.0], [1.0, 2.0]]])
        >>> covariance_error(1.5 * reference, reference).tolist()
        [0.5]
    """
    size = np.linalg.norm(reference, axis=(1, 2))
    difference = np.array(
        [np.linalg.norm(a - b) for a, b in zip(covariance, reference, strict=True)]
    )
    return np.divide(difference, size, out=np.full(len(size), np.nan), where=size > 0)


class Covariance(Metric):
    """Metric that sums states and their products of pairs of points, over all processes.

    It stores one matrix for each channel, for any number of states.

    Args:
        channels: Number of channels.
        points: Number of points of each channel.

    Example:
        The states (1, 2) and (3, 6), with the means 2 and 4:

        >>> covariance = Covariance(channels=1, points=2)
        >>> states = torch.tensor([[[1.0, 2.0]], [[3.0, 6.0]]])
        >>> covariance.update(states, chosen=torch.tensor([True, True]))
        >>> covariance.compute()["covariance"].tolist()
        [[[1.0, 2.0], [2.0, 4.0]]]
    """

    full_state_update = False
    count: Tensor
    total: Tensor
    product: Tensor

    def __init__(self, channels: int, points: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shapes = {"count": (1,), "total": (channels, points), "product": (channels, points, points)}
        for name, shape in shapes.items():
            zero = torch.zeros(shape, dtype=torch.float64)
            self.add_state(name, default=zero, dist_reduce_fx="sum")

    def update(
        self, states: Float[Tensor, "batch channel point"], chosen: Bool[Tensor, " batch"]
    ) -> None:
        """Add states.

        Args:
            states: States, best as departures from a mean that is nearly theirs.
            chosen: Mask of the states to add.
        """
        # zeros rather than a choice of rows, whose number a GPU would have to wait for
        rows = torch.where(chosen[:, None, None], states.double(), 0.0).transpose(0, 1)
        self.count += chosen.sum()
        self.total += rows.sum(1)
        self.product.baddbmm_(rows.transpose(1, 2), rows)

    def compute(self) -> dict[str, np.ndarray]:
        """Return the number of states and the covariance (channel, point, point), by name.

        The covariance is the mean product of departures from the mean; NaN without states.
        """
        count = torch.where(self.count > 0, self.count, torch.nan)
        mean = self.total / count
        covariance = self.product / count
        covariance -= mean[:, :, None] * mean[:, None, :]
        return {"count": self.count.cpu().numpy(), "covariance": covariance.cpu().numpy()}
