"""Products whose rounding does not depend on how many samples are computed together.

Libraries have several kernels for a product or a convolution and choose one by the batch size. Each
rounds differently, by a relative 1e-7. In a chaotic system that changes the whole forecast after
some hundred steps, and scores would depend on the batch size and on the number of processes.
Without gradients, as in a rollout, these functions use one kernel for all sizes, so that results
of a sample are equal to the last bit, on a CPU in float32. Training keeps PyTorch's own choice,
which is a little faster for the smallest batches.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from datamodules.solvers.cpu import at_most, one_thread_without_gradients

Features = Float[Tensor, "batch _ ..."]

VECTORS = 32  # elements of a vectorised block in PyTorch: two registers of AVX-512
FEW = 4  # rows of a matrix below which the kernel of its product depends on the size
SHARE = 32768  # elements from which on PyTorch divides an operation among threads


def pointwise_linear(
    x: Float[Tensor, "batch _ x"], weight: Float[Tensor, "outputs inputs 1"], bias: Tensor | None
) -> Float[Tensor, "batch outputs x"]:
    """Return W x + b at each point: a matrix applied to the channels, plus a bias per channel.

    On a CPU this batched matrix product takes a third of the time of `conv1d` with a kernel of one
    point.
    """
    if not torch.is_grad_enabled():
        if len(x) == 1:  # another kernel multiplies a single matrix
            return pointwise_linear(x.expand(2, -1, -1), weight, bias)[:1]
        points = x.shape[-1]
        few = len(weight) < FEW and not torch.compiler.is_compiling()
        if few and points % VECTORS:  # the rest of a vector has another kernel
            padded = nn.functional.pad(x, (0, -points % VECTORS))
            return pointwise_linear(padded, weight, bias)[..., :points]
    matrices = weight.squeeze(-1).expand(x.shape[0], -1, -1)
    return torch.bmm(matrices, x) if bias is None else torch.baddbmm(bias[:, None], matrices, x)


def linear(layer: nn.Linear, x: Float[Tensor, "batch _"]) -> Float[Tensor, "batch _"]:
    """Return the output of a linear layer for one vector per sample."""
    if torch.is_grad_enabled() or not has_fixed_order(x, layer.weight):
        return layer(x)
    return pointwise_linear(x[:, :, None], layer.weight[:, :, None], layer.bias)[:, :, 0]


def convolve(layer: nn.Conv1d | nn.Conv2d, x: Features) -> Features:
    """Return the convolution of x.

    Without gradients oneDNN computes it for every size of the batch; PyTorch uses another kernel
    for a batch of one.
    """
    if torch.is_grad_enabled() or not has_fixed_order(x, layer.weight):
        return layer(x)
    if len(x) == 1 and x.stride(0) != x.numel():
        # the stride of a single sample means nothing, but the layout is recognised by it
        x = x.as_strided(x.shape, (x.numel(), *x.stride()[1:]))
    weight, bias = layer.weight, layer.bias
    options = layer.padding, layer.stride, layer.dilation
    if x.dim() == 4:
        return torch.mkldnn_convolution(x, weight, bias, *options, layer.groups)
    # a line as a plane with one row
    (padding,), (stride,), (dilation,) = options
    plane = (0, padding), (1, stride), (1, dilation)
    x, weight = x.unsqueeze(2), weight.unsqueeze(2)
    return torch.mkldnn_convolution(x, weight, bias, *plane, layer.groups).squeeze(2)


def sequential(layers: nn.Sequential, x: Features) -> Features:
    """Return the output of layers applied in order; linear layers and convolutions as above."""
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
    """Return Σ_i x_i W_io for each mode: the spectrum of each sample times a matrix per mode.

    Without gradients four samples are computed at a time, with zeros in place of missing ones.
    """
    if torch.is_grad_enabled():
        return torch.einsum("bi...,io...->bo...", spectrum, weight)
    batch, inputs, *modes = spectrum.shape
    matrices = weight.flatten(2).permute(2, 0, 1).contiguous()
    vectors = spectrum.new_zeros(len(matrices), batch + -batch % 4, inputs)
    vectors[:, :batch] = spectrum.flatten(2).permute(2, 0, 1)
    products = [torch.bmm(four, matrices) for four in vectors.split(4, 1)]
    return torch.cat(products, 1)[:, :batch].permute(1, 2, 0).unflatten(2, modes)


def scale_modes(
    spectrum: Complex[Tensor, "batch channel *modes"], weight: Complex[Tensor, "channel *modes"]
) -> Complex[Tensor, "batch channel *modes"]:
    """Return x_c w_c for each mode.

    Without gradients one thread computes it, since numbers at the end of a thread's share are
    rounded differently.
    """
    with one_thread_without_gradients(spectrum.device):
        return spectrum * weight


def silu(x: Features) -> Features:
    """Return x / (1 + exp(-x)).

    PyTorch's vectorised kernel processes blocks of `VECTORS` elements; a scalar loop handles the
    remainder of each thread's share and rounds differently. Where a remainder may fall within a
    sample, samples are computed one at a time, by one thread if shares are not of whole blocks.
    """
    if torch.is_grad_enabled() or not has_fixed_order(x, x):
        return nn.functional.silu(x)
    elements = x[0].numel()
    if elements % VECTORS == 0 and x.numel() <= SHARE:
        return nn.functional.silu(x)
    result = torch.empty_like(x)
    threads = torch.get_num_threads()
    shares = min(threads, -(-elements // SHARE))
    whole = shares == 1 or -(-elements // shares) % VECTORS == 0
    with at_most(threads if whole else 1):  # other numbers cost milliseconds to set
        for sample, out in zip(x, result, strict=True):
            torch.ops.aten.silu.out(sample, out=out)
    return result


def has_fixed_order(x: Tensor, weight: Tensor) -> bool:
    """Return whether the implementation for all batch sizes applies.

    It does in float32 on a CPU, without autocast or compilation, and not for a weight that is
    divided among processes, which only its own layer gathers.
    """
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not isinstance(weight, DTensor)
    free = not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
    return plain and free and torch.backends.mkldnn.is_available()
