"""What Lightning and this framework add to an update: `fit` against a bare PyTorch loop.

    python benchmarks/apebench/overhead.py --folder data/apebench [--updates 150] [--rounds 3]

The same network, optimiser and batches of 20 x 160 points, one thread; CPU milliseconds per update,
so that other processes on the machine disturb less. Loops take turns; the median over the rounds.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from train import emulator_of, train

from emulators import Emulator


def bare(make: Callable[..., Emulator], updates: int) -> float:
    """Return CPU milliseconds per update of a loop around the loss alone."""
    emulator = make(dimensions=1)
    optimizer = emulator.optimizer_option(list(emulator.trained.parameters()))
    window = torch.randn(20, 2, 1, 160)
    times = []
    for _ in range(updates):
        began = time.process_time()
        emulator.loss(window).backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.process_time() - began)
    return 1e3 * statistics.median(times)


def fit(make: Callable[..., Emulator], updates: int, folder: Path) -> float:
    """Return CPU milliseconds per update of `Trainer.fit`, less what it does once."""
    times = []
    for number in (10, updates + 10):
        began = time.process_time()
        train(folder, make, number, 0)
        times.append(time.process_time() - began)
    return 1e3 * (times[1] - times[0]) / updates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--updates", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for recipe in ("equal", "ours"):
        make = emulator_of(recipe, "one", options.updates)
        run = partial(fit, make, options.updates, options.folder / "diff_ks")
        rounds = [(bare(make, options.updates), run()) for _ in range(options.rounds)]
        alone, whole = (statistics.median(times) for times in zip(*rounds, strict=True))
        added = statistics.median(b - a for a, b in rounds)
        print(f"{recipe}: bare {alone:.1f} ms, fit {whole:.1f} ms, added {added:.1f} ms")


if __name__ == "__main__":
    main()
