"""Wall time of what a newcomer types: installation, data, the main job, the tests.

Clones the last commit into a temporary folder, makes a virtual environment there, and runs the
README's commands in it; the data are simulated on their own first, to be timed apart.

    python benchmarks/readme_commands.py [--keep FOLDER]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import header

PROJECT = Path(__file__).parents[1]
STUDY = "configs/study/quickstart.yaml"
INSTALL = ["pip", "install", "--quiet", "-c", "constraints.txt", "-e", ".[dev]"]
COMMANDS = {
    "install": INSTALL,
    "data": ["emulate", "generate", "-c", "configs/data/quickstart.yaml"],
    "training and tests of two emulators": ["emulate", "study", STUDY],
    "test suite": ["pytest", "-q"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="Folder to copy the comparison into.")
    options = parser.parse_args()
    print(header("The README's commands, from a fresh clone"), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", PROJECT, folder], check=True)
        subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=folder, check=True)
        environment = {**os.environ, "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}"}
        for name, command in COMMANDS.items():
            with open(f"{folder}/log.txt", "w") as log:
                start = time.perf_counter()
                done = subprocess.run(
                    command, cwd=folder, env=environment, stdout=log, stderr=log, check=False
                )
            seconds = time.perf_counter() - start
            print(f"{name}: {seconds:.0f} s (exit status {done.returncode})", flush=True)
        print()
        compare = ["emulate", "compare", "runs/quickstart/baseline", "runs/quickstart/hierarchical"]
        subprocess.run(compare, cwd=folder, env=environment, check=True)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            for kind in ("md", "csv", "png", "html"):
                shutil.copy(f"{folder}/runs/quickstart/comparison.{kind}", options.keep)


if __name__ == "__main__":
    main()
