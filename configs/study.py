"""Several runs and their comparison: each an ordinary `fit` and `test` in a folder of its own.

A study is a YAML file:

    root: runs/quickstart             # a folder per run appears here
    common: [../trainer.yaml, ...]    # configuration files of every run, relative to this file
    options: [--trainer.max_steps=3000]
    seeds: [0, 1, 2]                  # if given, each run once per seed: NAME-seed0, ...
    runs:                             # configuration files and options of each run
      baseline: [../model/baseline.yaml]
      noisy: [../model/baseline.yaml, --model.noise=0.03]

Runs that are finished are skipped, interrupted ones are resumed, and a failed one does not keep the
others from running.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROGRAM = Path(__file__).parents[1] / "cli.py"


@dataclass
class StudyRun:
    """One run of a study: its folder and the commands that make it."""

    name: str
    folder: Path
    arguments: list[str]

    @property
    def finished(self) -> bool:
        """Whether the run has been tested."""
        return (self.folder / "scores.json").exists()

    def commands(self) -> list[list[str]]:
        """Return the stages that remain, as arguments of this program."""
        last = self.folder / "last.ckpt"
        resume = [f"--ckpt_path={last}"] if last.exists() else []
        fit = ["fit", *self.arguments, f"--trainer.default_root_dir={self.folder}", *resume]
        return [fit, ["test", f"--ckpt_path={last}"]]


@dataclass
class Study:
    """What a study file asks for.

    Attributes:
        root: Folder of the runs and of their comparison.
        data: Configuration files with the data, to be simulated before the runs start.
        runs: In the order of the file.
    """

    root: Path
    data: list[Path]
    runs: list[StudyRun]


def read_study(file: Path) -> Study:
    """Return what a study file asks for.

    Raises:
        FileNotFoundError: The study or a file that it names does not exist.
        ValueError: It is not YAML, or a key is missing or unknown.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such study; give the path of its YAML file.")
    try:
        study: dict[str, Any] = yaml.safe_load(file.read_text()) or {}
    except yaml.YAMLError as error:
        raise ValueError(
            f"{file} is not readable as YAML: {' '.join(str(error).split())}"
        ) from None
    optional = {"common", "options", "seeds"}
    keys = {"root", "runs", *optional}
    wrong = sorted(set(study) ^ keys - (optional - set(study)))
    if wrong:
        raise ValueError(
            f"{file}: '{wrong[0]}' is {'not a key' if wrong[0] in study else 'missing'}; "
            f"the keys are {', '.join(sorted(keys))}."
        )

    def existing(names: list[str]) -> list[Path]:
        paths = [file.parent / name for name in names]
        for path in paths:
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file, but {file} names it.")
        return paths

    common = existing(study.get("common", []))
    options = [str(option) for option in study.get("options", [])]
    root = Path(study["root"])
    runs = []
    for seed in study.get("seeds", [None]):  # so that a study that is cut short has every method
        for name, own in study["runs"].items():
            words = [str(word) for word in own]
            paths = [*common, *existing([word for word in words if not word.startswith("--")])]
            arguments = [f"--config={path}" for path in paths] + options
            arguments += [word for word in words if word.startswith("--")]
            if seed is not None:
                name = f"{name}-seed{seed}"
                arguments += [f"--seed_everything={seed}", f"--data.seed={seed}"]
            runs.append(StudyRun(name, root / name, arguments))
    data = [path for path in common if "data" in (yaml.safe_load(path.read_text()) or {})]
    return Study(root, data, runs)


def run_all(runs: list[StudyRun], jobs: int, threads: int) -> list[StudyRun]:
    """Run the unfinished runs, `jobs` at a time, and return those that failed."""
    waiting = [run for run in runs if not run.finished]
    active: list[Job] = []
    failed = []
    display = Display()
    while waiting or active:
        while waiting and len(active) < jobs:
            active.append(Job(waiting.pop(0), threads))
        time.sleep(0.5)
        display.show([job.status() for job in active])
        for job in list(active):
            if job.advance():
                active.remove(job)
                display.leave(f"{job.run.name}: {'failed' if job.failed else 'done'}")
                if job.failed:
                    failed.append(job.run)
    return failed


class Job:
    """The processes of one run, one stage after the other, with their output in `log.txt`."""

    def __init__(self, run: StudyRun, threads: int) -> None:
        self.run = run
        self.stages = run.commands()
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.failed = False
        run.folder.mkdir(parents=True, exist_ok=True)
        self.log = run.folder / "log.txt"
        self.start()

    def start(self) -> None:
        """Start the next stage."""
        self.stage = self.stages.pop(0)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *self.stage],
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("a"),
            stderr=subprocess.STDOUT,
            env=self.environment,
        )

    def advance(self) -> bool:
        """Go on to the next stage if one ended; return whether the run is over."""
        if self.process.poll() is None:
            return False
        if self.process.returncode:
            self.failed = True
            return True
        if self.stages:
            self.start()
            return False
        return True

    def status(self) -> str:
        """Return the newest line of the run's progress bar."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 2000))
            text = file.read().decode(errors="replace")
        lines = [line for line in text.replace("\r", "\n").split("\n") if "%|" in line]
        return (
            f"{self.run.name:<14} {self.stage[0]:<5} {lines[-1].strip() if lines else 'starting'}"
        )


class Display:
    """Status lines that overwrite themselves on a terminal, and appear now and then in a file."""

    def __init__(self) -> None:
        self.lines = 0
        self.shown = 0.0

    def show(self, lines: list[str]) -> None:
        """Show the newest status."""
        if sys.stdout.isatty():
            width = os.get_terminal_size().columns - 1
            print(f"\x1b[{self.lines}F\x1b[J" * bool(self.lines), end="")
            print("\n".join(line[:width] for line in lines), flush=True)
            self.lines = len(lines)
        elif time.monotonic() - self.shown > 30:
            print("\n".join(lines), flush=True)
            self.shown = time.monotonic()

    def leave(self, line: str) -> None:
        """Print a line that stays."""
        if self.lines:
            print(f"\x1b[{self.lines}F\x1b[J", end="")
            self.lines = 0
        print(line, flush=True)
