"""The file of validation scores that a search reads."""

import json
from types import SimpleNamespace

import pytest
import torch

from callbacks import ValidationScores


def trainer(folder, **others):
    found = {
        "state": SimpleNamespace(fn="fit"),
        "sanity_checking": False,
        "is_global_zero": True,
        "default_root_dir": str(folder),
        "callback_metrics": {
            "val/mse": torch.tensor(0.25),
            "val/worse": torch.tensor(float("nan")),
            "val/worst": float("inf"),
            "train/loss": torch.tensor(3.0),
        },
        "global_step": 5,
        "max_steps": 20,
    }
    return SimpleNamespace(**{**found, **others})


def lines(folder):
    file = folder / "validation.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_validation_is_a_line(tmp_path):
    for step in (5, 10):
        ValidationScores().on_validation_end(trainer(tmp_path, global_step=step), None)
    scores = {"val/mse": 0.25, "val/worse": None, "val/worst": None}
    assert lines(tmp_path) == [{"step": step, "of": 20, "scores": scores} for step in (5, 10)]


def test_last_step_may_be_unknown(tmp_path):
    ValidationScores().on_validation_end(trainer(tmp_path, max_steps=-1), None)
    assert lines(tmp_path)[0]["of"] is None


@pytest.mark.parametrize(
    "others",
    [
        {"state": SimpleNamespace(fn="validate")},
        {"sanity_checking": True},
        {"is_global_zero": False},
    ],
)
def test_other_validations_and_ranks_write_nothing(tmp_path, others):
    ValidationScores().on_validation_end(trainer(tmp_path, **others), None)
    assert lines(tmp_path) == []
