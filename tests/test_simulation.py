"""The solver, tested like an emulator, has no error and is stable."""

import pytest

import cli
from tests.conftest import SMOKE

MODEL = """
model: {class_path: Simulation}
trainer: {default_root_dir: runs/truth}
"""


@pytest.fixture
def config(workplace):
    smoke = SMOKE.read_text()
    start, end = smoke.index("model:"), smoke.index("data:")
    (workplace / "truth.yaml").write_text(smoke[:start] + smoke[end:])
    (workplace / "model.yaml").write_text(MODEL)
    return ["-c", "truth.yaml", "-c", "model.yaml"]


def test_scores_of_the_solver_are_the_truth(config):
    tested = cli.run(["test", *config])
    scores = tested.trainer.callback_metrics
    assert scores["test/mse/lead_1"] < 1e-10
    assert scores["test/mse/lead_5"] < 1e-9
    assert scores["test/stability_rate"] == 1


def test_training_the_solver_is_refused(config, say):
    status, _, err = say("fit", *config)
    assert status == 1
    assert "Simulation has nothing to train; run `emulate test` at once." in err


def test_data_on_another_grid_are_refused(config, say, workplace):
    text = (workplace / "truth.yaml").read_text()
    assert "shape: [32]" in text
    (workplace / "truth.yaml").write_text(
        text.replace("root: data", "root: finer").replace("shape: [32]", "shape: [64]")
    )
    status, _, err = say("test", *config, "--data.generator.shape=[32]")
    assert status == 1
    assert "Simulation needs the solver of the data on their grid" in err
