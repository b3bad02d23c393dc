"""Configurations of the program, named from a folder that does not have them."""

from pathlib import Path

import pytest

import cli
from commands.shipped import HOME, with_shipped_files

DATA = "configs/data/quickstart.yaml"


@pytest.mark.parametrize("form", ["{}", "-c={}", "--config={}"])
def test_a_shipped_configuration_has_its_name_in_any_folder(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    assert with_shipped_files([form.format(DATA)]) == [form.format(HOME / DATA)]
    own = tmp_path / DATA
    own.parent.mkdir(parents=True)
    own.write_text("data: {}\n")
    assert with_shipped_files([form.format(DATA)]) == [form.format(DATA)]


def test_other_words_are_left_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["-c", "configs/nothing.yaml", "mine.yaml", f"--data.root={DATA}", "configs/data"]
    assert with_shipped_files(words) == words


def test_a_shipped_study_runs_in_any_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli.run(["study", "configs/study/quickstart.yaml", "--dry_run"])
    commands = capsys.readouterr().out
    assert str(Path("runs/quickstart/baseline")) in commands
    assert str(HOME / "configs") in commands


def test_a_study_of_ones_own_names_shipped_configurations(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise.yaml").write_text("model: {init_args: {noise: 0.1}}\n")
    study = f"root: runs\nruns: {{one: [{DATA}, configs/model/baseline.yaml, noise.yaml]}}\n"
    (tmp_path / "study.yaml").write_text(study)
    cli.run(["study", "study.yaml", "--dry_run"])
    commands = capsys.readouterr().out
    assert f"--config={HOME / DATA}" in commands
    assert "--config=noise.yaml" in commands
