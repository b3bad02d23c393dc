"""A training that is not finite ends in a sentence and leaves the checkpoint of before."""

import math
from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from torch._subclasses.fake_tensor import FakeTensorMode

import cli
from callbacks.run.divergence import Divergence, first_not_finite
from tests.conftest import SMOKE
from tests.processes import start, wait

SPOILING = """
import torch
from lightning.pytorch import Callback


class Spoil(Callback):
    def __init__(self, what: str, value: float, step: int = 5, rank: int = 0):
        self.what, self.value, self.at = what, value, (step, rank)

    def on_train_batch_end(self, trainer, pl_module, outputs, *_):
        if (trainer.global_step, trainer.global_rank) != self.at:
            return
        with torch.no_grad():
            if self.what == "loss":
                outputs["loss"].fill_(self.value)
            elif self.what == "moment":
                states = trainer.optimizers[0].state.values()
                squares = [state["square"] for state in states if "square" in state]
                squares[3].view(-1)[-1] = self.value
            else:
                list(getattr(pl_module, self.what).parameters())[2].view(-1)[-1] = self.value


if __name__ == "__main__":
    torch.set_num_threads(1)
    import cli

    cli.main()
"""
LAST = "runs/spoilt/last.ckpt"
FIT = ["fit", "-c", str(SMOKE), "--trainer.default_root_dir=runs/spoilt", "--trainer.max_steps=8"]
SPOIL = ["--trainer.callbacks+=spoiling.Spoil"]
WILD = ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=1e12", "--model.schedule=null"]


@pytest.fixture
def spoiling(workplace, monkeypatch):
    (workplace / "spoiling.py").write_text(SPOILING)
    monkeypatch.syspath_prepend(workplace)


def spoil(what, value):
    return [*SPOIL, f"--trainer.callbacks.what={what}", f"--trainer.callbacks.value={value}"]


@pytest.mark.parametrize(
    ("what", "value"),
    [("loss", ".nan"), ("loss", "-.inf"), ("trained", ".inf"), ("averaged", ".nan"),
     ("moment", ".inf")],
)  # fmt: skip
def test_what_is_not_finite_ends_the_training(spoiling, say, what, value):
    # checkpoints and validations are due at step 4 and at step 6
    words = [*spoil(what, value), "--trainer.val_check_interval=6"]
    status, _, err = say(*FIT, *words)
    assert status == 1
    step = {"loss": 5, "trained": 6}.get(what, 6)
    assert f"step {step} " in err
    assert "model.optimizer.lr" in err
    assert "trainer.gradient_clip_val" in err
    assert "trainer.precision" in err
    assert f"{LAST} holds step 4: resume with" in err
    kept = torch.load(LAST, weights_only=True)
    assert kept["global_step"] == 4
    assert first_not_finite(kept["state_dict"].items()) is None


@pytest.mark.parametrize(
    ("model", "clipping"),
    [("Baseline", "norm"), ("Pushforward", "value"), ("Hierarchical", "norm")],
)
def test_learning_rate_that_is_far_too_large(workplace, say, model, clipping):
    words = [f"--model={model}", "--model.network.width=4", *WILD, "--trainer.max_steps=200"]
    words += ["--trainer.gradient_clip_val=1e30"]
    status, _, err = say(*FIT, *words, f"--trainer.gradient_clip_algorithm={clipping}")
    assert status == 1
    step = int(err.split("step ")[-1].split()[0])
    assert step < 20
    assert "(now 1e+12)" in err


def test_interruption_writes_nothing_that_is_not_finite(spoiling, say):
    words = [*spoil("trained", ".nan"), "--trainer.callbacks+=stopping.Signal"]
    Path("stopping.py").write_text(
        "import os\nfrom lightning.pytorch import Callback\n\n\nclass Signal(Callback):\n"
        "    def on_train_batch_end(self, trainer, *_):\n"
        "        if trainer.global_step == 5:\n            raise KeyboardInterrupt\n"
    )
    status, _, err = say(*FIT, *words)
    assert status == 1
    assert "After step 5 trained." in err
    assert torch.load(LAST, weights_only=True)["global_step"] == 4


@pytest.mark.parametrize(
    ("command", "where"), [("fit", "trained"), ("fit", "optimizer"), ("test", "averaged")]
)
def test_checkpoint_that_is_not_finite_is_refused(workplace, say, where, command):
    path = "runs/smoke/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    if where == "optimizer":
        states = checkpoint["optimizer_states"][0]["state"].values()
        [state for state in states if "average" in state][2]["average"].fill_(math.inf)
    else:
        name = next(name for name in checkpoint["state_dict"] if name.startswith(where))
        checkpoint["state_dict"][name].view(-1)[1] = math.nan
    torch.save(checkpoint, path)
    status, _, err = say(command, "--ckpt_path", path, "--trainer.max_steps=9")
    assert status == 1
    assert f"{path} holds numbers that are not finite" in err


def test_all_processes_end_together(spoiling):
    words = [*FIT, *spoil("loss", ".nan"), "--trainer.callbacks.rank=1"]
    words += ["--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.log_every_n_steps=3"]
    status, text = wait(start("spoiling.py", *words, ranks=2))
    assert status != 0
    assert text.count("emulate: error: The loss of step 5 is not finite") == 2
    assert torch.load(LAST, weights_only=True)["global_step"] == 4


def test_between_two_looks_no_value_is_needed():
    run_rollout, mode, gpu = Divergence(), FakeTensorMode(), LightningModule().to("meta")
    trainer = Trainer(accelerator="cpu", logger=False, log_every_n_steps=3,
                      enable_checkpointing=False, enable_progress_bar=False)  # fmt: skip
    run_rollout.on_train_start(trainer, gpu)
    with mode:
        loss = mode.from_tensor(torch.tensor(math.nan))
        for _ in range(2):  # a value of a fake tensor cannot be had
            run_rollout.on_train_batch_end(trainer, gpu, {"loss": loss})
    run_rollout.losses = [None, None]
    with pytest.raises(FloatingPointError, match="loss of step 3 is not finite"):
        run_rollout.on_train_batch_end(trainer, gpu, {"loss": torch.tensor(math.nan)})


def test_resumed_training_remembers_the_best_and_infinite_scores_are_none(workplace, monkeypatch):
    (workplace / "scripted.py").write_text(
        "from lightning.pytorch import Callback\n\n\nclass Scripted(Callback):\n"
        "    values = [-3.0, float('-inf'), -2.0]\n\n"
        "    def on_validation_epoch_end(self, trainer, pl_module):\n"
        "        pl_module.log('val/scripted', self.values.pop(0))\n"
    )
    monkeypatch.syspath_prepend(workplace)
    (workplace / "best.yaml").write_text(
        "trainer:\n  callbacks:\n    - class_path: scripted.Scripted\n    - class_path: "
        "Checkpoints\n      init_args: {monitor: val/scripted, every: 1}\n"
    )
    words = [*FIT, "-c", "best.yaml", "--trainer.val_check_interval=1", "--trainer.max_steps=2"]
    cli.run(words)
    assert torch.load("runs/spoilt/best.ckpt", weights_only=True)["global_step"] == 1
    cli.run(["fit", f"--ckpt_path={LAST}", "--trainer.max_steps=3"])
    assert torch.load("runs/spoilt/best.ckpt", weights_only=True)["global_step"] == 1
