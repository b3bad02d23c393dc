"""What `--help` says."""

import inspect
import re
from pathlib import Path

import pytest
import yaml
from jsonargparse import Namespace
from lightning import Trainer
from lightning.pytorch import Callback

import callbacks
import cli
from commands.help import Formatter, different, shorter, typed
from datamodules import TrajectoryDataModule
from datamodules.generation.generator import Generator
from emulators import L2


@pytest.mark.parametrize("kind", ["Baseline", "Hierarchical"])
def test_help_describes_every_argument(kind, say):
    status, out, _ = say("fit", "--model.help", kind)
    assert status == 0
    words = " ".join(out.split())
    for text in (
        "Trained part",
        "Output of the network: the next state",
        "training objective",
        "Learning rate over the training steps",
        "Decay of the averaged weights",
    ):
        assert text in words
    if kind == "Hierarchical":
        assert "Probability that a training sample is a cold start" in words


def test_help_lists_the_commands(say):
    status, out, _ = say("--help")
    assert status == 0
    for command in ("fit", "validate", "test", "predict", "generate", "compare", "study", "export"):
        assert f"emulate {command}" in out
    assert "EMULATE_TRACEBACK=1" in out


@pytest.mark.parametrize("words", [
    *[(command, "--help") for command in (*cli.STAGES, "generate", "compare", "study", "export")],
    ("fit", "--model.help", "Baseline"),
    ("fit", "--trainer.callbacks.help", "Movie"),
    ("fit", "--model=Baseline", "--model.network.help", "UNet"),
], ids=lambda words: "-".join(words))  # fmt: skip
def test_help_can_be_typed(words, say):
    status, out, err = say(*words)
    assert status == 0, err
    usages = re.findall("usage: .*", out)
    of_a_class = len(words) > 2
    assert len(usages) == (0 if of_a_class else 1)
    assert of_a_class or out.startswith(f"usage: emulate {words[0]} ")
    for word in ("Namespace(", "cli.py", "commands.", "class_path="):
        assert word not in out
    defaults = [" ".join(text.split()) for text in re.findall(r"default: ([^()]*)\)", out)]
    assert defaults or words[0] == "compare"
    for default in defaults:
        yaml.safe_load(re.sub(r", known subclasses:.*", "", default))
        assert "None" not in default
        assert "True" not in default


def test_help_of_an_option_has_one_default(say):
    words = " ".join(say("fit", "--help")[1].split())
    (about,) = re.findall(r"--trainer.precision PRECISION(.*?)--trainer", words)
    assert re.findall(r"[Dd]efault: (\S+)", about) == ["null)"]
    (about,) = re.findall(r"--trainer.max_steps MAX_STEPS(.*?)--trainer", words)
    assert "Disabled by default" not in about
    assert about.endswith("(type: int, default: 10000) ")


@pytest.mark.parametrize(("default", "text"), [
    (None, "null"),
    (True, "true"),
    (Path("a/b"), "a/b"),
    ("auto", "auto"),
    (("y", 2, 0.5), "[y, 2, 0.5]"),
    (L2, "emulators.L2"),
    (Formatter, "commands.help.Formatter"),
    (Namespace(class_path="emulators.L2", init_args=Namespace()), "emulators.L2"),
    ([Namespace(class_path="callbacks.Movie", init_args=Namespace(frames=100, steps=7))],
     "[{class_path: callbacks.Movie, init_args: {steps: 7}}]"),
])  # fmt: skip
def test_default_is_shown_as_it_is_typed(default, text):
    assert typed(default) == text


def options_in(text, prefix):
    return set(re.findall(rf"^  --{re.escape(prefix)}\.(\w+)[ ,]", text, re.MULTILINE)) - {"help"}


def test_help_of_generate_describes_every_option_of_the_data(say):
    status, out, _ = say("generate", "--help")
    assert status == 0
    for prefix, owner in {"data": TrajectoryDataModule, "data.generator": Generator}.items():
        assert options_in(out, prefix) >= set(inspect.signature(owner).parameters)
    words = " ".join(out.split())
    assert "--data.root ROOT Folder of the data set." in words
    assert "--data.val_rollouts.steps" in words


@pytest.mark.parametrize("kind", ["Baseline", "Pushforward", "Bundled", "Hierarchical"])
def test_help_of_an_emulator_is_short_and_names_what_can_be_chosen(kind, say):
    status, out, _ = say("fit", "--model.help", kind)
    assert status == 0
    assert len(out.splitlines()) <= 80
    words = " ".join(out.split())
    assert "torch.nn." not in words
    for name in ("emulators.UNet", "emulators.FNO", "emulators.Sobolev", "emulators.Muon"):
        assert name in words
    for name in ("FromModule", "Hybrid", "Attention", "datamodules"):
        assert name not in words


CHOSEN = ("UNet", "FourierUNet", "FNO", "DilatedResNet")
EMULATORS = ("Baseline", "Pushforward", "Unrolled", "Bundled", "Hierarchical", "ImPiNDiff")
EMULATORS += ("HierarchicalPushforward", "Simulation", "Persistence")
CALLBACKS = [
    name
    for name in callbacks.__all__
    if isinstance(getattr(callbacks, name), type) and issubclass(getattr(callbacks, name), Callback)
]


@pytest.mark.parametrize("words", [
    *[("--model.help", name) for name in EMULATORS],
    *[("--model=Baseline", "--model.network.help", name) for name in CHOSEN],
    *[("--trainer.callbacks.help", name) for name in CALLBACKS],
], ids=lambda words: words[-1])  # fmt: skip
def test_help_of_a_class_fits_a_screen_or_two_and_lists_no_classes_of_torch(words, say):
    status, out, err = say("fit", *words)
    assert status == 0, err
    assert len(out.splitlines()) <= (80 if words[-1] != "ImPiNDiff" else 110)
    assert "torch.nn." not in out
    assert len(re.findall(r"torch\.optim\.\w+", out)) <= 3  # the default


def test_help_of_predict_describes_length_and_format_of_forecasts(say):
    status, out, _ = say("predict", "--help")
    assert status == 0
    words = " ".join(out.split())
    assert (
        "--steps STEPS Length of each forecast [intervals]; data.predict_rollouts.steps by" in words
    )
    assert "--format FORMAT Format of the forecasts; ForecastWriter.format by default" in words


def test_classes_of_other_libraries_are_named_by_their_library():
    text = "Optimiser. (type: X, known subclasses: a.B, torch.optim.SGD, lightning.pytorch.C)"
    assert shorter(text) == (
        "Optimiser. (type: X, known subclasses: a.B, classes of lightning, classes of torch)"
    )
    assert shorter("No classes (type: int)") == "No classes (type: int)"
    assert shorter("N, known subclasses: torch.nn.Module, torch.nn.ReLU, emulators.UNet") == (
        "N, known subclasses: emulators.UNet, classes of torch"
    )


LINES = {"fit": 250, "validate": 200, "test": 200, "predict": 200, "generate": 200}


def without_classes_of_tests(text):
    """Return a description without the classes that other tests have defined in this process."""
    own = r"(?:callbacks|commands|datamodules|emulators|lightning|torch|typing)\."
    return re.sub(rf", (?!{own})[A-Za-z_]\w*(?:\.\w+)*\.[A-Z]\w*", "", text)


@pytest.mark.parametrize("command", LINES)
def test_help_of_a_command_is_short_and_of_this_program(command, say, monkeypatch):
    monkeypatch.setattr(
        "commands.help.shorter", lambda text: shorter(without_classes_of_tests(text))
    )
    status, out, err = say(command, "--help")
    assert status == 0, err
    assert len(out.splitlines()) <= LINES[command]
    for word in ("registry", "hpc", "trainer.fit", ":class:", ":param", "``", "/configs/", "-->"):
        assert word not in out.replace("runs/a", "")


@pytest.mark.parametrize("command", cli.STAGES)
def test_help_shows_what_has_an_effect_in_a_stage(command, say):
    out = say(command, "--help")[1]
    trains = command == "fit"
    for option in ("max_steps", "gradient_clip_val", "val_check_interval", "limit_train_batches"):
        assert (f"--trainer.{option} " in out) == trains
    for option in ("batch_size", "seed", "workers"):
        assert (f"--data.{option} " in out) == trains
    assert "--trainer.precision " in out
    assert "--trainer.barebones" not in out
    assert "--return_predictions" not in out
    rollouts = {"validate": "val", "test": "test", "predict": "predict"}
    for stage, split in rollouts.items():
        assert (f"--data.{split}_rollouts " in out) == (trains or stage == command)
    words = " ".join(out.split())
    assert (
        "Checkpoint to resume from" if trains else "Checkpoint of the trained emulator"
    ) in words
    assert "Seed of weights, noise and rollouts;" in words
    assert "Defaults are set in configs/trainer.yaml." in words


def test_help_of_the_trainer_shows_every_option_of_it_and_no_other(say):
    status, out, _ = say("test", "--trainer.help")
    assert status == 0
    known = set(inspect.signature(Trainer).parameters)
    assert options_in(out, "trainer") >= known
    assert "--data" not in out
    assert "--trainer.help" in say("test", "--help")[1]


def test_hidden_options_are_parsed(say, tmp_path):
    words = ["--trainer.barebones=true", "--data.batch_size=3", "--data.root=x", "--print_config"]
    status, out, err = say("test", "--model=Baseline", *words)
    assert status == 0, err
    settings = yaml.safe_load(out)
    assert settings["trainer"]["barebones"] is True
    assert settings["data"]["batch_size"] == 3


def test_help_of_equal_parts_lists_their_options_once(say):
    out = say("fit", "--help")[1]
    assert out.count("--data.train.trajectories.stop STOP") == 1
    assert "--data.val.trajectories" not in out
    assert "Files of the validation split (other options as in --data.train):" in out
    assert "As --data.train.files. (required, type: str, default: val/*.nc)" in out
    assert "Forecasts from the test split (other options as in --data.val_rollouts):" in out


def test_different_parts_of_the_names_of_options():
    assert different("a.b", "c.b") == ("a", "c")
    assert different("a.x.b", "a.b") == ("a.x", "a")
