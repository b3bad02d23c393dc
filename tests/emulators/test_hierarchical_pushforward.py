import pytest
import torch
from torch.testing import assert_close

from emulators import L2, Hierarchical, HierarchicalPushforward
from emulators.networks.interface import coarsen
from tests.emulators.networks_for_tests import small_unet

STENCILS = [[(1, 2), (2, 4)], [(1, 2), (-1, 1)], [(0, 2), (-2, 1), (-1, 2)]]


def made(kind, latents, **options):
    torch.manual_seed(0)
    settings = {"network": small_unet, "latents": latents, "distance": L2(), "ema_decay": 0.0}
    model = kind(**settings, **options)
    for parameter in model.trained.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in model.trained.parameters()]


@pytest.mark.parametrize("latents", STENCILS)
@pytest.mark.parametrize("steps", [1, 2])
def test_regular_samples_take_the_loss_of_the_step_after_those_of_a_rollout(latents, steps):
    model = made(HierarchicalPushforward, latents, detached_steps=steps)
    model.draw_steps = lambda: steps
    window = torch.randn(2, model.window, 1, 16, 16)
    now, regular = model.layout.history, len(model.layout.masks) - 1
    predicted = tuple(coarsen(window[:, now + lead], r) for lead, r in latents if lead >= 0)
    past = tuple(window[:, now - n] for n in range(1, now + 1))
    state, memory = window[:, now], (predicted, past)
    with torch.no_grad():
        for _ in range(steps):
            state, memory = model.step(state, memory)
    state, (predicted, _) = model.step(state, memory)
    target = now + steps + 1
    expected = 2 * (state - window[:, target]).square().mean()
    ahead = iter(predicted)
    for lead, r in latents:
        if lead >= 0:
            expected += (next(ahead) - coarsen(window[:, target + lead], r)).square().mean()
    loss = model.loss_of_masks(window, torch.tensor([regular, regular]))
    assert_close(loss, expected)
    assert_close(gradients(model, loss), gradients(model, expected))


@pytest.mark.parametrize("latents", STENCILS)
def test_cold_starts_start_from_the_truth_of_that_time(latents):
    model, plain = (made(kind, latents) for kind in (HierarchicalPushforward, Hierarchical))
    model.draw_steps = lambda: 1
    window = torch.randn(3, model.window, 1, 16, 16)
    for case in range(len(model.layout.masks) - 1):
        cold = torch.full((3,), case)
        assert_close(model.loss_of_masks(window, cold), plain.loss_of_masks(window[:, 1:], cold))


def test_without_own_steps_it_is_the_hierarchy():
    model, plain = (made(kind, STENCILS[0]) for kind in (HierarchicalPushforward, Hierarchical))
    model.draw_steps = lambda: 0
    window, case = torch.randn(3, model.window, 1, 16, 16), torch.tensor([0, 1, 2])
    assert_close(model.loss_of_masks(window, case), plain.loss_of_masks(window, case))


def test_steps_are_drawn_from_none_to_all_alike():
    model = made(HierarchicalPushforward, STENCILS[0], detached_steps=3)
    counts = torch.bincount(torch.tensor([model.draw_steps() for _ in range(20_000)]))
    # standard error of a frequency of a quarter: 0.003
    assert_close(counts / 20_000, torch.full((4,), 0.25), atol=0.015, rtol=0)


def test_steps_must_be_positive():
    with pytest.raises(ValueError, match="steps of at least 1, got 0"):
        HierarchicalPushforward(detached_steps=0)
