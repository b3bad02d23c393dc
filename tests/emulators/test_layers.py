import pytest
import torch
from torch.testing import assert_close

from emulators.networks.layers import (
    Convolution,
    PointNorm,
    from_patches,
    pad_periodic,
    pointwise_linear,
    to_patches,
)


@pytest.mark.parametrize("shape", [(2, 3, 6, 8), (2, 3, 7)])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_halo_equals_circular_padding_in_value_and_gradient(shape, width):
    x = torch.randn(shape, requires_grad=True)
    expected = torch.nn.functional.pad(x, [width] * (2 * (x.dim() - 2)), mode="circular")
    assert torch.equal(pad_periodic(x, width), expected)
    grad = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad(expected, x, grad)
    (found,) = torch.autograd.grad(pad_periodic(x, width), x, grad)
    assert_close(found, wanted)


def test_halo_has_derivatives_of_every_kind():
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: pad_periodic(x, 1), x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: pad_periodic(x, 1) ** 3, x)


def test_halo_keeps_the_memory_format():
    x = torch.randn(2, 4, 6, 8).contiguous(memory_format=torch.channels_last)
    assert pad_periodic(x, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("dimensions", "shape"), [(1, (2, 3, 10)), (2, (2, 3, 10, 8))])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_convolution_equals_that_of_torch(dimensions, shape, kernel):
    x = torch.randn(shape)
    for padding, mode in (("periodic", "circular"), ("zeros", "zeros")):
        ours = Convolution(dimensions, 3, 5, kernel, padding)
        kind = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d}[dimensions]
        theirs = kind(3, 5, kernel, padding=kernel // 2, padding_mode=mode)
        theirs.load_state_dict(ours.layer.state_dict())
        assert_close(ours(x), theirs(x))


def test_even_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel must be odd, got 2"):
        Convolution(2, 1, 1, 2)


def test_point_norm_standardises_each_point():
    x = 5 + 3 * torch.randn(2, 8, 4, 6)
    out = PointNorm(8)(x)
    assert_close(out.mean(1), torch.zeros(2, 4, 6), atol=1e-12, rtol=0)
    assert_close(
        out.var(1, correction=0), torch.ones(2, 4, 6), atol=1e-4, rtol=0
    )  # eps of the norm
    assert_close(PointNorm(8)(x[:, :, :1, :1]), out[:, :, :1, :1])


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 3, 8, 12)])
def test_patches_go_into_channels_and_back(shape):
    x = torch.randn(shape)
    patches = to_patches(x, 2)
    assert patches.shape == (2, 3 * 2 ** (len(shape) - 2), *(size // 2 for size in shape[2:]))
    assert torch.equal(from_patches(patches, 2), x)
    assert to_patches(x, 1) is x


def test_a_patch_holds_neighbours_of_one_channel():
    x = torch.arange(8.0).reshape(1, 1, 8)
    assert to_patches(x, 2)[0].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


@pytest.mark.parametrize("bias", [True, False])
def test_pointwise_product_is_a_convolution_of_one_point(bias):
    layer = torch.nn.Conv1d(3, 5, 1, bias=bias)
    x = torch.randn(2, 3, 8)
    assert_close(pointwise_linear(x, layer.weight, layer.bias), layer(x))


def test_pointwise_convolution_in_1d_works_in_bfloat16_under_autocast():
    x = torch.randn(2, 3, 8, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert Convolution(1, 3, 5, 1).float()(x).dtype == torch.bfloat16
