"""The files of a split, found by a pattern."""

import glob
import os
from pathlib import Path


def inspection_of(path: Path) -> str:
    """Return the end of a message on a file: the command that describes it."""
    return f"`emulate inspect {path}` shows what it holds."


def find_files(root: Path, pattern: str) -> list[Path]:
    """Return the files that match a pattern below a folder, in the order of their names.

    In the pattern `*`, `?` and `[...]` have the meaning of the shell, `**` matches folders of any
    depth and `~` is the home folder; the name of the folder is taken literally. A pattern that is
    the name of an existing file matches that file alone.

    Args:
        root: Folder.
        pattern: Pattern relative to the folder, or absolute.
    """
    pattern = os.path.expanduser(pattern)
    literal = Path(root) / pattern
    if literal.exists():
        return [literal]
    escaped = pattern if os.path.isabs(pattern) else os.path.join(glob.escape(str(root)), pattern)
    return [Path(path) for path in sorted(glob.glob(escaped, recursive=True))]
