"""A run that ends within an accumulation of gradients goes on as if it had not."""

import pytest
import torch

import cli
from tests.conftest import SMOKE

STOPPING = """
import os
import signal

from lightning.pytorch import Callback
from torch import nn


class Stop(Callback):
    at = within = None
    number = signal.SIGTERM
    seen = 0

    def on_train_batch_end(self, trainer, *_):
        Stop.seen += 1
        if Stop.seen == self.at:
            if self.number:
                os.kill(os.getpid(), self.number)
            else:
                raise KeyboardInterrupt


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, 3, 1), nn.BatchNorm1d(3), nn.Conv1d(3, 1, 1))

    def forward(self, x):
        if Stop.within and self.training and Stop.seen == Stop.within:
            Stop.within = None
            self.layers(x)
            raise KeyboardInterrupt
        return self.layers(x)
"""
# 148 windows: 11 batches of 13 in an epoch, so that steps end after batches 3, 6, 9, 11, 14, ...
FIT = ["fit", "-c", str(SMOKE), "--model=Pushforward", "--model.network.width=4",
       "--model.noise=0.1",
       "--data.batch_size=13", "--trainer.accumulate_grad_batches=3", "--trainer.max_steps=7",
       "--trainer.val_check_interval=100", "--trainer.callbacks=[callbacks.Checkpoints]",
       "--trainer.logger=false"]  # fmt: skip


@pytest.fixture
def stopping(workplace, monkeypatch):
    (workplace / "stopping_within.py").write_text(STOPPING)
    monkeypatch.syspath_prepend(workplace)
    import stopping_within

    cli.run([*FIT, "--trainer.default_root_dir=runs/whole"])
    return stopping_within.Stop


def stored(name):
    return torch.load(f"runs/{name}/last.ckpt", weights_only=True)


def ended_and_resumed(stop, batch, number):
    stop.at, stop.seen, stop.number = batch, 0, number
    root = f"--trainer.default_root_dir=runs/ended-{batch}"
    with pytest.raises(SystemExit):
        cli.run([*FIT, root, "--trainer.callbacks+=stopping_within.Stop"])
    before = stored(f"ended-{batch}")["global_step"]
    stop.at = None
    # the noise is drawn from the seed of the training, not from that of the new process
    cli.run(["fit", f"--ckpt_path=runs/ended-{batch}/last.ckpt", "--seed_everything=5"])
    whole, resumed = stored("whole"), stored(f"ended-{batch}")
    assert whole["global_step"] == resumed["global_step"] == 7
    for part in ("state_dict", "lr_schedulers"):
        torch.testing.assert_close(resumed[part], whole[part], rtol=0, atol=0)
    moments = [run["optimizer_states"][0]["state"] for run in (resumed, whole)]
    torch.testing.assert_close(*moments, rtol=0, atol=0)
    return before


@pytest.mark.parametrize(
    ("number", "batches"),
    [
        pytest.param(15, {5: 1, 11: 4}, id="sigterm"),
        pytest.param(15, {4: 1, 10: 3}, id="sigterm-within", marks=pytest.mark.slow),
        pytest.param(2, {13: 4}, id="sigint", marks=pytest.mark.slow),
        pytest.param(0, {7: 2, 12: 4}, id="interruption", marks=pytest.mark.slow),
    ],
)
def test_resumed_equals_uninterrupted_to_the_last_bit(stopping, number, batches):
    for batch, steps in batches.items():
        # a signal at the end of a batch is heeded after the next, which makes a step of batch 5
        assert ended_and_resumed(stopping, batch, number) in (steps, steps + 1)


@pytest.mark.parametrize(
    ("accumulated", "at", "within"), [(3, 7, None), (3, 11, None), (3, None, 4), (1, None, 4)]
)
def test_running_statistics_are_saved_as_they_were_after_a_step(stopping, accumulated, at, within):
    """A batch that is repeated by the resumed run has changed them once only."""
    words = [*FIT, "--model.network=stopping_within.Normed", "--model.ema_decay=0"]
    words += [f"--trainer.accumulate_grad_batches={accumulated}"]
    stopping.at = stopping.within = None
    cli.run([*words, "--trainer.default_root_dir=runs/normed"])
    stopping.at, stopping.within, stopping.seen, stopping.number = at, within, 0, 0
    broken = "--trainer.default_root_dir=runs/broken"
    with pytest.raises(SystemExit):
        cli.run([*words, broken, "--trainer.callbacks+=stopping_within.Stop"])
    stopping.at = None
    cli.run(["fit", "--ckpt_path=runs/broken/last.ckpt"])
    whole, resumed = stored("normed"), stored("broken")
    assert [value > 0 for name, value in whole["state_dict"].items() if "batches_tracked" in name]
    torch.testing.assert_close(resumed["state_dict"], whole["state_dict"], rtol=0, atol=0)
