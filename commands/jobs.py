"""Execution of the runs of a study, several at a time, with one process per stage.

Runs that are finished are skipped, interrupted ones are resumed, and a failed one does not keep the
others from running. A study that is ended ends its runs, which write their checkpoints first.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from commands.study import StudyRun

PROGRAM = Path(__file__).parents[1] / "cli.py"
MOVES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What progress bars within others move the cursor by."""

PATIENCE = 20.0
"""Seconds that runs are given to end by themselves after an interruption by the keyboard."""


def run_all(runs: Sequence[StudyRun], jobs: int, cores: int) -> list[StudyRun]:
    """Run the unfinished runs, `jobs` at a time, and return those that failed.

    The cores are divided again whenever a stage starts, so that the last runs use all of them.

    Raises:
        SystemExit: SIGTERM was received; all runs have been terminated.
    """
    with jobs_that_end() as active:
        return run_jobs([run for run in runs if not run.finished], active, jobs, cores)


@contextmanager
def jobs_that_end() -> Iterator[list["Job"]]:
    """Give a list for active jobs, which are ended if the `with` block ends with an error.

    Raises:
        SystemExit: SIGTERM was received; all jobs have been terminated.
    """
    active: list[Job] = []
    try:
        with exit_on_sigterm():
            yield active
    except BaseException as reason:
        end(active, PATIENCE if isinstance(reason, KeyboardInterrupt) else 0.0)
        raise


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on the first SIGTERM; a second SIGTERM ends the process at once."""

    def ask(signum: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signum, signal.SIG_DFL)
        raise SystemExit(128 + signum)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end(active: Sequence["Job"], patience: float) -> None:
    """Wait until all jobs have ended; terminate them after `patience` seconds.

    A keyboard interrupt also reaches the jobs, which then need time to save, not a second signal.
    """
    limit = time.monotonic() + patience
    while any(job.process.poll() is None for job in active) and time.monotonic() < limit:
        time.sleep(0.1)
    for job in active:
        if job.process.poll() is None:
            job.process.terminate()
    for job in active:
        job.process.wait()


def run_jobs(waiting: list[StudyRun], active: list["Job"], jobs: int, cores: int) -> list[StudyRun]:
    """Run the waiting jobs, keep the list `active` up to date, and return the runs that failed."""
    failed, taken = [], list[float]()
    display = Display()
    while waiting or active:
        threads = max(1, cores // min(jobs, len(active) + len(waiting)))
        while len(active) < jobs and (run := next_run(waiting, [job.run for job in active])):
            waiting.remove(run)
            active.append(Job(run, threads))
        time.sleep(0.5)
        display.show([job.status() for job in active])
        for job in list(active):
            if job.advance(threads):
                active.remove(job)
                taken.append(time.monotonic() - job.began)
                ended = f"{'failed' if job.failed else 'done'} after {minutes(taken[-1])}"
                left = what_is_left(taken, len(waiting) + len(active), jobs)
                display.leave(f"{job.run.name}: {ended}{left}")
                if job.failed:
                    failed.append(job.run)
    return failed


def next_run(waiting: Sequence[StudyRun], active: Sequence[StudyRun]) -> StudyRun | None:
    """Return the first waiting run whose arguments name no folder of a run that has not ended.

    A run that is fine-tuned from another one begins after it. Of runs that wait for each other the
    first one is returned.

    Args:
        waiting: Runs that have not begun.
        active: Runs that have begun and not ended.
    """
    for run in waiting:
        others = [f"{other.folder}/" for other in (*waiting, *active) if other is not run]
        if not any(folder in word for folder in others for word in run.arguments):
            return run
    return waiting[0] if waiting and not active else None


def what_is_left(taken: Sequence[float], left: int, jobs: int) -> str:
    """Return how many runs are left, and how long they last if each takes as long as those before.

    Args:
        taken: Time that each ended run took [s].
        left: Number of runs that wait or have begun.
        jobs: Number of runs at a time.

    Example:
        Three runs, two at a time, of which each takes 90 seconds:

        >>> what_is_left([60.0, 120.0], left=3, jobs=2)
        '; 3 more, about 3 min'
    """
    rounds = -(-left // jobs)
    return f"; {left} more, about {minutes(rounds * sum(taken) / len(taken))}" if left else ""


def minutes(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> minutes(40.2), minutes(150.0), minutes(4500.0)
        ('40 s', '2 min', '75 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Job:
    """Processes of one run, one per stage, whose output is written to `log.txt`.

    Raises:
        ValueError: Another study is executing this run.
    """

    def __init__(self, run: StudyRun, threads: int) -> None:
        self.run = run
        self.stages = run.commands()
        self.failed = False
        self.began = time.monotonic()
        run.folder.mkdir(parents=True, exist_ok=True)
        self.log = run.folder / "log.txt"
        self.output = self.log.open("a")
        if not locked(self.output):
            raise ValueError(f"{run.folder}: another study is at work here; wait for it or end it.")
        self.start(threads)

    def start(self, threads: int) -> None:
        """Start the next stage."""
        self.stage = self.stages.pop(0)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *self.stage],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def advance(self, threads: int) -> bool:
        """Start the next stage if the present one has ended; return whether the run is complete."""
        if self.process.poll() is None:
            return False
        self.failed = bool(self.process.returncode)
        if self.stages and not self.failed:
            self.start(threads)
            return False
        self.output.close()
        return True

    def status(self) -> str:
        """Return the newest line of the run's progress bar."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 2000))
            text = MOVES.sub("", file.read().decode(errors="replace"))
        lines = [line for line in text.replace("\r", "\n").split("\n") if "%|" in line]
        return (
            f"{self.run.name:<14} {self.stage[0]:<5} {lines[-1].strip() if lines else 'starting'}"
        )


def locked(file: TextIO) -> bool:
    """Lock a file for this process and its children; return False if it is already locked."""
    try:
        import fcntl
    except ImportError:  # not on Windows: two studies may then be at work on one run
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Display:
    """Status lines that overwrite themselves on a terminal, and appear at intervals in a file."""

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
        """Print a line that later status lines do not overwrite."""
        if self.lines:
            print(f"\x1b[{self.lines}F\x1b[J", end="")
            self.lines = 0
        print(line, flush=True)
