"""Train emulators of this project on APEBench's trajectories and keep forecasts of its test.

    python benchmarks/apebench/export.py --folder data/apebench       # in APEBench's environment
    python benchmarks/apebench/train.py --folder data/apebench --recipe equal --objective one
    python benchmarks/apebench/score.py --folder data/apebench        # in APEBench's environment

`equal` is an FNO of as many parameters as APEBench's in one dimension, with its optimiser, schedule
and loss; `ours` is another network and recipe, and `plane` is `ours` for two dimensions. A batch
has 20 windows, as in APEBench. The recorded time includes building, training and a rollout of 200
steps from 30 initial conditions, but no imports. Forecasts go to
`forecasts/RECIPE-OBJECTIVE-UPDATES/SCENARIO-SEED.npz` in the folder.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Trainer, seed_everything
from problems import AXES, DIMENSIONS, of_dimensions
from torch.optim import Adam

from datamodules import Dimensions, TrajectoryDataModule
from emulators import FNO, L2, Baseline, DilatedResNet, Emulator, Muon, UNet, Unrolled, WarmupCosine

STEPS = 200


def equal(updates: int) -> dict[str, Any]:
    """Return what APEBench does: Adam, a warm-up over a fifth of the updates, the last weights."""
    return {
        "network": partial(FNO, width=16, modes=24, layers=4),
        "optimizer": partial(Adam, lr=1e-3, fused=True),
        "schedule": partial(WarmupCosine, warmup=updates // 5),
        "ema_decay": 0.0,
    }


def ours(
    updates: int, *, width: int = 32, blocks: int = 1, noise: float = 0.001, rate: float = 2e-3
) -> dict[str, Any]:
    """Return what does better here: dilated convolutions, increments, Muon, averaged weights."""
    return {
        "network": partial(DilatedResNet, width=width, blocks=blocks, dilations=(1, 2, 4, 2, 1)),
        "predict": "increment",
        "noise": noise,
        "optimizer": partial(Muon, lr=rate),
        "schedule": partial(WarmupCosine, warmup=updates // 20),
        "ema_decay": 0.99,
    }


def plane(
    updates: int, *, width: int = 24, patch: int = 4, noise: float = 0.005, rate: float = 5e-3
) -> dict[str, Any]:
    """Return what `ours` is in two dimensions, where a U-Net sees as far with less arithmetic."""
    return ours(updates, noise=noise, rate=rate) | {
        "network": partial(UNet, width=width, multipliers=(1, 2, 2), patch=patch)
    }


RECIPES: dict[str, Callable[..., dict[str, Any]]] = {"equal": equal, "ours": ours, "plane": plane}


def emulator_of(recipe: str, objective: str, updates: int) -> Callable[..., Emulator]:
    """Return what makes the emulator.

    Unrolled, `ours` begins with one step and ends with all five, under more noise: after fewer
    updates a rollout needs more to be stable.
    """
    settings = RECIPES[recipe](updates)
    if objective == "one":
        return partial(Baseline, **settings)
    if recipe != "equal":
        settings |= {"noise": 0.02, "curriculum": updates // 5}
    return partial(Unrolled, unrolled_steps=5, **settings)


def space_of(folder: Path) -> Dimensions:
    """Return the axes of the trajectories in a folder, which has the name of their scenario."""
    return Dimensions(space=AXES[DIMENSIONS[folder.name]])


def train(folder: Path, make: Callable[..., Emulator], updates: int, seed: int) -> Emulator:
    """Return an emulator trained on the trajectories of a scenario."""
    seed_everything(seed, verbose=False)
    data = TrajectoryDataModule(
        folder,
        ["u"],
        space_of(folder),
        batch_size=20,
        storage="memory",
        seed=seed,
        periodic=True,
    )
    trainer = Trainer(
        accelerator="cpu",
        max_steps=updates,
        max_epochs=-1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    emulator = make(dimensions=DIMENSIONS[folder.name], distance=L2())
    trainer.fit(emulator, data)
    return emulator.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenarios", nargs="+", choices=DIMENSIONS, default=of_dimensions(1))
    parser.add_argument("--recipe", choices=RECIPES, default="equal")
    parser.add_argument("--objective", choices=("one", "unrolled"), default="one")
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    name = f"{options.recipe}-{options.objective}-{options.updates}"
    target = options.folder / "forecasts" / name
    target.mkdir(parents=True, exist_ok=True)
    make = emulator_of(options.recipe, options.objective, options.updates)
    for seed, scenario in product(options.seeds, options.scenarios):
        folder = options.folder / scenario
        test = TrajectoryDataModule(folder, ["u"], space_of(folder)).trajectories("test")
        initial = test.windows([(number, 0) for number in range(30)], 1)[:, 0]
        wall, cpu = time.perf_counter(), time.process_time()
        emulator = train(folder, make, options.updates, seed)
        with torch.no_grad():
            forecast = emulator.rollout(initial, STEPS)
        np.savez(
            target / f"{scenario}-{seed}.npz",
            forecast=forecast.numpy(),
            wall_seconds=time.perf_counter() - wall,
            cpu_seconds=time.process_time() - cpu,
            parameters=sum(weight.numel() for weight in emulator.trained.parameters()),
        )
        print(name, scenario, seed, time.perf_counter() - wall, flush=True)


if __name__ == "__main__":
    main()
