"""Help of commands, kept from one call to the next.

Torch and Lightning, of whose classes the help of a stage is made, take seconds to load. Its text is
kept in the user's cache, and made again after a change of the program, of a library or of the width
of the terminal.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path

from datamodules.files.atomic import atomic_write

HOME = Path(__file__).parents[1]
SOURCES = ("callbacks/**/*.py", "commands/*.py", "datamodules/**/*.py", "emulators/**/*.py")
LIBRARIES = ("torch", "lightning", "torchmetrics", "jsonargparse", "docstring-parser")


def print_kept(words: Sequence[str]) -> bool:
    """Print the help that is asked for, and return whether it was kept."""
    if not is_help(words):
        return False
    try:
        key, _, text = file_of(words).read_text(encoding="utf-8").partition("\n")
    except (OSError, RuntimeError, UnicodeDecodeError):  # RuntimeError: there is no home folder
        return False
    if key != key_of(words):
        return False
    print(text, end="")
    return True


@contextmanager
def keeping(words: Sequence[str]) -> Iterator[None]:
    """Keep the help that is printed within a `with` block, if the words ask for help alone."""
    if not is_help(words):
        yield
        return
    text = StringIO()
    try:
        with redirect_stdout(text):
            yield
    except SystemExit as end:
        if not end.code:
            keep(words, text.getvalue())
        raise
    else:
        keep(words, text.getvalue())
    finally:
        print(text.getvalue(), end="")


def is_help(words: Sequence[str]) -> bool:
    """Return whether the words are a command and a request for its help, and nothing else."""
    return len(words) == 2 and not words[0].startswith("-") and words[1] in ("-h", "--help")


def keep(words: Sequence[str], text: str) -> None:
    """Write a text into the cache, if there can be one."""
    with suppress(OSError, RuntimeError):  # RuntimeError: there is no home folder
        path = file_of(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, f"{key_of(words)}\n{text}")


def file_of(words: Sequence[str]) -> Path:
    """Return the file that keeps the help of a command."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "implicit-emulators" / f"help-{Path(words[0]).name}.txt"


def key_of(words: Sequence[str]) -> str:
    """Return a hash of all that the help of a command depends on."""
    files = [*(path for pattern in SOURCES for path in HOME.glob(pattern)), HOME / "cli.py"]
    states = [(str(path), path.stat().st_mtime_ns) for path in (*files, *HOME.glob("configs/*"))]
    libraries = [installed(name) for name in LIBRARIES]
    width = shutil.get_terminal_size().columns
    return sha256(repr([words, sys.version, width, libraries, sorted(states)]).encode()).hexdigest()


def installed(name: str) -> str | None:
    """Return the version of a library, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
