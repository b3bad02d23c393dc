"""Transforms of the columns that dealiasing keeps, against transforms of all of them."""

import numpy as np
import pytest
import torch

from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.operators import (
    LARGE,
    columns_of_field,
    field_of_columns,
    kept_columns,
)

SHAPES = [(6, 8), (24, 10), (LARGE, 18), (LARGE + 2, 12)]


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_transforms_of_some_columns_are_those_of_all(threads, shape, dtype):
    grid = Grid(shape, (1.0, 3.0))
    field, count = torch.randn(2, 3, *shape, dtype=dtype), kept_columns(grid)
    wanted = np.fft.rfft2(field.double().numpy())
    found = columns_of_field(field, count)
    assert (found.dtype.to_real(), found.shape[-1]) == (dtype, count)
    rounding = torch.finfo(dtype).eps * np.abs(wanted).max()
    np.testing.assert_allclose(found.numpy(), wanted[..., :count], rtol=0, atol=8 * rounding)
    wanted[..., count:] = 0
    back, whole = field_of_columns(found, grid), np.fft.irfft2(wanted, s=shape)
    assert back.dtype == dtype
    np.testing.assert_allclose(back.numpy(), whole, rtol=0, atol=64 * torch.finfo(dtype).eps)
