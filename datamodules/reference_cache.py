"""Statistics of the data that are computed once and cached in the folder of the data."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.atomic import locked_folder
from datamodules.files.provenance import canonical
from datamodules.files.sealed import load, save
from datamodules.notices import notify

Arrays = Mapping[str, np.ndarray]


def cached(
    root: Path, content: str, definition: Mapping[str, Any], compute: Callable[[], Arrays]
) -> Arrays:
    """Return the arrays that `compute` returns, from a file if they were computed before.

    The file is in `reference/` of the data set. Its name is a hash of the contents and of the
    definition, so that it is never used for other data or another definition. A damaged file is
    replaced. If the folder cannot be written, the arrays are computed each time.

    Args:
        root: Folder of the data set.
        content: Hash of the data from which the arrays are computed.
        definition: Everything else that determines the arrays, with a `name`.
        compute: Function that computes the arrays, by name.
    """
    text = canonical({"content": content, "definition": definition})
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(root) / "reference" / f"{definition['name']}-{name}.npz"
    with ExitStack() as stack:
        arrays = _kept(path, text)  # before waiting for processes that compute other arrays
        if arrays is None:
            alone = _enter(stack, path.parent)
            arrays = _kept(path, text)
            if arrays is None:
                arrays = {key: np.asarray(value) for key, value in compute().items()}
                if alone:
                    _keep(path, text, arrays)
        return arrays


def _kept(path: Path, text: str) -> dict[str, np.ndarray] | None:
    """Return the cached arrays, or None if the file is missing or damaged."""
    try:
        arrays = load(path, text)
    except OSError:  # missing, or not readable by this user
        return None
    if arrays is None:
        notify(f"{path} is not as it was written; it is computed again.")
    return arrays


def _keep(path: Path, text: str, arrays: Arrays) -> None:
    """Write arrays to the cache, if there is room for them."""
    try:
        save(path, text, arrays)
    except OSError as error:
        notify(f"{error} Until then {path.name} is computed again each time.")


def _enter(stack: ExitStack, folder: Path) -> bool:
    """Lock a folder until the end of the stack; return whether it can be written."""
    try:
        stack.enter_context(locked_folder(folder))
    except OSError as error:
        notify(f"{error} Until then its contents are computed again each time.")
        return False
    return True
