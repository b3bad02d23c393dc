"""Stochastic emulators from the command line: training, ensembles, forecasts, fine-tuning."""

import os

import netCDF4
import numpy as np
import pytest
import torch
import xarray

import cli
from emulators import Emulator
from tests.conftest import SMOKE
from tests.integration.test_resumed_test import INTERRUPT, SAVE
from tests.processes import start, wait

CHECKPOINT = "runs/random/last.ckpt"
RANDOM = ["--model.noise_fields=[2]", "--model.noise_numbers=3"]
MEMBERS = ["--data.test_rollouts.members=3", "--data.test_rollouts.steps=12"]


def fit(*options, root="runs/random"):
    score = ["--model.objective=CRPS", "--model.objective.alpha=0.9", "--model.members=3"]
    return cli.run(
        ["fit", "-c", "smoke.yaml", f"--trainer.default_root_dir={root}", *RANDOM, *score, *options]
    )


@pytest.fixture
def stochastic(workplace):
    (workplace / "smoke.yaml").write_text(SMOKE.read_text())
    return fit("--model.optimizer=torch.optim.Adam", "--model.optimizer.lr=0.01").model


def skill(*options, root):
    words = ["--trainer.callbacks+=callbacks.EnsembleSkill", f"--trainer.default_root_dir={root}"]
    cli.run(["test", f"--ckpt_path={CHECKPOINT}", *MEMBERS, *words, *options])
    with xarray.open_dataset(f"{root}/scores.nc") as scores:
        return scores["crps"].values, scores["ensemble_spread"].values


def test_ensemble_from_one_state_is_trained_tested_and_predicted(stochastic):
    assert stochastic.members == 3
    assert stochastic.distance.alpha == 0.9
    crps, spread = skill(root="runs/whole")
    assert (spread > 0).all()
    assert np.isfinite(crps).all()
    again = skill("--data.test_rollouts.batch_size=2", root="runs/parts")
    np.testing.assert_array_equal(again, (crps, spread))
    other = skill("--seed_everything=7", root="runs/other")
    assert not np.array_equal(other[1], spread)

    cli.run(["predict", f"--ckpt_path={CHECKPOINT}", "--data.predict_rollouts.members=3"])
    with netCDF4.Dataset("runs/random/forecast_0000.nc") as file:
        assert file["u"].dimensions == ("trajectory", "member", "time", "x")
        assert file["member"][:].tolist() == [0, 1, 2]
        stored = torch.from_numpy(file["u"][:].data)
    loaded = Emulator.load_from_checkpoint(CHECKPOINT, weights_only=True)
    start = cli.run(["predict", f"--ckpt_path={CHECKPOINT}"])
    (batch,) = list(start.datamodule.predict_dataloader())
    with torch.no_grad():
        first = loaded.rollout(batch.initial, 8, seed=start.model.run_seed)
    torch.testing.assert_close(stored[:, 0], first[:, 1::2, 0], rtol=0, atol=0)
    assert (stored[:, 1] != stored[:, 0]).any()
    assert (stored[:, 1] != stored[:, 2]).any()


def test_interrupted_test_of_an_ensemble_goes_on_and_ends_with_the_same_scores(
    stochastic, workplace, monkeypatch
):
    whole = skill(root="runs/whole")
    (workplace / "stop_at_5.py").write_text(INTERRUPT.replace("at = None", "at = 5"))
    monkeypatch.syspath_prepend(workplace)
    with pytest.raises(RuntimeError, match="interrupted"):
        skill("--trainer.callbacks+=stop_at_5.Interrupt", *SAVE, root="runs/broken")
    assert (workplace / "runs/broken/rollout-0.ckpt").is_file()
    np.testing.assert_array_equal(skill("--resume=true", root="runs/broken"), whole)


TWO_RANKS = """
import torch
torch.set_num_threads(1)
import cli
cli.run({words!r})
"""


@pytest.mark.slow  # test_ranks.py has the same for single forecasts
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_ensembles_of_two_ranks_are_those_of_one(stochastic, workplace):
    single = ["--data.test_rollouts.batch_size=1"]
    one = skill(*single, root="runs/one")
    words = ["test", f"--ckpt_path={CHECKPOINT}", *MEMBERS, *single]
    words += ["--trainer.callbacks+=callbacks.EnsembleSkill", "--trainer.default_root_dir=runs/two"]
    words += ["--trainer.strategy=ddp_fork", "--trainer.devices=2"]
    (workplace / "two.py").write_text(TWO_RANKS.format(words=words))
    status, text = wait(start("two.py"))
    assert status == 0, text[-3000:]
    with xarray.open_dataset("runs/two/scores.nc") as scores:
        np.testing.assert_array_equal((scores["crps"], scores["ensemble_spread"]), one)


def test_training_with_more_members_than_the_memory_holds_is_refused(workplace, say, monkeypatch):
    (workplace / "smoke.yaml").write_text(SMOKE.read_text())
    free = {"bytes": 10**5}
    monkeypatch.setattr("emulators.training.members.free_on", lambda device: free["bytes"])
    words = ["fit", "-c", "smoke.yaml", "--trainer.default_root_dir=runs/many", *RANDOM]
    status, _, err = say(*words, "--model.objective=CRPS", "--model.members=50")
    assert status == 1
    assert "A training step with model.members=50 of 4 windows of (1, 32) needs" in err
    assert "KiB are free; lower both, or choose a smaller network." in err


def test_deterministic_checkpoint_becomes_an_ensemble(workplace, stochastic):
    still = ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.0"]
    tuned = fit(
        "--trainer.callbacks+=callbacks.FineTuning",
        "--trainer.callbacks.checkpoint=runs/smoke/last.ckpt",
        "--trainer.max_steps=1", *still, root="runs/tuned",
    ).model.eval()  # fmt: skip
    before = Emulator.load_from_checkpoint("runs/smoke/last.ckpt", weights_only=True)
    state = torch.randn(2, 1, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            tuned.rollout(state, 5, seed=1), before.rollout(state, 5), rtol=0, atol=0
        )


def test_members_of_a_deterministic_emulator_need_noise(workplace, say):
    status, _, err = say("test", "--ckpt_path=runs/smoke/last.ckpt", *MEMBERS)
    assert status == 1
    assert "The 3 members of an ensemble start from the same state, and Hierarchical draws" in err
    assert "data.test_rollouts.initial_noise above 0" in err


def test_other_random_inputs_than_those_of_the_checkpoint_are_refused(stochastic, say):
    status, _, err = say("test", f"--ckpt_path={CHECKPOINT}", "--model.noise_numbers=2")
    assert status == 1
    assert "noise_numbers" in err
