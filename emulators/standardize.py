"""Conversion between physical units, outside an emulator, and standardised numbers, inside."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.point_weights import Mask
from datamodules.solvers.variable import State


class Standardize(nn.Module):
    """Standardisation of each channel by its mean and standard deviation.

    The statistics are buffers: computed by `fit` from the training split, saved in the checkpoint.

    Args:
        channels: Number of fields of a state.
        dimensions: Number of dimensions of space; None for any number.

    Raises:
        ValueError: In calls, if a state has other channels or dimensions.

    Example:
        >>> standardize = Standardize(channels=1)
        >>> mean, std, increment_std = (torch.tensor([value]) for value in (10.0, 2.0, 0.5))
        >>> standardize.set_statistics(mean, std, increment_std)
        >>> state = torch.tensor([[[8.0, 10.0, 14.0]]])
        >>> standardize(state).tolist(), standardize.inverse(standardize(state)).tolist()
        ([[[-1.0, 0.0, 2.0]]], [[[8.0, 10.0, 14.0]]])
        >>> standardize.increment_scale(state).flatten().tolist()  # 0.5 in units of 2
        [0.25]
    """

    mean: Tensor
    std: Tensor
    increment_std: Tensor
    mask: Tensor | None

    def __init__(self, channels: int, dimensions: int | None = None) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.register_buffer("increment_std", torch.ones(channels))
        self.register_buffer("mask", None, persistent=False)

    def set_statistics(
        self,
        mean: Float[Tensor, " channel"],
        std: Float[Tensor, " channel"],
        increment_std: Float[Tensor, " channel"],
    ) -> None:
        """Set the statistics of a training split, in physical units.

        Args:
            mean: Mean of each channel.
            std: Standard deviation of each channel.
            increment_std: Root mean square of the change of each channel over one interval.
        """
        self.mean.copy_(mean)
        self.std.copy_(std)
        self.increment_std.copy_(increment_std)

    def set_mask(self, mask: Mask | None) -> None:
        """Set the mask of the data, True where a channel has values; None if no point is masked."""
        self.mask = mask

    def masked(self, state: State) -> State:
        """Return a standardised state that is 0, the mean, at masked points."""
        if self.mask is None:
            return state
        return torch.where(
            self.mask, state, torch.zeros((), dtype=state.dtype, device=state.device)
        )

    def _per_channel(self, statistic: Tensor, like: State) -> Tensor:
        axes = like.dim() if self.dimensions is None else 2 + self.dimensions
        if like.dim() != axes or like.shape[1] != len(statistic):
            space = (
                "*space" if self.dimensions is None else ", ".join(["y", "x"][-self.dimensions :])
            )
            raise ValueError(
                f"A state of shape {tuple(like.shape)} cannot be standardised: expected (batch, "
                f"{len(statistic)}, {space}); of a window (batch, time, channel, {space}) take one "
                "time, window[:, n]."
            )
        return statistic.to(like.dtype).reshape(-1, *[1] * (like.dim() - 2))

    def forward(self, state: State) -> State:
        """Return a standardised state, which is 0 at masked points."""
        mean, std = (self._per_channel(s, state) for s in (self.mean, self.std))
        return self.masked((state - mean) / std)

    def inverse(self, state: State) -> State:
        """Return a state in physical units."""
        mean, std = (self._per_channel(s, state) for s in (self.mean, self.std))
        return torch.addcmul(mean, state, std)

    def increment_scale(self, like: State) -> Tensor:
        """Return the size of the change over one interval, in standardised numbers."""
        return self._per_channel(self.increment_std / self.std, like)
