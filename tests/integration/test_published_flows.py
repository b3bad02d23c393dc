"""The study of the paper on its three flows, at its resolutions, with few states and steps."""

from pathlib import Path

import pytest

import cli
from commands.study import read_study

STUDY = Path(__file__).parents[2] / "configs" / "study" / "paper_256.yaml"

SMALL = [
    "--data.generator.spin_up=0.05",
    "--data.generator.splits={train: {trajectories: 1, snapshots: 8}, "
    "val: {trajectories: 1, snapshots: 6}, test: {trajectories: 1, snapshots: 8}}",
    "--data.batch_size=2",
    "--data.val_rollouts={initial_conditions: 1, steps: 2, truth_steps: 2}",
    "--trainer.max_steps=2",
    "--trainer.val_check_interval=2",
    "--trainer.accumulate_grad_batches=1",
    "--trainer.precision=32-true",
    "--model.network.width=8",
]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize("flow", ["jet256", "nojet256", "jet512"])
def test_the_hierarchy_of_the_paper_is_trained_tested_and_drawn_on_each_flow(flow, tmp_path):
    study = read_study(STUDY)
    (run,) = [run for run in study.runs if run.folder.parts[-2:] == (flow, "hierarchical")]
    folder = tmp_path / "run"
    places = [f"--data.root={tmp_path}/data", f"--trainer.default_root_dir={folder}"]
    tested = "--data.test_rollouts={initial_conditions: 1, steps: 5, truth_steps: 5}"
    cli.run(["fit", *run.arguments, *SMALL, *places, tested])
    cli.run(["test", f"--ckpt_path={folder}/last.ckpt", tested])
    drawn = {path.name for path in folder.glob("*.png")}
    assert {"panels.png", "rollout_error.png", "spectrum.png"} <= drawn
