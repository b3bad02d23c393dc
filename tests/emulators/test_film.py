"""Networks that are told physical parameters."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from emulators import FNO, Baseline, DilatedResNet, FourierUNet, FromModule, Hierarchical, UNet
from emulators.networks.film import FiLM
from emulators.networks.from_module import as_network
from emulators.networks.interface import Network, NetworkInterface

FILM = {
    "UNet": (UNet, {"width": 4, "multipliers": (1, 2), "blocks": 2}),
    "FourierUNet": (
        FourierUNet,
        {"size": 16, "width": 4, "multipliers": (1, 2), "modes": 6, "dropout": 0.0},
    ),
}
PLANES = {
    "FNO": (FNO, {"width": 6, "modes": 8, "layers": 2}),
    "DilatedResNet": (DilatedResNet, {"width": 6, "blocks": 1, "dilations": (1, 2, 1)}),
}
SHAPE = (1, 2, (2,), (2,), 3)


def build(name, parameters=0, **options):
    kind, settings = (FILM | PLANES)[name]
    torch.manual_seed(5)
    return kind(NetworkInterface(*SHAPE, parameters), **settings, **options)


def call(network, *parameters):
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(3, 1, 16, 16, generator=generator)
    latent = torch.randn(3, 1, 8, 8, generator=generator)
    return network(state, (latent,), torch.tensor([0, 1, 2]), *parameters)


def awaken(network):
    """Move every weight a little: blocks and modulation start at zero."""
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def values(count):
    return torch.tensor([[-1.0, 0.5], [0.3, 2.0], [1.2, -0.7]])[:, :count]


@pytest.mark.parametrize("name", FILM)
def test_training_starts_from_the_network_that_is_told_nothing(name):
    plain, told = build(name), build(name, parameters=2)
    state = told.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(state[key], value), key
    awaken(plain)
    state.update(plain.state_dict())
    told.load_state_dict(state)
    assert_close(call(told.eval(), values(2)), call(plain.eval()))


@pytest.mark.parametrize("name", FILM | PLANES)
def test_gradient_reaches_every_weight(name):
    network = awaken(build(name, parameters=1))
    out, (latent,) = call(network, values(1))
    (out.square().mean() + latent.square().mean()).backward()
    for key, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", FILM)
def test_modulation_learns_from_its_start_at_zero(name):
    network = build(name, parameters=1)
    for key, parameter in network.named_parameters():
        if "film" not in key:  # residual blocks start at zero too
            parameter.data += 0.1 * torch.randn_like(parameter)
    call(network, values(1))[0].square().mean().backward()
    last = [p for key, p in network.named_parameters() if "film" in key][-2:]
    assert all(parameter.grad.abs().max() > 0 for parameter in last)


@pytest.mark.parametrize("name", FILM | PLANES)
def test_each_sample_follows_its_own_parameter(name):
    network = awaken(build(name, parameters=1)).eval()
    before, _ = call(network, values(1))
    changed = values(1).clone()
    changed[1] += 1
    after, _ = call(network, changed)
    assert_close(after[[0, 2]], before[[0, 2]])
    assert (after[1] - before[1]).abs().max() > 1e-3


def test_scale_and_shift_are_those_of_the_formula():
    # h <- (1 + γ) h + β, by hand, of the only modulated layer
    network = UNet(NetworkInterface(1, 1, parameters=1), width=2, multipliers=(1,), patch=1).eval()
    network.film.perceptron.layers[-1].bias.data = torch.tensor([0.5, -0.25, 3.0, 4.0])
    block = network.encoder[0][0]
    seen = {}
    block.norm.register_forward_hook(lambda module, given, output: seen.update(h=output))
    block.last.register_forward_pre_hook(lambda module, given: seen.update(out=given[0]))
    network(torch.randn(1, 1, 8), parameters=torch.ones(1, 1))
    assert_close(seen["out"][:, 0], 1.5 * seen["h"][:, 0] + 3)
    assert_close(seen["out"][:, 1], 0.75 * seen["h"][:, 1] + 4)


def test_every_block_has_numbers_of_its_own():
    film = FiLM(2, [3, 5])
    assert [part.shape for part in film(values(2))] == [(3, 6), (3, 10)]
    assert sum(p.numel() for p in film.parameters()) == 3 * 64 + 65 * 64 + 65 * 16


def test_half_precision_does_not_round_the_parameters():
    film = FiLM(1, [4]).float()
    film.perceptron.layers[-1].weight.data.normal_()
    near = torch.tensor([[1.0], [1.001]], dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        (out,) = film(near)
    assert out.dtype == torch.float32
    assert not torch.equal(out[0], out[1])


def test_plain_module_sees_one_plane_per_parameter():
    module = torch.nn.Conv2d(1 + 3 + 2, 1, 1)
    network = FromModule(NetworkInterface(1, 2, masks=3, parameters=2), module)
    assert network.inputs == 6
    module.weight.data = torch.tensor([0.0, 0, 0, 0, 10.0, 1.0])[None, :, None, None]
    module.bias.data.zero_()
    out, _ = network(torch.randn(3, 1, 8, 8), (), torch.tensor([0, 1, 2]), values(2))
    assert_close(out, torch.tensor([-9.5, 5.0, 11.3])[:, None, None, None].expand(3, 1, 8, 8))


class Unconditioned(Network):
    """A network that knows nothing of parameters."""

    def __init__(self, interface, width=3):
        super().__init__()
        self.layer = torch.nn.Conv2d(interface.channels, interface.channels, 1)

    def forward(self, state, latents=(), mask_id=None):
        return self.layer(state), ()


def test_network_that_is_not_conditioned_works_without_parameters():
    assert Baseline(network=Unconditioned).eval().rollout(torch.randn(2, 1, 8, 8), 2).shape[1] == 2


def test_network_that_is_not_conditioned_is_refused_where_there_are_parameters():
    with pytest.raises(ValueError, match=r"Unconditioned is conditioned on 0 .*, the data have 2"):
        Baseline(network=Unconditioned, parameters=2)
    with pytest.raises(ValueError, match=r"Unconditioned is conditioned on 0 .* data have 2"):
        Baseline(network=Unconditioned(NetworkInterface(1, 2)), parameters=2)
    with pytest.raises(ValueError, match=r"UNet is conditioned on 1 .*, the data have 0"):
        Baseline(network=UNet(NetworkInterface(1, 2, parameters=1)))


def test_what_cannot_be_made_from_an_interface_is_refused_with_its_reason():
    def wrong(interface):
        return Unconditioned(interface, depth=1)

    class Broken(Unconditioned):
        def __init__(self, interface):
            super().__init__(interface)
            len(3)

    with pytest.raises(TypeError, match="has no len"):
        as_network(Broken, NetworkInterface(1, 2))
    with pytest.raises(ValueError, match=r"cannot be made from its interface \(.*'depth'"):
        as_network(wrong, NetworkInterface(1, 2, parameters=1))


@pytest.mark.parametrize("name", FILM | PLANES)
def test_it_serves_every_emulator(name):
    kind, settings = (FILM | PLANES)[name]
    network = partial(kind, **settings)
    for emulator, options in ((Baseline, {}), (Hierarchical, {"latents": [(1, 2)]})):
        model = emulator(network=network, parameters=2, **options).eval()
        assert model.rollout(torch.randn(3, 1, 16, 16), 2, values(2)).shape == (3, 2, 1, 16, 16)
