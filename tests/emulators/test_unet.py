import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from emulators import FNO, UNet
from emulators.follow_data import advise
from emulators.networks.interface import NetworkInterface


def build(dimensions=2, latents=(), cases=1, **options):
    torch.manual_seed(1)
    options = {"width": 4, "multipliers": (1, 2), "patch": 2, **options}
    network = UNet(NetworkInterface(1, dimensions, latents, latents, cases), **options)
    for parameter in network.parameters():  # blocks start as the identity: leave that
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def inputs(size, latents=(), cases=1, batch=2, dimensions=2):
    state = torch.randn(batch, 1, *[size] * dimensions)
    coarse = tuple(torch.randn(batch, 1, *[size // r] * dimensions) for r in latents)
    return state, coarse, torch.arange(batch) % cases if cases > 1 else None


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("size", [16, 24, 20])
@pytest.mark.parametrize("patch", [1, 2])
def test_fields_and_latents_keep_their_shapes(dimensions, size, patch):
    latents = (1, 2, 4)
    network = build(dimensions, latents, 3, patch=patch)
    state, coarse, case = inputs(size, latents, 3, dimensions=dimensions)
    out, out_coarse = network(state, coarse, case)
    assert out.shape == state.shape
    assert [z.shape for z in out_coarse] == [z.shape for z in coarse]


def test_odd_number_of_patches_works_without_halving():
    network = build(multipliers=(1,), patch=1)
    assert network(torch.randn(1, 1, 9, 15))[0].shape == (1, 1, 9, 15)


def test_shift_by_the_stride_shifts_the_output():
    latents = (2, 4)
    network = build(latents=latents, cases=3)
    state, coarse, case = inputs(16, latents, 3)
    out, out_coarse = network(state, coarse, case)
    shift = network.strides[-1]
    moved, moved_coarse = network(
        state.roll(shift, -1),
        tuple(z.roll(shift // r, -1) for z, r in zip(coarse, latents, strict=True)),
        case,
    )
    assert_close(moved, out.roll(shift, -1))
    for z, expected, r in zip(moved_coarse, out_coarse, latents, strict=True):
        assert_close(z, expected.roll(shift // r, -1))


def test_zero_padding_breaks_the_shift():
    network = build(padding="zeros")
    state, _, _ = inputs(16)
    assert not torch.allclose(network(state.roll(4, -1))[0], network(state)[0].roll(4, -1))


def test_every_input_reaches_every_output():
    latents = (4, 8)
    network = build(latents=latents, cases=2, multipliers=(1, 2, 2))
    state, coarse, case = inputs(16, latents, 2)
    leaves = [state, *coarse]
    for leaf in leaves:
        leaf.requires_grad_()
    out, out_coarse = network(state, coarse, case)
    for target in (out, *out_coarse):
        for grad in torch.autograd.grad(target.square().sum(), leaves, retain_graph=True):
            assert grad.abs().max() > 0


def test_case_changes_the_output():
    network = build(cases=2)
    state, _, _ = inputs(16)
    zero, one = (network(state, (), torch.full((2,), case))[0] for case in (0, 1))
    assert not torch.allclose(zero, one)


def test_trunk_is_the_same_with_and_without_latents():
    plain, conditioned = build(), build(latents=(4,), cases=2)
    names = {name: p.shape for name, p in plain.named_parameters()}
    others = {name: p.shape for name, p in conditioned.named_parameters()}
    assert names.items() <= others.items()
    added = others.keys() - names.keys()
    assert all(name.startswith(("stems", "heads")) or ".modulation." in name for name in added)


def test_latents_meet_the_coarsest_level_that_divides_their_factor():
    network = build(latents=(2, 4, 6, 8, 16, 12), multipliers=(1, 1, 1))
    assert network.strides == [2, 4, 8]
    assert list(network.input_levels.values()) == [0, 1, 0, 2, 2, 1]


def test_blocks_start_as_the_identity():
    x = torch.randn(1, 4, 8, 8)
    assert_close(UNet(NetworkInterface(1, 2), width=4, multipliers=(1,)).encoder[0][0](x), x)
    block = UNet(NetworkInterface(1, 2, masks=2), width=4, multipliers=(1,)).encoder[0][0]
    assert_close(block(x, torch.tensor([1])), x)


@pytest.mark.parametrize("patch", [1, 2])
def test_last_layer_reads_the_state_point_by_point(patch):
    # with features of zero the output is the last convolution of the state alone
    network = build(patch=patch, detail=3)
    for parameter in network.leave.parameters():
        torch.nn.init.zeros_(parameter)
    state, _, _ = inputs(16)
    layer = network.last.layer
    field = torch.nn.functional.pad(state, (1, 1, 1, 1), mode="circular")
    wanted = torch.nn.functional.conv2d(field, layer.weight[:, 3:], layer.bias)
    assert_close(network(state)[0], wanted)


def test_state_passes_the_last_layer_in_full_precision_under_autocast():
    # a gain of 1.001 lies between two numbers of bfloat16
    network = build(patch=2).float()
    for parameter in (*network.leave.parameters(), *network.last.parameters()):
        torch.nn.init.zeros_(parameter)
    network.last.layer.weight.data[:, -1, 1, 1] = 1.001
    state = inputs(16)[0].float()
    with torch.autocast("cpu", torch.bfloat16):
        out = network(state)[0]
    assert_close(out, 1.001 * state, rtol=1e-6, atol=0)


def test_factor_that_does_not_fit_the_patches_is_refused():
    with pytest.raises(ValueError, match="factor 3 does not fit patches of 2 points; choose"):
        build(latents=(3,), patch=2)


def test_grid_that_the_halvings_do_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"divisible by 4, got \(18, 16\); .*multipliers to \[1\]"):
        build().check((18, 16))
    build().check((16, 8))
    network = build(multipliers=(1, 2, 3, 5))
    with pytest.raises(ValueError, match=r"divisible by 16, .*multipliers to \[1, 2, 3\] or lower"):
        network.check((24, 16))
    with pytest.raises(ValueError, match=r"\(9, 16\); lower model.network.patch"):
        network.check((9, 16))


@pytest.mark.parametrize(
    ("shape", "multipliers"),
    [
        ((32, 16), None),  # coarsest 4 x 2 points
        ((64, 16), [1, 2, 3, 3]),
        ((48, 144), [1, 2, 3, 3]),  # then 3 x 9 points, which have no half
        ((256, 256), [1, 2, 3, 3, 3, 3]),
        ((72, 40), None),  # 9 x 5 points
    ],
)
def test_advice_names_the_levels_down_to_four_points(shape, multipliers):
    advice = build(multipliers=(1, 2, 3)).advice(shape)
    if multipliers is None:
        assert advice is None
    else:
        assert f"{shape[0] // 8} x {shape[1] // 8} points" in advice
        assert f"--model.network.multipliers={multipliers}." in advice
        further = build(multipliers=multipliers)
        further.check(shape)
        assert further.advice(shape) is None


def test_advice_is_given_on_flows_alone():
    flow = SimpleNamespace(vorticity="w", shape=(64, 64))
    other = SimpleNamespace(vorticity=None, shape=(64, 64))
    with pytest.warns(UserWarning, match=r"UNet has 16 x 16 points.*2, 2, 2\]"):
        advise(build(multipliers=(1, 2)), flow)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        advise(build(multipliers=(1, 2)), other)
        advise(build(multipliers=(1, 2, 2, 2)), flow)
        advise(FNO(NetworkInterface(1, 2), width=4, modes=4), flow)
        advise(nn.Linear(1, 1), flow)  # learned terms of a physics


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "UNet.width must be at least 1, got 0"),
        ({"blocks": 0}, "UNet.blocks must be at least 1, got 0"),
        ({"patch": 0}, "UNet.patch must be at least 1, got 0"),
        ({"detail": 0}, "UNet.detail must be at least 1, got 0"),
        ({"multipliers": ()}, r"UNet.multipliers must be at least 1, got \(\)"),
        ({"multipliers": (1, 0)}, r"UNet.multipliers must be at least 1, got \(1, 0\)"),
    ],
)
def test_malformed_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_half_precision_autocast_stays_close():
    network, (state, _, _) = build().float(), inputs(16)
    state = state.float()
    with torch.autocast("cpu", torch.bfloat16):
        half = network(state)[0]
    assert_close(half.float(), network(state)[0], atol=0.1, rtol=0.1)


def test_latents_finer_than_patches_keep_their_resolution():
    network = build(latents=(1,), patch=2)
    state, latent = torch.zeros(1, 1, 16, 16), torch.randn(1, 1, 16, 16)
    _, (output,) = network(state, (latent,))
    assert output.shape == latent.shape
    blocks = output.reshape(8, 2, 8, 2)
    assert (blocks.amax((1, 3)) - blocks.amin((1, 3))).min() > 0  # no block is of one value
    # two points of one patch are told apart
    points = [latent.clone(), latent.clone()]
    points[0][0, 0, 4, 4] += 1
    points[1][0, 0, 5, 5] += 1
    one, two = (network(state, (changed,))[0] for changed in points)
    assert (one - two).abs().max() > 1e-4


def test_every_convolution_reads_channels_last():
    # which its kernels are faster with; one layer that returns another order costs all after it
    network = build()
    seen = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda layer, args, _: seen.append((layer, args[0])))
    network(*inputs(16))
    assert len(seen) > 5
    for layer, x in seen:
        assert layer.weight.is_contiguous(memory_format=torch.channels_last)
        assert x.is_contiguous(memory_format=torch.channels_last), layer
