"""Convolutions on a periodic or a zero-padded grid, in one or two dimensions, and the SiLU."""

# What lies beyond an edge is a fact of the data (`data.periodic`), so by default layers are built
# for a periodic domain and set by the emulator where the domain ends at walls.

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from emulators.networks.batches import convolve, pointwise_linear, silu

Padding = Literal["data", "periodic", "zeros"]
Features = Float[Tensor, "batch _ ..."]


def check_dimensions(owner: str, dimensions: int) -> None:
    """Check that states have one or two spatial dimensions.

    Raises:
        ValueError: The number of dimensions is not 1 or 2; the message names the owner.
    """
    if dimensions not in (1, 2):
        raise ValueError(
            f"{owner} takes states in 1 or 2 dimensions, the data have {dimensions} "
            "(data.dimensions.space); give slices of them, or a network of your own."
        )


class PeriodicOnly:
    """Marker for parts of an emulator that are defined on periodic domains only."""


class _PadPeriodic(torch.autograd.Function):
    """Periodic halo with a backward that adds the halo's gradient onto the points it copied.

    Slicing and concatenating under autograd would allocate and add a full-size tensor for each
    slice, which costs more than the convolution that follows.
    """

    @staticmethod
    def forward(x: Tensor, width: int) -> Tensor:
        x = nn.functional.pad(x, [width] * (2 * (x.dim() - 2)))
        for axis in range(2, x.dim()):  # corners follow from the axes done before
            end = x.shape[axis] - width
            x.narrow(axis, 0, width).copy_(x.narrow(axis, end - width, width))
            x.narrow(axis, end, width).copy_(x.narrow(axis, width, width))
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.width = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        width = ctx.width
        for axis in range(2, grad.dim()):
            size = grad.shape[axis] - 2 * width
            total = grad.narrow(axis, width, size).clone()
            total.narrow(axis, size - width, width).add_(grad.narrow(axis, 0, width))
            total.narrow(axis, 0, width).add_(grad.narrow(axis, size + width, width))
            grad = total
        return grad, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _PadPeriodic.apply(tangent, ctx.width)


def pad_periodic(x: Features, width: int) -> Features:
    """Return x with a halo of `width` points copied from the opposite side, along each axis.

    The memory format is kept, which `torch.nn.functional.pad(mode="circular")` does not.
    """
    if not torch.compiler.is_compiling():
        if torch.is_grad_enabled():
            return _PadPeriodic.apply(x, width)
        return _PadPeriodic.forward(x, width)  # `apply` inspects the function's signature each time
    for axis in range(2, x.dim()):  # the compiler cannot see into the function, and fuses these
        x = wrap(x, width, axis)
    return x


def wrap(x: Features, width: int, axis: int) -> Features:
    """Return x with a halo copied from the opposite side, along one axis.

    Args:
        x: Features (batch, channel, *space).
        width: Width of the halo [points].
        axis: Number of the axis.
    """
    low, high = x.narrow(axis, 0, width), x.narrow(axis, x.shape[axis] - width, width)
    return torch.cat((high, x, low), axis)


def set_boundaries(module: nn.Module, periodic: Sequence[bool]) -> None:
    """Set the padding of all layers of a network that follow the boundaries of the data.

    Args:
        module: Network.
        periodic: Whether the domain is periodic along each axis, in the order of the axes.
    """
    for layer in module.modules():
        if isinstance(layer, Convolution) and layer.follows_data:
            layer.set_boundaries(periodic)


class Convolution(nn.Module):
    """Convolution with an odd kernel, which keeps the size of the grid.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        inputs: Number of input channels.
        outputs: Number of output channels.
        kernel: Number of points along each axis, odd.
        padding: Padding beyond the edge: the opposite side (`periodic`), `zeros`, or one of them
            for each axis, by the periodicity of the `data`.
        zero: Whether the weights start at zero.
        dilation: Distance between the points of the kernel.
    """

    def __init__(
        self,
        dimensions: int,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        padding: Padding = "data",
        zero: bool = False,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        if kernel % 2 != 1:
            raise ValueError(f"Convolution.kernel must be odd, got {kernel}.")
        check_dimensions("Convolution", dimensions)
        self.half = dilation * (kernel // 2)
        self.follows_data = padding == "data"
        layer = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions]
        self.layer = layer(inputs, outputs, kernel, dilation=dilation)
        self.set_boundaries((padding != "zeros",) * dimensions)
        if zero:
            nn.init.zeros_(self.layer.weight)
            nn.init.zeros_(self.layer.bias)

    def set_boundaries(self, periodic: Sequence[bool]) -> None:
        """Pad periodic axes with points from the opposite side, and other axes with zeros."""
        self.layer.padding = tuple(0 if around else self.half for around in periodic)
        self.halo = self.half if all(periodic) else 0
        some = any(periodic) and not all(periodic) and self.half
        self.around = tuple(axis for axis, p in enumerate(periodic, 2) if p) if some else ()

    def forward(self, x: Features) -> Features:
        if x.dim() == 3 and self.layer.kernel_size == (1,):
            return pointwise_linear(x, self.layer.weight, self.layer.bias)
        if self.halo:
            return convolve(self.layer, pad_periodic(x, self.halo))
        for axis in self.around:
            x = wrap(x, self.half, axis)
        return convolve(self.layer, x)


class PointNorm(nn.Module):
    """Layer normalisation over the channels of each point.

    Statistics over space would couple distant points, and cost more than a convolution in
    channels-last layout on a CPU; this norm runs on contiguous rows.

    Args:
        channels: Number of features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Features) -> Features:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def to_patches(x: Features, size: int) -> Features:
    """Return (batch, channel · size^d, *space/size), with every patch in the channels.

    Args:
        x: Field (batch, channel, *space) in d dimensions.
        size: Number of points of a patch along each axis, a divisor of their number.
    """
    if size == 1:
        return x
    if x.dim() == 4:
        return nn.functional.pixel_unshuffle(x, size)
    return x.unflatten(2, (-1, size)).transpose(2, 3).flatten(1, 2)


def from_patches(x: Features, size: int) -> Features:
    """Return the field whose patches are in the channels: the inverse of `to_patches`."""
    if size == 1:
        return x
    if x.dim() == 4:
        return nn.functional.pixel_shuffle(x, size)
    return x.unflatten(1, (-1, size)).transpose(2, 3).flatten(2, 3)


class SiLU(nn.Module):
    """Activation x / (1 + exp(-x)), with the same rounding for any batch size."""

    def forward(self, x: Tensor) -> Tensor:
        return silu(x)
