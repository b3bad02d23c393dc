"""Statistics of the data that are computed once and kept beside them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.netcdf import write_whole, written_whole
from datamodules.provenance import canonical
from datamodules.segments import alone_in

Arrays = Mapping[str, np.ndarray]


def hash_of(root: Path, path: Path, names: Sequence[str], compute: Callable[[], str]) -> str:
    """Return the hash of the contents of a file, computed anew whenever the file was changed.

    Hashes are kept in `reference/hashes.json` of the data set with the size and the time of the
    last change of each file.

    Args:
        root: Folder of the data set.
        path: File.
        names: Variables that count.
        compute: Makes the hash of their contents.
    """
    known, state = Path(root) / "reference" / "hashes.json", path.stat()
    name, stamp = f"{path.resolve()}:{','.join(names)}", [state.st_size, state.st_mtime_ns]
    try:
        with alone_in(known.parent):
            hashes = json.loads(known.read_text()) if known.is_file() else {}
            if hashes.get(name, [None])[:-1] != stamp:
                hashes[name] = [*stamp, compute()]
                write_whole(known, json.dumps(hashes, indent=1))
        return hashes[name][-1]
    except OSError:
        return compute()


def cached(
    root: Path, content: str, definition: Mapping[str, Any], compute: Callable[[], Arrays]
) -> Arrays:
    """Return the arrays that `compute` makes of data, read from a file if they were made before.

    The file lies in `reference/` of the data set and is named by a hash of the contents and of the
    definition, so that other data or another definition never meet it. Where the folder cannot be
    written the arrays are computed anew each time.

    Args:
        root: Folder of the data set.
        content: Hash of the contents that the arrays are made of.
        definition: Everything else that determines them, with a `name`.
        compute: Makes them.
    """
    text = canonical({"content": content, **definition})
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(root) / "reference" / f"{definition['name']}-{name}.npz"
    try:
        with alone_in(path.parent):
            if not path.exists():
                with written_whole(path) as temporary, temporary.open("wb") as file:
                    np.savez(file, **compute())
    except OSError:
        return compute()
    with np.load(path) as file:
        return dict(file)
