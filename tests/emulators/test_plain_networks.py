import math

import pytest
import torch
from torch.testing import assert_close

from emulators import FNO, Baseline, DilatedResNet, Hierarchical
from emulators.networks.fno import FourierLayer
from emulators.networks.interface import NetworkInterface
from emulators.networks.layers import Convolution
from emulators.networks.spectral_layers import SpectralConvolution

NETWORKS = {
    "FNO": lambda interface: FNO(interface, width=6, modes=8, layers=2),
    "DilatedResNet": lambda interface: DilatedResNet(
        interface, width=6, blocks=1, dilations=(1, 4, 1)
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dimensions", [1, 2])
def test_every_emulator_can_use_it(name, dimensions):
    state = torch.randn(2, 1, *[16] * dimensions)
    for kind, options in ((Baseline, {}), (Hierarchical, {"latents": [(1, 2), (2, 4)]})):
        emulator = kind(network=NETWORKS[name], dimensions=dimensions, **options).eval()
        assert emulator.rollout(state, 3).shape == (2, 3, 1, *[16] * dimensions)


@pytest.mark.parametrize("name", NETWORKS)
def test_shifts_commute(name):
    network = NETWORKS[name](NetworkInterface(1, 2))
    state = torch.randn(1, 1, 16, 20)
    moved, _ = network(state.roll((3, 5), (2, 3)))
    assert_close(moved, network(state)[0].roll((3, 5), (2, 3)))


def test_fourier_operator_does_not_depend_on_the_grid():
    # of a field that both grids resolve
    network = FNO(NetworkInterface(1, 1), width=6, modes=8, layers=1)
    network.module[0], network.module[2] = Convolution(1, 1, 6, 1), Convolution(1, 6, 1, 1)
    network.module[1].mlp = torch.nn.Identity()
    values = []
    for size in (32, 64):
        x = 2 * math.pi * torch.arange(size) / size
        values.append(network((torch.sin(x) + torch.cos(3 * x))[None, None])[0])
    assert_close(values[1][..., ::2], values[0])


def test_spectral_convolution_multiplies_modes_by_matrices():
    layer = SpectralConvolution(2, 2, 1, 6)
    layer.bias.data.zero_()
    t = 2 * math.pi * torch.arange(16) / 16
    y, x = torch.meshgrid(t, t, indexing="ij")
    a, b = torch.cos(-2 * y + x), torch.cos(-2 * y + x + 1)
    field = torch.stack((a, b))[None]
    # mode (-2, 1) is row 1 of -3 .. 2 and column 1
    w = torch.view_as_complex(layer.weight.data)[:, 0, 1, 1]
    coefficient = 0.5 * w[0] + 0.5 * torch.exp(torch.tensor(1j)) * w[1]
    phase = torch.exp(1j * (-2 * y + x).to(coefficient.dtype))
    expected = 2 * (coefficient * phase).real
    assert_close(layer(field)[0, 0], expected)
    assert layer(torch.stack((torch.cos(3 * y + x),) * 2)[None]).abs().max() < 1e-6  # +3 is cut


@pytest.mark.parametrize("padding", ["periodic", "zeros"])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_dilated_convolution_is_that_of_torch(dimensions, padding):
    layer = Convolution(dimensions, 2, 3, 3, padding, dilation=4)
    x = torch.randn(1, 2, *[12] * dimensions)
    reference = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d}[dimensions]
    mode = {"periodic": "circular", "zeros": "zeros"}[padding]
    other = reference(2, 3, 3, padding=4, dilation=4, padding_mode=mode)
    other.load_state_dict(layer.layer.state_dict())
    assert_close(layer(x), other(x))


def test_receptive_field_of_a_block_grows_with_its_dilations():
    network = DilatedResNet(NetworkInterface(1, 1), width=4, blocks=1, dilations=(1, 2, 4))
    state = torch.randn(1, 1, 64, requires_grad=True)
    network(state)[0][0, 0, 32].backward()
    reached = state.grad[0, 0].nonzero()[:, 0] - 32
    assert (reached.min().item(), reached.max().item()) == (-9, 9)  # 1 + (1 + 2 + 4) + 1


def test_last_layer_has_no_activation():
    torch.manual_seed(0)
    x = -10 * torch.ones(1, 4, 8)
    layer = FourierLayer(1, 4, 4, last=True)
    torch.nn.init.zeros_(layer.mlp[2].layer.weight)
    torch.nn.init.zeros_(layer.mlp[2].layer.bias)
    assert_close(layer(x), x)
    other = FourierLayer(1, 4, 4, last=False)
    other.load_state_dict(layer.state_dict())
    assert_close(other(x), torch.nn.functional.gelu(x))


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize(("modes", "size"), [(8, 16), (7, 16), (8, 10)])  # theirs errs on odd grids
def test_fourier_operator_equals_that_of_neuraloperator(dimensions, modes, size):
    models = pytest.importorskip("neuralop.models")
    theirs = models.FNO(
        n_modes=(modes,) * dimensions,
        in_channels=1,
        out_channels=1,
        hidden_channels=6,
        n_layers=2,
        positional_embedding=None,
    ).float()
    ours = FNO(NetworkInterface(1, dimensions), width=6, modes=modes, layers=2).float()
    given = theirs.state_dict()

    def fill(target, name):
        value = given[name]
        value = torch.view_as_real(value) if value.is_complex() else value
        target.data.copy_(value.reshape(target.shape))

    for place, name in ((0, "lifting"), (3, "projection")):
        for number in (0, 1):
            for part in ("weight", "bias"):
                target = getattr(ours.module[place][2 * number].layer, part)
                fill(target, f"{name}.fcs.{number}.{part}")
    for number in (0, 1):
        layer, blocks = ours.module[number + 1], "fno_blocks"
        fill(layer.spectral.weight, f"{blocks}.convs.{number}.weight.tensor")
        fill(layer.spectral.bias, f"{blocks}.convs.{number}.bias")
        fill(layer.skip.weight, f"{blocks}.fno_skips.{number}.conv.weight")
        fill(layer.gate, f"{blocks}.channel_mlp_skips.{number}.weight")
        for step in (0, 1):
            for part in ("weight", "bias"):
                target = getattr(layer.mlp[2 * step].layer, part)
                fill(target, f"{blocks}.channel_mlp.{number}.fcs.{step}.{part}")
    x = torch.randn(2, 1, *[size] * dimensions, dtype=torch.float32)
    assert_close(ours(x)[0], theirs(x), atol=1e-5, rtol=1e-4)


def test_grids_and_options_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"An FNO with 24 modes needs .* got \(16, 16\)"):
        FNO(NetworkInterface(1, 2)).check((16, 16))
    with pytest.raises(ValueError, match=r"dilations of up to 8 needs .* got \(4,\)"):
        DilatedResNet(NetworkInterface(1, 1)).check((4,))
    with pytest.raises(ValueError, match="got width=32, modes=0, layers=4"):
        FNO(NetworkInterface(1, 2), modes=0)
    with pytest.raises(ValueError, match="got width=0, blocks=4"):
        DilatedResNet(NetworkInterface(1, 2), width=0)
