import pytest
import torch
from torch.testing import assert_close

from emulators import L2, Bundled, Network


class Answers(Network):
    """Network that returns its input times 2, 3, 4, ... and counts its calls."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.calls = 0
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, state, latents=(), mask_id=None):
        self.calls += 1
        first, *others = ((k + 2) * state + self.weight for k in range(self.steps))
        return first, tuple(others)


def bundled(bundle, **options):
    network = Answers(bundle)
    return Bundled(network=network, bundle=bundle, distance=L2(), ema_decay=0.0, **options), network


@pytest.mark.parametrize(
    ("options", "factors", "calls"),
    [
        ({"bundle": 3}, [2, 3, 4, 8, 12, 16, 32], 3),  # every third state is an input
        ({"bundle": 3, "advance": 2}, [2, 3, 6, 9, 18, 27, 54], 4),
        ({"bundle": 3, "advance": 1}, [2, 4, 8, 16, 32, 64, 128], 7),
        ({"bundle": 1}, [2, 4, 8, 16, 32, 64, 128], 7),
    ],
)
def test_network_is_called_when_its_states_are_used_up(options, factors, calls):
    emulator, network = bundled(**options)
    first = torch.randn(2, 1, 4, 4)
    rollout = emulator.rollout(first, 7)
    assert_close(rollout, torch.stack([factor * first for factor in factors], 1))
    assert network.calls == calls


def test_loss_is_the_mean_over_the_states_of_a_call():
    emulator, _ = bundled(3)
    window = torch.randn(2, 4, 1, 4, 4)
    expected = [((k + 1) * window[:, 0] - window[:, k]).square().mean() for k in (1, 2, 3)]
    assert_close(emulator.loss(window), sum(expected) / 3)


def test_increments_lead_from_each_state_to_the_next():
    emulator, _ = bundled(2, predict="increment")
    one = torch.ones(1)
    emulator.standardize.set_statistics(0 * one, one, 0.1 * one)
    u = torch.randn(1, 1, 4, 4)
    first, second = emulator.call(u)
    assert_close(first, u + 0.1 * 2 * u)
    assert_close(second, first + 0.1 * 3 * u)


def test_trajectories_may_be_left_out_between_calls():
    emulator, _ = bundled(3)
    state, memory = emulator.step(torch.randn(3, 1, 4, 4))
    kept, _ = emulator.step(state[1:], tuple(part[1:] for part in memory))
    whole, _ = emulator.step(state, memory)
    assert_close(kept, whole[1:])


@pytest.mark.parametrize("options", [{"bundle": 0}, {"bundle": 2, "advance": 3}, {"advance": 0}])
def test_malformed_options_are_refused(options):
    with pytest.raises(ValueError, match="advance between 1 and bundle, got bundle="):
        Bundled(network=torch.nn.Identity(), **options)
