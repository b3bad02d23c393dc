import warnings

import pytest
import torch
from torch.nn.functional import conv2d, pad

from emulators import FNO, Baseline, DilatedResNet, Hierarchical, UNet
from emulators.checkpoint_checks import follow_boundaries
from emulators.hierarchy.coarsening import LearnedCoarsening, SpectralTruncation
from emulators.networks.layers import Convolution, set_boundaries
from emulators.training.spectral_losses import BinnedSpectralPower, Sobolev


def reference(layer, x, periodic):
    """Return the convolution of x by torch's own padding, axis by axis."""
    half = layer.half
    for axis, around in zip((2, 3), periodic, strict=True):
        widths = [0, 0, half, half] if axis == 2 else [half, half, 0, 0]
        x = pad(x, widths, mode="circular" if around else "constant")
    return conv2d(x, layer.layer.weight, layer.layer.bias, dilation=layer.layer.dilation)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("periodic", [(True, True), (True, False), (False, True), (False, False)])
def test_layers_follow_the_boundaries_of_the_data(periodic, dilation):
    layer = Convolution(2, 3, 2, 3, dilation=dilation)
    x = torch.randn(2, 3, 8, 10)
    set_boundaries(layer, periodic)
    torch.testing.assert_close(layer(x), reference(layer, x, periodic))
    set_boundaries(layer, (True, True))
    torch.testing.assert_close(layer(x), reference(layer, x, (True, True)))


@pytest.mark.parametrize(("padding", "always"), [("periodic", True), ("zeros", False)])
def test_a_padding_that_is_given_does_not_follow(padding, always):
    layer = Convolution(2, 1, 1, 3, padding)
    x = torch.randn(1, 1, 6, 8)
    for periodic in ((True, True), (False, True), (False, False)):
        set_boundaries(layer, periodic)
        torch.testing.assert_close(layer(x), reference(layer, x, (always, always)))


def seen_across(network, periodic, axis):
    """Return whether the first row or column of the output depends on the last of the input."""
    emulator = Baseline(
        network=network, channels=1, dimensions=2, ema_decay=0.0, predict="state"
    ).eval()
    follow_boundaries(emulator, periodic)
    state = torch.randn(1, 1, 32, 32, requires_grad=True)
    output, _ = emulator.step(state)
    (gradient,) = torch.autograd.grad(output.select(axis, 0).square().sum(), state)
    return bool(gradient.select(axis, 31).abs().max() > 0)


def small(kind, **options):
    def make(*shape, **told):
        network = kind(*shape, **told, **options)
        for parameter in network.parameters():  # some layers begin at zero
            torch.nn.init.normal_(parameter, std=0.3)
        return network

    return make


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(
    "network",
    [
        small(UNet, width=4, multipliers=(1, 1)),
        small(DilatedResNet, width=4, blocks=1, dilations=(1, 2)),
    ],
)
def test_a_wall_means_what_it_says_for_networks(network, axis):
    walls = tuple(n != axis - 2 for n in range(2))
    assert seen_across(network, (True, True), axis)
    assert not seen_across(network, walls, axis)


@pytest.mark.parametrize("distance", [Sobolev(), BinnedSpectralPower()])
def test_spectral_distances_are_refused_at_walls(distance):
    emulator = Baseline(network=UNet, channels=1, distance=distance)
    follow_boundaries(emulator, (True, True))
    with pytest.raises(ValueError, match=rf"{type(distance).__name__} .*data.periodic"):
        follow_boundaries(emulator, (True, False))


def test_spectral_transforms_are_refused_at_walls():
    emulator = Hierarchical(
        network=UNet, latents=[(1, 2)], channels=1, coarsening=SpectralTruncation
    )
    with pytest.raises(ValueError, match=r"SpectralTruncation .*data.periodic"):
        follow_boundaries(emulator, (False, True))
    learned = Hierarchical(network=UNet, latents=[(1, 2)], channels=1, coarsening=LearnedCoarsening)
    follow_boundaries(learned, (False, True))
    convolutions = [m for m in learned.coarsening.modules() if isinstance(m, Convolution)]
    assert convolutions
    assert all(layer.around == (3,) for layer in convolutions)


def test_networks_of_spectral_layers_deserve_a_word_at_walls():
    emulator = Baseline(network=FNO, channels=1)
    with pytest.warns(UserWarning, match=r"opposite walls.*data.periodic"):
        follow_boundaries(emulator, (False, True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        follow_boundaries(emulator, (True, True))


def test_boundaries_travel_in_the_checkpoint(tmp_path):
    emulator = Baseline(network=UNet, channels=1)
    checkpoint = {"state_dict": emulator.state_dict(), "trained_on": {"periodic": [False, True]}}
    emulator.on_load_checkpoint(checkpoint)
    assert emulator.trained.enter.around == (3,)
    assert emulator.averaged.enter.around == (3,)
    emulator.on_load_checkpoint({**checkpoint, "trained_on": {}})  # of an earlier version
    assert emulator.trained.enter.halo == 1
