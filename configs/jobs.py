"""The runs of a study, several at a time, each a process per stage.

Runs that are finished are skipped, interrupted ones are resumed, and a failed one does not keep the
others from running.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from configs.study import StudyRun

PROGRAM = Path(__file__).parents[1] / "cli.py"


def run_all(runs: Sequence[StudyRun], jobs: int, cores: int) -> list[StudyRun]:
    """Run the unfinished runs, `jobs` at a time, and return those that failed.

    The cores are shared out anew whenever a stage starts, so that the last runs have them all.
    """
    waiting = [run for run in runs if not run.finished]
    active: list[Job] = []
    failed = []
    display = Display()
    while waiting or active:
        threads = max(1, cores // min(jobs, len(active) + len(waiting)))
        while waiting and len(active) < jobs:
            active.append(Job(waiting.pop(0), threads))
        time.sleep(0.5)
        display.show([job.status() for job in active])
        for job in list(active):
            if job.advance(threads):
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
        self.failed = False
        run.folder.mkdir(parents=True, exist_ok=True)
        self.log = run.folder / "log.txt"
        self.start(threads)

    def start(self, threads: int) -> None:
        """Start the next stage."""
        self.stage = self.stages.pop(0)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *self.stage],
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("a"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def advance(self, threads: int) -> bool:
        """Go on to the next stage if one ended; return whether the run is over."""
        if self.process.poll() is None:
            return False
        if self.process.returncode:
            self.failed = True
            return True
        if self.stages:
            self.start(threads)
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
