"""Values on faces from the two adjacent cells.

With u_L, u_R the velocity in the cells below and above a face, the convective flux through it is
a φ_L + b φ_R. Positive velocity points towards higher coordinates.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

FaceMean = Callable[[Tensor, Tensor], Tensor]


def arithmetic(low: Tensor, high: Tensor) -> Tensor:
    """Return the mean (low + high)/2, for smooth coefficients.

    Example:
        >>> arithmetic(torch.tensor(1.0), torch.tensor(3.0)).item()
        2.0
    """
    return 0.5 * (low + high)


def harmonic(low: Tensor, high: Tensor) -> Tensor:
    """Return the harmonic mean 2 low high/(low + high), which keeps fluxes continuous at a jump.

    It is 0 where both values are.

    Example:
        >>> harmonic(torch.tensor(1.0), torch.tensor(3.0)).item()
        1.5
    """
    total = low + high
    return 2 * low * high / torch.where(total == 0, torch.ones_like(total), total)


class ConvectionScheme(ABC):
    """Scheme for the value that a flow carries through a face.

    Example:
        A scheme of your own, a blend of `Central` and `Upwind`:

        >>> class Blend(Upwind):
        ...     def faces(self, low, high):
        ...         parts = zip(Central().faces(low, high), super().faces(low, high))
        ...         return tuple(0.5 * (central + upwind) for central, upwind in parts)
        >>> [weight.item() for weight in Blend().faces(torch.tensor(2.0), torch.tensor(2.0))]
        [1.5, 0.5]
    """

    order: int

    @abstractmethod
    def faces(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights a and b [L/T] of the cells below and above each face.

        Args:
            low: Velocity in the cell below the face [L/T].
            high: Velocity in the cell above it [L/T].
        """

    @abstractmethod
    def wall(self, inward: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of the wall's value and of the inner cell in the flux inwards.

        Args:
            inward: Velocity of the inner cell towards the inside.
        """


class Upwind(ConvectionScheme):
    """Upwind scheme: the value of the cell that the flow comes from. First order.

    The velocity of the face is (u_L + u_R)/2.

    Example:
        A flow to the right carries the value of the lower cell, a flow to the left the upper one:

        >>> u = torch.tensor([2.0, -2.0])
        >>> [weight.tolist() for weight in Upwind().faces(u, u)]
        [[2.0, 0.0], [0.0, -2.0]]
    """

    order = 1

    def faces(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        u = 0.5 * (low + high)
        return u.clamp(min=0), u.clamp(max=0)

    def wall(self, inward: Tensor) -> tuple[Tensor, Tensor]:
        return inward.clamp(min=0), inward.clamp(max=0)


class DonorCell(Upwind):
    """Donor-cell scheme: the flux max(u_L, 0) φ_L + min(u_R, 0) φ_R out of each cell. First order.

    The scheme of Akhare et al. (2025) for velocities of one sign.

    Example:
        >>> low, high = torch.tensor([2.0]), torch.tensor([4.0])
        >>> [weight.tolist() for weight in DonorCell().faces(low, high)]
        [[2.0], [0.0]]
    """

    def faces(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        return low.clamp(min=0), high.clamp(max=0)


class Central(ConvectionScheme):
    """Central scheme: the mean (u_L φ_L + u_R φ_R)/2 of two fluxes. Second order, not monotone.

    Example:
        >>> low, high = torch.tensor([2.0]), torch.tensor([4.0])
        >>> [weight.tolist() for weight in Central().faces(low, high)]
        [[1.0], [2.0]]
    """

    order = 2

    def faces(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        return 0.5 * low, 0.5 * high

    def wall(self, inward: Tensor) -> tuple[Tensor, Tensor]:
        return inward, torch.zeros_like(inward)
