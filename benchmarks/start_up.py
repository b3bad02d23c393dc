"""What it costs to start: seconds until an import, a help or the first training step has ended.

Each command runs in a process of its own, files in the cache of the operating system, in turns. On
a machine that does other work, seconds of the processor say more than those on the clock. The floor
is the import of PyTorch and Lightning alone. The first training step is on the quickstart's data,
which are made before, with a short spin-up. The second table is where the time of an import goes.

    python benchmarks/start_up.py [--repeats 5] [--modules 12]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

from machine import record

ROOT = Path(__file__).parents[1]
FLOOR = "import torch, lightning.pytorch"
CLASSES = "import callbacks, emulators; emulators.Baseline, callbacks.Spectrum"
DATA = ("-c", "configs/data/quickstart.yaml", "--data.generator.coarse_spin_up=null")
DATA += ("--data.generator.spin_up=0.05",)
FIT = ("fit", *DATA, "-c", "configs/model/baseline.yaml", "--trainer.max_steps=1")
FIT += ("--trainer.limit_val_batches=0", "--trainer.enable_progress_bar=false")
COMMANDS = {
    "`emulate --help`": ("cli.py", "--help"),
    "`emulate fit --help`, kept": ("cli.py", "fit", "--help"),
    "`emulate fit --help`, made": ("cli.py", "fit", "--help"),
    "`emulate generate --help`, made": ("cli.py", "generate", "--help"),
    "`import emulators`": ("-c", "import emulators"),
    "`from datamodules.solvers import Grid`": ("-c", "from datamodules.solvers import Grid"),
    f"`{CLASSES}`": ("-c", CLASSES),
    "`import torch`": ("-c", "import torch"),
    f"`{FLOOR}`": ("-c", FLOOR),
}


def cost(words: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Return seconds on the clock and of the processor."""
    before, began = os.times(), perf_counter()
    command, quiet = [sys.executable, *words], subprocess.DEVNULL
    subprocess.run(command, cwd=ROOT, stdout=quiet, stderr=quiet, check=True, env=environment)
    clock, after = perf_counter() - began, os.times()
    return clock, sum(after[2:4]) - sum(before[2:4])


def by_library(statement: str, most: int) -> list[dict[str, str | float]]:
    """Return the libraries whose modules take most of an import, without those they import."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    spent: Counter[str] = Counter()
    for line in said.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            spent[parts[2].strip().split(".")[0]] += int(parts[0])
    return [{"library": name, "ms of its own": us / 1e3} for name, us in spent.most_common(most)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--modules", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "MPLCONFIGDIR": folder}
        data = f"--data.root={folder}/data"
        cost(("cli.py", "generate", *DATA, data), environment)
        cost(COMMANDS["`emulate fit --help`, kept"], environment)
        fit = ("cli.py", *FIT, data, f"--trainer.default_root_dir={folder}/run")
        commands = {**COMMANDS, "`emulate fit`, one step": fit}
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.repeats):
            for name, words in commands.items():
                cache = os.devnull if name.endswith("made") else folder  # no help is kept there
                costs[name].append(cost(words, {**environment, "XDG_CACHE_HOME": cache}))
    best = {name: [min(part) for part in zip(*pairs, strict=True)] for name, pairs in costs.items()}
    floor = best[f"`{FLOOR}`"][1]
    rows = [
        {"command": name, "s (clock)": clock, "s (processor)": used, "/ floor": used / floor}
        for name, (clock, used) in best.items()
    ]
    remark = (
        f"Fastest of {options.repeats} turns; {os.getloadavg()[0]:.1f} processes were running. The "
        f"floor is `{FLOOR}`, in seconds of the processor. `kept`: as the second call prints it."
    )
    modules = by_library(CLASSES, options.modules)
    record("start_up", "Start-up", {"": rows, f"Modules of `{CLASSES}`": modules}, remark)


if __name__ == "__main__":
    main()
