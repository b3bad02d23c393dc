"""The program from end to end, on the smoke configuration."""

import json
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray
from lightning import LightningModule
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import callbacks
import cli
import emulators
from tests.conftest import DIAGNOSTICS, SMOKE, check_units

CHECKPOINT = "runs/smoke/last.ckpt"
NO_BATCHES = "--trainer.limit_test_batches=0"


def test_fit_leaves_a_checkpoint_settings_and_logs(trained):
    folder = trained / "runs" / "smoke"
    assert (folder / "config.yaml").is_file()
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    assert checkpoint["trained_on"]["variables"] == ["u"]
    events = EventAccumulator(str(folder)).Reload()
    assert {"train/loss", "val/mse/lead_1", "val/stability_rate"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("val/mse/lead_1")] == [2, 5]


def test_fit_reports_what_it_costs(workplace, capsys):
    words = ["fit", "-c", str(SMOKE), "--trainer.max_steps=13", "--trainer.default_root_dir=cost"]
    cli.run([*words, "--trainer.callbacks+=TrainingCost"])
    cost = json.loads((workplace / "cost" / "training.json").read_text())
    assert cost["steps"] == 13
    assert cost["samples_per_second"] == pytest.approx(4 / cost["seconds_per_step"])
    assert cost["samples_per_step"] == 4
    assert cost["peak_memory_bytes"] > 10_000_000
    out = capsys.readouterr().out
    assert f"{cost['seconds_per_step']:.4f} s per training step" in out
    assert f"waiting for data {cost['data_wait']:.1%}" in out


def test_test_needs_only_the_checkpoint(tested):
    folder = tested / "runs" / "smoke"
    names = {path.name for path in folder.iterdir()}
    wanted = {"scores.nc", "scores.json", "rollout_error.png", "energy.png", "panels.png"}
    assert wanted <= names
    scores = xarray.open_dataset(folder / "scores.nc", decode_times=False)
    assert scores.sizes["initial_condition"] == 5
    assert scores["mse"].dims == ("initial_condition", "lead_time")
    assert scores.sizes["lead_time"] == 8
    assert scores.sizes["long_lead_time"] == 20  # the rollout went on past the truth
    about = json.loads((folder / "scores.json").read_text())
    assert about["scores"]["mse/lead_1"] == pytest.approx(float(scores["mse_mean"][0]))
    watched = {"EnergyStability", "Panels", "Spectrum", "Hovmoeller", "Distribution", "Moments"}
    watched |= {"Extremes", "PCAAutocorrelation"}  # no zonal mean in 1-D
    watched |= {"RolloutError", "PredictabilityLimit", "EnsembleSkill", "BandCRPS"}
    versions = {name: metric["version"] for name, metric in about["metrics"].items()}
    assert versions == {name: getattr(callbacks, name).version for name in watched}
    assert about["metrics"]["RolloutError"]["leads"] == [1, 5]
    assert len(about["training_data_hash"]) == 64
    assert len(about["data_hash"]) == 64
    assert {"commit", "versions", "machine", "parameters"} <= set(about)


def test_numbers_of_a_test_are_of_the_score_whose_units_they_are_printed_with(tested):
    folder = tested / "runs" / "smoke"
    scores = xarray.open_dataset(folder / "scores.nc", decode_times=False)
    numbers = json.loads((folder / "scores.json").read_text())["scores"]
    assert len(numbers) > 20
    check_units(numbers, scores)


def test_scores_that_are_not_defined_are_left_out_in_a_sentence(workplace, say):
    status, out, _ = say("test", "--ckpt_path", CHECKPOINT, NO_BATCHES, "-c", DIAGNOSTICS)
    assert status == 0
    assert "ZonalMean is left out: a zonal mean needs two dimensions" in out


def test_figures_reach_tensorboard(tested):
    events = EventAccumulator(str(tested / "runs" / "smoke")).Reload()
    wanted = {"test/rollout_error", "test/energy", "test/panels"}
    assert wanted <= set(events.Tags()["images"])
    (image,) = events.Images("test/energy")
    assert image.step == 6  # as trained, though nothing was trained in this process
    assert [scalar.step for scalar in events.Scalars("test/mse/lead_1")] == [6]


def test_scores_in_the_table_are_those_of_an_independent_rollout(workplace):
    tested = cli.run(["test", "--ckpt_path", CHECKPOINT])
    emulator = tested.model.eval()
    files = sorted((workplace / "data" / "test").glob("*.nc"))
    truth = xarray.open_dataset(files[0], decode_times=False)["u"].values
    starts = [divmod(int(n), 32) for n in np.linspace(0, 63, 5).round()]  # 40 - 8 starts each
    initial = torch.from_numpy(np.stack([truth[k, n] for k, n in starts]))[:, None]
    with torch.no_grad():
        forecast = emulator.rollout(initial, 8)[:, :, 0].numpy()
    wanted = np.stack([truth[k, n + 1 : n + 9] for k, n in starts])
    train = xarray.open_dataset(workplace / "data/train/train_0000.nc", decode_times=False)["u"]
    error = ((forecast - wanted) ** 2).mean((0, 2)) / float(train.values.std()) ** 2
    for lead in (1, 5):
        found = tested.trainer.callback_metrics[f"test/mse/lead_{lead}"]
        assert found == pytest.approx(error[lead - 1], rel=1e-4)


def test_statistics_of_the_checkpoint_win_over_those_of_the_data(workplace):
    # other training data beside the same checkpoint: the standardisation must not follow them
    path = workplace / "data" / "train" / "train_0000.nc"
    with netCDF4.Dataset(path, "a") as file:
        file["u"][:] = 10 * file["u"][:]
    tested = cli.run(["test", "--ckpt_path", CHECKPOINT, NO_BATCHES])
    stored = torch.load(CHECKPOINT, weights_only=True)["state_dict"]["standardize.std"]
    assert torch.equal(tested.model.standardize.std, stored)


def test_command_line_wins_over_file_wins_over_checkpoint(workplace):
    (workplace / "more.yaml").write_text(
        "data: {test_rollouts: {steps: 12}}\ntrainer: {max_steps: 9}\n"
    )
    words = ["test", "--ckpt_path", CHECKPOINT, "-c", "more.yaml", "--data.test_rollouts.steps=10"]
    tested = cli.run([*words, NO_BATCHES])
    config = tested.config["test"]
    assert config.data.test_rollouts.steps == 10  # command line
    assert config.trainer.max_steps == 9  # file
    assert config.data.test_rollouts.initial_conditions == 5  # checkpoint
    assert config.trainer.gradient_clip_val == 1.0  # configs/trainer.yaml


def test_command_line_wins_over_the_checkpoint_for_the_model_too(workplace):
    tested = cli.run(["test", f"--ckpt_path={CHECKPOINT}", "--model.masking=0.4", NO_BATCHES])
    assert tested.model.masking == 0.4


def test_scores_of_a_run_that_was_moved_appear_beside_its_checkpoint(workplace):
    Path("runs/smoke").rename("elsewhere")
    cli.run(["test", "--ckpt_path=elsewhere/last.ckpt"])
    assert Path("elsewhere/scores.json").is_file()
    assert not Path("runs/smoke").exists()
    cli.run(["test", "--ckpt_path=elsewhere/last.ckpt", "--trainer.default_root_dir=third"])
    assert Path("third/scores.json").is_file()


def test_validate_reports_the_validation_split(workplace):
    validated = cli.run(["validate", "--ckpt_path", CHECKPOINT])
    assert "val/mse/lead_1" in validated.trainer.callback_metrics


def test_fit_resumes_from_a_checkpoint(workplace):
    again = "--trainer.callbacks+=callbacks.Moments"  # which the checkpoint has too
    resumed = cli.run(["fit", "--ckpt_path", CHECKPOINT, "--trainer.max_steps=8", again])
    assert [type(c).__name__ for c in resumed.trainer.callbacks].count("Moments") == 1
    assert resumed.trainer.global_step == 8
    assert torch.load(CHECKPOINT, weights_only=True)["global_step"] == 8


INTERRUPT = """
from lightning.pytorch import Callback
from torch import nn


class Dropping(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv1d(1, 8, 1), nn.Dropout(0.2), nn.Conv1d(8, 1, 1))


class Interrupt(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 14:
            raise RuntimeError("interrupted")
"""


CURRICULUM = """
model:
  class_path: Pushforward
  init_args:
    detached_steps: 3
    curriculum: 5
    noise: 0.02
    optimizer: emulators.Muon
    network: {class_path: UNet, init_args: {width: 16, multipliers: [1, 2]}}
"""


LEARNED_LATENTS = """
model:
  class_path: Hierarchical
  init_args:
    latents: [[1, 2]]
    coarsening: LearnedCoarsening
    network: {class_path: UNet, init_args: {width: 4, multipliers: [1, 2]}}
"""


DROPOUT = """
model:
  class_path: Baseline
  init_args: {network: interrupting.Dropping}
"""


SLOW = [pytest.param(model, marks=pytest.mark.slow) for model in (LEARNED_LATENTS, DROPOUT)]


@pytest.mark.parametrize("model", [None, CURRICULUM, *SLOW, "64-true"])
def test_resumed_training_equals_the_uninterrupted_one(workplace, monkeypatch, model):
    # 9 batches per epoch: interrupted in the second, after the checkpoint of step 12
    smoke = SMOKE.read_text()
    if model == "64-true":
        smoke = smoke.replace("32-true", model)
    elif model:
        smoke = smoke[: smoke.index("model:")] + model + smoke[smoke.index("data:") :]
    (workplace / "interrupting.py").write_text(INTERRUPT)
    monkeypatch.syspath_prepend(workplace)
    (workplace / "run.yaml").write_text(smoke)
    words = ["fit", "-c", "run.yaml", "--trainer.max_steps=16", "--trainer.val_check_interval=6"]
    words += ["--data.batch_size=16"]
    cli.run([*words, "--trainer.default_root_dir=runs/whole"])
    broken = [*words, "--trainer.default_root_dir=runs/broken"]
    with pytest.raises(RuntimeError, match="interrupted"):
        cli.run([*broken, "--trainer.callbacks+=interrupting.Interrupt"])
    assert torch.load("runs/broken/last.ckpt", weights_only=True)["global_step"] == 12
    cli.run([*broken, "--ckpt_path=runs/broken/last.ckpt"])
    whole, resumed = (
        torch.load(f"runs/{name}/last.ckpt", weights_only=True) for name in ("whole", "broken")
    )
    assert resumed["global_step"] == whole["global_step"] == 16
    for name, value in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name
    states, again = (run["optimizer_states"][0]["state"] for run in (whole, resumed))
    assert states
    for number, state in states.items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(again[number][name]), torch.as_tensor(value)), name
    assert resumed["lr_schedulers"] == whole["lr_schedulers"]
    loaded = emulators.load("runs/broken").state_dict()
    for name, value in resumed["state_dict"].items():
        assert torch.equal(loaded[name], value), name
        if model == "64-true" and name.startswith("trained"):
            assert not torch.equal(value, value.float().double()) or not value.any()


def test_run_that_is_resumed_at_its_end_says_so(workplace, say):
    status, said, _ = say("fit", "--ckpt_path", CHECKPOINT)
    assert status == 0
    assert "nothing was trained: the run is at training step 6" in said
    status, said, _ = say("fit", "--ckpt_path", CHECKPOINT, "--trainer.max_steps=7")
    assert (status, "nothing was trained" in said) == (0, False)


def test_predict_writes_a_cf_forecast(workplace):
    cli.run(["predict", "--ckpt_path", CHECKPOINT, "--steps", "10"])
    path = workplace / "runs" / "smoke" / "forecast_0000.nc"
    with netCDF4.Dataset(path) as file:
        assert file.Conventions == "CF-1.11"
        assert file["u"].dimensions == ("trajectory", "time", "x")
        assert file["u"].shape == (2, 5, 32)  # every second of ten steps
        np.testing.assert_allclose(file["time"][:], [1.0, 2.0, 3.0, 4.0, 5.0])
        assert np.isfinite(file["u"][:]).all()
        assert file["x"].axis == "X"
        with netCDF4.Dataset(workplace / "data" / "test" / "test_0000.nc") as data:
            np.testing.assert_array_equal(file["x"][:], data["x"][:])
            assert file["valid_time"].units == data["time"].units
        about = json.loads(file.provenance)
        assert about["emulator"] == "Hierarchical"
        assert len(about["data_hash"]) == 64
        assert not {"training_data_hash", "training_std", "metrics"} & set(about)
    assert not list(path.parent.glob("*partial*"))


def test_forecast_stays_in_the_modes_that_the_solver_keeps(workplace):
    predicted = cli.run(["predict", "--ckpt_path", CHECKPOINT, "--steps", "10"])
    (constraint,) = predicted.model.projection
    # 3 m < 32, and no mean, which is conserved
    assert constraint.occupied.tolist() == [[False] + [True] * 10 + [False] * 6]
    with netCDF4.Dataset(workplace / "runs" / "smoke" / "forecast_0000.nc") as file:
        modes = np.abs(np.fft.rfft(file["u"][:], norm="forward"))
    assert modes[..., 11:].max() < 1e-6 * modes.max()


def test_forecast_equals_the_rollout(workplace):
    predicted = cli.run(["predict", "--ckpt_path", CHECKPOINT])
    with netCDF4.Dataset(workplace / "runs" / "smoke" / "forecast_0000.nc") as file:
        stored = file["u"][:]
    with netCDF4.Dataset(workplace / "data" / "test" / "test_0000.nc") as file:
        initial = torch.from_numpy(np.asarray(file["u"][0, 0]))[None, None]
    with torch.no_grad():
        forecast = predicted.model.eval().rollout(initial, 8)[0, 1::2, 0]
    np.testing.assert_allclose(stored[0], forecast, rtol=1e-4, atol=1e-5)


def test_checkpoint_loads_in_python_to_the_same_forecast(workplace):
    tested = cli.run(["test", "--ckpt_path", CHECKPOINT, NO_BATCHES])
    loaded = LightningModule.load_from_checkpoint(CHECKPOINT, weights_only=True)
    assert type(loaded) is emulators.Hierarchical
    initial = torch.randn(2, 1, 32)
    with torch.no_grad():
        expected = tested.model.eval().rollout(initial, 4)
        assert torch.equal(loaded.eval().rollout(initial, 4), expected)


def test_same_seed_gives_the_same_weights(tmp_path, monkeypatch, single_precision, trained):
    monkeypatch.chdir(trained)
    words = ["fit", "-c", str(SMOKE), f"--trainer.default_root_dir={tmp_path}"]
    cli.run(words)
    first = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    stored = torch.load(trained / CHECKPOINT, weights_only=True)["state_dict"]
    assert all(torch.equal(first[name], stored[name]) for name in stored)


def test_generate_makes_data_alone(tmp_path, monkeypatch, say):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "data.yaml"
    config.write_text(SMOKE.read_text()[SMOKE.read_text().index("data:") :])
    status, out, _ = say("generate", "-c", config, "--data.root", "elsewhere")
    assert status == 0
    assert "elsewhere" in out
    assert len(list((tmp_path / "elsewhere").glob("*/*.nc"))) == 3


def test_generate_takes_its_share_of_the_processes(tmp_path, monkeypatch, say):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    config = tmp_path / "data.yaml"
    config.write_text(SMOKE.read_text()[SMOKE.read_text().index("data:") :])
    assert say("generate", "-c", config)[0] == 0
    assert [path.parent.name for path in (tmp_path / "data").glob("*/*.nc")] == ["val"]


def test_reader_that_has_read_enough_is_no_error():
    words = f"{sys.executable} {cli.__file__} --help | true"
    done = subprocess.run(words, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""
