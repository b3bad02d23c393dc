"""Notes on the terminal, each printed once and by one process."""

import os
import sys

_said: set[str] = set()


def notify(text: str) -> None:
    """Print a note to standard error, once per process, on rank zero only."""
    if text in _said or any(os.environ.get(name, "0") != "0" for name in ("RANK", "LOCAL_RANK")):
        return
    _said.add(text)
    print(f"note: {text}", file=sys.stderr, flush=True)
