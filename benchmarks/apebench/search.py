"""Choose the options of a recipe of ours on APEBench's training trajectories.

    python benchmarks/apebench/search.py --folder data/apebench --updates 2000 [--width 32 24] ...
    python benchmarks/apebench/search.py --folder data/apebench --dimensions 2 --patch 2 4 ...

Every combination is trained, with one seed, on the first 38 of the 50 training trajectories and
scored on the last 10: the geometric mean over steps 1 to 50 of APEBench's normalised error, the
mean over trajectories of |forecast - truth| / |truth|. The test trajectories have no part in it.
An omitted option has the value of the recipe in `train.py`.
Results go to `search.jsonl` in the folder, a line for each training; what is there already is not
trained again. The last column of the table is the geometric mean over the problems.
"""

import argparse
import json
import logging
import time
import warnings
from functools import partial
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

import torch
import xarray
from problems import DIMENSIONS, OUR_RECIPES, of_dimensions
from train import RECIPES, space_of, train

from datamodules import TrajectoryDataModule
from emulators import Baseline

PARTS = {"train": slice(0, 38), "val": slice(38, 40), "test": slice(40, 50)}
STEPS = 50


def split(folder: Path, scenario: str) -> Path:
    """Return a folder with the training trajectories split into training and test."""
    target = folder / "search" / scenario
    if not target.exists():
        with xarray.open_dataset(folder / scenario / "train" / "trajectories.nc") as file:
            for name, chosen in PARTS.items():
                (target / name).mkdir(parents=True)
                file.isel(trajectory=chosen).to_netcdf(target / name / "trajectories.nc")
    return target


def score(folder: Path, updates: int, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the error of a training on the held-out trajectories, and its CPU seconds."""
    began = time.process_time()
    emulator = train(folder, partial(Baseline, **settings), updates, seed=0)
    seconds = time.process_time() - began
    held = TrajectoryDataModule(folder, ["u"], space_of(folder)).trajectories("test")
    truth = held.windows([(number, 0) for number in range(10)], STEPS + 1)
    with torch.no_grad():
        forecast = emulator.rollout(truth[:, 0], STEPS)
    error = (forecast - truth[:, 1:]).flatten(3).norm(dim=-1)
    error = error / truth[:, 1:].flatten(3).norm(dim=-1)
    return float(error.mean((0, 2)).log().mean().exp()), seconds


def main() -> None:
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--dimensions", type=int, choices=OUR_RECIPES, default=1)
    number = first.parse_known_args()[0].dimensions
    recipe = RECIPES[OUR_RECIPES[number]]
    parser = argparse.ArgumentParser(description=__doc__, parents=[first])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenarios", nargs="+", choices=DIMENSIONS, default=of_dimensions(number))
    parser.add_argument("--updates", type=int, default=2_000)
    every = signature(recipe).parameters.values()
    names = {option.name: option.default for option in every if option.kind is option.KEYWORD_ONLY}
    for name, default in names.items():
        parser.add_argument(f"--{name}", type=type(default), nargs="+", default=[default])
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    results = options.folder / "search.jsonl"
    known = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    print("| updates | " + " | ".join((*names, *options.scenarios)) + " | mean | CPU s |")
    for values in product(*(getattr(options, name) for name in names)):
        choice = dict(zip(names, values, strict=True))
        errors, total = [], 0.0
        for scenario in options.scenarios:
            key = {"scenario": scenario, "updates": options.updates, **choice}
            found = next((line for line in known if key.items() <= line.items()), None)
            if found is None:
                settings = recipe(options.updates, **choice)
                place = split(options.folder, scenario)
                error, seconds = score(place, options.updates, settings)
                found = {**key, "error": error, "cpu_seconds": seconds}
                with open(results, "a") as file:
                    file.write(json.dumps(found) + "\n")
            errors.append(found["error"])
            total += found["cpu_seconds"]
        mean = float(torch.tensor(errors).log().mean().exp())
        cells = [options.updates, *values, *(f"{error:.3g}" for error in errors)]
        print("| " + " | ".join(map(str, cells)) + f" | {mean:.3g} | {total / len(errors):.0f} |",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
