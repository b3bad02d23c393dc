"""Statistics of the data that are computed once and kept beside them."""

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
    """Return the arrays that `compute` makes of data, read from a file if they were made before.

    The file lies in `reference/` of the data set and is named by a hash of the contents and of the
    definition, so that other data or another definition never meet it. One that is not as it was
    written is made again. Where the folder cannot be written the arrays are computed again each
    time.

    Args:
        root: Folder of the data set.
        content: Hash of the contents that the arrays are made of.
        definition: Everything else that determines them, with a `name`.
        compute: Makes them.
    """
    text = canonical({"content": content, "definition": definition})
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(root) / "reference" / f"{definition['name']}-{name}.npz"
    with ExitStack() as stack:
        arrays = _kept(path, text)  # before waiting for those who compute others
        if arrays is None:
            alone = _enter(stack, path.parent)
            arrays = _kept(path, text)
            if arrays is None:
                arrays = {key: np.asarray(value) for key, value in compute().items()}
                if alone:
                    _keep(path, text, arrays)
        return arrays


def _kept(path: Path, text: str) -> dict[str, np.ndarray] | None:
    """Return what was kept, or None if there is nothing or if it is not as it was written."""
    try:
        arrays = load(path, text)
    except OSError:  # missing, or of somebody who does not share it
        return None
    if arrays is None:
        notify(f"{path} is not as it was written; it is computed again.")
    return arrays


def _keep(path: Path, text: str, arrays: Arrays) -> None:
    """Keep arrays for the next time, if there is room for them."""
    try:
        save(path, text, arrays)
    except OSError as error:
        notify(f"{error} Until then {path.name} is computed anew each time.")


def _enter(stack: ExitStack, folder: Path) -> bool:
    """Be alone in a folder until the end of the stack; return whether it can be written."""
    try:
        stack.enter_context(locked_folder(folder))
    except OSError as error:
        notify(f"{error} Until then what belongs there is computed anew each time.")
        return False
    return True
