"""Products whose rounding does not depend on how many samples are computed together.

Libraries multiply matrices and convolve in several ways and choose one by the size of the batch.
Each rounds differently, by 1e-7 of the result: nothing in a step, but in a chaotic system the whole
forecast after some hundred, and then scores depend on the size of the batch and on the number of
processes. Without gradients, as in a rollout, these functions choose one way for every size, so
that each sample gives the same to the last bit, on a CPU in float32. Training keeps the choice of
torch, which is a little faster for the smallest batches.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

Features = Float[Tensor, "batch _ ..."]

VECTORS = 32  # numbers that torch computes at once: two registers of AVX-512, the widest there are
SHARE = 32768  # numbers from which on torch divides an operation among threads


def pointwise_linear(
    x: Float[Tensor, "batch _ x"], weight: Float[Tensor, "outputs inputs 1"], bias: Tensor | None
) -> Float[Tensor, "batch outputs x"]:
    """Return the product of a matrix with the channels of each point, plus a bias per channel.

    On a CPU a product of matrices takes a third of the time of `conv1d` with a kernel of one point.
    """
    if len(x) == 1 and not torch.is_grad_enabled():  # a single product is rounded unlike several
        return pointwise_linear(x.expand(2, -1, -1), weight, bias)[:1]
    matrices = weight.squeeze(-1).expand(len(x), -1, -1)
    return torch.bmm(matrices, x) if bias is None else torch.baddbmm(bias[:, None], matrices, x)


def linear(layer: nn.Linear, x: Float[Tensor, "batch _"]) -> Float[Tensor, "batch _"]:
    """Return the output of a linear layer for a vector per sample."""
    if torch.is_grad_enabled() or not one_way(x, layer.weight):
        return layer(x)
    return pointwise_linear(x[:, :, None], layer.weight[:, :, None], layer.bias)[:, :, 0]


def convolve(layer: nn.Conv1d | nn.Conv2d, x: Features) -> Features:
    """Return the convolution of x, by oneDNN also for a batch of one, which torch treats apart."""
    if torch.is_grad_enabled() or not one_way(x, layer.weight):
        return layer(x)
    weight, bias = layer.weight, layer.bias
    options = layer.padding, layer.stride, layer.dilation
    if x.dim() == 4:
        return torch.mkldnn_convolution(x, weight, bias, *options, layer.groups)
    # a line is a plane with one row
    (padding,), (stride,), (dilation,) = options
    plane = (0, padding), (1, stride), (1, dilation)
    x, weight = x.unsqueeze(2), weight.unsqueeze(2)
    return torch.mkldnn_convolution(x, weight, bias, *plane, layer.groups).squeeze(2)


def sequential(layers: nn.Sequential, x: Features) -> Features:
    """Return what layers make of x, one after the other: linear ones, convolutions and others."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            x = linear(layer, x)
        elif isinstance(layer, nn.Conv1d | nn.Conv2d):
            x = convolve(layer, x)
        else:
            x = layer(x)
    return x


def mix_modes(
    spectrum: Complex[Tensor, "batch inputs *modes"],
    weight: Complex[Tensor, "inputs outputs *modes"],
) -> Complex[Tensor, "batch outputs *modes"]:
    """Return the product of a matrix per mode with the modes of each sample.

    Without gradients four samples are computed at a time, filled up with zeros.
    """
    if torch.is_grad_enabled():
        return torch.einsum("bi...,io...->bo...", spectrum, weight)
    batch, inputs, *modes = spectrum.shape
    matrices = weight.flatten(2).permute(2, 0, 1).contiguous()
    vectors = spectrum.new_zeros(len(matrices), batch + -batch % 4, inputs)
    vectors[:, :batch] = spectrum.flatten(2).permute(2, 0, 1)
    products = [torch.bmm(four, matrices) for four in vectors.split(4, 1)]
    return torch.cat(products, 1)[:, :batch].permute(1, 2, 0).unflatten(2, modes)


def silu(x: Features) -> Features:
    """Return x / (1 + exp(-x)).

    Torch computes vectors of numbers, and those that are left at the end of a thread's share one by
    one, with another rounding. Samples are computed apart where such an end may lie within one.
    """
    if torch.is_grad_enabled() or not one_way(x, x):
        return nn.functional.silu(x)
    if x[0].numel() % VECTORS == 0 and x.numel() <= SHARE:
        return nn.functional.silu(x)
    result = torch.empty_like(x)
    for sample, out in zip(x, result, strict=True):
        torch.ops.aten.silu.out(sample, out=out)
    return result


def one_way(x: Tensor, weight: Tensor) -> bool:
    """Return whether one way can be chosen: float32 on a CPU, without autocast or compilation.

    A weight that is divided among processes is gathered only by its layer.
    """
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not isinstance(weight, DTensor)
    free = not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
    return plain and free and torch.backends.mkldnn.is_available()
