"""Fourier neural operator; latents are concatenated to the state on the full grid."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from emulators.networks.batches import convolve, pointwise_linear
from emulators.networks.from_module import FromModule
from emulators.networks.interface import NetworkInterface
from emulators.networks.layers import Convolution, check_dimensions
from emulators.networks.spectral_layers import SpectralConvolution

Features = Float[Tensor, "batch _ ..."]


class FNO(FromModule):
    """Fourier neural operator (Li et al., ICLR 2021), in one or two dimensions.

    v_0 = lift(x); v_{l+1} = a(K_l v_l + W_l v_l), with K_l the product of the lowest modes with
    matrices over the channels, W_l a matrix per point, and a GELU except in the last layer; then
    each layer adds MLP(v) + s·v_l, with s a number per channel (soft gate); output project(v_L).

    Args:
        interface: Fields that the network takes and returns; set by the emulator.
        width: Number of features.
        modes: Number of Fourier modes kept along each axis, of either sign together.
        layers: Number of Fourier layers.

    Example:
        >>> network = FNO(NetworkInterface(channels=2, dimensions=1), width=8, modes=12, layers=2)
        >>> output, _ = network(torch.zeros(4, 2, 64))
        >>> output.shape
        torch.Size([4, 2, 64])
    """

    def __init__(
        self,
        interface: NetworkInterface,
        width: int = 32,
        modes: int = 24,
        layers: int = 4,
    ) -> None:
        dimensions = interface.dimensions
        check_dimensions("FNO", dimensions)
        super().__init__(interface, module=nn.Sequential())
        if min(width, modes, layers) < 1:
            raise ValueError(
                "FNO needs width, modes and layers of at least 1, got "
                f"width={width}, modes={modes}, layers={layers}."
            )
        self.modes = modes
        self.module.append(pointwise(dimensions, self.inputs, 2 * width, width))
        for number in range(layers):
            last = number + 1 == layers
            self.module.append(FourierLayer(dimensions, width, modes, last))
        self.module.append(pointwise(dimensions, width, 2 * width, self.outputs))

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that a grid resolves the modes."""
        if min(shape) < self.modes:
            raise ValueError(
                f"An FNO with {self.modes} modes needs at least as many points along each axis, "
                f"got {tuple(shape)}; lower model.network.modes."
            )


class FourierLayer(nn.Module):
    """Fourier layer: spectral convolution, linear map, and a perceptron at each point.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        width: Number of features.
        modes: Number of Fourier modes kept along each axis.
        last: Whether no activation follows.
    """

    def __init__(self, dimensions: int, width: int, modes: int, last: bool) -> None:
        super().__init__()
        self.spectral = SpectralConvolution(dimensions, width, width, modes)
        convolution = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions]
        self.skip = convolution(width, width, 1, bias=False)  # the spectral layer has one
        self.mlp = pointwise(dimensions, width, max(1, width // 2), width)
        self.gate = nn.Parameter(torch.ones(width, *[1] * dimensions))
        self.activation = nn.Identity() if last else nn.GELU()

    def forward(self, x: Features) -> Features:
        line = x.dim() == 3
        skip = pointwise_linear(x, self.skip.weight, None) if line else convolve(self.skip, x)
        h = self.activation(self.spectral(x) + skip)
        return self.activation(self.mlp(h) + self.gate * x)


def pointwise(dimensions: int, *widths: int) -> nn.Sequential:
    """Return a perceptron that acts on the channels of each point, with GELU between its layers.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        widths: Number of channels of the input, of each hidden layer, and of the output.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [Convolution(dimensions, inputs, outputs, 1), nn.GELU()]
    return nn.Sequential(*layers[:-1])
