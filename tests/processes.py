"""Real processes: started in a group of their own, which is killed whole if it hangs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def heed_interrupts():
    """Let Control-C end a process, though the workers of pytest-xdist ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words):
    """Start Python; what it says goes to log.txt in the working directory."""
    # torch leaves the port of a process group of the tests' own process behind
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MASTER_")}
    with open("log.txt", "w") as log:
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=heed_interrupts,
            env={**kept, "OMP_NUM_THREADS": "1"},
        )


def wait(process):
    """Return the exit status of a process and what it said."""
    try:
        status = process.wait(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return status, Path("log.txt").read_text()


def wait_for(path, process):
    """Wait until a process has written a file."""
    limit = time.monotonic() + 120
    while not Path(path).exists():
        assert process.poll() is None, Path("log.txt").read_text()[-3000:]
        assert time.monotonic() < limit, f"no {path} after two minutes"
        time.sleep(0.05)
