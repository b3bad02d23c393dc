"""What it costs to start: seconds of a command that only describes itself, and of its libraries.

Each command runs in a process of its own, files in the cache of the operating system. On a machine
that does other work, seconds of the processor say more than those on the clock.

    python benchmarks/start_up.py [--repeats 5]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from machine import header

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "emulate --help": ["cli.py", "--help"],
    "emulate generate --help": ["cli.py", "generate", "--help"],
    "emulate fit --help": ["cli.py", "fit", "--help"],
    "import torch": ["-c", "import torch"],
    "import lightning.pytorch": ["-c", "import lightning.pytorch"],
    "import lightning.pytorch.cli": ["-c", "import lightning.pytorch.cli"],
    "import datamodules": ["-c", "import datamodules"],
    "import datamodules, callbacks, emulators": ["-c", "import datamodules, callbacks, emulators"],
}


def cost(words: list[str]) -> tuple[float, float]:
    """Return seconds on the clock and of the processor."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    clock, after = time.perf_counter() - began, os.times()
    return clock, sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = range(parser.parse_args().repeats)
    costs = {name: [] for name in COMMANDS}
    for _ in repeats:
        for name, words in COMMANDS.items():
            costs[name].append(cost(words))
    load = os.getloadavg()[0]
    text = [header("Start-up"), f"Fastest of {len(repeats)}; {load:.1f} processes were running\n"]
    text.append("| command | s on the clock | s of the processor |\n|---|---|---|")
    rows = {name: [min(part) for part in zip(*pairs, strict=True)] for name, pairs in costs.items()}
    for name, (clock, processor) in rows.items():
        text.append(f"| `{name}` | {clock:.2f} | {processor:.2f} |")
    results = ROOT / "benchmarks" / "results"
    (results / "start_up.md").write_text("\n".join(text) + "\n")
    report = {"header": text[0], "load": load, "seconds": rows}
    (results / "start_up.json").write_text(json.dumps(report, indent=1) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
