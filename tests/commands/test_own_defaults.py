"""A class that is named in place of another one begins with its own defaults."""

import contextlib
import io

import pytest
import yaml

import cli
from commands.own_defaults import defaults_among
from tests.conftest import SMOKE

RATES = """
model:
  init_args:
    optimizer: {class_path: emulators.Muon, init_args: {lr: 0.02, weight_decay: 0.3}}
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke.yaml").write_text(SMOKE.read_text())
    (tmp_path / "rates.yaml").write_text(RATES)

    def printed(*words):
        text = io.StringIO()
        with contextlib.redirect_stdout(text), pytest.raises(SystemExit):
            cli.run(["fit", "-c", "smoke.yaml", *words, "--print_config"])
        return yaml.safe_load(text.getvalue())["model"]["init_args"]

    return printed


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], {"lr": 5e-3, "betas": [0.9, 0.999], "weight_decay": 0.01, "momentum": 0.95}),
        (["--model.optimizer=AdamW"], {"lr": 1e-3, "weight_decay": 0.01}),
        (["--model.optimizer=SGD"], {"lr": 1e-3, "weight_decay": 0.0, "momentum": 0.0}),
        (["--model.optimizer=Adam", "--model.optimizer.lr=0.004"], {"lr": 0.004}),
        (["--model.optimizer.lr=0.004", "--model.optimizer=Adam"], {"lr": 0.004}),
        # what a file gives is kept, as it was typed by somebody
        (["-c", "rates.yaml", "--model.optimizer=SGD"], {"lr": 0.02, "weight_decay": 0.3}),
        (
            ["-c", "rates.yaml", "--model.optimizer=emulators.Muon"],
            {"lr": 0.02, "weight_decay": 0.3},
        ),
        (["-c", "rates.yaml", "--model=Baseline"], {"lr": 0.02, "weight_decay": 0.3}),
    ],
)
def test_optimizer_begins_with_its_own_defaults(settings, words, wanted):
    found = settings(*words)["optimizer"]["init_args"]
    assert {name: found[name] for name in wanted} == wanted


def test_network_begins_with_its_own_defaults(settings, tmp_path):
    (tmp_path / "nets.py").write_text(
        "from emulators import FNO, UNet\n"
        "class Wide(UNet):\n"
        "    def __init__(self, interface, width: int = 7, depth: int = 2):\n"
        "        super().__init__(interface, width=width)\n"
        "class Other(UNet):\n"
        "    def __init__(self, interface, width: int = 5):\n"
        "        super().__init__(interface, width=width)\n"
    )
    words = ["--model.network=nets.Wide", "--model.network=nets.Other"]
    assert settings(*words)["network"]["init_args"]["width"] == 4  # of smoke.yaml
    (tmp_path / "smoke.yaml").write_text(SMOKE.read_text().replace("width: 4, ", ""))
    assert settings(*words)["network"]["init_args"]["width"] == 5


def test_defaults_are_told_from_what_was_given():
    given = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-6, "another": 1}
    assert defaults_among("torch.optim.AdamW", given) == ["lr", "betas"]


def test_defaults_of_arguments_that_are_passed_on():
    given = {"detached_steps": 2, "ema_decay": 0.999, "masking": 0.7, "noise": False}
    found = defaults_among("emulators.HierarchicalPushforward", given)
    assert "ema_decay" in found  # of Emulator
    assert "masking" not in found
    assert "noise" not in found  # False is no number
