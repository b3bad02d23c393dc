"""What a test that was interrupted must have in common with the one that continues it."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from lightning import LightningModule, Trainer

from callbacks.run.rollout_checkpoint import RolloutCheckpoint, fingerprint
from emulators.context import Context, rollout_keys
from emulators.rollout import RolloutState
from tests.callbacks.conftest import RolloutBatch


def about(contents="abc", rollouts=20, ranks=1, precision="32-true", weight=1.0):
    data = SimpleNamespace(rollouts={"test": rollouts}, contents=lambda split: split + contents)
    trainer = Mock(spec=Trainer, datamodule=data, world_size=ranks, precision=precision)
    emulator = Mock(spec=LightningModule)
    emulator.state_dict.return_value = {"w": torch.tensor(weight), "extra": None}
    return fingerprint(trainer, emulator)


@pytest.mark.parametrize(
    "other",
    [{"contents": "abd"}, {"rollouts": 21}, {"ranks": 2}, {"precision": "bf16-mixed"},
     {"weight": 1.5}],
    ids=str,
)  # fmt: skip
def test_fingerprint_tells_tests_apart(other):
    assert about() == about()
    assert about(**other) != about()


@pytest.mark.parametrize("written", [0, None], ids=["0.2", "now"])
def test_a_resumed_rollout_draws_the_numbers_of_an_uninterrupted_one(tmp_path, written):
    keys, state = rollout_keys([4, 7]), torch.zeros(2, 1, 8)
    checkpoint = RolloutCheckpoint(seconds=0.0)
    checkpoint.path, checkpoint.purpose = tmp_path / "rollout-0.ckpt", ""
    checkpoint.written, checkpoint.batch = 0.0, 0
    context = Context(keys=keys, seed=5, batch=written, lead=3)
    place = RolloutState(3, state, None, context, torch.arange(2))
    checkpoint.save(place, [])
    checkpoint.batch, checkpoint.found = -1, checkpoint.read(torch.device("cpu"))
    resumed = checkpoint.open(RolloutBatch(state, torch.arange(2), 9, 0), [])
    wanted = Context(keys=keys, seed=5, lead=3)
    assert torch.equal(resumed.context.normal(state), wanted.normal(state))
    assert not torch.equal(wanted.normal(state), wanted._replace(batch=0).normal(state))
