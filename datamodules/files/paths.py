"""The files of a split, found by a pattern."""

import glob
import os
from pathlib import Path


def find_files(root: Path, pattern: str) -> list[Path]:
    """Return the files that match a pattern below a folder, in the order of their names.

    The folder is taken as it is written, brackets and all; in the pattern `*`, `?` and `[...]` have
    the meaning of the shell, `**` stands for folders of any depth and `~` for the home folder. A
    pattern that is the name of a file means that file. An absolute pattern does not need the root.
    """
    pattern = os.path.expanduser(pattern)
    literal = Path(root) / pattern
    if literal.exists():
        return [literal]
    escaped = pattern if os.path.isabs(pattern) else os.path.join(glob.escape(str(root)), pattern)
    return [Path(path) for path in sorted(glob.glob(escaped, recursive=True))]
