"""Two processes do what one does: the same scores to the last bit, the same files."""

import os
import subprocess
import sys

import numpy as np
import pytest
import xarray

import cli
from tests.conftest import DIAGNOSTICS, SMOKE
from tests.processes import start, wait

EVALUATE = """
import torch
torch.set_num_threads(1)
import cli
from callbacks.run import score_writer as scores
from tests.conftest import dot
scores.png = dot
cli.run(["test", "--ckpt_path", "runs/smoke/last.ckpt", "--trainer.default_root_dir=runs/several",
         "-c", "{diagnostics}", "--trainer.strategy=ddp_fork", "--trainer.devices={ranks}",
         "--data.test_rollouts.batch_size={batch}"])
"""


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def run_alone(*words):
    status, text = wait(start(*words))
    assert status == 0, text[-3000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_scores_of_three_ranks_and_other_batches_agree(workplace, tested):
    # five initial conditions: an uneven share, which the sampler pads by repeated ones
    (workplace / "evaluate.py").write_text(
        EVALUATE.format(ranks=3, batch=7, diagnostics=DIAGNOSTICS)
    )
    run_alone("evaluate.py")
    one, several = (
        xarray.open_dataset(folder / "scores.nc", decode_times=False)
        for folder in (tested / "runs/smoke", workplace / "runs/several")
    )
    assert one.sizes["initial_condition"] == 5
    for name, wanted in one.items():
        if wanted.dtype.kind == "f":
            scale = float(abs(wanted).max())
            np.testing.assert_allclose(several[name], wanted, rtol=0, atol=1e-6 * scale)
        else:
            assert several[name].equals(wanted), name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_scores_of_two_ranks_and_equal_batches_are_equal_to_the_last_bit(workplace):
    words = ["--data.test_rollouts.batch_size=1", "-c", str(DIAGNOSTICS)]
    cli.run(["test", "--ckpt_path", "runs/smoke/last.ckpt", *words])
    (workplace / "evaluate.py").write_text(
        EVALUATE.format(ranks=2, batch=1, diagnostics=DIAGNOSTICS)
    )
    run_alone("evaluate.py")
    one, several = (
        xarray.open_dataset(f"runs/{name}/scores.nc", decode_times=False)
        for name in ("smoke", "several")
    )
    xarray.testing.assert_equal(one, several)


def test_processes_under_torchrun_share_the_files(tmp_path, monkeypatch, say):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "data.yaml"
    config.write_text(SMOKE.read_text()[SMOKE.read_text().index("data:") :])
    words = [*TORCHRUN, cli.__file__, "generate", "-c", config, "--data.root=shared"]
    subprocess.run(words, check=True, timeout=120)
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
