"""Layers that multiply Fourier modes. Weights are pairs of real numbers, transforms are float32.

Complex parameters are dropped by some optimisers and not reduced by all communication libraries,
and there are no transforms in bfloat16; pairs of numbers and float32 work everywhere.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.fourier import irfftn, rfftn
from emulators.networks.batches import mix_modes, scale_modes

Features = Float[Tensor, "batch channel *space"]


class DepthwiseSpectral(nn.Module):
    """Product of the lowest modes of each channel with weights of its own; all others are removed.

    Along the last axis modes 0 .. m-1 are kept, along the other, in two dimensions, 0 .. m-1 and
    -m .. -1.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        channels: Number of features.
        modes: Number m of modes kept along the last axis.
    """

    def __init__(self, dimensions: int, channels: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        shape = (2 ** (dimensions - 1), channels, *[modes] * dimensions, 2)
        self.weight = nn.Parameter(torch.rand(shape) / channels**2)

    def forward(self, x: Features) -> Features:
        axes, m = tuple(range(2, x.dim())), self.modes
        with torch.autocast(x.device.type, enabled=False):
            exact = torch.promote_types(x.dtype, torch.float32)
            spectrum = rfftn(x.to(exact), axes)
            weight = torch.view_as_complex(self.weight.to(exact))
            result = torch.zeros_like(spectrum)
            if x.dim() == 3:
                result[..., :m] = scale_modes(spectrum[..., :m], weight[0])
            else:
                result[..., :m, :m] = scale_modes(spectrum[..., :m, :m], weight[0])
                result[..., -m:, :m] = scale_modes(spectrum[..., -m:, :m], weight[1])
            return irfftn(result, x.shape[2:], axes).to(x.dtype)


class SpectralConvolution(nn.Module):
    """Product of the lowest modes of all channels with a matrix per mode; all others are removed.

    Of `modes` modes along an axis, m = modes // 2 + 1 are kept along the last one, 0 .. m-1, and
    -modes//2 .. modes - modes//2 - 1 along the other.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        inputs: Number of input channels.
        outputs: Number of output channels.
        modes: Number of modes kept along each axis, of either sign together.
    """

    def __init__(self, dimensions: int, inputs: int, outputs: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        kept = [*[modes] * (dimensions - 1), modes // 2 + 1]
        scale = (2 / (inputs + outputs)) ** 0.5
        self.weight = nn.Parameter(scale * torch.randn(inputs, outputs, *kept, 2) / 2**0.5)
        self.bias = nn.Parameter(scale * torch.randn(outputs, *[1] * dimensions))

    def forward(self, x: Float[Tensor, "batch _ *space"]) -> Float[Tensor, "batch _ *space"]:
        axes = tuple(range(2, x.dim()))
        with torch.autocast(x.device.type, enabled=False):
            exact = torch.promote_types(x.dtype, torch.float32)
            spectrum = rfftn(x.to(exact), axes, norm="forward")
            weight = torch.view_as_complex(self.weight.to(exact))
            last = slice(0, min(weight.shape[-1], spectrum.shape[-1]))
            if x.dim() == 3:  # the inverse transform pads with zeros
                result = mix_modes(spectrum[..., last], weight[..., last])
            else:
                result = spectrum.new_zeros(x.shape[0], weight.shape[1], *spectrum.shape[2:])
                half = self.modes // 2
                rows = torch.arange(-half, self.modes - half, device=x.device)
                part = mix_modes(spectrum[:, :, rows][..., last], weight[..., last])
                result[:, :, rows, last] = part
            field = irfftn(result, x.shape[2:], axes, norm="forward")
            return (field + self.bias.to(exact)).to(x.dtype)
