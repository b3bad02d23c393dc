"""Statements of docs/your-data.md that follow from the code."""

import re
from dataclasses import asdict
from pathlib import Path

import yaml

from datamodules import Rollouts, TrajectoryDataModule

PAGE = (Path(__file__).parents[2] / "docs/your-data.md").read_text()
TRAINER = Path(__file__).parents[2] / "configs/trainer.yaml"


def test_defaults_on_the_page_are_the_defaults_of_the_options():
    block = PAGE.partition("The defaults are\n\n```yaml\n")[2].partition("```")[0]
    said = yaml.safe_load(block)["data"]
    data = TrajectoryDataModule(Path("nowhere"))
    names = {"val_rollouts": "val", "test_rollouts": "test", "predict_rollouts": "predict"}
    true = {option: asdict(data.rollouts[stage]) for option, stage in names.items()}
    assert said == {"batch_size": data.batch_size, **true}
    assert set(said["val_rollouts"]) == set(asdict(Rollouts()))
    interval = yaml.safe_load(TRAINER.read_text())["trainer"]["val_check_interval"]
    assert re.search(r"every trainer\.val_check_interval \((\d+)\)", block)[1] == str(interval)
