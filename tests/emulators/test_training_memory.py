"""A training step of too many members is refused before it, and the number that fits is named."""

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from emulators import CRPS, Baseline, Context
from emulators.training import members as training_members
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


def made(depth, members=2, kind=Baseline):
    options = {"dimensions": 1, "noise_numbers": 1, "objective": CRPS(), "project": None}
    return kind(network=Deep(depth), members=members, ema_decay=0.0, **options).train()


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
    of_all, each = max(0, 3 * two - 2 * three), len(window) * int(1.6 * (three - two))
    monkeypatch.setattr(training_members, "free_on", lambda device: of_all + int(room * each))
    if advice is None:
        check_training_memory(emulator, window, context)
        return
    with pytest.raises(ValueError, match=r"of 4 windows of \(1, 24\) needs about") as found:
        check_training_memory(emulator, window, context)
    assert str(found.value).endswith(f"are free; {advice}")
    assert f"model.members={members} of" in str(found.value)


def test_the_measurement_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(training_members, "LARGE", 10**12)  # measured, and it fits
    window, context = windows(2)
    emulator = made(depth=3, members=4)
    objective, plain = emulator.distance, emulator.log
    check_training_memory(emulator, window, context)
    assert emulator.members == 4
    assert emulator.distance is objective
    assert emulator.distance.members == 4
    assert emulator.log == plain
    (calls,) = [value for name, value in emulator.trained.named_buffers() if "calls" in name]
    assert calls == 0
    assert all(parameter.grad is None for parameter in emulator.parameters())


@pytest.mark.parametrize("layer", [nn.Tanh, nn.ReLU, nn.SiLU])
def test_what_was_kept_is_freed(layer, monkeypatch):
    window, context = windows(2)
    emulator = made(depth=1, members=2)
    emulator.trained.module.layers = layer()
    outputs = []
    emulator.trained.module.layers.register_forward_hook(
        lambda module, given, output: outputs.append(weakref.ref(output))
    )
    kept_for_gradient(emulator, window, context, 2)
    gc.collect()
    assert outputs
    assert all(output() is None for output in outputs)


class NeedsItsBatch(Baseline):
    """Has a loss that is defined for four windows alone, and logs."""

    def loss(self, window, context):
        self.log("mine", 1.0)
        assert len(window) == 4 * self.members
        return super().loss(window, context)


def test_loss_that_needs_its_batch_is_not_measured(monkeypatch):
    monkeypatch.setattr(training_members, "free_on", lambda device: 1)
    window, context = windows(4)
    emulator = made(depth=1, kind=NeedsItsBatch)
    check_training_memory(emulator, window, context)


def test_small_windows_are_not_measured(monkeypatch):
    window, context = windows(4)
    asked = []
    monkeypatch.setattr(training_members, "kept_for_gradient", lambda *words: asked.append(1) or 0)
    enough = 2 * window.nbytes * training_members.LARGE
    for free, wanted in ((enough + 1, 0), (enough, 2)):
        monkeypatch.setattr(training_members, "free_on", lambda device, free=free: free)
        check_training_memory(made(depth=1, members=2), window, context)
        assert len(asked) == wanted


def test_processes_of_a_node_share_its_memory(monkeypatch):
    window, context = windows(4)
    emulator = made(depth=10, members=6)
    two, three = (kept_for_gradient(emulator, window, context, n) for n in (2, 3))
    each = len(window) * int(1.6 * (three - two))
    free = max(0, 3 * two - 2 * three) + 6 * each
    monkeypatch.setattr(training_members, "free_on", lambda device: 3 * free)
    emulator._trainer = SimpleNamespace(num_devices=3)
    check_training_memory(emulator, window, context)
    emulator._trainer = SimpleNamespace(num_devices=4)
    with pytest.raises(ValueError, match=r"lower model\.members to 4"):
        check_training_memory(emulator, window, context)
