"""Cost of training: time per step, samples per second, waiting for data, peak memory."""

import json
import math
import resource
import sys
import time
from collections import deque
from collections.abc import Sized
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

from datamodules.files.netcdf_writer import atomic_write
from datamodules.files.sizes import readable

Mark = Any  # a time [s], or an event of a GPU


class TrainingCost(Callback):
    """Writes `training.json` into the run's folder at the end of training, and prints it.

    Time includes forward pass, backward pass and optimiser, not reading of data or validation. On a
    GPU it is the time between two marks among the GPU's computations, which are not waited for. The
    first batches, during which the hardware warms up, are left out; a training step may take
    several batches. `data_wait` is the time spent waiting for data, relative to that time. A
    resumed run reports only the part after it resumed.

    Example:
        Of 12 steps the first 10 are left out:

        >>> from lightning.pytorch.demos.boring_classes import BoringModel
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar",
        ...                      "enable_model_summary"), False)
        >>> cost = TrainingCost()
        >>> trainer = Trainer(callbacks=[cost], accelerator="cpu", max_steps=12, **off)
        >>> trainer.fit(BoringModel())  # doctest: +ELLIPSIS
        0... s per training step, ... samples/s, waiting for data ...%, peak memory ...
        >>> cost.iterations, cost_of(Path("."))["steps"]
        (2, 12)
    """

    WARM_UP = 10
    LAG = 100  # batches after which the marks of a GPU are read

    def __init__(self) -> None:
        self.marks: deque[tuple[Mark, Mark]] = deque()
        self.seconds = 0.0
        self.iterations = 0
        self.samples = 0
        self.skipped = 0
        self.waited_before = 0.0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Start the clock."""
        self.began = mark(pl_module.device)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Sized,
        batch_idx: int,
    ) -> None:
        """Stop the clock."""
        if self.skipped < self.WARM_UP:
            self.skipped += 1
            self.waited_before = waited(trainer)
            return
        self.marks.append((self.began, mark(pl_module.device)))
        self._read_marks(self.LAG)
        self.iterations += 1
        self.samples += len(batch) * trainer.world_size

    def _read_marks(self, keep: int) -> None:
        """Add the time between all marks but the last."""
        while len(self.marks) > keep:
            self.seconds += seconds_between(*self.marks.popleft())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write and print the cost."""
        self._read_marks(0)
        if not (trainer.is_global_zero and self.iterations):
            return
        waiting = waited(trainer) - self.waited_before
        batches = trainer.accumulate_grad_batches  # of one step of the optimiser
        cost = {
            "seconds_per_step": self.seconds / self.iterations * batches,
            "samples_per_second": self.samples / self.seconds,
            "samples_per_step": round(self.samples / self.iterations * batches),
            "data_wait": waiting / self.seconds,
            "peak_memory_bytes": peak_memory(pl_module.device),
            "steps": trainer.global_step,
        }
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "training.json", json.dumps(cost, indent=2) + "\n")
        print(
            f"{cost['seconds_per_step']:.4f} s per training step, {cost['samples_per_second']:.3g} "
            f"samples/s, waiting for data {cost['data_wait']:.1%}, peak memory "
            f"{readable(cost['peak_memory_bytes'])}",
            flush=True,
        )


def mark(device: torch.device) -> Mark:
    """Return the time, or on a GPU an event that has it when the GPU arrives there."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def seconds_between(began: Mark, ended: Mark) -> float:
    """Return the time between two marks [s], when the GPU has arrived at the second."""
    if isinstance(began, float):
        return ended - began
    ended.synchronize()
    return began.elapsed_time(ended) / 1e3


def cost_of(folder: Path) -> dict[str, int | float]:
    """Return the contents of a run's `training.json`; empty if it is missing or damaged."""
    path = folder / "training.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
        good = all(type(value) in (int, float) and math.isfinite(value) for value in found.values())
    except (OSError, ValueError, RecursionError, AttributeError, OverflowError):
        good = False
    if good:
        return found
    print(
        f"note: {path} does not hold the cost of a training; it is left out of the scores, and "
        "the end of a training writes it again.",
        file=sys.stderr,
    )
    return {}


def waited(trainer: Trainer) -> float:
    """Return the time spent waiting for data so far [s]; 0 for loaders that do not measure it."""
    return getattr(trainer.train_dataloader, "waited", 0.0)


def peak_memory(device: torch.device) -> int:
    """Return the peak memory [bytes] of the GPU or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
