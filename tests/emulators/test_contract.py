"""What every emulator must do; a new subclass is covered the day it is written."""

import pytest
import torch
from torch.testing import assert_close

from emulators import Emulator, ImPiNDiff, Simulation, UNet
from emulators.rollout import Position
from tests.emulators.networks_for_tests import small_unet


def below(kind):
    """All classes under a class."""
    return [found for child in kind.__subclasses__() for found in (child, *below(child))]


WITHOUT_NETWORK = (Simulation, ImPiNDiff)  # tested in files of their own
EMULATORS = [kind for kind in below(Emulator) if kind not in WITHOUT_NETWORK]


def build(kind, **options):
    torch.manual_seed(3)
    emulator = kind(network=small_unet, **options)
    for parameter in emulator.trained.parameters():  # blocks start as the identity: leave that
        parameter.data += 0.05 * torch.randn_like(parameter)
    if emulator.averaged is not None:
        emulator.averaged.load_state_dict(emulator.trained.state_dict())
    one = torch.ones(emulator.channels)
    emulator.standardize.set_statistics(2.0 * one, 3.0 * one, 0.5 * one)
    return emulator


def states(batch=3, channels=1, size=16):
    generator = torch.Generator().manual_seed(0)
    return 2 + 3 * torch.randn(batch, channels, size, size, generator=generator)


@pytest.fixture(params=EMULATORS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_rollout_is_repeated_step(kind):
    emulator = build(kind).eval()
    state, memory = states(), None
    rollout = emulator.rollout(state, 4)
    assert rollout.shape == (3, 4, 1, 16, 16)
    for lead in range(4):
        state, memory = emulator.step(state, memory)
        assert_close(rollout[:, lead], state)


def test_batch_members_do_not_interact(kind):
    emulator = build(kind).eval()
    whole = emulator.rollout(states(), 3)
    assert_close(emulator.rollout(states()[1:2], 3), whole[1:2])


def test_every_parameter_gets_a_finite_gradient(kind):
    emulator = build(kind)
    window = states(16 * emulator.window).reshape(16, emulator.window, 1, 16, 16)
    emulator.loss(window).backward()
    for name, parameter in emulator.trained.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_window_that_is_too_short_is_refused_by_name(kind):
    emulator = build(kind)
    window = states(2 * (emulator.window - 1)).reshape(2, emulator.window - 1, 1, 16, 16)
    message = rf"{kind.__name__} needs windows of at least {emulator.window} snapshots"
    with pytest.raises(ValueError, match=message):
        emulator.loss(window)


def test_step_is_in_physical_units(kind):
    # the same field in other units, with the statistics in those units, gives the same forecast
    emulator, other = build(kind).eval(), build(kind).eval()
    one = torch.ones(1)
    other.standardize.set_statistics(7.0 + 10 * 2.0 * one, 10 * 3.0 * one, 10 * 0.5 * one)
    forecast = emulator.rollout(states(), 2)
    assert_close(other.rollout(7.0 + 10 * states(), 2), 7.0 + 10 * forecast)


def test_two_channels_and_one_dimension(kind):
    torch.manual_seed(0)
    emulator = kind(network=small_unet, channels=2, dimensions=1).eval()
    assert emulator.rollout(torch.randn(3, 2, 16), 3).shape == (3, 3, 2, 16)


def test_evaluation_uses_the_averaged_weights(kind):
    emulator = build(kind)
    emulator.averaged.load_state_dict(
        {k: v + 0.1 for k, v in emulator.trained.state_dict().items()}
    )
    assert emulator.train().network is emulator.trained
    assert emulator.eval().network is emulator.averaged
    plain = build(kind, ema_decay=0.0)
    assert plain.eval().network is plain.trained


def test_average_follows_the_formula(kind):
    emulator = build(kind, ema_decay=0.9)
    start = [p.clone() for p in emulator.averaged.parameters()]
    for parameter in emulator.trained.parameters():
        parameter.data += 1
    emulator.update_average(2)  # young: decay 3/12
    for average, old in zip(emulator.averaged.parameters(), start, strict=True):
        assert_close(average, old + 0.75)
    emulator.update_average(1000)  # old: decay 0.9
    for average, old in zip(emulator.averaged.parameters(), start, strict=True):
        assert_close(average, old + 0.75 * 0.9 + 0.1)


def test_only_the_trained_weights_are_optimised(kind):
    emulator = build(kind)
    chosen = {id(p) for p in emulator.parameters() if p.requires_grad}
    assert chosen == {id(p) for p in emulator.trained.parameters()}


def test_increment_of_zero_is_persistence(kind):
    emulator = build(kind, predict="increment").eval()
    for parameter in emulator.averaged.parameters():
        parameter.data.zero_()
    assert_close(emulator.rollout(states(), 3), states()[:, None].expand(-1, 3, -1, -1, -1))


def test_increments_are_scaled_by_their_spread(kind):
    emulator = build(kind, predict="increment")
    u, output = torch.randn(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    assert_close(emulator.next_state(u, output), u + 0.5 / 3.0)


def test_plain_module_serves_as_network(kind):
    probe = kind(network=UNet)  # how many channels a plain module must take and give
    inputs = 1 + len(probe.trained.latent_inputs)
    cases = len(probe.stencil.cases) if hasattr(probe, "stencil") else 0
    outputs = 1 + len(probe.trained.latent_outputs)
    module = torch.nn.Conv2d(inputs + cases, outputs, 3, padding=1, padding_mode="circular")
    emulator = kind(network=module).eval()
    assert emulator.rollout(states(), 2).shape == (3, 2, 1, 16, 16)


def test_bad_decay_is_refused(kind):
    with pytest.raises(ValueError, match=r"ema_decay must lie in \[0, 1\), got 1.0"):
        kind(network=small_unet, ema_decay=1.0)


def test_only_plain_settings_are_kept_as_hyperparameters(kind):
    emulator = build(kind)
    assert emulator.hparams["predict"] == "state"
    assert "network" not in emulator.hparams


def test_members_that_are_left_out_do_not_change_the_others(kind):
    emulator = build(kind).eval()
    keep = torch.tensor([True, False, True])
    whole = Position(0, states(), None, torch.arange(3))
    for lead in range(1, 5):
        state, memory = emulator.step(whole.state, whole.memory)
        whole = Position(lead, state, memory, whole.going)
        if lead == 2:
            part = whole.choose(keep)
        elif lead > 2:
            state, memory = emulator.step(part.state, part.memory)
            part = part._replace(state=state, memory=memory)
    assert part.going.tolist() == [0, 2]
    assert_close(part.state, whole.state[keep])
