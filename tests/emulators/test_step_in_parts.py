"""Steps of many members: how many samples a call has, and whether their states fit into memory."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from emulators import Baseline, Bundled, Context
from emulators.step_in_parts import size_of, step_in_parts

FREE = "datamodules.storage.free_memory.free_memory"
BATCH, POINTS = 2, 12


def first_step(emulator, members, batch=BATCH):
    state = torch.zeros(batch, 1, POINTS).repeat(members, 1, 1)
    with torch.no_grad():
        return step_in_parts(emulator.eval().step, state, None, Context(), batch)


class Wide(nn.Module):
    def forward(self, state):
        return state.repeat(1, 4, 1)


@pytest.mark.parametrize(
    ("emulator", "held"),
    [
        # the parts of a step and their concatenation, and the states before it
        (Baseline(network=nn.Identity(), dimensions=1), 1 + 1 + 1),
        # four states of one call, and one before it
        (Bundled(network=Wide(), bundle=4, dimensions=1), 4 + 4 + 1),
    ],
)
def test_ensemble_whose_memory_does_not_fit_is_refused(emulator, held, monkeypatch):
    state = torch.zeros(BATCH, 1, POINTS).nbytes
    monkeypatch.setattr(FREE, lambda: 20 * held * state + state // 2)
    with pytest.raises(ValueError, match=r"21 members from 2 initial .* lower members to 20 or"):
        first_step(emulator, 21)
    assert len(first_step(emulator, 20)[0]) == 40


def test_only_the_first_step_asks_for_the_free_memory(monkeypatch):
    emulator = Bundled(network=Wide(), bundle=4, dimensions=1)
    states, memory = first_step(emulator, 20)
    monkeypatch.setattr(FREE, lambda: 0)
    found, _ = step_in_parts(emulator.step, states, memory, Context(), BATCH)
    assert len(found) == 40


@pytest.mark.parametrize(
    ("shape", "size", "calls"),
    [
        ((1, 64, 64), 1, [16, 16, 8]),  # small grids: as many as are efficient
        ((3, 128, 256), 1, [2] * 20),
        ((1, 512, 256), 1, [1] * 40),  # large grids: the initial conditions of a batch
        ((1, 512, 256), 5, [5] * 8),
    ],
)
def test_calls_have_the_samples_of_a_batch_and_more_on_small_grids(shape, size, calls):
    found = []

    def step(state, memory, context):
        found.append(len(state))
        return state, None

    step_in_parts(step, torch.zeros(1, *shape).expand(40, *shape), (), None, size)
    assert found == calls


@dataclass
class Past:
    states: torch.Tensor
    further: dict
    count: int = 3


@pytest.mark.parametrize("kind", [Past, SimpleNamespace])
def test_memories_of_other_kinds(kind):
    """A dataclass is divided among members, other objects are refused."""
    state = torch.arange(40.0).reshape(40, 1, 1)

    def step(state, memory, context):
        before = state if memory is None else memory.further["before"]
        return state + before, kind(states=state, further={"before": state}, count=3)

    if kind is SimpleNamespace:
        with pytest.raises(TypeError, match="holds a SimpleNamespace, whose tensors cannot be div"):
            step_in_parts(step, state, None, None, 1)
        return
    found, memory = step_in_parts(step, state, None, None, 1)
    assert found.flatten().tolist() == [2.0 * n for n in range(40)]
    assert memory.count == 3
    found, memory = step_in_parts(step, found, memory, None, 1)
    assert found.flatten().tolist() == [3.0 * n for n in range(40)]
    assert memory.states.flatten().tolist() == [2.0 * n for n in range(40)]


def test_what_observers_need_counts(monkeypatch):
    emulator = Baseline(network=nn.Identity(), dimensions=1)
    state = torch.zeros(BATCH, 1, POINTS).nbytes
    monkeypatch.setattr(FREE, lambda: 20 * (1 + 7) * state)
    for members in (20, 21):
        states = torch.zeros(BATCH, 1, POINTS).repeat(members, 1, 1)
        words = (emulator.eval().step, states, None, Context(), BATCH, 7.0)
        if members == 20:
            step_in_parts(*words)
        else:
            with pytest.raises(ValueError, match="lower members to 20"):
                step_in_parts(*words)


def test_size_of_nested_tensors():
    assert size_of((torch.zeros(3, dtype=torch.float32), {"a": [torch.zeros(2).double()]})) == 28
