"""What a network makes of a sample, without gradients, does not depend on its company."""

import pytest
import torch
from torch import nn

from emulators.hierarchy.coarsening import LearnedCoarsening
from emulators.networks.batches import convolve, linear, mix_modes, pointwise_linear, silu
from emulators.networks.dilated_resnet import DilatedResNet
from emulators.networks.fno import FNO
from emulators.networks.fourier_unet import FourierUNet
from emulators.networks.interface import NetworkInterface
from emulators.networks.unet import UNet

SMALL = {"size": 32, "width": 16, "multipliers": (1, 2, 8), "modes": 8}
CASES = [
    *[(kind, shape, {}) for kind in (UNet, DilatedResNet) for shape in ((64,), (16, 16))],
    *[(FNO, shape, {"modes": 8}) for shape in ((64,), (16, 16))],
    (FourierUNet, (32, 32), SMALL),
    (FourierUNet, (64, 64), {**SMALL, "size": 64}),  # 131072 numbers do not divide by three
    # 48 numbers per sample at the coarsest level end within a vector
    (UNet, (16, 24), {"width": 4, "multipliers": (1, 2, 2)}),
    (UNet, (48, 48), {"width": 6}),  # divided among threads
    (FNO, (66,), {"modes": 8}),  # not a multiple of a vector
    (FNO, (10, 13), {"width": 8, "modes": 8}),  # matrices of 8 are multiplied in another way
]


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


@pytest.mark.parametrize("parameters", [0, 3])
@pytest.mark.parametrize(("kind", "shape", "options"), CASES)
def test_a_sample_gives_the_same_bits_in_any_batch_on_any_number_of_threads(
    kind, shape, options, parameters, threads
):
    network = kind(NetworkInterface(2, len(shape), parameters=parameters), **options).eval()
    for weight in network.parameters():
        if weight.dim() > 1:  # layers that start at zero hide what is before them
            nn.init.normal_(weight, std=0.1)
    state, told = torch.randn(16, 2, *shape), torch.randn(16, parameters)
    given = {"parameters": told} if parameters else {}

    @torch.no_grad()
    def outputs(part):
        return network(state[part], **{k: v[part] for k, v in given.items()})[0]

    whole = outputs(slice(None))
    assert whole.std() > 1e-3
    for number, size in ((1, 1), (1, 3), (2, 5), (3, 16)):
        threads(number)
        parts = [outputs(slice(start, start + size)) for start in range(0, 16, size)]
        assert torch.equal(torch.cat(parts), whole), (number, size)


@pytest.mark.parametrize("outputs", [1, 2, 3, 5])
@pytest.mark.parametrize("points", [1, 50, 64, 66, 101, 250])
def test_a_matrix_per_point_gives_the_same_bits_in_any_batch(outputs, points, threads):
    x, weight, bias = torch.randn(5, 32, points), torch.randn(outputs, 32, 1), torch.randn(outputs)
    wanted = torch.einsum("oi,bix->box", weight[..., 0], x) + bias[:, None]
    with torch.no_grad():
        whole = pointwise_linear(x, weight, bias)
        torch.testing.assert_close(whole, wanted, rtol=1e-4, atol=1e-5)
        for number, size in ((1, 1), (1, 3), (3, 5), (6, 1)):
            threads(number)
            parts = [pointwise_linear(part, weight, bias) for part in x.split(size)]
            assert torch.equal(torch.cat(parts), whole), (number, size)


@pytest.mark.parametrize("size", [(40,), (3, 12, 20), (5, 64, 64)])
def test_an_activation_is_that_of_torch_and_alike_in_any_batch(size):
    x = torch.randn(7, *size)
    with torch.no_grad():
        torch.testing.assert_close(silu(x), nn.functional.silu(x), rtol=1e-6, atol=1e-7)
        assert torch.equal(silu(x), torch.cat([silu(sample) for sample in x.split(1)]))
    assert torch.equal(silu(x), nn.functional.silu(x))  # with gradients: the way that torch chooses


@pytest.mark.parametrize("shape", [(40,), (16, 8)])
def test_learned_latents_of_a_sample_do_not_depend_on_its_batch(shape):
    encoder = LearnedCoarsening(2, len(shape), factors=[4], width=5).eval()
    field = torch.randn(7, 2, *shape)
    with torch.no_grad():
        alone = torch.cat([encoder(sample, 4) for sample in field.split(1)])
        assert torch.equal(encoder(field, 4), alone)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("options", [{"kernel_size": 2, "stride": 2}, {"kernel_size": 1},
                                     {"kernel_size": 3, "padding": 2, "dilation": 2}])  # fmt: skip
def test_layers_are_those_of_torch(dimensions, options):
    layer = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions](3, 5, **options)
    x = torch.randn(1, 3, *[16] * dimensions)
    flat, vector = nn.Linear(6, 4), torch.randn(1, 6)
    with torch.no_grad():
        torch.testing.assert_close(convolve(layer, x), layer(x), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(linear(flat, vector), flat(vector), rtol=1e-5, atol=1e-6)
    assert torch.equal(convolve(layer, x), layer(x))  # with gradients: the way that torch chooses
    assert torch.equal(linear(flat, vector), flat(vector))


def test_modes_are_mixed_by_the_matrix_of_each():
    spectrum, weight = (torch.randn(*s, dtype=torch.complex64) for s in ((3, 4, 7), (4, 5, 7)))
    wanted = torch.stack([spectrum[..., k] @ weight[..., k] for k in range(7)], -1)
    with torch.no_grad():
        found = mix_modes(spectrum, weight)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_double_precision_and_autocast_stay_with_torch():
    layer, x = nn.Conv2d(3, 5, 3), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(convolve(layer.double(), x.double()), layer(x.double()))
        layer.float()
        with torch.autocast("cpu", torch.bfloat16):
            assert convolve(layer, x).dtype == torch.bfloat16
