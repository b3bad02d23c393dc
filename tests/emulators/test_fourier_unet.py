import pytest
import torch
from torch.testing import assert_close

from emulators import FourierUNet
from emulators.networks.fourier_unet import Attention, FourierBlock, sinusoids
from emulators.networks.interface import NetworkInterface
from emulators.networks.spectral_layers import DepthwiseSpectral


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("factors", "published"),
    [((), 17_442_497), ((8,), 17.94e6), ((8, 32), 18_334_723)],
    ids=["L=1", "L=2", "L=3"],
)
def test_parameters_are_as_many_as_published(factors, published):
    network = FourierUNet(NetworkInterface(1, 2, factors, factors, len(factors) + 1))
    assert parameters(network) == pytest.approx(published, rel=0 if published != 17.94e6 else 3e-4)


def small(factors=(), cases=1, **options):
    torch.manual_seed(0)
    options = {"size": 32, "width": 8, "multipliers": (1, 2, 2), "dropout": 0.0, **options}
    network = FourierUNet(NetworkInterface(1, 2, factors, factors, cases), **options)
    for parameter in network.parameters():  # second convolutions start at zero: leave that
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network.eval()


def test_fields_and_latents_keep_their_shapes():
    network = small((1, 2, 4), 3)
    state = torch.randn(3, 1, 32, 32)
    latents = tuple(torch.randn(3, 1, 32 // r, 32 // r) for r in (1, 2, 4))
    output, coarse = network(state, latents, torch.arange(3))
    assert output.shape == state.shape
    assert [z.shape for z in coarse] == [z.shape for z in latents]


@pytest.mark.parametrize(
    ("size", "factors", "points"),
    [(256, (8, 32), [64, 32]), (512, (8, 32), [64, 32]), (256, (1,), [256]), (256, (2,), [128])],
)
def test_latents_enter_where_the_paper_adds_them(size, factors, points):
    multipliers = (1,) * (6 if size == 256 else 7)
    network = FourierUNet(
        NetworkInterface(1, 2, factors, (), 2), size=size, width=4, multipliers=multipliers
    )
    assert [size >> level for level in network.input_levels] == points


def test_latents_and_case_reach_the_output():
    network, state = small((4,), 2), torch.randn(1, 1, 32, 32)
    latent, case = torch.randn(1, 1, 8, 8), torch.tensor([0])
    one, (coarse,) = network(state, (latent,), case)
    two, (other,) = network(state, (latent + 1,), case)
    three, _ = network(state, (latent,), case + 1)
    assert (one - two).abs().max() > 1e-4
    assert (coarse - other).abs().max() > 1e-4
    assert (one - three).abs().max() > 1e-4


def test_periodic_padding_commutes_with_shifts_of_the_coarsest_grid():
    network, state = small(padding="periodic"), torch.randn(1, 1, 32, 32)
    moved = network(state.roll((4, 8), (2, 3)))[0]
    assert_close(moved, network(state)[0].roll((4, 8), (2, 3)), atol=1e-4, rtol=1e-4)
    zeros = small(padding="zeros")
    moved = zeros(state.roll((4, 8), (2, 3)))[0]
    assert (moved - zeros(state)[0].roll((4, 8), (2, 3))).abs().max() > 1e-3


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_all_modes_with_weights_of_one_are_the_identity(size, dimensions):
    layer = DepthwiseSpectral(dimensions, 2, size // 2 + 1)
    layer.weight.data[..., 0], layer.weight.data[..., 1] = 1, 0
    x = torch.randn(1, 2, *[size] * dimensions)
    assert_close(layer(x), x)


def test_modes_beyond_the_highest_are_removed_and_others_multiplied():
    layer = DepthwiseSpectral(2, 1, 3)
    layer.weight.data[0, ..., 0], layer.weight.data[0, ..., 1] = 2, 0  # rows 0 .. m-1
    layer.weight.data[1, ..., 0], layer.weight.data[1, ..., 1] = 0, 1  # rows -m .. -1: times i
    t = 2 * torch.pi * torch.arange(16) / 16
    y, x = torch.meshgrid(t, t, indexing="ij")

    def wave(l, k):
        return torch.cos(l * y + k * x)[None, None]

    assert_close(layer(wave(2, 1)), 2 * wave(2, 1))
    assert_close(layer(wave(-2, 1)), -torch.sin(-2 * y + x)[None, None], atol=1e-5, rtol=1e-5)
    assert layer(wave(2, 3)).abs().max() < 1e-5
    assert layer(wave(4, 1)).abs().max() < 1e-5


def test_transforms_are_single_precision_under_autocast():
    layer = DepthwiseSpectral(2, 2, 4)
    x = torch.randn(1, 2, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.bfloat16())
    assert found.dtype == torch.bfloat16
    assert_close(found.float(), layer(x.bfloat16().float()), atol=1e-2, rtol=1e-2)


def test_attention_mixes_points_and_starts_as_the_identity():
    x = torch.randn(2, 128, 4, 4)
    layer = Attention(128)
    assert_close(layer(x), x)
    torch.nn.init.normal_(layer.project.weight)
    # per head: softmax(q k / 8) v, over the sixteen points
    qkv = layer.qkv(layer.norm(x)).flatten(2)
    q, k, v = (part.unflatten(1, (2, 64)) for part in qkv.chunk(3, dim=1))
    weight = torch.einsum("bhci,bhcj->bhij", q, k).div(8).softmax(-1)
    mixed = torch.einsum("bhij,bhcj->bhci", weight, v).flatten(1, 2).reshape(x.shape)
    assert_close(layer(x), x + layer.project(mixed), atol=1e-5, rtol=1e-4)


def test_sinusoids_of_a_case():
    found = sinusoids(torch.tensor([0, 2]), torch.zeros(2, 1))
    assert_close(found[0], torch.tensor([1.0] * 8 + [0.0] * 8))
    angle = 2 * 10000 ** (-torch.arange(8) / 8)
    assert_close(found[1], torch.cat((angle.cos(), angle.sin())))


def test_grids_and_factors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"made for 32 x 32 points, the data have \(64, 64\)"):
        small().check((64, 64))
    with pytest.raises(ValueError, match="size divisible by 4, got 2 dimensions and size=30"):
        small(size=30)
    with pytest.raises(ValueError, match=r"A latent of factor 16 has 2 points"):
        small((16,))


def reference_block(x, w, groups, embedding=None, spectral=None):
    """Residual block of Jiang et al. (2025), written from its description."""
    F = torch.nn.functional
    inner, outer = groups

    def norm(h, name, number):
        return F.group_norm(h, number, w[f"{name}.weight"], w[f"{name}.bias"])

    def convolution(h, name, padding):
        weight, bias = w[f"{name}.layer.weight"], w[f"{name}.layer.bias"]
        return F.conv2d(h, weight, bias, padding=padding)

    h = convolution(F.silu(norm(x, "norm_in", inner)), "conv_in", 1)
    if spectral is not None:
        modes = spectral.shape[-2]
        h = torch.fft.rfft2(F.silu(F.group_norm(h, min(16, h.shape[1]))))
        kept, weight = torch.zeros_like(h), torch.view_as_complex(spectral)
        kept[:, :, :modes, :modes] = h[:, :, :modes, :modes] * weight[0]
        kept[:, :, -modes:, :modes] = h[:, :, -modes:, :modes] * weight[1]
        h = torch.fft.irfft2(kept, s=x.shape[2:])
    h = norm(F.silu(norm(h, "norm_out", outer)), "norm_out", outer)
    if embedding is not None:
        scale, shift = F.linear(embedding, w["affine.weight"], w["affine.bias"]).chunk(2, 1)
        h = h * (1 + scale[..., None, None]) + shift[..., None, None]
    skip = convolution(x, "skip", 0) if "skip.layer.weight" in w else x
    return skip + convolution(F.silu(h), "conv_out", 1)


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "stem or head"])
def test_blocks_are_those_of_the_paper(embedded):
    torch.manual_seed(3)
    block = FourierBlock(8, 16, modes=4, embedded=embedded, dropout=0.0).eval()
    for parameter in block.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x, embedding = torch.randn(2, 8, 12, 12), torch.randn(2, 64)
    weights, given = dict(block.named_parameters()), embedding if embedded else None
    spectral = weights["spectral.2.weight"]
    expected = reference_block(x, weights, (2, 4), given, spectral)
    assert_close(block(x, embedding), expected, atol=1e-5, rtol=1e-5)


def test_stems_and_heads_are_those_of_the_paper():
    network, F = small((4,), 2), torch.nn.functional
    weights = dict(network.named_parameters())

    def part(name):
        return {k.removeprefix(name): v for k, v in weights.items() if k.startswith(name)}

    def entered(latent):
        stem = part("stems.0.")
        h = F.conv2d(latent, stem["0.0.layer.weight"], stem["0.0.layer.bias"], padding=1)
        block = {k.removeprefix("1."): v for k, v in stem.items() if k.startswith("1.")}
        h = reference_block(F.silu(h), block, (2, 2), spectral=block["spectral.2.weight"])
        return F.group_norm(h, 2, stem["2.weight"], stem["2.bias"])

    latent, kept = torch.randn(2, 1, 8, 8), {}
    network.stems[0][2].register_forward_hook(lambda *call: kept.update(stem=call[2]))
    network.heads[0].register_forward_hook(lambda *call: kept.update(head=call[1:]))
    network(torch.randn(2, 1, 32, 32), (latent,), torch.arange(2))
    assert_close(kept["stem"], entered(latent), atol=1e-5, rtol=1e-5)
    head = part("heads.0.")
    (x,), found = kept["head"]
    block = {k.removeprefix("0."): v for k, v in head.items() if k.startswith("0.")}
    h = reference_block(x, block, (4, 4), spectral=block["spectral.2.weight"])
    h = F.silu(F.group_norm(h, 4, head["1.weight"], head["1.bias"]))
    expected = F.conv2d(h, head["3.layer.weight"], head["3.layer.bias"], padding=1)
    assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_sample_alone_is_stepped_as_in_a_batch():
    # the layout of a single sample was not recognised behind the attention
    torch.set_default_dtype(torch.float32)
    network = FourierUNet(NetworkInterface(1, 2), size=16, width=8, multipliers=(1, 2, 2)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        state = torch.randn(3, 1, 16, 16)
        assert torch.equal(network(state[:1])[0], network(state)[0][:1])


def test_random_field_of_any_level_is_taken_and_others_are_refused():
    def network(fields):
        factors = (4, *fields)
        interface = NetworkInterface(1, 2, factors, noise_latents=len(fields))
        return FourierUNet(interface, size=64, width=4, multipliers=(1, 1, 1, 1))

    assert network((8, 1, 2)).input_levels[1:] == [3, 0, 1]
    with pytest.raises(ValueError, match=r"noise_fields has the factor 16, with 4 points"):
        network((16,))
