import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import Domain, RandomField


def on(cells, field, length=1.0):
    return field.field(Domain(Grid((cells, cells), (length, length))))


def test_random_field_is_uniform_between_its_bounds():
    values = on(256, RandomField(2.0, 4.0, 0.02), 2.0)
    assert 2 <= values.min() < 2.02
    assert 3.98 < values.max() <= 4
    # a uniform distribution on [2, 4] has mean 3 and variance 1/3; it has some 1000 patches
    assert_close(values.mean(), torch.tensor(3.0), rtol=0, atol=0.1)
    assert_close(values.var(), torch.tensor(1 / 3), rtol=0, atol=0.05)


def test_random_field_has_its_correlation_length():
    g = torch.special.ndtri(on(256, RandomField(0.0, 1.0, 0.02), 2.0))
    expected = math.exp(-0.5 * (3 / 128 / 0.02) ** 2)  # of three cells
    for axis in (0, 1):
        pair = (g.narrow(axis, start, 253).flatten() for start in (0, 3))
        found = torch.corrcoef(torch.stack(tuple(pair)))[0, 1]
        assert_close(found, torch.tensor(expected), rtol=0, atol=0.1)


def test_random_field_is_a_function_of_space_and_of_its_seed():
    fine = on(30, RandomField(0.0, 1.0, 0.3, seed=1))
    coarse = on(10, RandomField(0.0, 1.0, 0.3, seed=1))
    assert_close(fine[1::3, 1::3], coarse)  # centres of coarse cells are among the fine
    assert (on(30, RandomField(0.0, 1.0, 0.3, seed=2)) - fine).abs().max() > 0.1


@pytest.mark.parametrize("options", [(1.0, 1.0, 0.1), (0.0, 1.0, 0.0)])
def test_bounds_and_length_must_make_sense(options):
    low, high, length = options
    message = f"above low and a length above 0, got low={low}, high={high} and length={length}"
    with pytest.raises(ValueError, match=message):
        RandomField(*options)
