"""Two processes do what one does: the same scores to the last bit, the same files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import xarray

import cli
from tests.conftest import SMOKE

EVALUATE = """
import torch
torch.set_num_threads(1)
import cli
cli.run(["test", "--ckpt_path", "runs/smoke/last.ckpt", "--trainer.default_root_dir=runs/two",
         "--trainer.strategy=ddp_fork", "--trainer.devices=2",
         "--data.test_rollouts.batch_size=1"])
"""


def run_alone(*words):
    """Run Python in a process group of its own, which is killed whole if it hangs."""
    with open("log.txt", "w") as log:
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        status = process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert status == 0, Path("log.txt").read_text()[-3000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_scores_of_two_ranks_equal_those_of_one(workplace):
    # five initial conditions: an uneven share, which the sampler pads by a repeated one
    cli.run(["test", "--ckpt_path", "runs/smoke/last.ckpt", "--data.test_rollouts.batch_size=1"])
    (workplace / "evaluate.py").write_text(EVALUATE)
    run_alone("evaluate.py")
    one, two = (
        xarray.open_dataset(f"runs/{name}/scores.nc", decode_times=False)
        for name in ("smoke", "two")
    )
    assert one.sizes["initial_condition"] == 5
    xarray.testing.assert_equal(one, two)


def test_processes_under_torchrun_share_the_files(tmp_path, monkeypatch, say):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "data.yaml"
    config.write_text(SMOKE.read_text()[SMOKE.read_text().index("data:") :])
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run_alone(*launcher, cli.__file__, "generate", "-c", config, "--data.root=shared")
    assert say("generate", "-c", config, "--data.root=alone")[0] == 0
    shared, alone = (
        {
            str(path.relative_to(tmp_path / root)): xarray.open_dataset(path).attrs["content_hash"]
            for path in (tmp_path / root).glob("*/*.nc")
        }
        for root in ("shared", "alone")
    )
    assert len(alone) == 3
    assert shared == alone
