"""What `fit` adds to a training step: against a bare PyTorch loop and a plain LightningModule.

All three train the same network on the same windows in memory, in float32 and under bfloat16
autocast: gradient clipping, AdamW. `fit` also averages the weights, logs, and shows its progress;
the bare loop averages them too. They take turns; a ratio is the median over the rounds. What is
added is measured again with a network of a few weights, where nothing hides it. The last table is
bfloat16 over float32, of the bare training step and of a step of a rollout.

    python benchmarks/training_loop.py [--threads 1] [--steps 60] [--rounds 5]
"""

import argparse
import contextlib
import io
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning
import netCDF4
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from machine import compared, processor, record
from torch.utils.data import DataLoader, TensorDataset

from callbacks import Announcements, Checkpoints, TrainingCost
from datamodules import TrajectoryDataModule
from emulators import L2, Baseline, Termination, UNet

NETWORKS = {
    "network of the quickstart": {},
    "a network of few weights": {"width": 4, "multipliers": (1, 1), "patch": 8},
}
BATCH = 8
PRECISIONS = ("32-true", "bf16-mixed")


def write(folder: Path) -> np.ndarray:
    """Write random trajectories of 64² for each split; return those of the training."""
    fields = np.random.default_rng(0).standard_normal((4, 200, 64, 64), dtype=np.float32)
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
        with netCDF4.Dataset(folder / split / "a.nc", "w") as file:
            for name, size in zip(("trajectory", "time", "y", "x"), fields.shape, strict=True):
                file.createDimension(name, size)
            for name, size in (("time", 200), ("y", 64), ("x", 64)):
                file.createVariable(name, "f8", (name,))[:] = np.arange(size) * 0.1
            dims = ("trajectory", "time", "y", "x")
            file.createVariable("vorticity", "f4", dims)[:] = fields
    return fields


class Clock(Callback):
    """Median seconds from the end of one training step to the end of the next."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *args, **kwargs) -> None:
        self.times.append(time.perf_counter())

    def median(self) -> float:
        return statistics.median(np.diff(self.times)[5:])


class Plain(lightning.LightningModule):
    """The least that Lightning needs."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch, batch_idx):
        u, target = batch
        return torch.nn.functional.mse_loss(self.network(u)[0], target)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), 1e-3)


def trainer(steps: int, folder: Path, precision: str, **options) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        precision=precision,
        gradient_clip_val=1.0,
        max_steps=steps,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )


def fit(network: Callable, folder: Path, fields, precision: str, steps: int) -> float:
    data = TrajectoryDataModule(folder, batch_size=BATCH)
    emulator = Baseline(network=network, distance=L2())
    clock = Clock()
    own = [Termination(), Announcements(), Checkpoints(), TrainingCost()]
    own += [TQDMProgressBar(refresh_rate=20), clock]
    logger = TensorBoardLogger(folder, "", "")
    run = trainer(steps, folder, precision, callbacks=own, logger=logger, log_every_n_steps=50)
    run.fit(emulator, data)
    return clock.median()


def plain(network: Callable, folder: Path, fields, precision: str, steps: int) -> float:
    states = torch.from_numpy(fields).unsqueeze(2)
    pairs = TensorDataset(states[:, :-1].flatten(0, 1), states[:, 1:].flatten(0, 1))
    clock = Clock()
    module = Plain(network(1, 2))
    run = trainer(
        steps, folder, precision, callbacks=[clock], logger=False, enable_progress_bar=False
    )
    run.fit(module, DataLoader(pairs, BATCH, shuffle=True))
    return clock.median()


def bare(network: Callable, folder: Path, fields, precision: str, steps: int) -> float:
    states = torch.from_numpy(fields).unsqueeze(2)
    first, second = states[:, :-1].flatten(0, 1), states[:, 1:].flatten(0, 1)
    model, average = network(1, 2), network(1, 2).requires_grad_(False)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, 1e-3)
    clock = Clock()
    for _ in range(steps):
        indices = torch.randint(len(first), (BATCH,))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = torch.nn.functional.mse_loss(model(first[indices])[0], second[indices])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), parameters, 0.01)
        clock.on_train_batch_end()
    return clock.median()


def rolled_out(network: Callable, precision: str, steps: int, batch: int = 16) -> float:
    """Return the median seconds of a step of a rollout by the network alone."""
    model, clock, u = network(1, 2).eval(), Clock(), torch.randn(batch, 1, 64, 64)
    with (
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"),
    ):
        for _ in range(steps):
            u, _ = model(u)
            clock.on_train_batch_end()
    return clock.median()


@contextlib.contextmanager
def quiet():
    """Keep what the libraries print from the terminal."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loops, precisions, runs = [], [], {"bare loop": bare, "plain Lightning": plain, "fit": fit}
    with tempfile.TemporaryDirectory() as place, quiet():
        folder = Path(place)
        fields = write(folder)
        for name, settings in NETWORKS.items():
            network = partial(UNet, **settings)
            kinds = {(kind, p): [] for kind in runs for p in PRECISIONS}
            steps = {p: [] for p in PRECISIONS}
            for _ in range(options.rounds):
                for (kind, precision), seconds in kinds.items():
                    seconds.append(runs[kind](network, folder, fields, precision, options.steps))
                for precision, seconds in steps.items():
                    seconds.append(rolled_out(network, precision, max(12, options.steps // 3)))
            for precision in PRECISIONS:
                seconds = {kind: kinds[kind, precision] for kind in runs}
                for kind, row in compared(seconds, "bare loop").items():
                    added = np.subtract(seconds[kind], seconds["bare loop"])
                    row |= {"added ms": 1e3 * float(np.median(added))}
                    loops.append({"network": name, "precision": precision, "loop": kind, **row})
            trained = {p: kinds["bare loop", p] for p in PRECISIONS}
            for what, seconds in {"training, batch 8": trained, "rollout, batch 16": steps}.items():
                for precision, row in compared(seconds, "32-true").items():
                    precisions.append({"network": name, "step": what, "in": precision, **row})
    matrices = "has" if "amx_bf16" in processor() else "has no"
    record(
        "training_loop",
        "Training step: fit, plain Lightning, bare loop (batch 8 of 64²)",
        {"What fit adds": loops, "bfloat16 against float32": precisions},
        f"This processor {matrices} AMX, the units that multiply bfloat16 matrices fast.",
    )


if __name__ == "__main__":
    main()
