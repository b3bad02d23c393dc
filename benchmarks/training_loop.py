"""What `fit` adds to a training step: against a bare PyTorch loop and a plain LightningModule.

All train the same network on the same windows in memory, in float32 and under bfloat16 autocast:
gradient clipping, AdamW. `fit` also averages the weights, logs, and shows its progress; the bare
loop averages them too. A step of the bare loop follows each step of the others; a ratio is the
median over neighbours. What is added is measured again with a network of a few weights, where
nothing hides it. The last table is bfloat16 over float32, of the bare training step and of a step
of a rollout. With one thread it is the time of the processor that counts.

    python benchmarks/training_loop.py [--threads 1] [--steps 60]
"""

import argparse
import logging
import tempfile
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
from machine import clock, compared, processor, quiet, record
from torch.utils.data import DataLoader, TensorDataset

from callbacks import Checkpoints, GracefulShutdown, RunReport, TrainingCost
from datamodules import TrajectoryDataModule
from emulators import L2, Baseline, UNet

NETWORKS = {
    "default network": {},
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


class Turns(Callback):
    """Lets a step of the bare loop follow each step of the training that it watches.

    Args:
        bare: Makes a step of the bare loop.
    """

    def __init__(self, bare: Callable[[], None]) -> None:
        self.bare = bare
        self.times: list[tuple[float, float]] = []

    def on_train_batch_end(self, *args, **kwargs) -> None:
        ended = clock()
        self.bare()
        now = clock()
        if hasattr(self, "began"):
            self.times.append((ended - self.began, now - ended))
        self.began = now


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


def fit(network: Callable, folder: Path, fields, precision: str, steps: int) -> list:
    """Return seconds of each step, and of the bare step after it, under all that `fit` does."""
    data = TrajectoryDataModule(folder, batch_size=BATCH, periodic=True)
    emulator = Baseline(network=network, distance=L2())
    turns = Turns(bare(network, fields, precision))
    own = [GracefulShutdown(), RunReport(), Checkpoints(), TrainingCost()]
    own += [TQDMProgressBar(refresh_rate=20), turns]
    logger = TensorBoardLogger(folder, "", "")
    run = trainer(steps, folder, precision, callbacks=own, logger=logger, log_every_n_steps=50)
    run.fit(emulator, data)
    return turns.times[5:]


def plain(network: Callable, folder: Path, fields, precision: str, steps: int) -> list:
    """Return the same under Lightning without anything."""
    states = torch.from_numpy(fields).unsqueeze(2)
    pairs = TensorDataset(states[:, :-1].flatten(0, 1), states[:, 1:].flatten(0, 1))
    turns = Turns(bare(network, fields, precision))
    module = Plain(network(1, 2))
    options = {"logger": False, "enable_progress_bar": False, "callbacks": [turns]}
    run = trainer(steps, folder, precision, **options)
    run.fit(module, DataLoader(pairs, BATCH, shuffle=True))
    return turns.times[5:]


def bare(network: Callable, fields, precision: str) -> Callable[[], None]:
    """Return a function that makes a step of a bare loop."""
    states = torch.from_numpy(fields).unsqueeze(2)
    first, second = states[:, :-1].flatten(0, 1), states[:, 1:].flatten(0, 1)
    model, average = network(1, 2), network(1, 2).requires_grad_(False)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, 1e-3)

    def step() -> None:
        indices = torch.randint(len(first), (BATCH,))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = torch.nn.functional.mse_loss(model(first[indices])[0], second[indices])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), parameters, 0.01)

    return step


def roll(network: Callable, precision: str, batch: int = 16) -> Callable[[], None]:
    """Return a function that makes a step of a rollout by the network alone."""
    model, u = network(1, 2).eval(), torch.randn(batch, 1, 64, 64)

    @torch.inference_mode()
    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            model(u)

    return step


def taking_turns(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Return seconds of functions that are called in turns."""
    seconds = {name: [] for name in steps}
    for number in range(rounds + 3):
        for name, step in steps.items():
            began = clock()
            step()
            if number > 2:
                seconds[name].append(clock() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loops, precisions = [], []
    with tempfile.TemporaryDirectory() as place, quiet():
        folder = Path(place)
        fields = write(folder)
        for name, settings in NETWORKS.items():
            network = partial(UNet, **settings)
            for precision in PRECISIONS:
                for loop, run in {"plain Lightning": plain, "fit": fit}.items():
                    times = run(network, folder, fields, precision, options.steps)
                    mine, alone = zip(*times, strict=True)
                    both = compared({"bare": alone, loop: mine}, "bare")
                    named = {"network": name, "precision": precision, "loop": loop}
                    low = {f"bare {key}": both["bare"][key] for key in ("median ms", "fastest ms")}
                    added = 1e3 * float(np.median(np.subtract(mine, alone)))
                    loops.append({**named, **low, **both[loop], "added ms": added})
            for what, make in {
                "training, batch 8": lambda p, n=network: bare(n, fields, p),
                "rollout, batch 16": lambda p, n=network: roll(n, p),
            }.items():
                seconds = taking_turns({p: make(p) for p in PRECISIONS}, options.steps)
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
