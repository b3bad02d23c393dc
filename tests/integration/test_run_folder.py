"""A run's folder belongs to one run: what a command finds there is never destroyed."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

import cli
from callbacks.run.run_folder import (
    locked_folder,
    move_run_aside,
    newer_weights,
    remove_failed_start,
    resumes_run,
)
from tests.conftest import SMOKE
from tests.processes import start, wait, wait_for

HERE = "--trainer.default_root_dir=runs/smoke"
FIT = ["fit", "-c", str(SMOKE), HERE, "--trainer.max_steps=1"]
LAST = Path("runs/smoke/last.ckpt")
HOLD = """
import sys
import time
from pathlib import Path
from callbacks.run.run_folder import locked_folder

with locked_folder(Path(sys.argv[1])):
    Path("locked").touch()
    time.sleep(60)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()
            if path.is_file() and path.name != "lock"}  # fmt: skip


def test_run_that_is_in_the_folder_is_moved_aside_whole(workplace, say):
    before = contents("runs/smoke")
    (workplace / "runs/smoke/log.txt").write_text("of the study")
    (workplace / "runs/smoke/mine").mkdir()
    status, _, err = say(*FIT, "--model=Baseline", "--model.network.width=2")
    assert status == 0
    assert "runs/smoke holds another run: moved to runs/smoke-earlier" in err
    assert contents("runs/smoke-earlier") == before
    assert (workplace / "runs/smoke/log.txt").exists()
    assert (workplace / "runs/smoke/mine").exists()
    assert torch.load(LAST, weights_only=True)["global_step"] == 1
    again = contents("runs/smoke")
    assert say(*FIT)[0] == 0
    assert contents("runs/smoke-earlier") == before
    moved = contents("runs/smoke-earlier-2")
    assert moved["last.ckpt"] == again["last.ckpt"]


FAILS = "--model.optimizer={class_path: AdamW, init_args: {capturable: true}}"  # at its first step


def test_training_that_fails_before_its_first_step_leaves_the_folder_as_it_was(workplace, say):
    before = contents("runs/smoke")
    (workplace / "runs/smoke/log.txt").write_text("of the study")
    (workplace / "runs/smoke-earlier").mkdir()  # of another time
    status, _, err = say(*FIT, FAILS)
    assert status == 1
    assert "runs/smoke: the earlier run was moved back from runs/smoke-earlier-2" in err
    (workplace / "runs/smoke/log.txt").unlink()
    assert contents("runs/smoke") == before
    assert [path.name for path in sorted(Path("runs").iterdir())] == ["smoke", "smoke-earlier"]


def test_new_folder_of_a_training_that_failed_at_once_is_used_again(workplace, say):
    new = [*FIT[:3], "--trainer.default_root_dir=runs/new", "--trainer.max_steps=1"]
    assert say(*new, FAILS)[0] == 1
    assert not Path("runs/new").exists()
    status, _, err = say(*new)
    assert status == 0
    assert "holds another run" not in err
    assert not Path("runs/new-earlier").exists()


def test_what_a_training_left_with_results_is_not_removed(tmp_path):
    for name in ("config.yaml", "hpc_ckpt_1.ckpt"):
        (tmp_path / name).touch()
    remove_failed_start(tmp_path, None)
    assert sorted(contents(tmp_path)) == ["config.yaml", "hpc_ckpt_1.ckpt"]
    (tmp_path / "hpc_ckpt_1.ckpt").unlink()
    (tmp_path / "mine.txt").touch()
    remove_failed_start(tmp_path, None)
    assert sorted(contents(tmp_path)) == ["mine.txt"]


def test_run_below_another_does_not_go_on_in_its_place(workplace, say):
    shutil.copytree("runs/smoke", "runs/smoke/sub")
    before = contents("runs/smoke")
    words = ["--ckpt_path=runs/smoke/sub/last.ckpt", "--trainer.max_steps=7"]
    status, _, err = say("fit", *words, HERE)
    assert status == 0
    assert "runs/smoke holds another run: moved to runs/smoke-earlier" in err
    assert contents("runs/smoke-earlier") == before
    assert contents("runs/smoke/sub") == before
    assert torch.load(LAST, weights_only=True)["global_step"] == 7
    assert say("fit", *words)[0] == 0  # without a word it goes on where it is
    assert torch.load("runs/smoke/sub/last.ckpt", weights_only=True)["global_step"] == 7


def test_earlier_run_is_tested_where_it_is(tested, workplace):
    move_run_aside(Path("runs/smoke"))
    cli.run(["test", "--ckpt_path", "runs/smoke-earlier/last.ckpt"])
    assert Path("runs/smoke-earlier/scores.nc").is_file()
    assert not contents("runs/smoke")


@pytest.mark.parametrize("command", ["fit", "test", "predict"])
def test_fast_dev_run_leaves_nothing(tested, workplace, say, command):
    shutil.rmtree("runs")
    shutil.copytree(tested / "runs", "runs")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    words = FIT if command == "fit" else [command, "--ckpt_path", LAST]
    status, out, _ = say(*words, "--trainer.fast_dev_run=true")
    assert status == 0
    after = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    assert after == before
    assert str(LAST) not in out


def test_new_folder_of_a_fast_dev_run_is_not_made(workplace, say):
    assert say(*FIT[:3], "--trainer.default_root_dir=new", "--trainer.fast_dev_run=2")[0] == 0
    assert not Path("new").exists()


@pytest.mark.parametrize("command", ["fit", "test", "predict"])
def test_two_processes_in_one_folder(workplace, say, command):
    before = contents("runs/smoke")
    Path("hold.py").write_text(HOLD)
    holder = start("hold.py", "runs/smoke")
    wait_for("locked", holder)
    words = FIT if command == "fit" else [command, "--ckpt_path", LAST]
    status, _, err = say(*words)
    assert status == 1
    assert "emulate: error: runs/smoke: another process is at work" in err
    assert "trainer.default_root_dir" in err
    assert contents("runs/smoke") == before
    holder.send_signal(signal.SIGKILL)  # whose end unlocks the folder
    wait(holder)
    with locked_folder(Path("runs/smoke")):
        pass


def test_fine_tuning_in_the_folder_of_its_weights_is_refused(workplace, say):
    before = contents("runs/smoke")
    words = ["--trainer.callbacks+=callbacks.FineTuning", f"--trainer.callbacks.checkpoint={LAST}"]
    status, _, err = say(*FIT, *words)
    assert status == 1
    assert f"FineTuning.checkpoint is {LAST}" in err
    assert "trainer.default_root_dir" in err
    assert contents("runs/smoke") == before


def test_scores_of_earlier_weights_go_aside_when_a_training_goes_on(tested, workplace, say):
    shutil.rmtree("runs")
    shutil.copytree(tested / "runs", "runs")
    scores = Path("runs/smoke/scores.json").read_bytes()
    assert say("fit", f"--ckpt_path={LAST}")[0] == 0  # no step is left: the scores are right
    assert Path("runs/smoke/scores.json").read_bytes() == scores
    Path("runs/smoke/forecast_0000.nc").write_text("of these weights")
    status, _, err = say("fit", f"--ckpt_path={LAST}", "--trainer.max_steps=7")
    assert status == 0
    aside = Path("runs/smoke/scores-before-step-6")
    assert f"moved to {aside}" in err
    assert not Path("runs/smoke/scores.json").exists()  # which a study takes for finished
    assert not list(Path("runs/smoke").glob("*.png"))
    assert (aside / "scores.json").read_bytes() == scores
    assert (aside / "rollout_error.png").is_file()
    assert (aside / "forecast_0000.nc").read_text() == "of these weights"
    assert not Path("runs/smoke/forecast_0000.nc").exists()


def test_scores_beside_newer_weights_are_said(tested, tmp_path, say):
    folder = tmp_path / "run"
    shutil.copytree(tested / "runs/smoke", folder)
    assert json.loads((folder / "scores.json").read_text())["steps"] == 6
    _, _, err = say("compare", folder, f"--output={tmp_path}")
    assert "step" not in err
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    torch.save({**checkpoint, "global_step": 9}, folder / "last.ckpt")
    assert newer_weights(folder, 6) == 9
    _, _, err = say("compare", folder, f"--output={tmp_path}")
    assert f"{folder}: its scores are of step 6, last.ckpt is of step 9" in err
    torch.save(checkpoint, folder / "best.ckpt")  # which was tested
    assert newer_weights(folder, 6) is None


def test_which_training_goes_on_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/a")
    folder.mkdir(parents=True)
    assert resumes_run(folder, "runs/a/last.ckpt")
    assert resumes_run(folder, tmp_path / "runs/a/checkpoints/epoch=3.ckpt")
    assert resumes_run(folder, "last")
    assert not resumes_run(folder, "runs/a-earlier/last.ckpt")
    for name in ("checkpoints/last.ckpt", "best_of/epoch=3.ckpt", "run/config.yaml", "b/last.ckpt"):
        (folder / name).parent.mkdir()
        (folder / name).touch()
    assert resumes_run(folder, "runs/a/checkpoints/last.ckpt")
    assert resumes_run(folder, "runs/a/best_of/epoch=3.ckpt")
    assert not resumes_run(folder, "runs/a/run/checkpoints/epoch=3.ckpt")  # of other runs, below
    assert not resumes_run(folder, "runs/a/b/last.ckpt")
    assert not resumes_run(folder, None)
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    assert not resumes_run(folder, None)
    (folder / "hpc_ckpt_1.ckpt").touch()
    assert resumes_run(folder, None)


def test_home_folder_in_every_path(tested, tmp_path, monkeypatch, single_precision, say):
    home, folder = tmp_path / "home", tmp_path / "work"
    shutil.copytree(tested / "runs/smoke", home / "run")
    shutil.copytree(tested / "data", folder / "data")
    (home / "my.yaml").write_text(SMOKE.read_text())
    (home / "study.yaml").write_text("root: ~/studies\nruns: {one: [~/my.yaml]}\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)
    weights = "trainer: {callbacks+: {class_path: FineTuning, init_args: {checkpoint: ~/run/%s}}}"
    (home / "weights.yaml").write_text(weights % "last.ckpt")
    words = ["-c=~/my.yaml", "-c=~/weights.yaml", "--trainer.default_root_dir=~/out"]
    assert say("fit", *words, "--trainer.max_steps=1")[0] == 0
    assert "default_root_dir: ~/out" in (home / "out/config.yaml").read_text()
    assert say("fit", "--ckpt_path=~/out/last.ckpt", "--trainer.max_steps=2")[0] == 0
    assert torch.load(home / "out/last.ckpt", weights_only=True)["global_step"] == 2
    assert say("compare", "~/run", "--output=~/compared")[0] == 0
    assert (home / "compared/comparison.md").is_file()
    out = say("study", "~/study.yaml", "--dry_run")[1]
    assert f"--config={home}/my.yaml" in out
    assert f"--ckpt_path={home}/studies/one/last.ckpt" in out
    assert [path.name for path in folder.iterdir()] == ["data"]


def test_only_files_of_a_run_are_moved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir("work")
    for name in ("my.yaml", "data.nc", "program.py", "last.ckpt"):
        Path(name).touch()
    assert move_run_aside(Path()) == tmp_path / "work-earlier"
    assert sorted(path.name for path in Path().iterdir()) == ["data.nc", "my.yaml", "program.py"]
    assert move_run_aside(Path()) is None


def test_run_that_cannot_be_moved_is_said(tmp_path, monkeypatch):
    (tmp_path / "last.ckpt").touch()
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(13, "denied")))
    with pytest.raises(OSError, match=r"which cannot be moved to .*denied.*default_root_dir"):
        move_run_aside(tmp_path)
