import math

import pytest
import torch
from torch.testing import assert_close

from emulators import Hierarchical, LearnedCoarsening, Pooling, SpectralTruncation
from emulators.networks.interface import coarsen
from tests.emulators.networks_for_tests import small_unet


def wave(size, m):
    x = 2 * math.pi * torch.arange(size) / size
    return torch.cos(m * x).expand(size, size)[None, None]


def test_truncated_spectrum_keeps_what_the_coarse_grid_resolves():
    coarsening = SpectralTruncation(1, 2, [4])
    assert_close(coarsening(wave(32, 3), 4), wave(8, 3))  # averages would damp it
    assert coarsen(wave(32, 3), 4).abs().max() < 0.8
    assert coarsening(wave(32, 5), 4).abs().max() < 1e-12  # averages would show an alias
    assert coarsen(wave(32, 5), 4).abs().max() > 0.4
    assert coarsening(wave(32, 5).bfloat16(), 4).dtype == torch.bfloat16


def test_pooling_is_the_default_and_averages():
    emulator = Hierarchical(network=small_unet, latents=[(1, 2)])
    assert isinstance(emulator.coarsening, Pooling)
    field = torch.randn(2, 1, 8, 8)
    assert_close(emulator.coarsening(field, 2), coarsen(field, 2))


@pytest.mark.parametrize("coarsening", [SpectralTruncation, LearnedCoarsening])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_emulator_trains_and_steps_with_it(coarsening, dimensions):
    emulator = Hierarchical(
        network=small_unet, dimensions=dimensions, latents=[(1, 2), (2, 4), (0, 2), (-1, 1)],
        coarsening=coarsening,
    )  # fmt: skip
    window = torch.randn(6, emulator.window, 1, *[16] * dimensions)
    emulator.loss(window).backward()
    for name, parameter in emulator.coarsening.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert emulator.eval().rollout(window[:, 0], 3).shape == (6, 3, 1, *[16] * dimensions)


def trained(weight, steps=150):
    """Train an encoder alone, for latents that are as easy to predict (as constant) as may be."""
    torch.manual_seed(0)
    coarsening = LearnedCoarsening(1, 2, [4], weight=weight, patience=steps)
    optimizer = torch.optim.Adam(coarsening.parameters(), 0.01)
    for _ in range(steps):
        field = torch.randn(8, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
        loss = coarsening.objective(field)
        easy = coarsening.encoders["4"][:3](field).square().mean()
        optimizer.zero_grad()
        (loss + 0.1 * easy).backward()
        optimizer.step()
    return coarsening


def test_decoder_keeps_the_latents_from_collapsing():
    coarsening = trained(weight=1.0)
    assert coarsening.unexplained.item() < 0.5
    coarsening.check(150)


def test_collapse_is_said():
    coarsening = trained(weight=0.0)
    assert "unexplained" in coarsening.state_dict()  # or a resumed run would be judged too early
    coarsening.check(149)  # not yet
    with pytest.raises(ValueError, match=r"factor 4 has collapsed: after 150 steps .* \d+ %"):
        coarsening.check(150)


def test_targets_are_not_differentiated():
    # the encoder is moved by the inputs alone: with masked inputs and no decoder, by nothing
    emulator = Hierarchical(
        network=small_unet,
        latents=[(1, 2)],
        coarsening=lambda *shape: LearnedCoarsening(*shape, weight=0.0),
    )
    window = torch.randn(4, 3, 1, 16, 16)
    emulator.loss_of_masks(window, torch.zeros(4, dtype=torch.long)).backward()
    encoder = emulator.coarsening.encoders["2"]
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in encoder.parameters())


def test_malformed_options_are_refused():
    with pytest.raises(ValueError, match=r"got width=0, weight=1\.0"):
        LearnedCoarsening(1, 2, [4], width=0)
