"""`emulate export`: a folder that PyTorch alone can use."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from commands.about_run import about_run
from emulators import Baseline, export, load
from emulators.exporting.program import StepProgram

WITHOUT_OURS = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("emulators", "datamodules", "callbacks", "commands", "lightning"):
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
{program}
torch.save(state, "state.pt")
"""


@pytest.fixture
def run(tested, tmp_path, monkeypatch, single_precision):
    """A folder with a tested run, runs/smoke."""
    shutil.copytree(tested, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return Path("runs/smoke")


@pytest.mark.slow
def test_export_is_used_by_pytorch_alone(run, say):
    status, out, err = say("export", run, "--steps=5", "--licence=CC-BY-4.0")
    assert (status, err) == (0, "")
    names = ["README.md", "card.json", "step.pt2", "weights.safetensors"]
    assert out.splitlines() == [f"wrote smoke-export/{name}" for name in names]
    page = Path("smoke-export/README.md").read_text()
    program = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    command = [sys.executable, "-I", "-c", WITHOUT_OURS.format(program=program)]
    subprocess.run(command, cwd="smoke-export", check=True, timeout=120)
    zero = torch.zeros(2, 1, 32)
    with torch.no_grad():
        wanted = load(run).rollout(zero, 10)[:, -1]
    torch.testing.assert_close(torch.load("smoke-export/state.pt"), wanted)

    card = json.loads(Path("smoke-export/card.json").read_text())
    assert card["licence"] == "CC-BY-4.0"
    assert "CC-BY-4.0" in page
    scores = json.loads((run / "scores.json").read_text())
    assert card["scores"]["scores"] == scores["scores"]
    assert card["data_hashes"]["train"] == scores["training_data_hash"]
    assert card["options"]["model"]["init_args"]["latents"] == [[1, 2], [2, 4]]
    assert card["state"]["variables"][0]["units"] == "1"
    assert (card["time"]["interval"], card["time"]["time unit"]) == (0.5, "s")
    assert card["memory"][1:] == [
        {"shape": ["batch", 1, 16], "dtype": "float32"},
        {"shape": ["batch", 1, 8], "dtype": "float32"},
    ]
    assert card["parity"]["steps"] == 5
    assert card["parity"]["largest_relative_difference"] < 1e-5
    assert {"torch", "implicit-emulators"} <= card["versions"].keys()
    weights = load_file("smoke-export/weights.safetensors")
    known = load(run).state_dict()
    averaged = {name: known[name.replace("trained.", "averaged.")] for name in weights}
    torch.testing.assert_close(weights, averaged)
    assert sum(name.startswith("trained.") for name in weights) > 40

    status, _, err = say("export", run)
    assert (status, "smoke-export exists already" in err) == (1, True)


def test_scores_of_other_weights_are_left_out(run, capsys):
    checkpoint = {"global_step": json.loads((run / "scores.json").read_text())["steps"] + 1}
    assert about_run(run, checkpoint) == {}
    assert f"the weights are of step {checkpoint['global_step']}" in capsys.readouterr().out
    assert about_run(run / "none", {"settings": "{seed_everything: 3}"}) == {
        "options": {"seed_everything": 3}
    }


def test_damaged_scores_are_refused(tmp_path):
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(ValueError, match=r"scores\.json is not as `emulate test` writes it"):
        about_run(tmp_path, {})


def test_nothing_is_written_if_the_program_does_not_agree(run, monkeypatch):
    monkeypatch.setattr(StepProgram, "__init__", lambda *_: None)
    for difference in (1e-3, float("nan")):
        monkeypatch.setattr(StepProgram, "largest_difference", lambda *_, d=difference: d)
        with pytest.raises(ValueError, match=f"differs from it by {difference:.1e}"):
            export(load(run), "new")
    assert not Path("new").exists()
    assert not list(Path().glob(".new-*"))


def test_nothing_is_left_if_a_file_cannot_be_written(run, monkeypatch):
    monkeypatch.setattr(StepProgram, "largest_difference", lambda *_: 0.0)
    monkeypatch.setattr(StepProgram, "_export", lambda _: None)
    monkeypatch.setattr(StepProgram, "content", b"")
    monkeypatch.setattr("emulators.exporting.export.readme_of", lambda *_: "\ud800")  # no UTF-8
    with pytest.raises(UnicodeEncodeError):
        export(load(run), "new")
    assert not list(Path().glob("*new*"))


def test_number_of_steps_and_folder_are_checked(run):
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        export(load(run), "new", steps=0)
    with pytest.raises(FileExistsError, match="runs exists already"):
        export(load(run), "runs")


def test_emulator_that_was_not_trained_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Baseline has not been trained"):
        export(Baseline(dimensions=1), tmp_path / "new")


def test_run_that_is_not_there_is_refused(say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = say("export", "runs/none")
    assert (status, "runs/none: no such run" in err) == (1, True)
