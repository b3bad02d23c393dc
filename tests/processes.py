"""Programs in processes of their own, which are killed with all of theirs if they hang.

Python with its libraries takes four seconds to start: these processes are copies of one that has
imported them, and in which nothing else has happened.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from torch.distributed.launcher import LaunchConfig, elastic_launch

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["commands.stages", "commands.generate", "callbacks.comparison"])


class Program:
    """A program that was started; what it says goes to log.txt in the working directory."""

    def __init__(self, words: Sequence[str], ranks: int) -> None:
        # torch leaves the port of a process group of the tests' own process behind
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MASTER_")}
        environment = {**kept, "OMP_NUM_THREADS": "1"}
        self.process = FORKS.Process(target=become, args=(words, ranks, os.getcwd(), environment))
        self.process.start()
        self.pid = self.process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


def start(*words, ranks=0):
    """Start a Python program: a file and its arguments, of several ranks as `torchrun` does it."""
    return Program([str(word) for word in words], ranks)


def become(words, ranks, folder, environment):
    """Run a program in this process, as if it had been started from a shell."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log := opened()), (2, log)):
        os.dup2(target, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server ignores it
    try:
        if ranks:
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=ranks,
                run_id=str(uuid.uuid4()),
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                max_restarts=0,
                monitor_interval=1,  # before it ends the others, they say why they end
                start_method="fork",
            )
            elastic_launch(config, run)(words)
        else:
            run(words)
    finally:
        atexit._run_exitfuncs()


def opened():
    """Open the log; what several processes write into it stands one after the other."""
    return os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)


def run(words):
    """Run a file as the main program."""
    sys.argv = words
    sys.path.insert(0, str(Path(words[0]).resolve().parent))
    runpy.run_path(words[0], run_name="__main__")


def wait(program):
    """Return the exit status of a program and what it said."""
    program.process.join(timeout=120)
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)
        program.process.join()
        raise TimeoutError(f"{Path('log.txt').read_text()[-3000:]}\nstill runs after two minutes")
    return program.poll(), Path("log.txt").read_text()


def wait_for(path, program):
    """Wait until a program has written a file."""
    limit = time.monotonic() + 120
    while not Path(path).exists():
        assert program.poll() is None, Path("log.txt").read_text()[-3000:]
        assert time.monotonic() < limit, f"no {path} after two minutes"
        time.sleep(0.05)
