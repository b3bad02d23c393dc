"""No file that a user is given runs code, unless the command line says that it is trusted."""

import os

import pytest
import torch
import yaml

import cli
from tests.conftest import SMOKE

LAST = "runs/smoke/last.ckpt"


class Payload:
    def __reduce__(self):
        return os.makedirs, ("harmed", 0o777, True)


class Shell:
    def __reduce__(self):
        return os.system, ("mkdir harmed",)


@pytest.fixture
def payload(workplace):
    """A checkpoint that works, and makes a folder while it is read without care."""
    checkpoint = torch.load(LAST, weights_only=True)
    torch.save({**checkpoint, "payload": Payload()}, LAST)
    return workplace


def test_object_of_a_module_that_torch_blocks_is_named(payload, say):
    words = ["test", f"--ckpt_path={LAST}"]
    name = f"{os.makedirs.__module__}.makedirs"
    torch.save({"state_dict": Shell()}, "shell.ckpt")
    refused(say, "test", "--ckpt_path=shell.ckpt", name=f"object of {os.system.__module__}.system")
    refused(say, *words, name=f"object of {name}")


def refused(say, *words, name):
    status, _, err = say(*words)
    assert status == 1
    assert err.count("emulate: error: ") == 1
    assert name in err
    assert "Traceback" not in err
    assert not os.path.exists("harmed")


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
@pytest.mark.parametrize("key", ["weights_only", "stage"])
def test_yaml_cannot_trust_a_checkpoint(payload, say, command, key):
    settings = {"weights_only": False, "ckpt_path": LAST}
    settings = {command: settings} if key == "stage" else settings
    (payload / "trusting.yaml").write_text(yaml.safe_dump(settings))
    words = ["-c", str(SMOKE), "-c", "trusting.yaml", "--trainer.default_root_dir=runs/smoke"]
    refused(say, command, *words, name=LAST if key != "stage" else "")
    refused(say, command, *words, f"--ckpt_path={LAST}", "--weights_only=true", name=LAST)


def test_yaml_cannot_trust_what_comes_later(workplace, say):
    (workplace / "trusting.yaml").write_text("weights_only: false\n")
    words = ["-c", "trusting.yaml", f"--ckpt_path={LAST}"]
    refused(say, "test", *words, name="weights_only=false")


def test_the_command_line_can(payload, say):
    status, _, _ = say("predict", "--ckpt_path", LAST, "--weights_only=false")
    assert status == 0
    assert os.path.exists("harmed")


@pytest.mark.parametrize(
    ("command", "words"),
    [("fit", ["--ckpt_path", LAST]), ("test", [f"--ckpt_path={LAST}"]),
     ("fit", ["-c", str(SMOKE), "--trainer.callbacks+=callbacks.FineTuning",
              f"--trainer.callbacks.checkpoint={LAST}", "--trainer.default_root_dir=fine"])],
)  # fmt: skip
def test_checkpoint_with_code_is_refused_by_name(payload, say, command, words):
    refused(say, command, *words, name=LAST)


def test_bookmark_with_code_is_refused_by_name(workplace, say):
    torch.save({"purpose": Payload()}, "runs/smoke/rollout-0.ckpt")
    words = ["test", "--ckpt_path", LAST, "--resume=true"]
    refused(say, *words, name="runs/smoke/rollout-0.ckpt")


@pytest.mark.parametrize("option", ["network", "optimizer", "schedule"])
def test_class_path_is_no_function(workplace, say, option):
    function = {"class_path": "subprocess.getoutput", "init_args": {"cmd": "mkdir harmed"}}
    settings = {"model": {"class_path": "Baseline", "init_args": {option: function}}}
    (workplace / "function.yaml").write_text(yaml.safe_dump(settings))
    words = ["fit", "-c", str(SMOKE), "-c", "function.yaml", "--trainer.default_root_dir=new"]
    refused(say, *words, name="subprocess.getoutput")


def test_settings_in_a_checkpoint_are_no_options_of_the_command(workplace):
    checkpoint = torch.load(LAST, weights_only=True)
    checkpoint["settings"] += "ckpt_path: other.ckpt\nweights_only: false\n"
    torch.save(checkpoint, LAST)
    cli.run(["test", f"--ckpt_path={LAST}", "--trainer.limit_test_batches=0"])


def test_checkpoint_that_a_yaml_names_brings_its_settings(workplace):
    (workplace / "which.yaml").write_text(f"ckpt_path: {LAST}\n")
    found = cli.run(["test", "-c", "which.yaml", "--trainer.limit_test_batches=0"])
    assert type(found.model).__name__ == "Hierarchical"
    assert found.trainer.ckpt_path == LAST
