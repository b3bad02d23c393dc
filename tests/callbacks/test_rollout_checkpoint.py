"""What a test that was interrupted must have in common with the one that continues it."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from lightning import LightningModule, Trainer

from callbacks.run.rollout_checkpoint import fingerprint


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
