"""Each trajectory gets its own parameter: in every emulator, in losses and in steps."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from emulators import Baseline
from emulators.context import Conditioning, Context, check_conditioning
from tests.emulators.networks_for_tests import small_unet
from tests.emulators.toy_for_tests import (
    BUILD,
    MEAN,
    STD,
    emulator,
    factors,
    powers,
    states,
)


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_rollouts_are_exact_for_every_trajectory(name, order):
    a, u = factors()[order], states()
    rollout = emulator(name).eval().rollout(u, 7, a)
    assert_close(rollout, u[:, None] * powers(a, 7))


@pytest.mark.parametrize("name", [name for name in BUILD if name != "Hierarchical"])
def test_loss_of_the_exact_network_is_zero(name):
    model = emulator(name)
    windows = states()[:, None] * powers(factors(), model.window)
    assert model.loss(windows, Context(factors())) < 1e-14
    assert model.loss(windows, Context(factors().flip(0))) > 1e-3


def moved(model):
    torch.manual_seed(1)
    for parameter in model.trained.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("name", BUILD)
def test_gradient_reaches_the_modulation_in_every_emulator(name):
    model = moved(emulator(name, small_unet))
    model.loss(torch.randn(4, model.window, 1, 8), Context(factors())).backward()
    for key, parameter in model.trained.film.named_parameters():
        assert parameter.grad.abs().max() > 0, key


def test_activations_that_are_computed_again_know_the_same_parameters():
    gradients = []
    windows = torch.randn(4, 4, 1, 8)
    for checkpointing in (False, True):
        model = moved(
            emulator("Unrolled", small_unet, unrolled_steps=3, checkpointing=checkpointing)
        )
        model.loss(windows, Context(factors())).backward()
        gradients.append([p.grad for p in model.trained.parameters()])
    assert_close(*gradients)


def test_statistics_leave_what_does_not_vary_in_its_unit():
    conditioning = Conditioning(2)
    conditioning.set_statistics(torch.tensor([[0.1, 1.0], [0.1, 3.0], [0.1, 8.0]]))
    assert_close(conditioning.mean, torch.tensor([0.1, 4.0]))
    # the deviations from 4 are -3, -1 and 4
    assert_close(conditioning.std, torch.tensor([1.0, np.sqrt(26 / 3)]))
    assert_close(conditioning(torch.tensor([[1.1, 4.0]])), torch.tensor([[1.0, 0.0]]))


def test_without_parameters_nothing_is_added():
    model = Baseline(network=small_unet, dimensions=1)
    assert not [name for name in model.state_dict() if name.startswith("conditioning")]
    assert model.train().network is model.trained


def test_missing_and_wrong_parameters_are_refused():
    model = emulator().eval()
    with pytest.raises(
        ValueError, match="conditioned on 1 physical parameters per trajectory, and"
    ):
        model.rollout(states(), 2)
    with pytest.raises(ValueError, match="is made for 1 physical parameters, the batch has 2; set"):
        model.rollout(states(), 2, torch.ones(4, 2))
    sentence = "called with 4 states, but parameters of 3 trajectories"
    with pytest.raises(ValueError, match=sentence):
        model.step(states(), None, Context(factors()[:3]))
    with pytest.raises(ValueError, match="is made for 0 physical parameters, the batch has 1"):
        Baseline(network=small_unet).conditioning(factors())


def test_the_network_takes_standardised_parameters_directly():
    model = emulator().eval()
    out, _ = model.network(states(), parameters=(factors() - MEAN) / STD)
    assert_close(out, states() * factors()[..., None])


def test_a_step_or_loss_without_context_is_refused_where_there_are_parameters():
    class NoContext(Baseline):
        def loss(self, window):
            return window.mean()

    check_conditioning(NoContext(network=small_unet, dimensions=1), 0)
    with pytest.raises(ValueError, match=r"NoContext\.loss takes no context.* 1 physical"):
        check_conditioning(NoContext(network=small_unet, dimensions=1, parameters=1), 1)


@pytest.mark.parametrize("told", [True, False])
def test_told_the_velocity_an_emulator_learns_both_of_two_flows(told):
    # u_{n+1}(x) = u_n(x - c) with c = ±1 point: who is not told c can only blur
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    model = Baseline(network=small_unet, dimensions=1, parameters=int(told), ema_decay=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300 if told else 60):
        c = torch.randint(2, (32, 1)) * 2.0 - 1
        u = torch.randn(32, 1, 16)
        after = torch.where(c[..., None] > 0, u.roll(1, -1), u.roll(-1, -1))
        context = Context(c if told else None)
        loss = model.loss(torch.stack((u, after), dim=1), context)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = (model.step(u, None, context)[0] - after).square().mean().item()
    assert error < 0.05 if told else error > 0.4  # half the variance, at best
