"""Processes that are killed, disks that are full: what was done is kept, and a sentence says so."""

import os
import re
import resource
import signal

import pytest
import torch
import xarray

import cli
from tests.conftest import SMOKE, says
from tests.processes import start, wait, wait_for

# a program that has these callbacks, and in which the second process of two is killed while it
# simulates
PROGRAM = """
import os
import resource
import signal
import sys

import torch

torch.set_num_threads(1)
import xarray
from lightning.pytorch import Callback

from callbacks import RolloutDiagnostic
from datamodules.generation.segments import SegmentStore


class Signal(Callback):
    def __init__(self, number: int, step: int, rank: int = 0):
        self.number, self.step, self.rank = number, step, rank

    def on_train_batch_end(self, trainer, *_):
        if (trainer.global_step, trainer.global_rank) == (self.step, self.rank):
            os.kill(os.getpid(), self.number)


class FullDisk(Callback):
    def __init__(self, size: int, step: int = 0):
        self.size, self.step = size, step

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, hard))

    on_test_start = on_predict_start = on_train_batch_end


class InRollout(RolloutDiagnostic):
    def __init__(self, number: int):
        self.number = number

    def begin(self, start):
        self.last = 4 in start.index

    def observe(self, lead, forecast, truth):
        if self.last and lead == 12:
            if self.number == 0:
                raise ValueError(f"rank {os.environ['RANK']} was given nonsense.")
            os.kill(os.getpid(), self.number)

    def scores(self):
        return xarray.Dataset()


store = SegmentStore.store


def store_and_die(self, *what):
    store(self, *what)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "generate" and os.environ["RANK"] == "1":
        SegmentStore.store = store_and_die
    import cli

    cli.main()
"""
FIT = ["fit", "-c", "run.yaml", "--trainer.default_root_dir=runs/broken"]
FIT += ["--trainer.callbacks+=program.Signal"]
TEST = ["test", "--ckpt_path", "runs/smoke/last.ckpt", "--trainer.default_root_dir=runs/broken"]
SAVE = ("--trainer.callbacks+=RolloutCheckpoint", "--trainer.callbacks.seconds=0")
BROKEN = "runs/broken/last.ckpt"
SLURM = {"JOB_ID": "1", "JOB_NAME": "fit", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}
SLURM |= {"NODEID": "0", "NODELIST": "localhost", "NTASKS_PER_NODE": "1"}


@pytest.fixture
def faulty(workplace, monkeypatch):
    (workplace / "program.py").write_text(PROGRAM)
    smoke = SMOKE.read_text().replace("every: 4", "every: 1").replace("max_steps: 6", "")
    (workplace / "run.yaml").write_text(smoke)
    monkeypatch.syspath_prepend(workplace)
    return workplace


def stored(path=BROKEN):
    return torch.load(path, weights_only=True)


def test_killed_rank_loses_no_step_and_one_process_goes_on(faulty):
    # two processes with 4 windows each, and one with 8, take the same steps: nothing in this
    # recipe is random, and without projection no weight has a gradient of rounding alone, which
    # AdamW turns into whole steps
    recipe = ["--model=Baseline", "--model.network.width=4", "--trainer.max_steps=9"]
    recipe += ["--model.project=null"]
    words = [*FIT, "--trainer.callbacks.number=9", "--trainer.callbacks.step=7", *recipe]
    several = ["--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.callbacks.rank=1"]
    status, text = wait(start("program.py", *words, *several, ranks=2))
    assert status != 0
    assert "another process of this run has ended" in text
    assert says(text, f"{BROKEN} holds step 7", f"`emulate fit --ckpt_path {BROKEN}`")
    assert stored()["global_step"] == 7
    cli.run(["fit", "--ckpt_path", BROKEN, "--data.batch_size=8", "--trainer.devices=1"])
    cli.run([*FIT[:3], *recipe, "--data.batch_size=8", "--trainer.default_root_dir=runs/one"])
    whole, resumed = stored("runs/one/last.ckpt"), stored()
    assert resumed["global_step"] == 9
    for name, value in whole["state_dict"].items():
        torch.testing.assert_close(resumed["state_dict"][name], value, rtol=1e-4, atol=1e-6)


def test_resuming_with_other_batches_is_said(faulty, say):
    say("fit", "-c", "run.yaml", "--trainer.default_root_dir=runs/broken", "--trainer.max_steps=1")
    words = ["--trainer.max_steps=2", "--trainer.accumulate_grad_batches=2"]
    _, _, err = say("fit", "--ckpt_path", BROKEN, *words)
    assert says(err, "4 windows per step", "8 on 1", "data.batch_size")


def test_failed_rank_ends_the_others_with_its_message(faulty):
    words = ["--trainer.callbacks+=program.InRollout", "--trainer.callbacks.number=0"]
    words += ["--trainer.strategy=ddp", "--trainer.devices=2", "--data.test_rollouts.batch_size=1"]
    status, text = wait(start("program.py", *TEST, *words, ranks=2))
    assert status != 0
    said = [line for line in text.splitlines() if line.startswith("emulate: error: ")]
    place = "ValueError at program.py, line 48, in observe"
    assert says(said[0], "emulate: error: rank 0 was given nonsense (", place)
    assert set(said[1:]) <= {said[0], *[line for line in said if "another process" in line]}


def test_terminated_processes_end_after_the_same_step(faulty):
    words = ["--trainer.callbacks.number=0", "--trainer.callbacks.step=-1"]
    words += ["--trainer.max_steps=100000", "--trainer.strategy=ddp", "--trainer.devices=2"]
    process = start("program.py", *FIT, *words, ranks=2)
    wait_for(BROKEN, process)
    process.send_signal(signal.SIGTERM)
    status, text = wait(process)
    assert status != 0
    step = stored()["global_step"]
    assert text.count(f"training ended at step {step}; {BROKEN} holds step {step}: resume") == 1


def test_one_process_that_is_asked_to_end_ends_all(faulty):
    words = ["--trainer.callbacks.number=15", "--trainer.callbacks.step=3", "--trainer.max_steps=9"]
    words += ["--trainer.callbacks.rank=1", "--trainer.strategy=ddp", "--trainer.devices=2"]
    status, text = wait(start("program.py", *FIT, *words, ranks=2))
    assert status != 0
    assert stored()["global_step"] == 4  # asked at the end of step 3: that in flight is finished
    assert f"training ended at step 4; {BROKEN} holds step 4: resume" in text
    assert "another process of this run has ended" not in text


@pytest.mark.parametrize("cluster", [(), SLURM], ids=["alone", "slurm"])
def test_sigterm_ends_the_training_with_its_status(faulty, say, monkeypatch, cluster):
    for name in cluster:  # under SLURM Lightning would let SIGTERM pass
        monkeypatch.setenv(f"SLURM_{name}", cluster[name])
    before = signal.getsignal(signal.SIGTERM)
    words = ["--trainer.callbacks.number=15", "--trainer.callbacks.step=5"]
    status, _, err = say(*FIT, *words, "--trainer.max_steps=9")
    assert status == 143
    assert says(err, f"{BROKEN} holds step 6", f"`emulate fit --ckpt_path {BROKEN}`")
    assert stored()["global_step"] == 6  # asked at the end of step 5: that in flight is finished
    assert signal.getsignal(signal.SIGTERM) == before


def goes_on(tested, faulty):
    cli.run([*TEST, "--resume", "true"])
    whole, resumed = (
        xarray.open_dataset(folder / "scores.nc", decode_times=False)
        for folder in (tested / "runs/smoke", faulty / "runs/broken")
    )
    xarray.testing.assert_equal(whole[list(resumed)], resumed)


def test_killed_test_goes_on(tested, faulty):
    words = ["--trainer.callbacks+=program.InRollout", "--trainer.callbacks.number=9", *SAVE]
    assert wait(start("program.py", *TEST, *words))[0] == -signal.SIGKILL
    goes_on(tested, faulty)


def test_terminated_test_goes_on(tested, faulty, say):
    words = ["--trainer.callbacks+=program.InRollout", "--trainer.callbacks.number=15"]
    status, _, err = say(*TEST, *words)
    assert status == 143
    assert says(err, "runs/broken/rollout-0.ckpt", "--resume")
    assert torch.load("runs/broken/rollout-0.ckpt", weights_only=True)["place"][0] == 12
    goes_on(tested, faulty)


def test_killed_generation_goes_on_to_the_same_data(faulty, say):
    status, _ = wait(start("program.py", "generate", "-c", SMOKE, "--data.root=new", ranks=2))
    assert status != 0
    assert list((faulty / "new").glob("*/*.partial/00000.npz"))
    assert say("generate", "-c", SMOKE, "--data.root=new")[0] == 0
    files = sorted((faulty / "data").glob("*/*.nc"))
    assert len(files) == 3
    for path in files:
        other = faulty / "new" / path.relative_to(faulty / "data")
        hashes = [xarray.open_dataset(file).attrs["content_hash"] for file in (path, other)]
        assert hashes[0] == hashes[1]
    assert not list((faulty / "new").glob("*/*.partial"))


def test_full_disk_leaves_the_earlier_checkpoint(faulty):
    words = [*FIT[:4], "--trainer.callbacks+=program.FullDisk", "--trainer.callbacks.step=3"]
    # without a logger, whose pictures are larger than the checkpoint
    words += ["--trainer.callbacks.size=50000", "--trainer.max_steps=20", "--trainer.logger=false"]
    status, text = wait(start("program.py", *words))
    assert status == 1
    assert f"{BROKEN} holds step 3: resume with" in text
    assert f"emulate: error: {BROKEN}: cannot be written (File too large;" in text
    assert re.search(r"; [\d.]+ [GM]iB are free there\); make room", text)
    assert stored()["global_step"] == 3
    assert not list((faulty / "runs/broken").glob("*.tmp"))


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["test"], "rollout-0.ckpt"),
        (["predict"], "forecast_0000.partial.nc"),
        (["predict", "--format=zarr"], "forecast_0000.partial.zarr"),
    ],
)
def test_full_disk_is_one_sentence_in_rollouts(faulty, say, command, file):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    words = ["--trainer.callbacks+=program.FullDisk", "--trainer.callbacks.size=1000", *SAVE]
    try:
        status, _, err = say(*command, *TEST[1:], *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert status == 1
    assert f"emulate: error: runs/broken/{file}: cannot be written (" in err
    assert "make room" in err
    assert not list((faulty / "runs/broken").glob("*.tmp"))


def test_broken_file_among_good_ones_is_named_and_made_again_alone(faulty, say):
    words = ["-c", SMOKE, "--data.root=new", "--data.generator.trajectories_per_file=2"]
    assert say("generate", *words)[0] == 0
    good, bad = sorted((faulty / "new/train").glob("*.nc"))
    content, made = bad.read_bytes(), os.stat(good).st_mtime_ns
    bad.write_bytes(content[: len(content) // 2])
    status, _, err = say("fit", *words)
    assert status == 1
    assert says(err, "train_0001.nc", "not a readable NetCDF file", "remove it")
    bad.unlink()
    assert say("generate", *words)[0] == 0
    assert bad.stat().st_size == len(content)
    assert os.stat(good).st_mtime_ns == made
