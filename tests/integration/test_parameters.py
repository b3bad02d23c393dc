"""The program from end to end on data whose trajectories differ in a parameter."""

import json
import shutil

import netCDF4
import pytest
import torch
from lightning import LightningModule

import cli
from tests.conftest import SMOKE, made_once, says, working_in

UNTOLD, TOLD = "runs/smoke/last.ckpt", "runs/told/last.ckpt"
SPEEDS = {"train": [1.0, 2.0, 4.0, 5.0], "val": [1.5, 3.0], "test": [2.0, 4.5]}
FIT = ["fit", "-c", str(SMOKE), "--data.parameters=[speed, drag]"]
WEIGHT = "trained.film.perceptron.layers.4.weight"


@pytest.fixture(scope="session")
def fitted(trained, tmp_path_factory):
    """The smoke data with a speed per trajectory and one drag, and a run that was told them."""

    def make(folder):
        shutil.copytree(trained, folder, dirs_exist_ok=True)
        for split, values in SPEEDS.items():
            (path,) = (folder / "data" / split).glob("*.nc")
            with netCDF4.Dataset(path, "a") as file:
                file.createVariable("speed", "f8", ("trajectory",))[:] = values
                file.drag = 0.5
        with working_in(folder):
            words = ["--trainer.default_root_dir=runs/told", "--trainer.max_steps=16"]
            cli.run([*FIT, *words, "--trainer.callbacks+=TrainingCost"])

    return made_once(tmp_path_factory, "told", make)


@pytest.fixture
def told(fitted, tmp_path, monkeypatch, single_precision):
    """A copy of that folder as the working directory."""
    shutil.copytree(fitted, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def test_checkpoint_keeps_their_statistics_and_what_was_learned(told):
    checkpoint = torch.load(TOLD, weights_only=True)
    state = checkpoint["state_dict"]
    assert state["conditioning.mean"].tolist() == [3.0, 0.5]
    assert state["conditioning.std"].tolist() == pytest.approx([2.5**0.5, 1.0])
    assert state[WEIGHT].abs().max() > 0
    assert checkpoint["trained_on"]["parameters"] == ["speed", "drag"]
    cost = json.loads((told / "runs/told/training.json").read_text())
    assert cost["samples_per_second"] == pytest.approx(4 / cost["seconds_per_step"])


def test_ensembles_are_tested_and_predicted_from_the_checkpoint_alone(told, capsys):
    ensemble = ["--data.test_rollouts.members=2", "--data.test_rollouts.initial_noise=0.1"]
    tested = cli.run(["test", f"--ckpt_path={TOLD}", *ensemble])
    assert tested.model.conditioning.mean.tolist() == [3.0, 0.5]
    assert "test/mse/lead_1" in tested.trainer.callback_metrics
    predicted = cli.run(["predict", f"--ckpt_path={TOLD}", "--steps=4"])
    (start,) = list(predicted.datamodule.predict_dataloader())
    assert start.parameters.tolist() == [[2.0, 0.5], [4.5, 0.5]]
    loaded = LightningModule.load_from_checkpoint(TOLD, weights_only=True).eval()
    with torch.no_grad():
        forecast = loaded.rollout(start.initial, 4, start.parameters)
    with netCDF4.Dataset("runs/told/forecast_0000.nc") as file:
        stored = torch.from_numpy(file["u"][:].data)
        assert (file["speed"][:].tolist(), file["drag"][:].tolist()) == ([2.0, 4.5], [0.5, 0.5])
    torch.testing.assert_close(stored, forecast[:, 1::2, 0], rtol=1e-4, atol=1e-5)


def test_resumed_training_equals_the_uninterrupted_one(told):
    words = [*FIT, "--trainer.callbacks.every=5", "--trainer.default_root_dir=runs/again"]
    cli.run([*words, "--trainer.max_steps=10", "--model.schedule=null"])
    words = [*words, "--model.schedule=null", "--trainer.max_steps=16"]
    cli.run([*words, "--ckpt_path=runs/again/last.ckpt"])
    cli.run([*words, "--trainer.default_root_dir=runs/whole"])
    whole, resumed = (
        torch.load(f"runs/{name}/last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "again")
    )
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


@pytest.mark.parametrize("names", ["[drag, speed]", "[speed]", "[]"])
def test_checkpoint_of_other_parameters_is_refused(told, say, names):
    status, _, err = say("test", f"--ckpt_path={TOLD}", f"--data.parameters={names}")
    assert status == 1
    assert err.count("\n") == 1
    given = [name for name in names.strip("[]").split(", ") if name]
    assert says(err, "parameters ['speed', 'drag']", f"these data have {given}")


def test_checkpoint_that_was_told_nothing_is_refused(told, say):
    status, _, err = say("test", f"--ckpt_path={UNTOLD}", "--data.parameters=[speed]")
    assert status == 1
    assert says(err, "parameters []", "['speed']")


def test_parameter_that_the_files_lack_is_named(told, say):
    status, _, err = say("test", f"--ckpt_path={TOLD}", "--data.parameters=[speed, depth]")
    assert status == 1
    assert "has no parameter 'depth', only speed, drag" in err


def fine_tune(checkpoint, *options):
    words = ["--trainer.callbacks+=callbacks.FineTuning",
             f"--trainer.callbacks.checkpoint={checkpoint}", *options]  # fmt: skip
    cli.run(
        [*FIT, "--trainer.default_root_dir=runs/fine", "--trainer.max_steps=1",
         "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.0", *words]
    )  # fmt: skip
    return torch.load("runs/fine/last.ckpt", weights_only=True)["state_dict"]


def test_fine_tuning_keeps_or_renews_the_statistics(told):
    before = torch.load(TOLD, weights_only=True)["state_dict"]
    with netCDF4.Dataset("data/train/train_0000.nc", "a") as file:
        file["speed"][:] = [11.0, 12.0, 14.0, 15.0]
    assert fine_tune(TOLD)["conditioning.mean"].tolist() == [3.0, 0.5]
    after = fine_tune(TOLD, "--trainer.callbacks.statistics=recompute")
    assert after["conditioning.mean"].tolist() == [13.0, 0.5]
    assert torch.equal(after[WEIGHT], before[WEIGHT.replace("trained", "averaged")])


def test_an_emulator_that_was_told_nothing_learns_to_listen(told):
    before = torch.load(UNTOLD, weights_only=True)["state_dict"]
    after = fine_tune(UNTOLD)
    assert after["conditioning.mean"].tolist() == [3.0, 0.5]
    assert after[WEIGHT].abs().max() == 0
    for name, value in before.items():
        if name.startswith("averaged."):
            assert torch.equal(after[name], value), name


def test_fine_tuning_on_other_parameters_is_refused(told, say):
    words = ["fit", "-c", SMOKE, "--data.parameters=[drag]", "--trainer.max_steps=1"]
    callback = ["--trainer.callbacks+=callbacks.FineTuning"]
    callback += [f"--trainer.callbacks.checkpoint={TOLD}"]
    status, _, err = say(*words, *callback, "--trainer.default_root_dir=runs/fine")
    assert status == 1
    assert says(err, "['speed', 'drag']", "['drag']", "data.parameters")


def test_network_of_the_users_own_that_knows_no_parameters(told, say, monkeypatch):
    (told / "earlier.py").write_text(EARLIER)
    monkeypatch.syspath_prepend(told)
    words = ["fit", "-c", SMOKE, "--trainer.max_steps=1", "--trainer.default_root_dir=runs/own"]
    words += ["--model=Baseline", "--model.network=earlier.Earlier", "--model.network.width=5"]
    assert say(*words)[0] == 0
    status, _, err = say(*words, "--data.parameters=[speed]")
    assert status == 1
    assert says(err, "Earlier is conditioned on 0 physical parameters", "data have 1")


def test_emulator_of_the_users_own_is_conditioned_by_its_context(told, say, monkeypatch):
    (told / "own.py").write_text(OWN)
    monkeypatch.syspath_prepend(told)
    words = [*FIT[1:], "--trainer.max_steps=2", "--trainer.default_root_dir=runs/own"]
    status, _, err = say("fit", *words, "--model=own.Plain")
    assert (status, err.count("error")) == (0, 0)
    state = torch.load("runs/own/last.ckpt", weights_only=True)["state_dict"]
    assert state["trained.film.perceptron.layers.4.bias"].abs().max() > 0
    status, _, err = say("fit", *words, "--model=own.NoContext")
    assert status == 1
    assert says(err, "NoContext.loss", "takes no context", "predict_from", "data.parameters")
    status, _, err = say("fit", *words, "--model=own.Closed")
    assert status == 1
    assert says(err, "Closed", "2 parameters", "**kwargs", "super().__init__")


EARLIER = """
import torch
from emulators import Network


class Earlier(Network):
    def __init__(self, interface, width=3):
        super().__init__()
        channels = interface.channels
        self.layer = torch.nn.Conv1d(channels, channels, width, padding=width // 2)

    def forward(self, state, latents=(), mask_id=None):
        return self.layer(state), ()
"""
OWN = """
from emulators import Emulator, UNet


class Plain(Emulator):
    window = 2

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def step(self, state, memory=None, context=None):
        output, _ = self.predict_from(self.standardize(state), context)
        return self.standardize.inverse(output), None

    def loss(self, window, context=None):
        return (self.step(window[:, 0], None, context)[0] - window[:, 1]).square().mean()


class NoContext(Plain):
    def loss(self, window):
        return window.mean()


class Closed(Plain):
    def __init__(self, channels: int = 1, dimensions: int = 2):
        super().__init__(channels=channels, dimensions=dimensions)
"""
