"""Transforms agree with PyTorch and are bitwise equal for any batch size and number of threads."""

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers.fourier import irfftn, rfftn

# small kernels along the last axis, along another axis, and large ones
SHAPES = [
    (32,),
    (64,),
    (8, 8),
    (12, 12),
    (32, 32),
    (64, 64),
    (128, 64),
    (256, 16),
    (48, 80),
    (128, 128),
]


def there_and_back(field, axes):
    spectrum = rfftn(field, axes, norm="forward")
    return torch.view_as_real(spectrum), irfftn(spectrum, field.shape[2:], axes, norm="forward")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_fields_have_the_same_bits_in_any_batch_on_any_number_of_threads(threads, shape, dtype):
    field = torch.randn(5, 1, *shape, dtype=dtype)
    axes = tuple(range(2, field.dim()))
    threads(1)
    wanted = there_and_back(field, axes)
    for number, size in ((1, 1), (2, 2), (2, 5), (3, 5)):
        threads(number)
        parts = [there_and_back(part, axes) for part in field.split(size)]
        for found, whole in zip(zip(*parts, strict=True), wanted, strict=True):
            assert torch.equal(torch.cat(found), whole), (number, size)
        assert torch.get_num_threads() == number


@pytest.mark.parametrize("batch", [(), (1,), (1, 1), (2, 3)])
@pytest.mark.parametrize("norm", ["backward", "forward"])
@pytest.mark.parametrize("shape", [(10,), (6, 9), (6, 80)])
def test_they_are_the_transforms_of_torch(batch, norm, shape):
    field = torch.randn(*batch, *shape, dtype=torch.float64, requires_grad=True)
    axes = tuple(range(-len(shape), 0))
    spectrum = rfftn(field, axes, norm)
    assert_close(spectrum, torch.fft.rfftn(field, dim=axes, norm=norm))
    assert_close(irfftn(spectrum, shape, axes, norm), field)
    weight = torch.randn_like(field)
    (irfftn(2 * spectrum, shape, axes, norm) * weight).sum().backward()
    assert_close(field.grad, 2 * weight)
