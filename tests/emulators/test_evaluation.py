"""What an emulator knows while it is rolled out: parameters and start times, of every member."""

from types import SimpleNamespace
from unittest.mock import Mock

import torch
from lightning import Trainer

from emulators.evaluation import evaluate

TRAINER = Mock(
    spec=Trainer, callbacks=[], is_global_zero=True, progress_bar_callback=None,
    state=SimpleNamespace(fn="test"),
)  # fmt: skip


class Listener:
    """Keeps what is known at each of its steps."""

    interval = 0.5

    def __init__(self):
        self.known = []

    def step(self, state, memory=None, context=None):
        self.known.append((context.parameters, context.time))
        return state, state


def known(parameters, members, times=(1.0, 5.0)):
    initial, model = torch.zeros(2, 1, 4), Listener()
    start = SimpleNamespace(
        initial=initial, index=torch.arange(2), steps=2, truth_steps=0, times=times,
        perturbed=torch.ones(members - 1, 2, 1, 4) if members > 1 else None,
        parameters=torch.tensor([[10.0], [20.0]]) if parameters else None,
        truth=lambda lead: initial,
    )  # fmt: skip
    evaluate(model, start, TRAINER, "test")
    return model.known


def test_every_step_knows_its_time_and_the_parameters():
    (first, times), (second, later) = known(parameters=1, members=1)
    assert first.tolist() == second.tolist() == [[10.0], [20.0]]
    assert times.tolist() == [1.0, 5.0]
    assert later.tolist() == [1.5, 5.5]


def test_every_member_has_the_parameters_and_the_time_of_its_start():
    # members come one after the other, each with all initial conditions
    parameters, times = known(parameters=1, members=3)[0]
    assert parameters.flatten().tolist() == [10.0, 20.0] * 3
    assert times.tolist() == [1.0, 5.0] * 3


def test_times_are_known_without_parameters():
    (parameters, times), (_, later) = known(parameters=0, members=2)
    assert parameters is None
    assert later.tolist() == [1.5, 5.5] * 2
    assert times.tolist() == [1.0, 5.0] * 2
