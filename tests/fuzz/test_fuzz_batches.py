"""Networks of any kind, width and grid: each sample gives the same in a batch of any size."""

import random

import pytest
import torch
from torch import nn

from emulators import FNO, DilatedResNet, FourierUNet, LearnedCoarsening, UNet
from emulators.networks.interface import NetworkInterface

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


def drawn(seed):
    """Return a function of a batch and the shape of a sample, both at random."""
    draw = random.Random(seed)
    kind = draw.choice([UNet, UNet, DilatedResNet, FNO, FNO, FourierUNet, LearnedCoarsening])
    dimensions = 2 if kind is FourierUNet else draw.choice([1, 2])
    channels = draw.randint(1, 3)
    shape = tuple(8 * draw.randint(1, 12) for _ in range(dimensions))
    if kind is LearnedCoarsening:
        width = draw.randint(1, 20)
        module = kind(channels, dimensions, factors=[4], width=width)
        return lambda x, _: module.eval()(x, 4), (channels, *shape), 0
    options = {"width": draw.choice([4, 6, 7, 8, 10, 12, 16, 20, 32])}
    if kind is FNO:
        shape = tuple(size - draw.randint(0, 3) for size in shape)
        options["modes"] = draw.randint(1, min(min(shape), 20))
    if kind is DilatedResNet:
        shape = tuple(size + draw.randint(0, 3) for size in shape)
    if kind is FourierUNet:
        shape = (16 * draw.randint(1, 4),) * 2
        options = {"size": shape[0], "width": 16, "multipliers": (1, 2, 8), "modes": 4}
    if kind is UNet:
        shape = tuple(2 * size for size in shape)  # three halvings of patches of two points
        options["multipliers"] = draw.choice([(1, 2), (1, 2, 4), (1, 2, 2, 3)])
    parameters = draw.choice([0, 3])
    network = kind(NetworkInterface(channels, dimensions, parameters=parameters), **options).eval()
    for weight in network.parameters():
        if weight.dim() > 1:  # layers that start at zero hide what is before them
            nn.init.normal_(weight, std=0.1)

    def function(x, p):
        return network(x, **({"parameters": p} if parameters else {}))[0]

    return function, (channels, *shape), parameters


@pytest.mark.parametrize("seed", range(150))
def test_a_sample_does_not_depend_on_its_batch(seed):
    torch.manual_seed(seed)
    function, shape, parameters = drawn(seed)
    x, p = torch.randn(11, *shape), torch.randn(11, parameters)
    with torch.no_grad():
        whole = function(x, p)
        for size in (1, 2, 3, 7):
            parts = [function(x[s : s + size], p[s : s + size]) for s in range(0, 11, size)]
            assert torch.equal(torch.cat(parts), whole), size
