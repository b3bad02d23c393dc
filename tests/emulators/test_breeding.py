"""Bred perturbations, in maps whose growth is known."""

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from datamodules.rollouts import Rollouts
from emulators.breeding import breed
from emulators.context import Context, rollout_keys

FACTOR = torch.tensor([3.0, 0.5, 0.5, 2.0])


class Map:
    """u -> FACTOR u + time + random numbers, point by point."""

    interval = 0.5

    def __init__(self):
        self.seen = []

    def step(self, state, memory=None, context=None):
        assert memory is None
        self.seen.append((context.lead, context.time.tolist(), context.forcing))
        return FACTOR * state + context.time.reshape(-1, 1, 1) + context.normal(state), None


def start(members=2, forcing=None):
    torch.manual_seed(0)
    noise = torch.tensor([0.1, 10.0]).reshape(2, 1) * torch.randn(members, 3, 2, 4)
    states = {lead: torch.randn(3, 2, 4) for lead in range(-6, 1)}
    return SimpleNamespace(
        initial=states[0], perturbed=states[0] + noise, index=torch.arange(3), steps=1,
        truth_steps=0, times=[1.0, 2.0, 3.0], parameters=None, truth=states.__getitem__,
        **({} if forcing is None else {"forcing": forcing}),
    )  # fmt: skip


def context(batch, members=3):
    times = torch.tensor(batch.times * members)
    return Context(time=times, keys=rollout_keys(batch.index, members), seed=1)


def test_perturbation_grows_by_the_map_and_keeps_its_size():
    batch = start()
    found = breed(Map(), batch, 5, context(batch)) - batch.initial
    white = batch.perturbed - batch.initial
    scale = white.square().mean((0, 3), keepdim=True).sqrt()
    wanted = white
    for _ in range(5):
        wanted = wanted * FACTOR
        wanted = wanted / (wanted / scale).square().mean((2, 3), keepdim=True).sqrt()
    assert_close(found, wanted)
    assert_close((found / scale).square().mean((2, 3)), torch.ones(2, 3))
    assert (
        found[..., 0].abs() > 20 * found[..., 1].abs() * (white[..., 0] / white[..., 1]).abs()
    ).all()


def test_steps_have_their_time_and_their_forcing():
    model = Map()
    batch = start(forcing=lambda lead: torch.full((3, 1, 4), float(lead)))
    breed(model, batch, 2, context(batch))
    (first, times, forcing), (second, later, _) = model.seen
    assert (first, second) == (-2, -1)
    assert times == [0.0, 1.0, 2.0] * 3
    assert later == [0.5, 1.5, 2.5] * 3
    assert forcing[:, :, 0, 0].tolist() == [[-2.0, -1.0]] * 9


def test_masked_channel_without_noise_stays_without():
    batch = start()
    batch.perturbed[:, :, 1] = batch.initial[:, 1]
    found = breed(Map(), batch, 3, context(batch))
    assert torch.equal(found[:, :, 1], batch.initial[:, 1].expand(2, 3, 4))
    assert found.isfinite().all()


def test_breeding_needs_noise():
    for options in ({"breeding": 3}, {"breeding": -1, "members": 2, "initial_noise": 0.1}):
        with pytest.raises(ValueError, match=r"breeding of data.val_rollouts, test_rollouts or"):
            Rollouts(**options)
