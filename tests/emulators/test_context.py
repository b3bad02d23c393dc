"""Random numbers of a stochastic emulator belong to their trajectory, member and step."""

from itertools import islice
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from lightning import Trainer

from emulators import Context, Emulator
from emulators.context import (
    NO_CONTEXT,
    checked_loss,
    checked_step,
    rollout_keys,
    takes_context,
    with_context,
)
from emulators.evaluation import evaluate
from emulators.rollout import RolloutObserver, RolloutState


class Drifting(Emulator):
    """A random walk with memory: u_{n+1} = u_n + m_n + noise, m_{n+1} = m_n / 2 + noise."""

    stochastic = True
    window = 2

    def __init__(self):
        super().__init__(torch.nn.Conv1d(1, 1, 1), dimensions=1, ema_decay=0.0)

    def step(self, state, memory=None, context=Context()):  # noqa: B008 - immutable
        drift = torch.zeros_like(state) if memory is None else memory
        later = state + drift + context.normal(state, "state")
        return later, drift / 2 + context.uniform(state, "drift")

    def loss(self, window):
        return window.mean()


class Keeper(RolloutObserver):
    def begin(self, start):
        self.states = []

    def observe(self, lead, forecast, truth):
        self.states.append(forecast.clone())

    def observe_members(self, lead, members, truth):
        self.states[-1] = members.clone()


def initial(count):
    return torch.randn(count, 1, 5, generator=torch.Generator().manual_seed(3))


def rolled_out(index, seed=0, members=1, steps=4, emulator=None, keeper=None):
    """Return the forecasts (lead, [member,] initial condition, 1, 5) of some initial conditions."""
    keeper, states = keeper or Keeper(), initial(7)[index]
    trainer = Mock(
        spec=Trainer, callbacks=[keeper], is_global_zero=False, progress_bar_callback=None,
        state=SimpleNamespace(fn="test"),
    )  # fmt: skip
    start = SimpleNamespace(
        initial=states, index=torch.tensor(index), steps=steps, truth_steps=0, parameters=None,
        perturbed=states.expand(members - 1, *states.shape) if members > 1 else None,
        times=[0.0] * len(index), truth=lambda lead: states,
    )  # fmt: skip
    if emulator is None:
        torch.manual_seed(seed)
        emulator = Drifting().eval()
        torch.manual_seed(seed + 123)  # as a training does
    evaluate(emulator, start, trainer, "test")
    return torch.stack(keeper.states)


@pytest.mark.parametrize("sizes", [[1] * 7, [2, 2, 3], [3, 4], [6, 1]])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_forecasts_are_the_same_in_any_batch_on_any_number_of_ranks(sizes, ranks):
    whole, found = rolled_out(list(range(7))), {}
    for rank in range(ranks):
        share, given = list(range(rank, 7, ranks)), iter(range(rank, 7, ranks))
        for size in sizes:
            index = list(islice(given, size))
            states = rolled_out(index) if index else []
            found |= {k: states[:, place] for place, k in enumerate(index)}
        assert set(share) <= set(found)
    for k in range(7):
        assert torch.equal(found[k], whole[:, k])


def test_members_differ_and_keep_their_numbers():
    together, alone = rolled_out([2, 5], members=3), rolled_out([5], members=3)
    assert torch.equal(together[:, :, 1], alone[:, :, 0])
    assert not torch.equal(together[:, 0], together[:, 1])
    assert torch.equal(together[:, 0], rolled_out([2, 5]))  # the first is not perturbed


def test_seed_changes_the_forecast():
    assert not torch.equal(rolled_out([0], seed=1), rolled_out([0], seed=2))
    assert torch.equal(rolled_out([0], seed=1), rolled_out([0], seed=1))


def test_seed_is_that_of_the_run_after_a_training_too():
    # training seeds torch's own generator at each step, on each rank with another number
    states = rolled_out([0, 1], seed=1)
    emulator, keeper = Drifting().eval(), Keeper()
    torch.manual_seed(99)
    emulator.run_seed = 1
    evaluated = rolled_out([0, 1], seed=1, emulator=emulator, keeper=keeper)
    assert torch.equal(evaluated, states)


def test_trajectories_that_are_left_out_change_no_others():
    emulator, state = Drifting().eval(), initial(3)
    place = RolloutState(0, state, None, Context(keys=rollout_keys([4, 0, 9])), torch.arange(3))
    for lead in range(1, 4):
        state, memory = emulator.step(place.state, place.memory, place.context)
        place = RolloutState(lead, state, memory, place.context.after(None), place.active)
    part = place.choose(torch.tensor([True, False, True]))
    assert part.context.keys.tolist() == [[4, 0], [9, 0]]
    later, _ = emulator.step(part.state, part.memory, part.context)
    assert torch.equal(later, emulator.step(place.state, place.memory, place.context)[0][[0, 2]])


def test_rollout_in_python_is_that_of_an_evaluation():
    found = Drifting().eval().rollout(initial(7), 4, seed=11)
    assert torch.equal(found, rolled_out(list(range(7)), seed=11).movedim(0, 1))
    assert not torch.equal(found, Drifting().eval().rollout(initial(7), 4, seed=12))


def test_numbers_are_normal_and_uniform_and_independent():
    like = torch.zeros(40, 500)
    context = Context(keys=rollout_keys(range(40)))
    normal, uniform = context.normal(like), context.uniform(like)
    level = torch.tensor([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])  # 5, 25, 50, 75 and 95 %
    share = (normal.flatten()[:, None] < level).double().mean(0)
    assert (share - torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])).abs().max() < 0.015
    tenths = torch.histc(uniform, 10, 0.0, 1.0) / uniform.numel()
    assert (tenths - 0.1).abs().max() < 0.01
    others = [context.normal(like, "other"), context.after(0.1).normal(like), normal.roll(1, 0)]
    others += [context._replace(seed=1).normal(like), context._replace(batch=1).normal(like)]
    for other in others:
        assert abs(float((normal * other).mean())) < 4 / 20000**0.5


def test_precision_and_shape_are_those_that_are_asked_for():
    numbers = Context(keys=rollout_keys([3])).normal(torch.zeros(1, 2, 4, dtype=torch.float32))
    assert (numbers.dtype, numbers.shape) == (torch.float32, (1, 2, 4))


def test_another_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="is of 2 samples, but random numbers of 3"):
        Context(keys=rollout_keys([0, 1])).normal(torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("wrong", "found"),
    [(lambda u, *_: u, "a Tensor"), (lambda u, *_: (u, None, 1), "a tuple of 3")],
)
def test_a_step_that_returns_no_memory_is_refused(wrong, found):
    """A tensor of a batch of two would be taken for a state and a memory."""
    emulator = Drifting()
    emulator.step = wrong
    with pytest.raises(TypeError, match=rf"Drifting\.step returned {found}, expected a tuple"):
        next(emulator.unroll(torch.zeros(2, 1, 8)))


@pytest.mark.parametrize("wrong", [torch.zeros(3), 0.5])
def test_a_loss_that_is_not_one_number_is_refused(wrong):
    emulator = Drifting()
    emulator.loss = lambda window: wrong
    with pytest.raises(TypeError, match=r"Drifting\.loss returned a \w+.*, expected a tensor with"):
        checked_loss(emulator)(torch.zeros(2, 2, 1, 8), Context())


def test_steps_without_context_are_called_without_it():
    def plain(state, memory=None):
        return state, memory

    def informed(state, memory=None, context=None):
        return state, context

    assert not takes_context(plain)
    assert with_context(plain)(1, 2, 3) == (1, 2)
    assert with_context(informed)(1, 2, 3) == (1, 3)


def test_time_and_lead_advance_by_a_step():
    context = Context(time=torch.tensor([1.0, 5.0])).after(0.5)
    assert (context.time.tolist(), context.lead) == ([1.5, 5.5], 1)
    assert context.after(None).time.tolist() == [1.5, 5.5]
    assert Context().after(0.5).time is None


def test_step_that_returns_another_batch_is_refused():
    """Without the check, one forecast would be broadcast to all initial conditions."""

    class First:
        def step(self, state, memory=None):
            return state[:1], None

    step = checked_step(First())
    step(torch.ones(1, 2, 4), None, NO_CONTEXT)
    with pytest.raises(
        ValueError, match=r"First.step returned a state of shape \(1, 2, 4\) for one"
    ):
        step(torch.ones(3, 2, 4), None, NO_CONTEXT)
