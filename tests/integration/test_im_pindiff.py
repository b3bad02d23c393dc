"""Im-PiNDiff from the command line: data, training, test, figures, resume, refusals."""

import json

import pytest
import torch
import xarray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from callbacks.plotting.export import png
from tests.conftest import says

PHYSICS = """
domain: {grid: {shape: [4, 8], lengths: [1.0, 2.0]}}
variables: [{name: phi, long_name: concentration, units: "1"}]
terms:
  convection: {class_path: Convection, init_args: {velocity: [v, u], scheme: DonorCell}}
  diffusion: {class_path: Diffusion, init_args: {diffusivity: D}}
"""
SETTINGS = """
trainer:
  max_steps: 4
  val_check_interval: 2
  log_every_n_steps: 1
  enable_progress_bar: false
  precision: 32-true
  accelerator: cpu
  callbacks:
    - Checkpoints
    - {class_path: RelativeError, init_args: {leads: [1, 4]}}
    - {class_path: LatentFields, init_args: {times: [0.0, 0.2]}}
    - ScoreWriter
model:
  class_path: ImPiNDiff
  init_args:
    physics: PHYSICS
    coefficients: {D: 1.0e-3}
    learned:
      velocity: {class_path: NeuralField, init_args: {names: [u, v], width: 8, steady: false}}
    stepper: {class_path: ThetaScheme, init_args: {layer: {solver: Affine}}}
    dt: 0.05
    interval: 0.1
    unrolled_steps: 3
data:
  root: data
  variables: [phi]
  batch_size: 2
  observations: {times: [0.1, 0.3], sensors: {class_path: RandomSensors, init_args: {count: 9}}}
  generator:
    solver:
      class_path: FiniteVolumeSolver
      init_args:
        balance: PHYSICS
        coefficients:
          u: {class_path: Waves, init_args: {waves: 3, modes: 2, seed: 1, speed: 1.0}}
          v: 0.3
          D: 1.0e-3
        dt: 0.05
        interval: 0.1
    initial: {class_path: InterpolatedNoise, init_args: {lattice: [3, 5]}}
    trajectories_per_file: 2
    splits:
      train: {trajectories: 2, snapshots: 5}
      val: {trajectories: 2, snapshots: 5}
      test: {trajectories: 2, snapshots: 5}
  val_rollouts: {initial_conditions: 2, steps: 2, truth_steps: 2}
  test_rollouts: {initial_conditions: 2, steps: 4, truth_steps: 4}
"""


@pytest.fixture
def settings(tmp_path, monkeypatch, single_precision):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.yaml").write_text(with_physics())
    return tmp_path


def with_physics():
    """Return the settings, complete."""
    text = SETTINGS
    for place in ("    physics: PHYSICS", "        balance: PHYSICS"):
        depth = len(place) - len(place.lstrip()) + 2
        block = "\n".join(" " * depth + line for line in PHYSICS.strip().splitlines())
        text = text.replace(place, place.replace(" PHYSICS", "\n" + block))
    return text


def test_fit_test_and_resume(settings, monkeypatch):
    monkeypatch.setattr("callbacks.run.score_writer.png", png)  # not only a point
    cli.run(["fit", "-c", "settings.yaml", "--trainer.default_root_dir=run"])
    events = EventAccumulator("run")
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {"solver/forward/iterations_mean", "solver/backward/residual_max"} <= set(tags)
    assert {"val/relative_error/lead_1", "val/latent/u"} <= set(tags)
    cli.run(["fit", "--ckpt_path", "run/last.ckpt", "--trainer.max_steps=6"])
    cli.run(["test", "--ckpt_path", "run/last.ckpt"])
    scores = xarray.load_dataset("run/scores.nc", decode_times=False)
    assert scores["latent_u"].shape == (2, 4, 8)
    assert scores["relative_error"].shape == (2, 4)
    assert "latent/v" in json.loads((settings / "run/scores.json").read_text())["scores"]
    for name in ("latent_fields.png", "relative_error.png"):
        assert (settings / "run" / name).stat().st_size > 1000


def test_a_run_that_was_resumed_is_the_uninterrupted_one(settings):
    short = ["--trainer.max_steps=2", "--model.schedule=null"]
    steady = ["fit", "-c", "settings.yaml", "--model.schedule=null"]
    whole = cli.run([*steady, "--trainer.default_root_dir=whole"])
    cli.run(["fit", "-c", "settings.yaml", *short, "--trainer.default_root_dir=part"])
    resumed = cli.run(["fit", "--ckpt_path", "part/last.ckpt", "--trainer.max_steps=4"])
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--data.observations.times=[0.15]", "observation time 0.15 is not a multiple"),
        (
            "--data.observations.times=[0.4]",
            "set model.unrolled_steps to reach the last observation",
        ),
        ("--model.dt=0.03", "no step would hit the snapshots; change model.dt"),
        ("--model.interval=0.2", "the snapshots of the data are 0.1 apart; set model.interval"),
        ("--model.coefficients={}", "needs the coefficient 'D', which is neither known nor"),
        ("--model.physics.domain.grid.lengths=[1.0,3.0]", "set model.physics.domain.grid"),
        ("--model.physics.domain.grid.shape=[8,8]", "set model.physics.domain.grid"),
        ("--model.coefficients.D=-1.0", "negative"),
    ],
)
def test_settings_that_do_not_fit_end_in_a_sentence(settings, say, option, message):
    status, _, error = say("fit", "-c", "settings.yaml", option)
    assert status == 1
    assert message in " ".join(error.split())


def test_its_learned_terms_are_not_divided(settings, say):
    words = ["--trainer.strategy.class_path=emulators.Sharded", "--trainer.devices=1"]
    status, _, err = say("fit", "-c", "settings.yaml", *words)
    assert status == 1
    assert says(err, "ImPiNDiff", "learned terms", "trainer.strategy", "ddp")


def test_its_solver_is_not_compiled(settings, say):
    status, _, err = say("fit", "-c", "settings.yaml", "--trainer.callbacks+=callbacks.Compile")
    assert status == 1
    assert says(err, "ImPiNDiff", "no network to compile", "leave out")
