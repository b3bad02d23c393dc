from types import SimpleNamespace

import pytest
import torch

from emulators import L2, Baseline, Hierarchical, Network
from emulators.networks.interface import coarsen
from emulators.training.randomness import add_noise, generator_of


class Notes(Network):
    """Network that notes what it is given and returns zeros."""

    def __init__(self, factors=()):
        super().__init__()
        self.factors = factors
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, state, latents=(), mask_id=None):
        self.given = (state.detach(), *(z.detach() for z in latents))
        zero = 0 * state * self.weight
        return zero, tuple(coarsen(zero, factor) for factor in self.factors)


def test_noise_has_its_amplitude_in_units_of_the_data():
    network = Notes()
    emulator = Baseline(network=network, noise=0.03, distance=L2(), ema_decay=0.0)
    one = torch.ones(1)
    emulator.standardize.set_statistics(5 * one, 2 * one, one)
    window = torch.randn(4, 2, 1, 64, 64)
    loss = emulator.loss(window)
    noise = network.given[0] - (window[:, 0] - 5) / 2
    assert noise.std().item() == pytest.approx(0.03, rel=0.02)
    assert abs(noise.mean().item()) < 1e-3
    assert loss.item() == pytest.approx(((window[:, 1] - 5) / 2).square().mean().item())  # no noise


def test_state_and_latents_have_noise_of_their_own():
    network = Notes((1, 2))
    emulator = Hierarchical(
        network=network, latents=[(1, 1), (2, 2)], noise=0.03, latent_noise=0.1, masking=0.0,
        ema_decay=0.0,
    )  # fmt: skip
    window = torch.randn(4, 4, 1, 64, 64)
    emulator.loss(window)
    clean = window[:, 0], window[:, 1], coarsen(window[:, 2], 2)
    state, near, far = (a - b for a, b in zip(network.given, clean, strict=True))
    assert state.std().item() == pytest.approx(0.03, rel=0.03)
    assert near.std().item() == pytest.approx(0.1, rel=0.03)
    assert far.std().item() == pytest.approx(0.1, rel=0.03)
    assert abs((state * near).mean().item()) < 1e-4


def test_latents_of_one_shape_have_noise_of_their_own_in_training():
    network = Notes((2, 2))
    emulator = Hierarchical(
        network=network, latents=[(1, 2), (2, 2)], latent_noise=0.1, masking=0.0, ema_decay=0.0
    )
    loop = SimpleNamespace(total_batch_idx=0)
    emulator._trainer = SimpleNamespace(training=True, global_rank=0, fit_loop=loop)
    emulator.loss_of_masks(torch.zeros(4, 4, 1, 64, 64), torch.full((4,), 2))
    near, far = network.given[1:]
    assert near.std().item() == pytest.approx(0.1, rel=0.03)
    # 4096 pairs: the mean of their products has a standard error of 0.01/64
    assert abs((near * far).mean().item()) < 1e-3


def test_masked_latents_stay_zero():
    network = Notes((2,))
    emulator = Hierarchical(
        network=network, latents=[(1, 2)], latent_noise=0.1, masking=0.9, ema_decay=0.0
    )
    torch.manual_seed(0)
    emulator.loss_of_masks(torch.randn(2, 3, 1, 8, 8), torch.tensor([0, 1]))
    assert network.given[1][0].abs().max() == 0
    assert network.given[1][1].abs().max() > 0


def test_draws_depend_on_step_rank_seed_and_purpose():
    base = (0, 0, 7, "noise", "cpu")
    others = [(1, 0, 7, "noise"), (0, 1, 7, "noise"), (0, 0, 8, "noise"), (0, 0, 7, "cases")]
    field = torch.zeros(16)
    draw = add_noise(field, 1.0, generator_of(*base))
    assert torch.equal(draw, add_noise(field, 1.0, generator_of(*base)))
    for words in others:
        assert not torch.equal(draw, add_noise(field, 1.0, generator_of(*words, "cpu")))


def test_negative_amplitudes_are_refused():
    with pytest.raises(ValueError, match="noise must be at least 0, got -1"):
        Baseline(noise=-1.0)
    with pytest.raises(ValueError, match="latent_noise must be at least 0, got -1"):
        Hierarchical(latent_noise=-1.0)
