"""A training step of too many members is refused before it, and the number that fits is named."""

import pytest
import torch
from torch import nn

from emulators import CRPS, Baseline, Context
from emulators.training.members import check_training_memory, kept_for_gradient

POINTS = 24


class Deep(nn.Module):
    """Keeps for its gradient the output of each of its layers, of two channels."""

    def __init__(self, depth):
        super().__init__()
        self.layers = nn.Sequential(*[nn.Tanh() for _ in range(depth)])
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, state):
        self.calls += 1
        return self.layers(self.scale * state)[:, :1]


def made(depth, members=2):
    options = {"dimensions": 1, "noise_numbers": 1, "objective": CRPS(), "project": None}
    return Baseline(network=Deep(depth), members=members, ema_decay=0.0, **options).train()


def windows(count):
    keys = torch.stack((torch.zeros(count), torch.arange(count)), dim=1).long()
    return torch.randn(count, 2, 1, POINTS), Context(keys=keys)


@pytest.mark.parametrize("members", [2, 5])
def test_every_tensor_that_a_layer_keeps_is_counted(members):
    window, context = windows(3)
    found = [kept_for_gradient(made(depth), window, context, members) for depth in (7, 17)]
    each = 2 * POINTS * window.element_size()
    assert found[1] - found[0] == 10 * members * each


@pytest.mark.parametrize(
    ("members", "room", "advice"),
    [  # in members of four windows
        (9, 6.0, "lower model.members to 6, or data.batch_size to 2."),  # 9 x 2 <= 6 x 4 < 9 x 3
        (9, 2.3, "lower model.members to 2, or data.batch_size to 1."),
        (2, 1.9, "lower data.batch_size to 3."),
        (9, 0.5, "lower both, or choose a smaller network."),
        (7, 6.0, "lower model.members to 6, or data.batch_size to 3."),
        (6, 6.0, None),
    ],
)
def test_the_number_that_is_named_fits_and_one_more_does_not(members, room, advice, monkeypatch):
    window, context = windows(4)
    emulator = made(depth=10, members=members)
    two, three = (kept_for_gradient(emulator, window, context, n) for n in (2, 3))
    of_all, each = max(0, 3 * two - 2 * three), len(window) * (three - two)
    monkeypatch.setattr(
        "emulators.training.members.free_on", lambda device: of_all + int(room * each)
    )
    if advice is None:
        check_training_memory(emulator, window, context)
        return
    with pytest.raises(ValueError, match=r"of 4 windows of \(1, 24\) needs") as found:
        check_training_memory(emulator, window, context)
    assert str(found.value).endswith(f"are free; {advice}")
    assert f"model.members={members} of" in str(found.value)


def test_the_measurement_leaves_no_trace():
    window, context = windows(2)
    emulator = made(depth=3, members=4)
    objective = emulator.distance
    check_training_memory(emulator, window, context)
    assert emulator.members == 4
    assert emulator.distance is objective
    assert emulator.distance.members == 4
    (calls,) = [value for name, value in emulator.trained.named_buffers() if "calls" in name]
    assert calls == 0
    assert all(parameter.grad is None for parameter in emulator.parameters())
